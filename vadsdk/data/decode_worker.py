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
_MAX_READERS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeRequest:
    """What to decode; of a segment or a choice of frames at most one is given."""

    path: str
    """A video file or a folder of images."""
    size: tuple[int, int]
    """h and w of the frames to return."""
    segment: tuple[float, int] | None = None
    """Start in seconds and number of frames."""
    frame_indices: tuple[int, ...] | None = None
    """Frames to return, in any order."""

    def to_line(self) -> bytes:
        """Return the request as a line of the protocol."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Decoder:
    """Answers requests one after another, and remembers where the frames of recent files lie."""

    def __init__(self) -> None:
        self._readers: OrderedDict[str, FrameReader] = OrderedDict()

    def decode(self, request: DecodeRequest) -> NDArray[np.uint8]:
        """Return (F, h, w, 3) RGB, or raise a VideoError."""
        if request.segment is not None:
            return read_segment(Path(request.path), *request.segment, request.size)
        if request.frame_indices is not None:
            return self._reader(request.path).read(request.frame_indices, request.size)
        return read_frames(request.path, size=request.size)

    def _reader(self, path: str) -> FrameReader:
        reader = self._readers.pop(path, None) or FrameReader(path)
        self._readers[path] = reader
        if len(self._readers) > _MAX_READERS:
            self._readers.popitem(last=False)
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
