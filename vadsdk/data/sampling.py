"""Which clips a training step sees: an endless stream in which step i is always the same.

    video     0 1 2 3 4 5 6 7 8 9        clip_length 4, frame_stride 2: a window of 7 frames
    clip          x . x . x . x          at a random start
    short     0 1 2 3 3 3 3              a shorter video repeats its last frame
    key 3     0 0 0 1 2 . 3              with key_frame "last": the clip ends there, as in a stream,
                                         and repeats the first frame where the video began later

Legend: T frames of a clip, K classes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.data.clip_classes import clip_class, group_by_class
from vadsdk.data.clip_targets import ClipPlace, ClipTargets
from vadsdk.data.records import VideoRecord
from vadsdk.data.stored_video import StoredVideos
from vadsdk.data.stretches import Stretches
from vadsdk.data.video_parts import VideoPart, drawn_parts, whole_video
from vadsdk.errors import DatasetError, VideoError

KeyFrame = Literal["any", "last"]
MAX_ATTEMPTS = 64
"""Places in a row of which none can be read, before it is an error."""

_CLASS_ORDER, _VIDEO_ORDER, _UNLABELLED_ORDER, _LABELLED_PLACE, _UNLABELLED_PLACE = range(5)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Clip:
    """A clip that was read."""

    place: ClipPlace
    frames: NDArray[np.uint8]
    """(T, h, w, 3)."""
    masks: NDArray[np.uint8]
    """(T, h, w)."""
    successors: NDArray[np.uint8] | None
    """(T, h, w, 3)."""


class ClipSampler:
    """Draws batches of labelled and unlabelled clips.

    Labelled clips take the classes in turn, and the videos of a class in turn, in an order that is
    shuffled anew each round; labelled videos without any action take turns as a class of their own.
    Unlabelled clips go through all videos in shuffled order before any comes again; a long one
    counts as several stretches, so that every part of it comes as often as any other footage, and
    one of which only parts are drawn (`drawn_ranges`) counts as a video for each of them. Where
    a file of these turns out to be broken, another place is taken, and `unreadable` tells.

    Args:
        videos: the videos; their `labelled` says which are which.
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
        part: (r, n): give the part r, from 0, of the n equal parts of each batch's labelled and of
            its unlabelled clips, whose numbers n divides.
        is_sparse: whether batches say which frames are annotated; None: if any of the videos is
            annotated sparsely. Samplers whose batches are parts of one must say the same.

    Raises:
        DatasetError: clips are asked for of which there are no videos.
    """

    def __init__(
        self,
        videos: StoredVideos,
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
        part: tuple[int, int] = (0, 1),
        is_sparse: bool | None = None,
    ) -> None:
        self.videos = videos
        """What it draws from."""
        self._labels = tuple(labels)
        self._offsets = np.arange(clip_length, dtype=np.int64) * frame_stride
        self._num_labelled = num_labelled
        self._num_unlabelled = num_unlabelled
        self._seed = seed
        self._ends_on_key = key_frame == "last"
        self.with_successors = with_successors
        """Whether batches hold the frames that follow."""
        self._action_share = action_share
        self._part = part
        # Of the videos, not of each batch: batches of one run, and parts of one batch, are alike.
        self._is_sparse = is_any_sparse(videos.records) if is_sparse is None else is_sparse
        self._groups = group_by_class([r for r in videos.records if r.labelled], self._labels)
        self._unlabelled = [record for record in videos.records if not record.labelled]
        self._parts = [
            part
            for record in self._unlabelled
            for part in drawn_parts(record, videos.num_frames[record.name])
        ]
        self._stretches = Stretches([self._last_start(p) + 1 - p.first for p in self._parts])
        self._pool = ThreadPoolExecutor(videos.num_workers, thread_name_prefix="clips")
        self._lock = threading.Lock()
        self.unreadable: dict[str, tuple[int, str]] = {}
        """Of each unlabelled video with broken places: how many were drawn, the first reason."""
        if num_labelled and not any(group.label for group in self._groups):
            raise DatasetError("no usable labelled video shows an action; label at least one")
        if num_unlabelled and self._unlabelled and not self._parts:
            raise DatasetError("no unlabelled video has a part to draw clips from; give others")
        if num_unlabelled and not self._unlabelled:
            raise DatasetError(
                f"{num_unlabelled} unlabelled clips a batch are asked for, but every video is "
                f"labelled; {self._how_to_have_unlabelled()}"
            )

    @property
    def num_labelled_videos(self) -> int:
        """Videos whose annotation is used."""
        return len(self.videos.records) - len(self._unlabelled)

    @property
    def num_unlabelled_videos(self) -> int:
        """Videos of which nothing is known."""
        return len(self._unlabelled)

    def batch(self, step: int) -> ClipBatch:
        """Return the batch of a step; it depends on nothing but the files, the seed and the step.

        Raises:
            VideoError: a labelled clip cannot be read, or `MAX_ATTEMPTS` unlabelled ones in a row.
        """
        labelled = map(self.labelled_place, self._draws(step, self._num_labelled))
        draws = self._draws(step, self._num_unlabelled)
        read = (self._pool.map(self._read, labelled), self._pool.map(self._read_unlabelled, draws))
        clips = list(chain(*read))
        successors = [clip.successors for clip in clips if clip.successors is not None]
        return self.targets([clip.place for clip in clips]).batch(
            clips=torch.from_numpy(np.stack([clip.frames for clip in clips])),
            masks=torch.from_numpy(np.stack([clip.masks for clip in clips])),
            successors=torch.from_numpy(np.stack(successors)) if successors else None,
        )

    def places(self, step: int) -> list[ClipPlace]:
        """Return where the clips of a step lie, if every place can be read."""
        labelled = map(self.labelled_place, self._draws(step, self._num_labelled))
        draws = self._draws(step, self._num_unlabelled)
        return [*labelled, *map(self.unlabelled_place, draws)]

    def targets(self, places: Sequence[ClipPlace]) -> ClipTargets:
        """Return what is known of the clips at some places."""
        return ClipTargets.of(
            places, self._labels, is_sparse=self._is_sparse, with_boxes=self._ends_on_key
        )

    def _how_to_have_unlabelled(self) -> str:
        lonely = [group.label for group in self._groups if group.label and len(group.records) == 1]
        if len(lonely) == len(self._groups):  # so that no share of the labels leaves one out
            return (
                "give --unlabelled DIR, or add videos: each class keeps at least one labelled "
                "video, whatever --labelled-fraction is, and here it has no other"
            )
        return (
            "give --unlabelled DIR or a --labelled-fraction small enough: each class keeps its "
            "share, rounded, and at least one labelled video"
        )

    def _draws(self, step: int, count: int) -> range:
        """Return the numbers of this part's clips of a step, of which the batch has `count`."""
        part, num_parts = self._part
        share = count // num_parts
        first = step * count + part * share
        return range(first, first + share)

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
        frame_indices = self._frame_indices(start, self._whole(record))
        class_index = self._class_of(record, frame_indices, group.label)
        return ClipPlace(record=record, frame_indices=frame_indices, class_index=class_index)

    def unlabelled_place(self, draw: int, attempt: int = 0) -> ClipPlace:
        """Return where the unlabelled clip number `draw` of the stream lies.

        Args:
            draw: from 0.
            attempt: 1, 2, ... for other places, if those before cannot be read.
        """
        lap, position = divmod(draw, len(self._stretches))
        order = _permutation(self._seed, _UNLABELLED_ORDER, 0, lap, len(self._stretches))
        again = [attempt] if attempt else []
        rng = np.random.default_rng([self._seed, _UNLABELLED_PLACE, draw, *again])
        index = int(rng.integers(len(order))) if attempt else int(order[position])
        stretch = self._stretches[index]
        part = self._parts[stretch.video]
        start = part.first + int(rng.integers(stretch.first, stretch.stop))
        return ClipPlace(
            record=part.record,
            frame_indices=self._frame_indices(start, part),
            class_index=NO_CLASS,
            stop=part.stop,
        )

    def _class_of(
        self, record: VideoRecord, frame_indices: NDArray[np.int64], preferred: str | None
    ) -> int:
        if record.video_label is not None:
            return self._labels.index(record.video_label)
        seen = frame_indices[-1:] if self._ends_on_key else frame_indices
        return clip_class(record.tubes, seen, self._labels, preferred)

    def _whole(self, record: VideoRecord) -> VideoPart:
        return whole_video(record, self.videos.num_frames[record.name])

    def _last_start(self, part: VideoPart) -> int:
        """Return the last first frame; with a key frame, the last key frame."""
        reach = 0 if self._ends_on_key else int(self._offsets[-1])
        return max(part.stop - 1 - reach, part.first)

    def _start_anywhere(self, record: VideoRecord, rng: np.random.Generator) -> int:
        return int(rng.integers(self._last_start(self._whole(record)) + 1))

    def _start_on(self, frame: int, record: VideoRecord, rng: np.random.Generator) -> int:
        """Start such that any frame of the clip may be `frame`, as the video's ends allow."""
        last = self._last_start(self._whole(record))
        if self._ends_on_key:
            return min(frame, last)
        if record.annotated_frames is None:
            return min(max(frame - int(rng.choice(self._offsets)), 0), last)
        starts = frame - self._offsets  # the stride must hit just this frame
        starts = starts[(starts >= 0) & (starts <= last)]
        return int(rng.choice(starts)) if len(starts) else min(frame, last)

    def _frame_indices(self, start: int, part: VideoPart) -> NDArray[np.int64]:
        if self._ends_on_key:
            start -= int(self._offsets[-1])
        return np.clip(start + self._offsets, part.first, part.stop - 1)

    def _read(self, place: ClipPlace) -> _Clip:
        indices, length = place.frame_indices, len(place.frame_indices)
        if self.with_successors:  # in one go, as the file may have to be opened for it
            num_frames = self.videos.num_frames[place.record.name]
            indices = np.concatenate([indices, place.successors(num_frames)])
        video = self.videos.clip(place.record.name, indices)
        masks = np.zeros(video.frames.shape[:3], np.uint8) if video.masks is None else video.masks
        return _Clip(
            place=place,
            frames=video.frames[:length],
            masks=masks[:length],
            successors=video.frames[length:] if self.with_successors else None,
        )

    def _read_unlabelled(self, draw: int) -> _Clip:
        attempt = 0
        while True:
            place = self.unlabelled_place(draw, attempt)
            try:
                return self._read(place)
            except VideoError as error:
                self._count_unreadable(place.record.name, str(error))
                attempt += 1
                if attempt == MAX_ATTEMPTS:
                    raise

    def _count_unreadable(self, name: str, reason: str) -> None:
        with self._lock:
            count, first_reason = self.unreadable.get(name, (0, reason))
            self.unreadable[name] = (count + 1, first_reason)


def is_any_sparse(records: Sequence[VideoRecord]) -> bool:
    """Return whether a video is annotated in some of its frames only."""
    return any(record.annotated_frames is not None for record in records)


@lru_cache(maxsize=1024)
def _permutation(seed: int, stream: int, group: int, lap: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, stream, group, lap]).permutation(size)
