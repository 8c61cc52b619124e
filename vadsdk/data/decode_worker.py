"""The process that decodes for `decode_workers`; it speaks over its standard input and output.

    worker ->  READY, once
    parent ->  one JSON line, a DecodeRequest
    worker ->  one JSON line, {"shape": [F, h, w, 3]}, and then the F * h * w * 3 bytes;
               or one JSON line, {"error": text}

Run as `python -m vadsdk.data.decode_worker`, so that a caller's own script is not imported again.
"""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.segments import read_segment
from vadsdk.errors import VideoError
from vadsdk.video import FrameReader, read_frames

READY = b"ready\n"
"""What a worker writes first, once it can answer."""
_MAX_INDEXED_FRAMES = 1 << 23
"""Of which a worker remembers where they lie: 93 hours at 25 frames a second, 64 MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeRequest:
    """What to decode."""

    path: str
    """A video file or a folder of images."""
    size: tuple[int, int]
    """h and w of the frames to return."""
    frame_indices: tuple[int, ...] | None = None
    """Frames to return, in any order; None for all."""
    start_seconds: float | None = None
    """Frames are counted from the one at this time, without a look at what comes before; None: from
    the first one, exactly."""

    def to_line(self) -> bytes:
        """Return the request as a line of the protocol."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Decoder:
    """Answers requests one after another, and remembers where the frames of recent files lie."""

    def __init__(self) -> None:
        self._readers: OrderedDict[str, FrameReader] = OrderedDict()
        self._num_indexed = 0

    def decode(self, request: DecodeRequest) -> NDArray[np.uint8]:
        """Return (F, h, w, 3) RGB, or raise a VideoError."""
        if request.frame_indices is None:
            return read_frames(request.path, size=request.size)
        if request.start_seconds is None:
            return self._reader(request.path).read(request.frame_indices, request.size)
        path, start = Path(request.path), request.start_seconds
        return read_segment(path, start, request.frame_indices, request.size)

    def _reader(self, path: str) -> FrameReader:
        if path in self._readers:
            self._readers.move_to_end(path)
            return self._readers[path]
        reader = self._readers[path] = FrameReader(path)
        self._num_indexed += reader.num_indexed
        while self._num_indexed > _MAX_INDEXED_FRAMES and len(self._readers) > 1:
            _, dropped = self._readers.popitem(last=False)
            self._num_indexed -= dropped.num_indexed
        return reader


def answer(line: bytes, decoder: Decoder, out: BinaryIO) -> None:
    """Decode what a line asks for and write the answer."""
    values = json.loads(line)
    values["size"] = tuple(values["size"])
    try:
        frames = decoder.decode(DecodeRequest(**values))
    except (VideoError, OSError) as error:
        out.write(json.dumps({"error": str(error)}).encode() + b"\n")
    except MemoryError:
        out.write(
            json.dumps({"error": f"{values['path']} does not fit in memory"}).encode() + b"\n"
        )
    else:
        out.write(json.dumps({"shape": frames.shape}).encode() + b"\n")
        out.write(np.ascontiguousarray(frames).data)
    out.flush()


def main() -> None:
    """Answer until the parent closes the pipe."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    out.write(READY)
    out.flush()
    decoder = Decoder()
    for line in sys.stdin.buffer:
        answer(line, decoder, out)


if __name__ == "__main__":
    main()
