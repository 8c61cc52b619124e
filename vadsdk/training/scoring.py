"""What a network is worth on labelled videos, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.evaluation import EvaluationReport
from vadsdk.evaluation.recognition import RecognitionScores
from vadsdk.runtime.checkpoint import TorchModel
from vadsdk.streaming.scoring import ScoringSettings, score_videos
from vadsdk.streaming.scoring_recognition import score_recognition
from vadsdk.structures import ModelSpec

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

    Raises:
        VadsdkError: a video cannot be read, or nothing is annotated.
    """
    model = TorchModel(network, spec, device)
    if spec.kind == "recognition":
        return score_recognition(model, dataset.labels, records, progress=progress).scores
    settings = ScoringSettings(benchmarks=False)
    return score_videos(model, dataset, records, settings=settings, progress=progress).report


def deciding_score(scores: Scores) -> tuple[str, float]:
    """Return name and value of the score that chooses the best checkpoint."""
    if isinstance(scores, RecognitionScores):
        return "top_1", scores.top_1
    return "video_map_50", scores.video_map_50
