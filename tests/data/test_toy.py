from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from vadsdk.data import toy
from vadsdk.data.dataset import open_dataset
from vadsdk.data.native_writer import NativeVideo
from vadsdk.data.toy import generate_toy_dataset
from vadsdk.data.toy_render import TOY_LABELS, render_clip
from vadsdk.errors import ConfigError, DatasetError

NUM_CLIPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("toy") / "data"
    generate_toy_dataset(out, num_clips=NUM_CLIPS, seed=5, num_workers=1)
    return out


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_same_seed_gives_the_same_files_whatever_the_number_of_workers(
    folder: Path, tmp_path: Path
) -> None:
    generate_toy_dataset(tmp_path / "again", num_clips=NUM_CLIPS, seed=5, num_workers=2)
    assert files(tmp_path / "again") == files(folder)


def test_a_smaller_data_set_is_the_beginning_of_a_larger_one(folder: Path, tmp_path: Path) -> None:
    generate_toy_dataset(tmp_path / "small", num_clips=1, seed=5, num_workers=1)
    small, large = (
        json.loads((f / "dataset.json").read_text()) for f in (tmp_path / "small", folder)
    )
    assert small["videos"] == large["videos"][:1]
    video = small["videos"][0]["path"]
    assert (tmp_path / "small" / video).read_bytes() == (folder / video).read_bytes()


def test_the_videos_are_h264_of_320x240_at_25_frames_a_second(folder: Path) -> None:
    for path in (folder / "videos").iterdir():
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert (stream.width, stream.height, stream.average_rate) == (320, 240, 25)


def test_the_data_set_opens_and_holds_what_was_rendered(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert dataset.format == "vadsdk"
    assert dataset.labels == TOY_LABELS
    for index, record in enumerate(dataset.records):
        clip = render_clip(5, index)
        assert (record.split, record.num_frames) == (clip.split, len(clip.images))
        for kept, made in zip(record.tubes, clip.tubes, strict=True):
            assert kept.label == made.label
            np.testing.assert_array_equal(kept.boxes_xyxy, made.boxes_xyxy)
        frames = np.arange(len(clip.images))
        np.testing.assert_array_equal(dataset.actor_masks(record, frames), clip.masks.any(axis=0))


def test_the_decoded_frames_look_like_the_rendered_ones(folder: Path) -> None:
    clip = render_clip(5, 0)
    with av.open(str(folder / "videos" / f"{clip.name}.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == len(clip.images)
    for decoded, rendered in zip(frames, clip.images, strict=True):
        assert np.abs(decoded.astype(int) - rendered).mean() < 6


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"is not an empty folder.*Choose another folder"):
        generate_toy_dataset(tmp_path, num_clips=1, num_workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(DatasetError, match="is not an empty folder"):
        generate_toy_dataset(tmp_path / "mine.txt", num_clips=1, num_workers=1)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    generate_toy_dataset(out, num_clips=1, num_workers=1)
    assert (out / "dataset.json").is_file()


def test_progress_is_told_after_every_clip(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate_toy_dataset(
        tmp_path / "data",
        num_clips=2,
        num_workers=1,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]


def test_a_broken_off_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_toy_dataset(tmp_path / "data", num_clips=2, num_workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, seed: int, index: int) -> NativeVideo:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(toy, "_write_clip", full)
    with pytest.raises(DatasetError, match=r"No space left on device.*Free some space"):
        generate_toy_dataset(tmp_path / "data", num_clips=1, num_workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"num_clips": 0}, {"seed": -1}, {"num_workers": 0}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ConfigError, match=f"{name}={value}"):
        generate_toy_dataset(tmp_path / "data", **wrong)
