from __future__ import annotations

import io
import sys
from pathlib import Path

import cv2
import pytest
from rich.console import Console
from tiny_data import LABELS, add_video, make_tube

from vadsdk.data.dataset import open_dataset
from vadsdk.data.native_writer import write_dataset
from vadsdk.data.stats import class_table, describe, split_table
from vadsdk.data.stats_picture import _examples, require_picture_path, save_picture
from vadsdk.errors import ConfigError


def make_uneven(folder: Path) -> Path:
    """Nobody waves."""
    tubes = (make_tube("jump", 0, 5), make_tube("jump", 10, 20, id=1))
    videos = [
        add_video(folder, "a", tubes),
        add_video(folder, "b", labelled=False),
        add_video(folder, "c", tubes[:1], split="test"),
    ]
    write_dataset(folder, LABELS, videos)
    return folder


def test_videos_tubes_lengths_and_boxes_are_counted(tmp_path: Path) -> None:
    stats = describe(open_dataset(make_uneven(tmp_path)))
    test, train = stats.splits
    assert (test.num_videos, test.num_labelled, test.num_frames, test.num_actions) == (1, 1, 20, 1)
    assert (train.num_videos, train.num_labelled, train.num_frames, train.num_actions) == (
        2, 1, 40, 2,
    )  # fmt: skip
    assert train.seconds == 4
    jump, wave = stats.classes
    assert jump.num_videos == {"test": 1, "train": 1}
    assert jump.num_actions == {"test": 1, "train": 2}
    assert sorted(jump.lengths.tolist()) == [5, 5, 10]
    assert jump.box_sizes.tolist() == [[16, 24]] * 3
    assert jump.box_areas[0] == pytest.approx(16 * 24 / (64 * 48))
    assert not len(wave.lengths)


def test_tables_show_the_numbers(tmp_path: Path) -> None:
    stats = describe(open_dataset(make_uneven(tmp_path)))
    console = Console(width=120, file=io.StringIO())
    console.print(split_table(stats))
    console.print(class_table(stats))
    text = console.file.getvalue()
    assert "5, 5, 10" in text
    assert "1, 2" in text
    assert "16 x 24" in text
    assert "12.5" in text


def test_names_like_formulas_are_drawn(tmp_path: Path) -> None:
    label = r"$5 and \frac$"
    write_dataset(tmp_path, (label,), [add_video(tmp_path, "a", (make_tube(label, 0, 5),))])
    dataset = open_dataset(tmp_path)
    save_picture(dataset, describe(dataset), tmp_path / "stats.png")
    assert (tmp_path / "stats.png").is_file()


def test_the_picture_is_written_even_without_examples(tmp_path: Path) -> None:
    dataset = open_dataset(make_uneven(tmp_path))
    for path in (tmp_path / "videos").iterdir():
        path.write_bytes(b"broken")
    save_picture(dataset, describe(dataset), tmp_path / "stats.png")
    assert cv2.imread(str(tmp_path / "stats.png")).shape[1] > 1000


def test_the_picture_shows_an_example_of_each_class(native_folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(native_folder)
    save_picture(dataset, describe(dataset), tmp_path / "stats.png")
    image = cv2.cvtColor(cv2.imread(str(tmp_path / "stats.png")), cv2.COLOR_BGR2RGB)
    outlined = (abs(image.astype(int) - (255, 210, 0)) < 30).all(axis=2)
    num_boxes, _ = cv2.connectedComponents(outlined.astype("uint8"))
    assert num_boxes - 1 == 2


def test_the_picture_tints_the_actor_whose_box_it_shows(tmp_path: Path) -> None:
    tubes = (make_tube("jump", 0, 9), make_tube("jump", 0, 9, id=1, left=40.0))
    write_dataset(tmp_path, ("jump",), [add_video(tmp_path, "a", tubes, masks=True)])
    ((_, image),) = _examples(open_dataset(tmp_path))
    is_tinted = image[:, :, 0].astype(int) - image[:, :, 2] > 50
    assert is_tinted[20, 16]
    assert not is_tinted[:, 30:].any()


@pytest.mark.parametrize("name", ["s.xyz", "folder"])
def test_a_picture_that_cannot_be_is_refused_before_anything_is_read(
    native_folder: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        ConfigError, match=r"unknown kind of picture 'xyz'|is a folder; give a file"
    ):
        require_picture_path(tmp_path / name)
    require_picture_path(tmp_path / "s.PNG")


def test_a_missing_matplotlib_says_what_to_install(
    native_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    dataset = open_dataset(native_folder)
    with pytest.raises(ConfigError, match=r'pip install "vadsdk\[train\]"'):
        save_picture(dataset, describe(dataset), tmp_path / "stats.png")
