from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_network import SPEC, TinyNetwork
from tiny_videos import write_video
from typer.testing import CliRunner, Result

from vadsdk.cli.app import app
from vadsdk.data.native_writer import NativeVideo, write_dataset
from vadsdk.export.parity_clips import video_clips
from vadsdk.models.checkpoint_file import save_checkpoint
from vadsdk.runtime import load_model


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run folder whose network is the tiny one, which `build_model` does not know."""
    monkeypatch.setattr("vadsdk.models.build_model", lambda *named: TinyNetwork())
    save_checkpoint(tmp_path / "run" / "best.safetensors", TinyNetwork(seed=3), SPEC)
    return tmp_path / "run"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    videos = []
    for index, num_frames in enumerate((5, 12, 20)):
        write_video(tmp_path / "data" / "videos" / f"{index}.mp4", num_frames)
        videos.append(
            NativeVideo(
                path=f"videos/{index}.mp4",
                split="test",
                num_frames=num_frames,
                fps=25.0,
                width=64,
                height=48,
            )
        )
    write_dataset(tmp_path / "data", SPEC.labels, videos)
    return tmp_path / "data"


def export(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)], env={"COLUMNS": "120"})


def test_a_run_becomes_a_file_with_the_run_s_weights(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    done = export(run, "--format", "onnx", "--precision", "fp32", "--out", out)
    assert done.exit_code == 0, done.output
    clips = np.full((1, 4, 24, 32, 3), 90, np.uint8)
    np.testing.assert_allclose(
        load_model(out).infer(clips).class_scores,
        load_model(run).infer(clips).class_scores,
        atol=1e-5,
    )
    assert "4 made-up clips" in done.stdout
    assert f"vadsdk predict {out}" in done.stdout.replace("\n", "")


def test_parity_is_checked_on_the_given_footage(run: Path, data: Path, tmp_path: Path) -> None:
    done = export(run, "--out", tmp_path / "model.onnx", "--data", data)
    assert done.exit_code == 0, done.output
    assert "3 real clips" in done.stdout


def test_the_footage_is_read_in_the_layout_that_is_named(
    run: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model.onnx"
    other = export(run, "--out", out, "--data", data, "--data-format", "cvat")
    assert other.exit_code == 1
    assert "CVAT" in other.stderr
    assert not out.exists()
    named = export(run, "--out", out, "--data", data, "--data-format", "vadsdk")
    assert "3 real clips" in named.stdout
    of_nothing = export(run, "--out", out, "--data-format", "vadsdk")
    assert "add --data DIR" in of_nothing.stderr


def test_clips_of_videos_are_strided_and_a_short_one_repeats_its_last_frame(data: Path) -> None:
    paths = [data / "videos" / name for name in ("0.mp4", "2.mp4")]
    clips = video_clips(paths, SPEC)
    assert clips.shape == (2, 4, 24, 32, 3)
    # frames 0 2 4 4 of five: the square stops; frames 0 2 4 6: it goes on
    stops, goes_on = (np.abs(np.diff(clip.astype(int), axis=0)).mean((1, 2, 3)) for clip in clips)
    assert stops[2] == 0
    assert (stops[:2] > 1).all()
    assert (goes_on > 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "tensorrt"), "format 'tensorrt' is not in this version"),
        (("--format", "openvino"), "format 'openvino' is not in this version"),
        (("--format", "onxx"), "unknown format 'onxx'. Did you mean 'onnx'?"),
        (("--precision", "fp16"), "precision 'fp16' is not in this version"),
        (("--precision", "int8"), "precision 'int8' is not in this version"),
    ],
)
def test_what_this_version_cannot_write_is_said_and_not_ignored(
    run: Path, tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    done = export(run, "--out", tmp_path / "model.onnx", *options)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not (tmp_path / "model.onnx").exists()


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    done = export(tmp_path / "model.onnx", "--out", tmp_path / "other.onnx")
    assert done.exit_code == 1
    assert "is not a run" in done.stderr


def test_an_output_of_another_kind_is_refused(run: Path, tmp_path: Path) -> None:
    done = export(run, "--out", tmp_path / "model.engine")
    assert done.exit_code == 1
    assert "ends in .onnx, not 'model.engine'" in done.stderr
