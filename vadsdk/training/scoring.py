"""What a network is worth on labelled videos, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch.distributed as dist
from torch import nn

from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.evaluation import EvaluationReport
from vadsdk.evaluation.recognition import RecognitionScores
from vadsdk.ranks import num_ranks, rank
from vadsdk.runtime.checkpoint import TorchModel
from vadsdk.streaming.scoring import ScoringSettings, detect_record, score_videos
from vadsdk.streaming.scoring_recognition import (
    NUM_CLIPS,
    class_of_video,
    score_recognition,
    video_scores,
)
from vadsdk.structures import ModelSpec

Answer = TypeVar("Answer")
Scores = EvaluationReport | RecognitionScores
"""Of a detector, or of a recogniser."""


def score_network(
    network: nn.Module,
    spec: ModelSpec,
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    *,
    device: str,
    progress: Callable[[int, int], None],
) -> Scores:
    """Run a network over labelled videos and return its scores.

    Of several ranks, each looks at its share of the videos; all return the scores of all of them.

    Raises:
        VadsdkError: a video cannot be read, or nothing is annotated.
    """
    model = TorchModel(network, spec, device)
    shared = num_ranks() > 1
    if spec.kind == "recognition":
        one_class = [record for record in records if class_of_video(record) is not None]
        known = _of_all_ranks(one_class, lambda r: video_scores(model, r, NUM_CLIPS), progress)
        return score_recognition(
            model,
            dataset.labels,
            records,
            progress=None if shared else progress,
            results=known,
        ).scores
    settings = ScoringSettings(benchmarks=False)
    shown = [record for record in records if record.video_label is None]
    results = _of_all_ranks(shown, lambda r: detect_record(model, r, settings), progress)
    return score_videos(
        model,
        dataset,
        records,
        settings=settings,
        progress=None if shared else progress,
        results=results,
    ).report


def _of_all_ranks(
    records: Sequence[VideoRecord],
    look: Callable[[VideoRecord], Answer],
    progress: Callable[[int, int], None],
) -> dict[str, Answer]:
    """Return what is seen in each video, by name, each seen by one rank; empty for one rank."""
    if num_ranks() == 1:
        return {}
    own = records[rank() :: num_ranks()]
    seen: dict[str, Answer] = {}
    for done, record in enumerate(own, start=1):
        seen[record.name] = look(record)
        progress(done, len(own))
    parts: list[dict[str, Answer]] = [{}] * num_ranks()
    dist.all_gather_object(parts, seen)
    return {name: answer for part in parts for name, answer in part.items()}


def deciding_score(scores: Scores) -> tuple[str, float]:
    """Return name and value of the score that chooses the best checkpoint."""
    if isinstance(scores, RecognitionScores):
        return "top_1", scores.top_1
    return "video_map_50", scores.video_map_50
