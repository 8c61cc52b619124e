"""Which track covers each annotated tube, frame by frame, as CLEAR MOT matches them.

Bernardin & Stiefelhagen 2008, section 2.1.1: what was matched before stays matched while it is
valid, also across frames without a match; the rest is matched anew by the largest total overlap.

Legend: G annotated tubes, F frames of a tube, N tracks in a frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vadsdk.boxes import box_iou
from vadsdk.errors import ConfigError
from vadsdk.structures import Tube
from vadsdk.structures.detections import NO_TRACK

TrackIds = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ShownTracks:
    """The tracks that one frame shows."""

    ids: TrackIds
    """(N,) each once."""
    boxes_xyxy: NDArray[np.float32]
    """(N, 4) pixels of the source frame, max edge exclusive."""
    labels: tuple[str, ...]
    """N names of actions."""


def tubes_by_frame(tubes: Sequence[Tube]) -> dict[int, list[tuple[int, int]]]:
    """Return for each frame, in order, the tubes there: (position, row within the tube)."""
    frames: dict[int, list[tuple[int, int]]] = {}
    for number, tube in enumerate(tubes):
        for row, frame in enumerate(tube.frame_indices.tolist()):
            frames.setdefault(frame, []).append((number, row))
    return dict(sorted(frames.items()))


def cover_tubes(
    ground_truth: Sequence[Tube],
    tracked: Mapping[int, ShownTracks],
    iou_threshold: float,
    *,
    match_labels: bool,
) -> list[TrackIds]:
    """Return for each of G annotated tubes the (F,) ids that cover its frames, or `NO_TRACK`.

    Args:
        ground_truth: the annotated tubes of one video.
        tracked: what each frame shows; a frame that is left out shows nothing.
        iou_threshold: a track covers a tube from this box IoU on; in (0, 1].
        match_labels: whether a track covers tubes of its own label only.

    Raises:
        ConfigError: the threshold is out of range.
    """
    if not 0.0 < iou_threshold <= 1.0:
        raise ConfigError(f"iou_threshold must lie in (0, 1], not {iou_threshold}")
    covering = [np.full(len(tube), NO_TRACK, np.int64) for tube in ground_truth]
    last_ids = np.full(len(ground_truth), NO_TRACK, np.int64)
    last_frames = np.full(len(ground_truth), -1, np.int64)
    for frame, annotated in tubes_by_frame(ground_truth).items():
        shown = tracked.get(frame)
        if shown is None or not len(shown.ids):
            continue
        numbers = np.array([number for number, _ in annotated])
        boxes = np.stack([ground_truth[number].boxes_xyxy[row] for number, row in annotated])
        overlaps = box_iou(boxes[:, None], shown.boxes_xyxy[None])  # (annotated here, N)
        if match_labels:
            true_labels = [ground_truth[number].label for number in numbers]
            overlaps *= np.array([[one == other for other in shown.labels] for one in true_labels])
        overlaps[overlaps < iou_threshold] = 0.0
        latest_first = np.argsort(-last_frames[numbers], kind="stable")
        kept = _keep(overlaps, last_ids[numbers], shown.ids, latest_first)
        for row, column in (*kept, *_assign_rest(overlaps, kept)):
            number, tube_row = annotated[row]
            covering[number][tube_row] = last_ids[number] = shown.ids[column]
            last_frames[number] = frame
    return covering


def _keep(
    overlaps: NDArray[np.float64], last_ids: TrackIds, ids: TrackIds, order: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Return the pairs that were matched before and still overlap; the latest has the first say."""
    columns = {int(track): column for column, track in enumerate(ids)}
    kept: list[tuple[int, int]] = []
    for row in order.tolist():
        column = columns.get(int(last_ids[row]))
        if column is not None and overlaps[row, column] > 0:
            kept.append((row, column))
            del columns[int(last_ids[row])]
    return kept


def _assign_rest(
    overlaps: NDArray[np.float64], kept: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of largest total overlap among what is not matched yet."""
    left = overlaps.copy()
    for row, column in kept:
        left[row], left[:, column] = 0.0, 0.0
    rows, columns = linear_sum_assignment(left, maximize=True)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if left[row, column] > 0:
            yield row, column
