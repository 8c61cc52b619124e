"""When each picture is shown: exact where the container says so, filled where it does not.

    container    0.00  0.04   -    0.12  0.10  0.16
    presented    0.00  0.04  0.08  0.12  0.12  0.16

A dash is a missing time stamp; that of the fifth picture is stray.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

DEFAULT_FPS = 25.0
"""For what has no frame rate of its own."""
MAX_FPS = 1000
"""Beyond it, and below 1 / MAX_FPS, a frame rate is a mistake."""

# FFmpeg's AVFMT_TS_DISCONT: broadcast formats, whose clock starts anywhere and may be set again.
CLOCK_STARTS_ANYWHERE = 0x0200
_NO_TIME_STAMPS = 0x0080  # AVFMT_NOTIMESTAMPS: raw codec streams

# A step back of more frames than decoders reorder is a clock set anew, not a stray time stamp.
_MAX_STRAY_FRAMES = 8


def frame_rate(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the average frames a second, or None if nothing tells."""
    rates = [stream.average_rate, stream.guessed_rate]
    if container.format.flags & _NO_TIME_STAMPS:  # its average is FFmpeg's default of 25
        rates.reverse()
    return next((float(rate) for rate in rates if rate), None)


class PresentationClock:
    """Makes times that never decrease of time stamps that may be missing, stray or set anew.

    Args:
        period: seconds that a frame lasts where time stamps are missing.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._shift = 0.0
        self._last: float | None = None

    def present(self, seconds: float | None) -> float:
        """Return when to present the next picture.

        Args:
            seconds: its time stamp, None if it has none.
        """
        last = self._last
        if last is None:
            self._last = 0.0 if seconds is None else seconds
        elif seconds is None:
            self._last = last + self._period
        elif seconds + self._shift < last - _MAX_STRAY_FRAMES * self._period:
            self._last = last + self._period
            self._shift = self._last - seconds
        else:
            self._last = max(last, seconds + self._shift)
        return self._last


class StreamClock:
    """Presentation times of one stream, in seconds from the beginning of its file.

    An AVI file has no presentation times, only those of its chunks in the order of decoding, and
    chunks may be left out; its n-th picture is shown at the n-th chunk's time.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._time_base = stream.time_base or Fraction(1)
        self._origin = _origin(container)
        self._chunk_times: deque[int] | None = deque() if container.format.name == "avi" else None
        self._clock = PresentationClock(1 / (frame_rate(container, stream) or DEFAULT_FPS))

    def note(self, packet: Packet[VideoStream]) -> None:
        """Take notice of a packet that the decoder accepted; call it before its pictures come."""
        if self._chunk_times is not None and packet.dts is not None:
            self._chunk_times.append(packet.dts)

    def present(self, picture: av.VideoFrame) -> float:
        """Return when to show the next picture; it never decreases."""
        stamp = picture.pts
        if self._chunk_times is not None:
            stamp = self._chunk_times.popleft() if self._chunk_times else None
        if stamp is None:
            return self._clock.present(None)
        return self._clock.present(float(stamp * self._time_base - self._origin))


def _origin(container: InputContainer) -> Fraction:
    """Return the time stamp, in seconds, that counts as 0."""
    if not container.format.flags & CLOCK_STARTS_ANYWHERE:
        return Fraction(0)
    starts = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))
