"""A stream's detections on AVA's key frames, as rows of its benchmark.

Legend: N detections of a frame, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vadsdk.data.ava_benchmark import AvaBenchmark
from vadsdk.data.records import VideoRecord
from vadsdk.evaluation import ClassScores
from vadsdk.evaluation.ava_map import AvaConventions, ava_map
from vadsdk.structures import VideoResult
from vadsdk.structures.ava import NO_PERSON, AvaRows

BENCHMARK_SECONDS = range(902, 1799)
"""Times of the key frames in every movie (Gu et al. 2018, section 3.2: minutes 15 to 30)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AvaSettings:
    """How AVA frame mAP is measured."""

    conventions: AvaConventions = field(default_factory=AvaConventions)
    """Where the public scripts count differently."""
    use_exclusions: bool = True
    """Whether the key frames that AVA excludes are left out, as its data set page asks for."""


class AvaScorer:
    """Gathers detections on key frames, video by video.

    Args:
        benchmark: what counts.
        records: the videos that are evaluated; no others count.
        settings: how.
    """

    def __init__(
        self, benchmark: AvaBenchmark, records: Sequence[VideoRecord], settings: AvaSettings
    ) -> None:
        names = [record.name for record in records]
        empty = {key for key in benchmark.rows.empty_key_frames if key[0] in set(names)}
        own = benchmark.rows.at(np.isin(benchmark.rows.videos, names))
        self._truth = replace(own, empty_key_frames=frozenset(empty))
        self._benchmark = benchmark
        self._settings = settings
        self._parts: list[AvaRows] = []

    def add(self, record: VideoRecord, result: VideoResult) -> None:
        """Take one video; detections that are not on a key frame do not count."""
        frames = {frame.index: frame.detections for frame in result.frames}
        size = np.array([record.width, record.height, record.width, record.height])
        class_ids = np.array(self._benchmark.class_ids, np.int64)
        for seconds in self._key_frame_times(record.name):
            index = round((seconds - self._benchmark.start_seconds) * record.fps)
            if index not in frames:
                continue
            found = frames[index]
            rows, columns = np.nonzero(found.class_scores > 0)  # of (N, K)
            self._parts.append(
                AvaRows(
                    videos=np.full(len(rows), record.name),
                    timestamps=np.full(len(rows), seconds),
                    boxes01=found.boxes_xyxy[rows].astype(np.float64) / size,
                    class_ids=class_ids[columns],
                    person_ids=np.full(len(rows), NO_PERSON),
                    scores=found.class_scores[rows, columns].astype(np.float64),
                )
            )

    def scores(self) -> ClassScores:
        """Return the average precision of every evaluated class.

        Raises:
            ConfigError: see `ava_map`.
        """
        detections = join_rows(self._parts)
        annotated = {*self._truth.key_frames(), *self._truth.empty_key_frames}
        if not annotated.intersection(detections.key_frames()):
            detections = detections.at(np.zeros(0, np.int64))  # nothing was found where one looks
        return ava_map(
            self._truth,
            detections,
            self._benchmark.evaluated,
            excluded=self._benchmark.excluded if self._settings.use_exclusions else (),
            conventions=self._settings.conventions,
        )

    def _key_frame_times(self, name: str) -> list[float]:
        """Return the times of a video's key frames, those that nobody annotated among them."""
        own = self._truth.timestamps[self._truth.videos == name].tolist()
        empty = [seconds for video, seconds in self._truth.empty_key_frames if video == name]
        return sorted({*map(float, BENCHMARK_SECONDS), *own, *empty})


def join_rows(parts: Sequence[AvaRows]) -> AvaRows:
    """Return the rows of several videos as one; no empty key frames."""

    def joined(name: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([empty, *(getattr(part, name) for part in parts)])

    return AvaRows(
        videos=joined("videos", np.zeros(0, np.str_)),
        timestamps=joined("timestamps", np.zeros(0)),
        boxes01=joined("boxes01", np.zeros((0, 4))),
        class_ids=joined("class_ids", np.zeros(0, np.int64)),
        person_ids=joined("person_ids", np.zeros(0, np.int64)),
        scores=joined("scores", np.zeros(0)),
    )
