"""Frame mAP of the AVA benchmark (Gu et al. 2018), and what its public scripts count otherwise.

Boxes are scored on key frames, one a second, class by class. In a key frame the detections take
turns by falling score; each looks only at the box that it overlaps most, and is right if that is
enough and nobody took the box before.

Legend: N detections of a class, G boxes, M the most boxes of that class in any key frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.errors import ConfigError, DatasetError, unknown_name
from vadsdk.evaluation.average_precision import ClassScores, PrecisionRecall, precision_recall
from vadsdk.structures.ava import TIMESTAMP_DECIMALS, AvaRows, KeyFrame


@dataclass(frozen=True, kw_only=True, slots=True)
class AvaConventions:
    """Where the public scripts count differently; the defaults are what we recommend."""

    max_detections: int | None = None
    """Best-scored detections of a key frame that count, all classes together; None for all."""
    in_file_order: bool = False
    """Detections take turns as they stand in the file, not by score."""
    count_unannotated: bool = False
    """Detections on key frames that the ground truth does not list are wrong, not ignored."""
    count_excluded: bool = False
    """Boxes of excluded key frames still count as not found, so that recall stays too low."""
    leave_out_undetected: bool = False
    """A class with boxes but no detection is left out of the mean instead of counting as 0."""

    def __post_init__(self) -> None:
        if self.max_detections is not None and self.max_detections < 1:
            raise ConfigError(
                f"max_detections must be 1 or more, or None for all, not {self.max_detections}"
            )


AVA_CONVENTIONS: Mapping[str, AvaConventions] = {
    "recommended": AvaConventions(),
    "activitynet": AvaConventions(max_detections=50),  # reads no list of excluded key frames
    "slowfast": AvaConventions(in_file_order=True, count_unannotated=True),
    "mmaction2": AvaConventions(count_excluded=True, leave_out_undetected=True),
    "mmaction2-all-key-frames": AvaConventions(
        count_excluded=True, leave_out_undetected=True, count_unannotated=True
    ),
}
"""By the project whose script counts so; the last is mmaction2 with `ignore_empty_frames` off."""


def ava_conventions(name: str) -> AvaConventions:
    """Return the conventions of that name.

    Raises:
        ConfigError: there are none.
    """
    if name not in AVA_CONVENTIONS:
        raise unknown_name("AVA convention", name, AVA_CONVENTIONS)
    return AVA_CONVENTIONS[name]


def ava_map(
    ground_truth: AvaRows,
    detections: AvaRows,
    labels: Mapping[int, str],
    *,
    excluded: Collection[KeyFrame] = (),
    iou_threshold: float = 0.5,
    conventions: AvaConventions | None = None,
) -> ClassScores:
    """Return the average precision of every evaluated class over all key frames.

    Detections without area do not count. Rows of classes that `labels` does not name are left out;
    a key frame with such boxes alone is annotated nevertheless.

    Args:
        ground_truth: boxes of all key frames, and the empty ones, where every detection is wrong.
        detections: in any order, unless the conventions take them in that of the file.
        labels: names of the K evaluated classes by id, in the order of the result.
        excluded: key frames that do not count.
        iou_threshold: a detection is right from this IoU on; in (0, 1].
        conventions: those we recommend unless given; see `ava_conventions`.

    Raises:
        ConfigError: no classes, or the threshold is out of range.
        DatasetError: there are detections, but none is on an annotated key frame.
    """
    if not labels:
        raise ConfigError(
            "labels is empty; name the evaluated classes by id, as the label map does"
        )
    if not 0.0 < iou_threshold <= 1.0:
        raise ConfigError(f"iou_threshold must lie in (0, 1], not {iou_threshold}")
    rules = conventions or AvaConventions()
    counted = _counted(ground_truth, detections, labels, excluded, rules)
    curves = [_curve(counted, class_id, iou_threshold, rules) for class_id in labels]
    num_ground_truth = _count_classes(counted.to_find, labels)
    num_answers = _count_classes(counted.detections.class_ids, labels)
    averages = np.array([curve.average_precision for curve in curves])
    is_known = num_ground_truth > 0
    if rules.leave_out_undetected:
        is_known &= num_answers > 0
    return ClassScores(
        labels=tuple(labels.values()),
        iou_threshold=iou_threshold,
        average_precisions=np.where(is_known, averages, np.nan),
        num_ground_truth=num_ground_truth,
        num_answers=num_answers,
        curves=tuple(curves),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Counted:
    """What counts; key frames are numbers."""

    to_find: NDArray[np.int64]  # class ids of the boxes that recall speaks of
    boxes: AvaRows
    box_frames: NDArray[np.int64]
    detections: AvaRows
    detection_frames: NDArray[np.int64]


def _counted(
    ground_truth: AvaRows,
    detections: AvaRows,
    labels: Mapping[int, str],
    excluded: Collection[KeyFrame],
    rules: AvaConventions,
) -> _Counted:
    """Return the boxes and detections that count."""
    box_frames, frames, empty_frames, excluded_frames = _number_key_frames(
        ground_truth, detections, ground_truth.empty_key_frames, excluded
    )
    is_annotated = np.isin(frames, np.union1d(box_frames, empty_frames))
    _check_meeting(ground_truth, detections, is_annotated)
    counts = ~np.isin(frames, excluded_frames) & np.isin(detections.class_ids, list(labels))
    if not rules.count_unannotated:
        counts &= is_annotated
    rows = np.flatnonzero(counts)
    if rules.max_detections is not None:
        rows = _best_of_frames(detections, frames, rows, rules.max_detections)
    sides = detections.boxes01[rows, 2:] - detections.boxes01[rows, :2]
    rows = rows[(sides > 0).all(axis=1)]
    box_rows = np.flatnonzero(~np.isin(box_frames, excluded_frames))
    return _Counted(
        to_find=ground_truth.class_ids
        if rules.count_excluded
        else ground_truth.class_ids[box_rows],
        boxes=ground_truth.at(box_rows),
        box_frames=box_frames[box_rows],
        detections=detections.at(rows),
        detection_frames=frames[rows],
    )


def _curve(
    counted: _Counted, class_id: int, iou_threshold: float, rules: AvaConventions
) -> PrecisionRecall:
    """Return the curve of one class over all key frames."""
    rows = np.flatnonzero(counted.detections.class_ids == class_id)
    if not rules.in_file_order:
        rows = rows[np.argsort(-counted.detections.scores[rows], kind="stable")]
    box_rows = np.flatnonzero(counted.boxes.class_ids == class_id)
    box_rows = box_rows[np.argsort(counted.box_frames[box_rows], kind="stable")]
    best, overlaps = _best_boxes(
        counted.detection_frames[rows],
        counted.detections.boxes01[rows],
        counted.box_frames[box_rows],
        counted.boxes.boxes01[box_rows],
    )
    reaching = np.flatnonzero(overlaps >= iou_threshold)
    _, first_claims = np.unique(best[reaching], return_index=True)
    is_right = np.zeros(len(rows), np.bool_)
    is_right[reaching[first_claims]] = True
    num_ground_truth = int((counted.to_find == class_id).sum())
    return precision_recall(counted.detections.scores[rows], is_right, num_ground_truth)


def _count_classes(class_ids: NDArray[np.int64], labels: Mapping[int, str]) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(class_ids == class_id) for class_id in labels], np.int64)


def _best_boxes(
    frames: NDArray[np.int64],
    detections01: NDArray[np.float64],
    box_frames: NDArray[np.int64],
    boxes01: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each of N detections the box that it overlaps most, and how far; (N,) each.

    The first such box counts; where a key frame has none the overlap is -1.

    Args:
        frames: (N,).
        detections01: (N, 4).
        box_frames: (G,) rising.
        boxes01: (G, 4).
    """
    starts, ends = (np.searchsorted(box_frames, frames, side=side) for side in ("left", "right"))
    width = int((ends - starts).max(initial=0))
    if not width:
        return starts, np.full(len(frames), -1.0)
    columns = starts[:, None] + np.arange(width)  # (N, M)
    others = boxes01[columns.clip(max=len(boxes01) - 1)]
    overlaps = np.where(columns < ends[:, None], box_iou(detections01[:, None], others), -1.0)
    return starts + overlaps.argmax(axis=1), overlaps.max(axis=1)


def _best_of_frames(
    detections: AvaRows, frames: NDArray[np.int64], rows: NDArray[np.intp], limit: int
) -> NDArray[np.intp]:
    """Return the best-scored rows of each key frame, in their order; ties go by class and box."""
    boxes, class_ids = detections.boxes01[rows], detections.class_ids[rows]
    order = np.lexsort((*boxes.T, class_ids, -detections.scores[rows], frames[rows]))
    ranked = frames[rows][order]
    turns = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
    return rows[np.sort(order[turns < limit])]


def _number_key_frames(
    ground_truth: AvaRows, detections: AvaRows, *others: Collection[KeyFrame]
) -> list[NDArray[np.int64]]:
    """Return the number of each row's key frame, and of those of further collections."""
    videos = [ground_truth.videos, detections.videos]
    seconds = [ground_truth.timestamps, detections.timestamps]
    for key_frames in others:
        videos.append(np.array([video for video, _ in key_frames], np.str_))
        seconds.append(np.array([time for _, time in key_frames], np.float64))
    _, video_numbers = np.unique(np.concatenate(videos), return_inverse=True)
    times = np.round(np.concatenate(seconds), TIMESTAMP_DECIMALS)
    known_times, time_numbers = np.unique(times, return_inverse=True)
    numbers = video_numbers * len(known_times) + time_numbers
    return np.split(numbers, np.cumsum([len(part) for part in seconds])[:-1])


def _check_meeting(
    ground_truth: AvaRows, detections: AvaRows, is_annotated: NDArray[np.bool_]
) -> None:
    """Refuse detections none of which is on an annotated key frame: names or times differ."""
    if len(detections) and not is_annotated.any():
        annotated = [*ground_truth.key_frames()[:1], *sorted(ground_truth.empty_key_frames)[:1]]
        raise DatasetError(
            f"none of {len(detections)} detections is on an annotated key frame: the first is of "
            f"{detections.key_frames()[0]}, the ground truth has such as {annotated}; write videos "
            "and seconds alike in both"
        )
