from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tiny_data import make_dataset
from tiny_videos import write_video
from typer.testing import CliRunner, Result

from vadsdk import Detector
from vadsdk.cli.app import app
from vadsdk.data.dataset import open_dataset
from vadsdk.export import ExportReport


def data(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)], env={"COLUMNS": "140"})


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    folder.mkdir()
    for name in ("a", "b"):
        write_video(folder / f"{name}.mp4", 24)
    return folder


@pytest.mark.parametrize("format", ["cvat", "coco"])
def test_what_a_model_drew_comes_back_as_a_data_set(
    tiny_export: ExportReport, footage: Path, format: str
) -> None:
    model = tiny_export.path
    done = data("prelabel", model, footage, "--format", format, "--min-score", 0, "--boxes-only")
    assert done.exit_code == 0, done.output
    dataset = open_dataset(footage)
    assert dataset.format == format
    assert [record.name for record in dataset.records] == ["a.mp4", "b.mp4"]
    expected = Detector.load(model).predict(footage / "a.mp4").tubes
    assert expected
    found = dataset.records[0].tubes
    assert sorted(tube.label for tube in found) == sorted(tube.label for tube in expected)
    for tube, drawn in zip(
        sorted(found, key=lambda tube: tube.start_frame),
        sorted(expected, key=lambda tube: tube.start_frame),
        strict=True,
    ):
        assert tube.frame_indices.tolist() == drawn.frame_indices.tolist()
        assert tube.boxes_xyxy == pytest.approx(drawn.boxes_xyxy, abs=0.02)
    assert f"{2 * len(expected)} tubes in 2 videos, 0 left out" in done.output


@pytest.mark.parametrize("format", ["cvat", "coco"])
def test_masks_that_a_model_drew_come_back_pixel_for_pixel(
    tiny_export: ExportReport, footage: Path, format: str
) -> None:
    done = data("prelabel", tiny_export.path, footage, "--format", format, "--min-score", 0)
    assert done.exit_code == 0, done.output
    dataset = open_dataset(footage)
    assert dataset.has_masks
    result = Detector.load(tiny_export.path).predict(footage / "a.mp4")
    drawn = {frame for tube in result.tubes for frame in tube.frame_indices.tolist()}
    ids = {tube.id for tube in result.tubes}
    record = dataset.records[0]
    for frame in result.frames:
        if frame.index in drawn:
            rows = np.isin(frame.detections.track_ids, list(ids))
            expected = frame.detections.masks[rows].any(axis=0)
            found = dataset.actor_masks(record, [frame.index])[0]
            np.testing.assert_array_equal(found, expected)
    assert f"tubes ({2 * len(ids)} with masks) in 2 videos" in done.output


def test_trimmed_videos_without_boxes_are_not_exported(tmp_path: Path) -> None:
    write_video(tmp_path / "set" / "wave" / "a.mp4", 4)
    (tmp_path / "set" / "my_train.txt").write_text("wave/a.mp4 4 0\n", encoding="utf-8")
    done = data("export", tmp_path / "set", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "wave/a.mp4 has one class as a whole and no boxes, which cvat" in done.stderr
    assert not (tmp_path / "out").exists()


def test_weak_tubes_and_broken_videos_are_left_out(
    tiny_export: ExportReport, footage: Path, tmp_path: Path
) -> None:
    (footage / "c.mp4").write_text("no video", encoding="utf-8")
    out = tmp_path / "out"
    done = data("prelabel", tiny_export.path, footage, "--min-score", 1, "--out", out)
    assert done.exit_code == 0, done.output
    assert "0 tubes in 2 videos, 1 left out" in done.output
    assert "c.mp4 is not a video" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["a.xml", "b.xml"]


def test_a_data_set_goes_to_cvat_and_comes_back(tmp_path: Path) -> None:
    assert data("toy", "--out", tmp_path / "toy", "--num-clips", 3).exit_code == 0
    toy = open_dataset(tmp_path / "toy")
    out = tmp_path / "tool"
    done = data("export", tmp_path / "toy", "--format", "cvat", "--out", out)
    assert done.exit_code == 0, done.output
    for record in toy.records:
        (out / record.name).hardlink_to(record.path)
    done = data("import", "cvat", out, "--out", tmp_path / "again")
    assert done.exit_code == 0, done.output
    again = {
        record.name.split("/")[-1]: record for record in open_dataset(tmp_path / "again").records
    }
    for record in toy.records:
        twin = again[record.name.split("/")[-1]]
        assert sorted((t.label, t.start_frame, t.end_frame) for t in twin.tubes) == sorted(
            (t.label, t.start_frame, t.end_frame) for t in record.tubes
        )
        assert (twin.split, twin.num_frames) == (record.split, record.num_frames)


@pytest.mark.parametrize(("format", "name"), [("cvat", "b.xml"), ("coco", "annotations.json")])
def test_what_a_person_may_have_corrected_is_not_replaced_unasked(
    tiny_export: ExportReport, footage: Path, format: str, name: str
) -> None:
    (footage / name).write_text("precious", encoding="utf-8")
    arguments = ("prelabel", tiny_export.path, footage, "--format", format, "--min-score", 0)
    refused = data(*arguments)
    assert refused.exit_code == 1
    assert f"{footage / name} exists already and may hold corrections; give another" in " ".join(
        refused.stderr.split()
    )
    assert (footage / name).read_text(encoding="utf-8") == "precious"
    assert data(*arguments, "--overwrite").exit_code == 0
    assert len(open_dataset(footage).records) == 2


def test_an_export_replaces_nothing_unasked(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "set")
    arguments = ("export", folder, "--out", tmp_path / "out", "--format", "coco")
    assert data(*arguments).exit_code == 0
    refused = data(*arguments)
    assert refused.exit_code == 1
    assert "annotations.json exists already" in refused.stderr
    assert data(*arguments, "--overwrite").exit_code == 0
    arguments = ("export", folder, "--out", tmp_path / "out", "--format", "cvat")
    assert data(*arguments).exit_code == 0
    assert ".xml and 7 more exist already and may hold" in data(*arguments).stderr


@pytest.mark.parametrize("name", ["a.mkv", os.fsdecode(b"caf\xe9.mp4")])
def test_names_that_cvat_cannot_hold_are_told_before_the_model_runs(
    footage: Path, tmp_path: Path, name: str
) -> None:
    (footage / name).write_bytes(b"")
    no_model = tmp_path / "absent.onnx"
    done = data("prelabel", no_model, footage)
    assert done.exit_code == 1
    expected = "a.xml would hold 2 videos" if name == "a.mkv" else "cannot stand in XML; rename"
    assert expected in " ".join(done.stderr.split())


def test_an_unknown_format_lists_those_there_are(tmp_path: Path) -> None:
    assert data("toy", "--out", tmp_path / "toy", "--num-clips", 1).exit_code == 0
    done = data("export", tmp_path / "toy", "--format", "cvta", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "unknown annotation format 'cvta'. Did you mean 'cvat'" in done.stderr
