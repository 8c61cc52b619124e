from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from vadsdk.errors import VideoError
from vadsdk.streaming import FramesWriter, TubesWriter
from vadsdk.structures import Detections, FrameResult, Tube, TubeEvent

LABELS = ("pour", "wave")


def make_result(index: int, *, masks: bool = True, tube: Tube | None = None) -> FrameResult:
    mask = np.zeros((1, 6, 8), np.bool_)
    mask[0, 1:4, 2:7] = True
    detections = Detections(
        boxes_xyxy=np.array([[2, 1, 7, 4]], np.float32),
        class_scores=np.array([[0.25, 0.75]], np.float32),
        track_ids=np.array([3]),
        masks=mask if masks else None,
    )
    return FrameResult(
        index=index,
        pts_seconds=index / 25,
        detections=detections,
        labels=LABELS,
        events=() if tube is None else (TubeEvent(kind="ended", tube_id=tube.id, tube=tube),),
    )


def make_tube(tube_id: int) -> Tube:
    return Tube(
        id=tube_id,
        label="pour",
        score=0.5,
        frame_indices=np.array([4, 5]),
        boxes_xyxy=np.array([[1, 2, 3, 4.5], [1, 2, 3, 5]], np.float32),
        start_seconds=0.16,
        end_seconds=0.24,
    )


# pycocotools 2.0 has not followed numpy 2 in its decoder, which only this test uses.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_a_line_a_frame_as_the_contract_says(tmp_path: Path):
    path = tmp_path / "new" / "frames.jsonl"
    with FramesWriter(path) as writer:
        writer.write(make_result(12))
        writer.write(make_result(13, masks=False))
    first, second = (json.loads(line) for line in path.read_text().splitlines())

    mask = first["detections"][0].pop("mask")
    assert first == {
        "frame": 12,
        "pts_seconds": 0.48,
        "detections": [{"track_id": 3, "label": "wave", "score": 0.75, "box_xyxy": [2, 1, 7, 4]}],
    }
    assert mask["size"] == [6, 8]
    decoded = coco_mask.decode({"size": mask["size"], "counts": mask["counts"].encode()})
    expected = np.zeros((6, 8))
    expected[1:4, 2:7] = 1
    np.testing.assert_array_equal(decoded, expected)
    assert second["detections"][0]["mask"] is None


def test_tubes_are_a_json_list(tmp_path: Path):
    path = tmp_path / "tubes.json"
    with TubesWriter(path) as writer:
        writer.write(make_result(0))
        writer.write(make_result(1, tube=make_tube(3)))
        writer.write(make_result(2, tube=make_tube(4)))
    tubes = json.loads(path.read_text())
    assert [tube["id"] for tube in tubes] == [3, 4]
    assert tubes[0] == {
        "id": 3,
        "label": "pour",
        "score": 0.5,
        "start_frame": 4,
        "end_frame": 6,
        "start_seconds": 0.16,
        "end_seconds": 0.24,
        "boxes": [[4, 1, 2, 3, 4.5], [5, 1, 2, 3, 5]],
    }


def test_no_tubes_are_an_empty_list(tmp_path: Path):
    with TubesWriter(tmp_path / "tubes.json"):
        pass
    assert json.loads((tmp_path / "tubes.json").read_text()) == []


def test_the_file_has_its_name_only_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "frames.jsonl"
    with FramesWriter(path) as writer:
        writer.write(make_result(0))
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["frames.jsonl"]


def test_the_lines_of_a_live_stream_are_there_at_once_and_stay(tmp_path: Path):
    path = tmp_path / "frames.jsonl"
    writer = FramesWriter(path, is_live=True)
    writer.write(make_result(7))
    assert json.loads(path.read_text())["frame"] == 7
    with pytest.raises(ValueError, match="stop"), writer:
        stop_after(writer)
    assert len(path.read_text().splitlines()) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["frames.jsonl"]


def test_a_pipe_gets_each_line_at_once_and_stays_a_pipe(tmp_path: Path):
    pipe = tmp_path / "frames.jsonl"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with FramesWriter(pipe) as writer:
        writer.write(make_result(4))
        assert json.loads(os.read(reading, 10_000))["frame"] == 4
        writer.write(make_result(5))
    assert json.loads(os.read(reading, 10_000))["frame"] == 5
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    with TubesWriter(pipe) as tubes:
        tubes.write_tube(make_tube(3))
    assert [tube["id"] for tube in json.loads(os.read(reading, 10_000))] == [3]
    os.close(reading)


def test_a_pipe_whose_reader_ends_says_so(tmp_path: Path):
    pipe = tmp_path / "frames.jsonl"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = FramesWriter(pipe)
    os.close(reading)
    with pytest.raises(VideoError, match=r"frames\.jsonl: Broken pipe; whoever read it has ended"):
        writer.write(make_result(4))
    assert pipe.is_fifo()


@pytest.mark.parametrize("is_live", [True, False])
def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path: Path, is_live: bool):
    target, link = tmp_path / "there" / "day1.jsonl", tmp_path / "frames.jsonl"
    link.symlink_to(target)
    with FramesWriter(link, is_live=is_live) as writer:
        writer.write(make_result(4))
    assert link.is_symlink()
    assert json.loads(target.read_text())["frame"] == 4
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "frames.jsonl"
    path.write_text("old")
    writer = FramesWriter(path)
    with pytest.raises(ValueError, match="stop"), writer:
        stop_after(writer)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["frames.jsonl"]


def stop_after(writer: FramesWriter) -> None:
    writer.write(make_result(0))
    raise ValueError("stop")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VideoError, match=r"cannot write .*file/frames\.jsonl: "):
        FramesWriter(tmp_path / "file" / "frames.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path):
    path = tmp_path / "frames.jsonl"
    writer = FramesWriter(path)
    writer._file.close()
    writer._file = Path("/dev/full").open("w")  # the writer closes it
    writer.write(make_result(0))
    with pytest.raises(VideoError, match=r"frames\.jsonl: No space left on device"):
        writer.close()
    assert list(tmp_path.iterdir()) == []
