"""Score a running model on annotated videos, exactly as a stream would run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.evaluation import EvaluationReport, Evaluator
from vadsdk.streaming.detect import detect_video
from vadsdk.structures import ClipModel
from vadsdk.video import open_source

_WINDOWS = 4
"""Windows that the model sees at once; files have no latency to lose."""


def score_model(
    model: ClipModel,
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    *,
    hop: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Run a model over videos and compare its tubes with the annotated ones.

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

    evaluator = Evaluator(dataset.labels, true_masks=true_masks)
    for done, record in enumerate(records, start=1):
        result = detect_video(model, open_source(record.path), hop=hop, batch_size=_WINDOWS)
        evaluator.add(record.name, record.tubes, result)
        if progress:
            progress(done, len(records))
    return evaluator.report()
