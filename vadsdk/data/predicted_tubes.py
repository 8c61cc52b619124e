"""The tubes that a detector finds in a video, and their masks, small enough for hours of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from vadsdk.data.rle import EncodedMasks, encode_masks, no_pixels
from vadsdk.structures import Detections, FrameResult, Tube
from vadsdk.structures.detections import NO_TRACK


class PredictedTubes:
    """Collects tubes as they end.

    Args:
        min_score: weaker tubes are forgotten.
        with_masks: also keep the masks of mask models.
    """

    def __init__(self, *, min_score: float, with_masks: bool) -> None:
        self._min_score = min_score
        self._with_masks = with_masks
        self._counts: defaultdict[int, dict[int, str]] = defaultdict(dict)
        """For each track that has not ended, the masks by frame."""
        self._size = (0, 0)
        self.tubes: list[Tube] = []
        """In the order in which they ended."""
        self.masks: dict[int, EncodedMasks] = {}
        """By the tube's id, of the tubes that have a mask anywhere."""
        self.num_frames = 0
        """Frames of the video so far."""

    def add_all(self, frames: Iterable[FrameResult]) -> None:
        """Take the results of a whole video."""
        for frame in frames:
            self.add(frame)

    def add(self, frame: FrameResult) -> None:
        """Take the result of the next frame."""
        self.num_frames += 1
        if self._with_masks:
            self._remember(frame.index, frame.detections)
        for event in frame.events:
            if event.kind == "ended":
                self._end(event.tube_id, event.tube)

    def _remember(self, frame_index: int, detections: Detections) -> None:
        if detections.masks is None or not len(detections):
            return
        height, width = detections.masks.shape[1:]
        self._size = (height, width)
        counts = encode_masks(detections.masks)
        for track_id, text in zip(detections.track_ids.tolist(), counts, strict=True):
            if track_id != NO_TRACK:
                self._counts[track_id][frame_index] = text

    def _end(self, tube_id: int, tube: Tube | None) -> None:
        counts = self._counts.pop(tube_id, {})
        if tube is None or tube.score < self._min_score:
            return
        self.tubes.append(tube)
        if counts:
            nothing = no_pixels(self._size)
            frames = tube.frame_indices.tolist()
            texts = tuple(counts.get(frame, nothing) for frame in frames)
            masks = EncodedMasks(size=self._size, counts=texts)
            if not masks.are_empty:
                self.masks[tube.id] = masks
