"""Results as files: `frames.jsonl`, a line a frame, and `tubes.json`, an entry a tube.

Both are written as results come, so that an endless stream takes no memory, under a temporary name
that becomes the real one when the writer closes; after an error nothing is left. The lines of a
live stream can be had under their own name from the start, to be followed and never to be lost. A
pipe or a device is written into, line by line, and what a link leads to is replaced, not the link.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from vadsdk.errors import VideoError
from vadsdk.structures import FrameResult, Tube
from vadsdk.structures.detections import Detections
from vadsdk.whole_file import is_written_into, link_target

_ONE_LINE, _SOME_KILOBYTES = 1, -1
"""What `open` is told to keep back."""


class _ResultFile:
    """A text file that appears under its name whole, or not at all; or, if live, line by line."""

    _HEAD = ""
    _TAIL = ""

    def __init__(self, path: Path, *, is_live: bool = False) -> None:
        self._path = Path(path)
        target = link_target(self._path)
        hidden = target.with_name(f".{target.name}.{os.getpid()}.part")
        self._target = target
        self._temporary = None if is_live or is_written_into(self._path) else hidden
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            written = self._temporary or self._path
            buffering = _ONE_LINE if self._temporary is None else _SOME_KILOBYTES
            self._file = written.open("w", buffering, encoding="utf-8")
        except OSError as error:
            raise self._cannot_write(error) from None
        self._put(self._HEAD)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def close(self) -> None:
        """Finish the file, and give it its name if it has none; once."""
        if self._file.closed:
            return
        try:
            self._file.write(self._TAIL)
            self._file.close()
            if self._temporary is not None:
                self._temporary.replace(self._target)
        except OSError as error:
            self._discard()
            raise self._cannot_write(error) from None

    def _put(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            self._discard()
            raise self._cannot_write(error) from None

    def _discard(self) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # what could not be written is not wanted
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _cannot_write(self, error: OSError) -> VideoError:
        reason = error.strerror or error
        advice = "choose another folder or free some space"
        if isinstance(error, BrokenPipeError):
            advice = "whoever read it has ended"
        return VideoError(f"cannot write {self._path}: {reason}; {advice}")


class FramesWriter(_ResultFile):
    """Writes `frames.jsonl`: one JSON object a line, one line a frame.

    Args:
        path: of the file; its folder is made.
        is_live: the file has its name from the start, a line is there as soon as its frame is
            known, and an error leaves the lines before it; else it appears whole, or not at all.

    Raises:
        VideoError: the file cannot be written.
    """

    def write(self, result: FrameResult) -> None:
        """Append the line of one frame."""
        self._put(json.dumps(frame_to_json(result)) + "\n")


class TubesWriter(_ResultFile):
    """Writes `tubes.json`: a JSON list of the finished tubes, in the order in which they ended."""

    _HEAD = "["
    _TAIL = "\n]\n"

    def __init__(self, path: Path) -> None:
        self._separator = "\n"
        super().__init__(path)

    def write(self, result: FrameResult) -> None:
        """Append the tubes that ended with this frame."""
        for event in result.events:
            if event.tube is not None:
                self.write_tube(event.tube)

    def write_tube(self, tube: Tube) -> None:
        """Append one tube."""
        self._put(self._separator + json.dumps(tube.to_json()))
        self._separator = ",\n"


def frame_to_json(result: FrameResult) -> dict[str, object]:
    """Return a frame's line of `frames.jsonl`; boxes are rounded to 0.01 pixel."""
    return {
        "frame": result.index,
        "pts_seconds": round(result.pts_seconds, 6),
        "detections": [
            _detection_to_json(result.detections, row, result.labels)
            for row in range(len(result.detections))
        ],
    }


def mask_to_rle(mask: NDArray[np.bool_]) -> dict[str, object]:
    """Return a (H, W) mask as COCO's compressed run-length code, its counts as text."""
    encoded = coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))
    return {"size": [int(side) for side in mask.shape], "counts": encoded["counts"].decode("ascii")}


def _detection_to_json(
    detections: Detections, row: int, labels: tuple[str, ...]
) -> dict[str, object]:
    masks = detections.masks
    return {
        "track_id": int(detections.track_ids[row]),
        "label": labels[int(detections.labels[row])],
        "score": round(float(detections.scores[row]), 6),
        "box_xyxy": np.round(detections.boxes_xyxy[row].astype(float), 2).tolist(),
        "mask": None if masks is None else mask_to_rle(masks[row]),
    }
