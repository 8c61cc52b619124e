"""Score a running model on annotated videos, exactly as a stream would run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.evaluation import EvaluationReport, Evaluator
from vadsdk.evaluation.streaming_measures import (
    StreamingMeasures,
    StreamingSummary,
    measure_stream,
    summarise_streams,
)
from vadsdk.streaming.detect import detect_video
from vadsdk.structures import ClipModel, Detections, Tube, VideoResult
from vadsdk.video import open_source

_WINDOWS = 4
"""Windows that the model sees at once; files have no latency to lose."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoredVideos:
    """What a model says of annotated videos, and what that is worth."""

    report: EvaluationReport
    """Its scores."""
    stream: StreamingSummary
    """How soon and how steadily its stream follows the annotated tubes."""
    ground_truth: dict[str, tuple[Tube, ...]]
    """Annotated tubes of each video."""
    tubes: dict[str, tuple[Tube, ...]]
    """Predicted tubes of each video."""


def score_videos(
    model: ClipModel,
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    *,
    hop: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ScoredVideos:
    """Run a model over videos and compare its tubes with the annotated ones.

    Where annotation is sparse, the model answers for the annotated frames alone.

    Args:
        model: detects the labels of the data set.
        dataset: gives labels and actor masks.
        records: labelled videos of the data set.
        hop: source frames from one window to the next; None as `StreamingDetector` has it.
        progress: called with the videos done and their number.

    Raises:
        VideoError: a video cannot be read.
        DatasetError: the model's labels are not those of the data set.
    """
    by_name = {record.name: record for record in records}

    def true_masks(name: str, frame_indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        return dataset.actor_masks(by_name[name], frame_indices)

    evaluator = Evaluator(dataset.labels, true_masks=true_masks if dataset.has_masks else None)
    measures: list[StreamingMeasures] = []
    found: dict[str, tuple[Tube, ...]] = {}
    for done, record in enumerate(records, start=1):
        result = detect_video(model, open_source(record.path), hop=hop, batch_size=_WINDOWS)
        if record.annotated_frames is not None:
            result = _at_frames(result, np.array(record.annotated_frames, np.int64))
        evaluator.add(record.name, record.tubes, result)
        measures.append(measure_stream(record.tubes, result.frames))
        found[record.name] = tuple(result.tubes)
        if progress:
            progress(done, len(records))
    return ScoredVideos(
        report=evaluator.report(),
        stream=summarise_streams(measures),
        ground_truth={record.name: record.tubes for record in records},
        tubes=found,
    )


def _at_frames(result: VideoResult, frame_indices: NDArray[np.int64]) -> VideoResult:
    """Return what a result says of some frames; of the others nobody knows what is right."""
    known = set(frame_indices.tolist())
    tubes = []
    for tube in result.tubes:
        rows = np.isin(tube.frame_indices, frame_indices)
        if rows.any():
            frames, boxes = tube.frame_indices[rows], tube.boxes_xyxy[rows]
            tubes.append(replace(tube, frame_indices=frames, boxes_xyxy=boxes))
    num_classes = len(result.labels)
    return VideoResult(
        frames=[
            frame
            if frame.index in known
            else replace(frame, detections=Detections.empty(num_classes))
            for frame in result.frames
        ],
        tubes=tubes,
        labels=result.labels,
    )
