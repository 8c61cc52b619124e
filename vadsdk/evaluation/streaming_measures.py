"""How well a stream follows actions: how soon it sees them, and how steadily it keeps them.

The ids that a stream gives to an annotated tube, matched frame by frame as in CLEAR MOT (Bernardin
& Stiefelhagen 2008, section 2.1):

    frame              0 1 2 3 4 5 6 7 8 9
    annotated tube     x x x x x x x x x x
    covered by track       1 1 1     2 2 2

    delay 2 frames, 1 switch (1 -> 2), 1 fragmentation (frames 5 and 6), coverage 6/10

Legend: G annotated tubes, N detections of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.track_coverage import (
    ShownTracks,
    TrackIds,
    cover_tubes,
    tubes_by_frame,
)
from vadsdk.structures import FrameResult, Tube
from vadsdk.structures.detections import NO_TRACK


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StreamingMeasures:
    """How each annotated tube of one video was followed."""

    labels: tuple[str, ...]
    """G names: the action of each annotated tube."""
    num_frames: NDArray[np.int64]
    """(G,) annotated frames."""
    num_covered: NDArray[np.int64]
    """(G,) of them, those that a track covers."""
    delay_frames: NDArray[np.float64]
    """(G,) from the first annotated to the first covered frame; NaN if none is ever covered."""
    delay_seconds: NDArray[np.float64]
    """(G,) likewise, in the time of the video; what the computing takes comes on top."""
    num_switches: NDArray[np.int64]
    """(G,) how often another track takes over, across an interruption too."""
    num_fragmentations: NDArray[np.int64]
    """(G,) how often the coverage is interrupted and comes back."""

    @property
    def coverages(self) -> NDArray[np.float64]:
        """(G,) share of the annotated frames that a track covers."""
        return self.num_covered / self.num_frames


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StreamingSummary:
    """The measures of all annotated tubes in a few numbers."""

    num_tubes: int
    """Annotated tubes."""
    num_detected: int
    """Those that were covered in a frame at least; the delays speak of these alone."""
    median_delay_frames: float
    """NaN if nothing was detected; so too the other delays."""
    mean_delay_frames: float
    median_delay_seconds: float
    mean_delay_seconds: float
    num_switches: int
    """Over all tubes."""
    num_fragmentations: int
    """Over all tubes."""
    coverage: float
    """Share of all annotated frames that a track covers; NaN without tubes."""


def measure_stream(
    ground_truth: Sequence[Tube],
    frames: Iterable[FrameResult],
    *,
    iou_threshold: float = 0.5,
    match_labels: bool = True,
) -> StreamingMeasures:
    """Measure how one video's stream of results followed its annotated tubes.

    Detections without a track id belong to no tube and cover none. An annotated frame that never
    came out of the stream is not covered.

    Args:
        ground_truth: the annotated tubes of the video.
        frames: what the stream gave, each frame once and in order.
        iou_threshold: a track covers a tube from this box IoU on; in (0, 1].
        match_labels: whether a detection covers a tube of its own best class only.

    Raises:
        ConfigError: the threshold is out of range.
        DatasetError: frames that are not in order, a track id twice in one frame, or class scores
            that are not one for each label.
    """
    tracked: dict[int, ShownTracks] = {}
    indices: list[int] = []
    seconds: list[float] = []
    for frame in frames:
        if indices and frame.index <= indices[-1]:
            raise DatasetError(
                f"frame {frame.index} came after frame {indices[-1]}; give the results of one "
                "video, each frame once and in order"
            )
        indices.append(frame.index)
        seconds.append(frame.pts_seconds)
        tracked[frame.index] = _shown_tracks(frame)
    covering = cover_tubes(ground_truth, tracked, iou_threshold, match_labels=match_labels)
    return _measure(ground_truth, covering, np.array(indices), np.array(seconds))


def measure_tubes(
    ground_truth: Sequence[Tube],
    tubes: Sequence[Tube],
    frames_per_second: float,
    *,
    iou_threshold: float = 0.5,
    match_labels: bool = True,
) -> StreamingMeasures:
    """Measure finished tubes as if each of their boxes had come with its frame.

    A linker knows some boxes only later (it fills gaps and trims ends), so that the delay of tubes
    is not that of the stream that made them.

    Args:
        ground_truth: the annotated tubes of the video.
        tubes: the predicted ones; each is one track.
        frames_per_second: of the video; above 0.
        iou_threshold: as in `measure_stream`.
        match_labels: whether a tube covers tubes of its own label only.

    Raises:
        ConfigError: the threshold or the frame rate is out of range.
    """
    if not 0.0 < frames_per_second < math.inf:
        raise ConfigError(f"frames_per_second must be above 0, not {frames_per_second}")
    tracked = {
        frame: ShownTracks(
            ids=np.array([number for number, _ in shown]),
            boxes_xyxy=np.stack([tubes[number].boxes_xyxy[row] for number, row in shown]),
            labels=tuple(tubes[number].label for number, _ in shown),
        )
        for frame, shown in tubes_by_frame(tubes).items()
    }
    covering = cover_tubes(ground_truth, tracked, iou_threshold, match_labels=match_labels)
    last = max((tube.end_frame for tube in (*ground_truth, *tubes)), default=0)
    return _measure(
        ground_truth, covering, np.array([0, last]), np.array([0, last]) / frames_per_second
    )


def summarise_streams(measures: Iterable[StreamingMeasures]) -> StreamingSummary:
    """Return the measures of all videos in a few numbers; every annotated tube counts alike."""
    videos = list(measures)
    frames = np.concatenate([np.zeros(0), *(video.delay_frames for video in videos)])
    seconds = np.concatenate([np.zeros(0), *(video.delay_seconds for video in videos)])
    detected = np.isfinite(frames)
    total = sum(int(video.num_frames.sum()) for video in videos)
    covered = sum(int(video.num_covered.sum()) for video in videos)
    return StreamingSummary(
        num_tubes=len(frames),
        num_detected=int(detected.sum()),
        median_delay_frames=float(np.median(frames[detected])) if detected.any() else math.nan,
        mean_delay_frames=float(frames[detected].mean()) if detected.any() else math.nan,
        median_delay_seconds=float(np.median(seconds[detected])) if detected.any() else math.nan,
        mean_delay_seconds=float(seconds[detected].mean()) if detected.any() else math.nan,
        num_switches=sum(int(video.num_switches.sum()) for video in videos),
        num_fragmentations=sum(int(video.num_fragmentations.sum()) for video in videos),
        coverage=covered / total if total else math.nan,
    )


def _shown_tracks(frame: FrameResult) -> ShownTracks:
    """Return the detections of a frame that belong to a tube."""
    kept = frame.detections[frame.detections.track_ids != NO_TRACK]
    if len(np.unique(kept.track_ids)) < len(kept):
        raise DatasetError(
            f"frame {frame.index} has a track id twice, among {kept.track_ids.tolist()}; a track "
            "has one box a frame"
        )
    if len(kept) and not 0 < kept.class_scores.shape[1] == len(frame.labels):
        raise DatasetError(
            f"frame {frame.index} has {kept.class_scores.shape[1]} class scores a detection for "
            f"{len(frame.labels)} labels; give one score for each label"
        )
    return ShownTracks(
        ids=kept.track_ids,
        boxes_xyxy=kept.boxes_xyxy,
        labels=tuple(frame.labels[index] for index in kept.labels),
    )


def _measure(
    ground_truth: Sequence[Tube],
    covering: Sequence[TrackIds],
    indices: NDArray[np.int64],
    seconds: NDArray[np.float64],
) -> StreamingMeasures:
    """Return the measures; `indices` and `seconds` say when the frames of the stream are."""
    delays = np.full((2, len(ground_truth)), np.nan)
    counts = np.zeros((4, len(ground_truth)), np.int64)
    for number, (tube, ids) in enumerate(zip(ground_truth, covering, strict=True)):
        covered = ids != NO_TRACK
        counts[:2, number] = len(tube), covered.sum()
        if not covered.any():
            continue
        first = int(tube.frame_indices[covered.argmax()])
        begin, end = np.interp([tube.start_frame, first], indices, seconds)
        delays[:, number] = first - tube.start_frame, end - begin
        num_runs = int(covered[0]) + np.count_nonzero(~covered[:-1] & covered[1:])
        counts[2:, number] = np.count_nonzero(np.diff(ids[covered])), num_runs - 1
    return StreamingMeasures(
        labels=tuple(tube.label for tube in ground_truth),
        num_frames=counts[0],
        num_covered=counts[1],
        delay_frames=delays[0],
        delay_seconds=delays[1],
        num_switches=counts[2],
        num_fragmentations=counts[3],
    )
