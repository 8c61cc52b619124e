"""Which clips a training step sees: an endless stream in which step i is always the same.

    video     0 1 2 3 4 5 6 7 8 9        clip_length 4, frame_stride 2: a window of 7 frames
    clip          x . x . x . x          at a random start
    short     0 1 2 3 3 3 3              a shorter video repeats its last frame
    key 3     0 0 0 1 2 . 3              with key_frame "last": the clip ends there, as in a stream,
                                         and repeats the first frame where the video began later

Legend: T frames of a clip, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.data.clip_boxes import clip_boxes
from vadsdk.data.clip_classes import clip_class, group_by_class
from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError

KeyFrame = Literal["any", "last"]

_CLASS_ORDER, _VIDEO_ORDER, _UNLABELLED_ORDER, _LABELLED_PLACE, _UNLABELLED_PLACE = range(5)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipPlace:
    """Where a clip lies."""

    record: VideoRecord
    """Its video."""
    frame_indices: NDArray[np.int64]
    """(T,) frames of the record."""
    class_index: int
    """Label of the action that covers most of the clip's annotated frames, or `NO_CLASS`; of a
    clip that ends with its key frame, that frame's; of a trimmed video, the video's."""

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """(T,) frames whose annotation is known."""
        if not self.record.labelled or self.record.annotated_frames is None:
            return np.full(len(self.frame_indices), self.record.labelled)
        return np.isin(self.frame_indices, self.record.annotated_frames)


class ClipSampler:
    """Draws batches of labelled and unlabelled clips.

    Labelled clips take the classes in turn, and the videos of a class in turn, in an order that is
    shuffled anew each round; labelled videos without any action take turns as a class of their own.
    Unlabelled clips go through all videos in shuffled order before any comes again.

    Args:
        decoded: the videos; their `labelled` says which are which.
        labels: names of the K classes.
        clip_length: T.
        frame_stride: source frames from one clip frame to the next.
        num_labelled: labelled clips a batch.
        num_unlabelled: unlabelled clips a batch.
        seed: 0 or more; another one gives another stream.
        key_frame: "any" frame of a labelled clip may be the annotated one; "last" ends the clip
            there, for models that give the boxes of a clip's last frame, and adds the boxes.
        with_successors: also give the frame of the video after each of a clip's.
        action_share: share of the labelled clips placed on an action; the rest lie anywhere. Where
            annotation is sparse, every labelled clip shows an annotated frame.

    Raises:
        DatasetError: clips are asked for of which there are no videos.
    """

    def __init__(
        self,
        decoded: DecodedVideos,
        labels: Sequence[str],
        *,
        clip_length: int,
        frame_stride: int,
        num_labelled: int,
        num_unlabelled: int,
        seed: int,
        key_frame: KeyFrame = "any",
        with_successors: bool = False,
        action_share: float = 0.8,
    ) -> None:
        self._decoded = decoded
        self._labels = tuple(labels)
        self._offsets = np.arange(clip_length, dtype=np.int64) * frame_stride
        self._num_labelled = num_labelled
        self._num_unlabelled = num_unlabelled
        self._seed = seed
        self._ends_on_key = key_frame == "last"
        self._with_successors = with_successors
        self._action_share = action_share
        self._groups = group_by_class([r for r in decoded.records if r.labelled], self._labels)
        self._unlabelled = [record for record in decoded.records if not record.labelled]
        if num_labelled and not any(group.label for group in self._groups):
            raise DatasetError("no usable labelled video shows an action; label at least one")
        if num_unlabelled and not self._unlabelled:
            raise DatasetError(
                f"{num_unlabelled} unlabelled clips a batch are asked for, but every video is "
                "labelled; give --unlabelled DIR or a --labelled-fraction below 1"
            )

    @property
    def num_labelled_videos(self) -> int:
        """Videos whose annotation is used."""
        return len(self._decoded.records) - len(self._unlabelled)

    @property
    def num_unlabelled_videos(self) -> int:
        """Videos of which nothing is known."""
        return len(self._unlabelled)

    def batch(self, step: int) -> ClipBatch:
        """Return the batch of a step; it depends on nothing but the seed and the step."""
        first = step * self._num_labelled
        places = [self.labelled_place(first + row) for row in range(self._num_labelled)]
        first = step * self._num_unlabelled
        places += [self.unlabelled_place(first + row) for row in range(self._num_unlabelled)]
        clips, masks = zip(*map(self._read, places), strict=True)
        successors = self._successors(places) if self._with_successors else None
        is_sparse = any(place.record.annotated_frames is not None for place in places)
        annotated = np.stack([place.annotated for place in places]) if is_sparse else None
        boxes = self._boxes(places) if self._ends_on_key else (None, None)
        return ClipBatch(
            clips=torch.from_numpy(np.stack(clips)),
            masks=torch.from_numpy(np.stack(masks)),
            class_indices=torch.tensor([place.class_index for place in places]),
            labelled=torch.tensor([place.record.labelled for place in places]),
            annotated=None if annotated is None else torch.from_numpy(annotated),
            successors=successors,
            boxes_xyxy01=boxes[0],
            box_classes=boxes[1],
        )

    def labelled_place(self, draw: int) -> ClipPlace:
        """Return where the labelled clip number `draw` of the stream lies."""
        turn, position = divmod(draw, len(self._groups))
        order = _permutation(self._seed, _CLASS_ORDER, 0, turn, len(self._groups))
        index = order[position]
        group = self._groups[index]
        lap, position = divmod(turn, len(group.records))
        order = _permutation(self._seed, _VIDEO_ORDER, index, lap, len(group.records))
        record = group.records[order[position]]
        rng = np.random.default_rng([self._seed, _LABELLED_PLACE, draw])
        tubes = [tube for tube in record.tubes if tube.label == group.label]
        if tubes and rng.random() < self._action_share:
            tube = tubes[rng.integers(len(tubes))]
            start = self._start_on(int(rng.choice(tube.frame_indices)), record, rng)
        elif record.annotated_frames:
            start = self._start_on(int(rng.choice(record.annotated_frames)), record, rng)
        else:
            start = self._start_anywhere(record, rng)
        frame_indices = self._frame_indices(start, record)
        class_index = self._class_of(record, frame_indices, group.label)
        return ClipPlace(record=record, frame_indices=frame_indices, class_index=class_index)

    def unlabelled_place(self, draw: int) -> ClipPlace:
        """Return where the unlabelled clip number `draw` of the stream lies."""
        lap, position = divmod(draw, len(self._unlabelled))
        order = _permutation(self._seed, _UNLABELLED_ORDER, 0, lap, len(self._unlabelled))
        record = self._unlabelled[order[position]]
        rng = np.random.default_rng([self._seed, _UNLABELLED_PLACE, draw])
        frame_indices = self._frame_indices(self._start_anywhere(record, rng), record)
        return ClipPlace(record=record, frame_indices=frame_indices, class_index=NO_CLASS)

    def _class_of(
        self, record: VideoRecord, frame_indices: NDArray[np.int64], preferred: str | None
    ) -> int:
        if record.video_label is not None:
            return self._labels.index(record.video_label)
        seen = frame_indices[-1:] if self._ends_on_key else frame_indices
        return clip_class(record.tubes, seen, self._labels, preferred)

    def _boxes(self, places: Sequence[ClipPlace]) -> tuple[torch.Tensor, torch.Tensor]:
        records = [place.record for place in places]
        boxes, classes = clip_boxes(records, [p.frame_indices for p in places], self._labels)
        return torch.from_numpy(boxes), torch.from_numpy(classes)

    def _successors(self, places: Sequence[ClipPlace]) -> torch.Tensor:
        frames = []
        for place in places:
            last = self._decoded.num_frames[place.record.name] - 1
            following = np.minimum(place.frame_indices + 1, last)
            frames.append(self._decoded.clip(place.record.name, following).frames)
        return torch.from_numpy(np.stack(frames))

    def _last_start(self, record: VideoRecord) -> int:
        """Return the last first frame; with a key frame, the last key frame."""
        reach = 0 if self._ends_on_key else int(self._offsets[-1])
        return max(self._decoded.num_frames[record.name] - 1 - reach, 0)

    def _start_anywhere(self, record: VideoRecord, rng: np.random.Generator) -> int:
        return int(rng.integers(self._last_start(record) + 1))

    def _start_on(self, frame: int, record: VideoRecord, rng: np.random.Generator) -> int:
        """Start such that any frame of the clip may be `frame`, as the video's ends allow."""
        last = self._last_start(record)
        if self._ends_on_key:
            return min(frame, last)
        if record.annotated_frames is None:
            return min(max(frame - int(rng.choice(self._offsets)), 0), last)
        starts = frame - self._offsets  # the stride must hit just this frame
        starts = starts[(starts >= 0) & (starts <= last)]
        return int(rng.choice(starts)) if len(starts) else min(frame, last)

    def _frame_indices(self, start: int, record: VideoRecord) -> NDArray[np.int64]:
        if self._ends_on_key:
            start -= int(self._offsets[-1])
        return np.clip(start + self._offsets, 0, self._decoded.num_frames[record.name] - 1)

    def _read(self, place: ClipPlace) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        clip = self._decoded.clip(place.record.name, place.frame_indices)
        if clip.masks is None:
            return clip.frames, np.zeros(clip.frames.shape[:3], np.uint8)
        return clip.frames, clip.masks


@lru_cache(maxsize=1024)
def _permutation(seed: int, stream: int, group: int, lap: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, stream, group, lap]).permutation(size)
