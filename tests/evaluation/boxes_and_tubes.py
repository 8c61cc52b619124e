"""Short ways to write tubes and results in the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation import FrameBoxes
from vadsdk.structures import Detections, FrameResult, Tube, VideoResult


def a_tube(
    label: str,
    boxes: Sequence[Sequence[float]],
    *,
    start: int = 0,
    score: float = 1.0,
    class_scores: Sequence[float] | None = None,
) -> Tube:
    """Return a tube with one box a frame from `start` on."""
    return Tube(
        id=0,
        label=label,
        score=score,
        frame_indices=np.arange(start, start + len(boxes)),
        boxes_xyxy=np.array(boxes, np.float32),
        class_scores=None if class_scores is None else np.array(class_scores, np.float32),
    )


def still(label: str, box: Sequence[float], frames: range, **settings: object) -> Tube:
    """Return a tube whose box does not move."""
    return a_tube(label, [box] * len(frames), start=frames.start, **settings)  # type: ignore[arg-type]


def scored_boxes(*rows: tuple[int, Sequence[float], Sequence[float]]) -> FrameBoxes:
    """Return boxes written as (frame, box, class scores)."""
    return FrameBoxes(
        frame_indices=np.array([frame for frame, _, _ in rows], np.int64),
        boxes_xyxy=np.array([box for _, box, _ in rows], np.float32).reshape(-1, 4),
        class_scores=np.array([scores for _, _, scores in rows], np.float32),
    )


def a_result(
    labels: Sequence[str],
    tubes: Sequence[Tube],
    num_frames: int,
    masks: NDArray[np.bool_] | None = None,
) -> VideoResult:
    """Return a result whose frames hold the boxes of its tubes, each with the mask of its frame."""
    frames = []
    for index in range(num_frames):
        found = [
            (
                tube.boxes_xyxy[index - tube.start_frame],
                np.eye(len(labels))[labels.index(tube.label)],
            )
            for tube in tubes
            if tube.start_frame <= index < tube.end_frame
        ]
        detections = Detections(
            boxes_xyxy=np.array([box for box, _ in found], np.float32).reshape(-1, 4),
            class_scores=np.array([s for _, s in found], np.float32).reshape(-1, len(labels)),
            track_ids=np.zeros(len(found), np.int64),
            masks=None if masks is None else np.repeat(masks[index][None], len(found), axis=0),
        )
        frames.append(
            FrameResult(
                index=index, pts_seconds=index / 25, detections=detections, labels=tuple(labels)
            )
        )
    return VideoResult(frames=frames, tubes=list(tubes), labels=tuple(labels))
