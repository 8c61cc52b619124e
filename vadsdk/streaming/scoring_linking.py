"""The tubes of one video by every linking that is asked for: as it streamed, and offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError, unknown_name
from vadsdk.evaluation import ClassScores
from vadsdk.evaluation.report import VIDEO_THRESHOLDS
from vadsdk.evaluation.video_map import tube_average_precisions
from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_linkers import OFFLINE_LINKERS, link_offline
from vadsdk.structures import Tube, VideoResult

ONLINE = "online"
"""The linking of the stream itself: frame by frame, without looking ahead."""
LINKINGS = (ONLINE, *sorted(OFFLINE_LINKERS))
"""What tubes can be made by; all but the first see the whole video before they decide."""

Tubes = dict[str, tuple[Tube, ...]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LinkedScores:
    """What the tubes of one linking are worth."""

    tubes: Tubes
    """Predicted tubes of each video."""
    video_scores: tuple[ClassScores, ...]
    """Video AP at each of `VIDEO_THRESHOLDS`."""


def check_linkings(linkings: Sequence[str]) -> None:
    """Refuse linkings that do not exist, none, or one twice.

    Raises:
        ConfigError: such came.
    """
    for name in linkings:
        if name not in LINKINGS:
            raise unknown_name("linking", name, LINKINGS)
    if not linkings or len(set(linkings)) < len(linkings):
        raise ConfigError(
            f"give one linking or more, each once, of {', '.join(LINKINGS)}; "
            f"not {', '.join(linkings) or 'none'}"
        )


def link_result(result: VideoResult, linking: str, fps: float) -> VideoResult:
    """Return a result with the tubes of another linking of the same detections.

    The ids that its detections bear stay those of the stream.

    Args:
        result: every frame of a video, with all that was detected there.
        linking: one of `LINKINGS`.
        fps: of the video.
    """
    if linking == ONLINE or not result.frames:
        return result
    detections = VideoDetections.of_frames(result.frames)
    return replace(result, tubes=link_offline(detections, result.labels, fps, linking))


def score_linked(
    ground_truth: Tubes, tubes: Tubes, labels: Sequence[str], convention: str
) -> LinkedScores:
    """Return the video AP of the tubes of one linking."""
    scores = tube_average_precisions(
        ground_truth, tubes, labels, VIDEO_THRESHOLDS, convention=convention
    )
    return LinkedScores(tubes=tubes, video_scores=tuple(scores))


def tubes_at(tubes: Sequence[Tube], frame_indices: NDArray[np.int64]) -> list[Tube]:
    """Return what tubes say of some frames; those that are in none of them are left out."""
    kept = []
    for tube in tubes:
        rows = np.isin(tube.frame_indices, frame_indices)
        if rows.any():
            frames, boxes = tube.frame_indices[rows], tube.boxes_xyxy[rows]
            kept.append(replace(tube, frame_indices=frames, boxes_xyxy=boxes))
    return kept
