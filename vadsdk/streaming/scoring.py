"""Score a running model on annotated videos, exactly as a stream would run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.ava import AvaDataset
from vadsdk.data.object_maps import ObjectDataset
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.errors import DatasetError
from vadsdk.evaluation import ClassScores, EvaluationReport, Evaluator
from vadsdk.evaluation.streaming_measures import (
    StreamingMeasures,
    StreamingSummary,
    measure_stream,
    summarise_streams,
)
from vadsdk.streaming.detect import detect_video
from vadsdk.streaming.scoring_ava import AvaScorer, AvaSettings
from vadsdk.streaming.scoring_linking import (
    ONLINE,
    LinkedScores,
    Tubes,
    check_linkings,
    link_result,
    score_linked,
    tubes_at,
)
from vadsdk.streaming.scoring_objects import ObjectScorer, ObjectScores
from vadsdk.structures import ClipModel, Detections, VideoResult
from vadsdk.video import open_source


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoringSettings:
    """What is measured, and how."""

    hop: int | None = None
    """Source frames from one window to the next; None as `StreamingDetector` has it."""
    convention: str = "vadsdk"
    """Name in `evaluation.CONVENTIONS`, for frame and video AP."""
    linkings: tuple[str, ...] = (ONLINE,)
    """Of `LINKINGS`; the report speaks of the tubes of the first."""
    benchmarks: bool = True
    """Whether AVA frame mAP, and J and F, are measured on the data sets that have them."""
    ava: AvaSettings = field(default_factory=AvaSettings)
    """How AVA frame mAP is measured."""
    ava_label_map: Path | None = None
    """Lists the classes that AVA frame mAP is the mean of; None as `read_benchmark` has it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoredVideos:
    """What a model says of annotated videos, and what that is worth."""

    report: EvaluationReport
    """Its scores, with the tubes of the first linking."""
    stream: StreamingSummary
    """How soon and how steadily its stream follows the annotated tubes, whatever the linkings."""
    ground_truth: Tubes
    """Annotated tubes of each video."""
    linked: dict[str, LinkedScores]
    """Tubes and their video AP by linking, in the order asked for."""
    ava: ClassScores | None
    """AVA frame AP; None for other data."""
    objects: ObjectScores | None
    """J and F; None for data without numbered objects, and for models without masks."""
    num_left_out: int
    """Videos of which a class is known and no place: nothing found there is right or wrong."""

    @property
    def tubes(self) -> Tubes:
        """Predicted tubes of each video, by the first linking."""
        return next(iter(self.linked.values())).tubes


def score_videos(
    model: ClipModel,
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    *,
    settings: ScoringSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    results: Mapping[str, VideoResult] | None = None,
) -> ScoredVideos:
    """Run a model over videos and compare what it says with the annotation.

    Where annotation is sparse, the model answers for the annotated frames alone.

    Args:
        model: detects the labels of the data set.
        dataset: gives labels, actor masks and, for its benchmark, more.
        records: labelled videos of one split of the data set; those with a class of the whole video
            and no boxes are left out and counted.
        settings: what is measured.
        progress: called with the videos done and their number.
        results: what the model says of each video, by name, where that is known already.

    Raises:
        VideoError: a video cannot be read.
        DatasetError: the model's labels are not those of the data set, or no video has boxes.
        ConfigError: an unknown convention or linking.
    """
    settings = settings or ScoringSettings()
    kept = [record for record in records if record.video_label is None]
    if records and not kept:
        raise DatasetError(
            f"all {len(records)} videos have one class each and no boxes, so nothing found there "
            "is right or wrong; see score_recognition"
        )
    scorer = _Scorer(dataset, kept, settings)
    for done, record in enumerate(kept, start=1):
        known = None if results is None else results.get(record.name)
        scorer.add(record, known or detect_record(model, record, settings))
        if progress:
            progress(done, len(kept))
    return scorer.scored(num_left_out=len(records) - len(kept))


def detect_record(model: ClipModel, record: VideoRecord, settings: ScoringSettings) -> VideoResult:
    """Return what a model says of one video.

    Raises:
        VideoError: the video cannot be read.
    """
    return detect_video(model, open_source(record.path), hop=settings.hop)


class _Scorer:
    """All measures of the videos so far; no more than one video's masks are held."""

    def __init__(
        self, dataset: ActionDataset, records: Sequence[VideoRecord], settings: ScoringSettings
    ) -> None:
        check_linkings(settings.linkings)
        by_name = {record.name: record for record in records}

        def true_masks(name: str, frame_indices: NDArray[np.int64]) -> NDArray[np.bool_]:
            return dataset.actor_masks(by_name[name], frame_indices)

        self._settings, self._labels = settings, dataset.labels
        self._evaluator = Evaluator(
            dataset.labels,
            true_masks=true_masks if dataset.has_masks else None,
            convention=settings.convention,
        )
        self._measures: list[StreamingMeasures] = []
        self._truth: Tubes = {record.name: record.tubes for record in records}
        self._tubes: dict[str, Tubes] = {linking: {} for linking in settings.linkings}
        self._ava: AvaScorer | None = None
        self._objects: ObjectScorer | None = None
        if settings.benchmarks and isinstance(dataset, AvaDataset) and records:
            benchmark = dataset.benchmark(records[0].split, settings.ava_label_map)
            self._ava = AvaScorer(benchmark, records, settings.ava)
        if settings.benchmarks and isinstance(dataset, ObjectDataset):
            self._objects = ObjectScorer(dataset)

    def add(self, record: VideoRecord, result: VideoResult) -> None:
        """Take what the stream said of one video."""
        known = record.annotated_frames
        for linking, tubes_of in self._tubes.items():
            tubes = link_result(result, linking, record.fps).tubes
            kept = tubes if known is None else tubes_at(tubes, np.array(known, np.int64))
            tubes_of[record.name] = tuple(kept)
        if self._ava is not None:
            self._ava.add(record, result)
        if self._objects is not None:
            self._objects.add(record, result)
        if known is not None:
            result = _at_frames(result, set(known))
        first = self._tubes[self._settings.linkings[0]][record.name]
        self._evaluator.add(record.name, record.tubes, replace(result, tubes=list(first)))
        self._measures.append(measure_stream(record.tubes, result.frames))

    def scored(self, *, num_left_out: int) -> ScoredVideos:
        """Return the measures of all videos so far."""
        report = self._evaluator.report()
        (first, tubes), *others = self._tubes.items()
        convention = self._settings.convention
        return ScoredVideos(
            report=report,
            stream=summarise_streams(self._measures),
            ground_truth=self._truth,
            linked={
                first: LinkedScores(tubes=tubes, video_scores=report.video_scores),
                **{
                    linking: score_linked(self._truth, found, self._labels, convention)
                    for linking, found in others
                },
            },
            ava=None if self._ava is None else self._ava.scores(),
            objects=None if self._objects is None else self._objects.scores(),
            num_left_out=num_left_out,
        )


def _at_frames(result: VideoResult, known: set[int]) -> VideoResult:
    """Return what a result's frames say where annotation tells what is right."""
    nothing = Detections.empty(len(result.labels))
    frames = [
        frame if frame.index in known else replace(frame, detections=nothing)
        for frame in result.frames
    ]
    return replace(result, frames=frames)
