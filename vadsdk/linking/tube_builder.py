"""A tube in the making: what was observed of it, and the finished tube with its gaps filled.

Legend: O observations, F frames, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.linking.spec import LinkingSpec
from vadsdk.linking.trimming import acting_range
from vadsdk.structures import Tube


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Observation:
    """One actor in one frame."""

    index: int
    """Position of the frame in its source."""
    pts_seconds: float
    """Presentation time of the frame."""
    box_xyxy: NDArray[np.float32]
    """(4,) source pixels."""
    class_scores: NDArray[np.float32]
    """(K,)."""


class TubeBuilder:
    """Gathers the observations of one tube; the linker bounds how many."""

    def __init__(self, tube_id: int, observations: list[Observation]) -> None:
        self.tube_id = tube_id
        self.is_started = False
        """Whether its "started" event has gone out."""
        self._observations = observations
        self._seconds_after: float | None = None  # when the last observed frame ended, once known
        self._score_sum = np.sum([o.class_scores for o in observations], axis=0, dtype=np.float64)

    def __len__(self) -> int:
        """Return O."""
        return len(self._observations)

    @property
    def first(self) -> Observation:
        """The first observation."""
        return self._observations[0]

    @property
    def best_class(self) -> int:
        """Index of the class with the highest mean score so far."""
        return int(self._score_sum.argmax())

    def add(self, observation: Observation) -> None:
        """Append the next observation."""
        self._observations.append(observation)
        self._score_sum += observation.class_scores
        self._seconds_after = None

    def follow(self, index: int, pts_seconds: float) -> None:
        """Note the first frame after the last observation: its time tells when the tube ended."""
        if self._seconds_after is None:
            self._seconds_after = _next_frame_seconds(self._observations[-1], index, pts_seconds)

    def split(self, index: int, tube_id: int) -> TubeBuilder:
        """Hand the observations from frame `index` on over to a new tube and keep the earlier ones.

        At least one observation must lie on either side.
        """
        later = [o for o in self._observations if o.index >= index]
        tail = TubeBuilder(tube_id, later)
        self._observations = self._observations[: len(self) - len(later)]
        self._score_sum -= tail._score_sum
        return tail

    def build(
        self,
        labels: tuple[str, ...],
        spec: LinkingSpec,
        *,
        cut_score: float,
        frame_seconds: float,
    ) -> Tube | None:
        """Return the trimmed tube with its gaps filled by linear interpolation.

        Its class scores are the mean over its frames, where a frame without a detection counts 0: a
        tube that flickers is worth less than one that was seen throughout.

        Args:
            labels: names of the classes.
            spec: the least length and score.
            cut_score: frames before the first and after the last one that scores this are cut off.
            frame_seconds: duration of the source's last frame, for a tube that reaches it.

        Returns:
            None if the tube was never confirmed, or is too short or too weak.
        """
        if not self.is_started:
            return None
        scores = np.stack([o.class_scores for o in self._observations])  # (O, K)
        part = acting_range(scores.max(axis=1), cut_score)
        kept = self._observations[part]
        if not kept:
            return None
        frame_indices = np.arange(kept[0].index, kept[-1].index + 1)  # (F,)
        class_scores = scores[part].sum(axis=0, dtype=np.float64) / len(frame_indices)
        best = int(class_scores.argmax())
        if len(frame_indices) < spec.min_length_frames or class_scores[best] < spec.min_tube_score:
            return None
        return Tube(
            id=self.tube_id,
            label=labels[best],
            score=float(class_scores[best]),
            frame_indices=frame_indices.astype(np.int64),
            boxes_xyxy=_interpolate_boxes(kept, frame_indices),
            start_seconds=kept[0].pts_seconds,
            end_seconds=self._end_seconds(part.stop - 1, frame_seconds),
            class_scores=class_scores.astype(np.float32),
        )

    def _end_seconds(self, last: int, frame_seconds: float) -> float:
        """Return when the frame of observation `last` ended, which is when the next one began."""
        observation = self._observations[last]
        if last < len(self) - 1:
            following = self._observations[last + 1]
            return _next_frame_seconds(observation, following.index, following.pts_seconds)
        if self._seconds_after is not None:
            return self._seconds_after
        return observation.pts_seconds + frame_seconds


def _next_frame_seconds(observation: Observation, index: int, pts_seconds: float) -> float:
    """Return when the frame after `observation` began, given some later frame and its time."""
    step = (pts_seconds - observation.pts_seconds) / (index - observation.index)
    return observation.pts_seconds + step


def _interpolate_boxes(
    observations: list[Observation], frame_indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    known = np.stack([o.box_xyxy for o in observations])  # (O, 4)
    indices = [o.index for o in observations]
    sides = [np.interp(frame_indices, indices, known[:, side]) for side in range(4)]
    return np.stack(sides, axis=1).astype(np.float32)  # (F, 4)
