from __future__ import annotations

import numpy as np
import pytest

from vadsdk.linking.offline_detections import VideoDetections, VideoTubelets
from vadsdk.structures import Detections, FrameResult

BOX = np.array([[0, 0, 4, 4]], np.float32)
SCORES = np.array([[0.25, 0.5]], np.float32)


def result(index: int, num_boxes: int) -> FrameResult:
    detections = Detections(
        boxes_xyxy=np.repeat(BOX, num_boxes, axis=0),
        class_scores=np.repeat(SCORES, num_boxes, axis=0),
        track_ids=np.full(num_boxes, -1),
    )
    return FrameResult(index=index, pts_seconds=0.0, detections=detections, labels=("a", "b"))


def test_frames_that_were_left_out_have_no_boxes() -> None:
    video = VideoDetections.of_frames([result(3, 2), result(1, 1)], num_frames=6)
    assert [len(boxes) for boxes in video.boxes_xyxy] == [0, 1, 0, 2, 0, 0]
    assert (len(video), video.num_classes) == (6, 2)
    assert [scores.shape for scores in video.class_scores] == [(n, 2) for n in (0, 1, 0, 2, 0, 0)]
    assert len(VideoDetections.of_frames([result(3, 2)])) == 4


@pytest.mark.parametrize(
    ("frames", "num_frames", "match"),
    [
        ([], None, "no frames came"),
        ([result(1, 1), result(1, 1)], None, "come once"),
        ([result(5, 1)], 5, r"must lie in \[0, 5\)"),
    ],
)
def test_frames_that_make_no_video_are_refused(frames: list, num_frames: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        VideoDetections.of_frames(frames, num_frames)


@pytest.mark.parametrize(
    ("boxes", "scores", "match"),
    [
        ([], [], "at least one, not 0 and 0"),
        ([BOX], [SCORES, SCORES], "not 1 and 2"),
        ([BOX[0]], [SCORES], r"frame 0: boxes are \(N, 4\) and class scores \(N, K\)"),
        ([BOX, BOX], [SCORES, SCORES[:, :1]], "frame 1: 1 class scores where the first frame has"),
        ([BOX], [SCORES[:, :0]], "frame 0: 0 class scores"),
        ([BOX], [SCORES * np.nan], "frame 0: boxes and scores must be finite"),
        ([BOX[:, [2, 1, 0, 3]]], [SCORES], "frame 0: every box needs x2 > x1 and y2 > y1"),
        ([[[1e6, 0.0, 1e6 + 1e-3, 1.0]]], [SCORES], "frame 0: every box needs"),
    ],
)
def test_detections_that_do_not_fit_are_refused(boxes: list, scores: list, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        VideoDetections.from_arrays([np.array(one) for one in boxes], scores)


def test_boxes_are_tubelets_of_one_frame() -> None:
    video = VideoDetections.from_arrays([BOX, np.zeros((0, 4))], [SCORES, np.zeros((0, 2))])
    tubelets = VideoTubelets.of_boxes(video)
    assert (len(tubelets), tubelets.length, tubelets.num_classes) == (2, 1, 2)
    assert tubelets.boxes_xyxy[0].shape == (1, 1, 4)


def test_tubelets_have_one_length() -> None:
    two, three = np.tile(BOX, (1, 2, 1)), np.tile(BOX, (1, 3, 1))
    with pytest.raises(ValueError, match=r"one length of 1 or more, not \[2, 3\]"):
        VideoTubelets(boxes_xyxy=(two, three), class_scores=(SCORES, SCORES))
