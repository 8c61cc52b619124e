"""The thread that reads a camera or stream, and reconnects when it falls silent."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakSet

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from vadsdk.errors import VideoError
from vadsdk.video.address import Address, Timeouts
from vadsdk.video.newest import NewestQueue
from vadsdk.video.opening import connect, reason, video_stream
from vadsdk.video.presentation import PresentationClock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveSettings:
    """How patient to be with a camera."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    """After which a silent camera counts as gone."""
    max_outage_seconds: float = 60.0
    """How long after its last picture to give up reconnecting."""
    first_wait_seconds: float = 0.5
    """Before reconnecting; doubles with each failure."""
    max_wait_seconds: float = 10.0
    """Longest wait between two attempts."""
    max_waiting_frames: int = 32
    """Frames kept for a slow consumer; then the oldest are dropped."""


class LiveReader:
    """Fills a queue with (seconds, picture) until it is stopped or the camera stays away.

    Args:
        address: of the camera.
        settings: how patient to be.
        container: the open connection to begin with; closed by the reader.
        period: seconds that a frame lasts where time stamps are missing.
    """

    def __init__(
        self, address: Address, settings: LiveSettings, container: InputContainer, period: float
    ) -> None:
        self.queue: NewestQueue[tuple[float, av.VideoFrame]] = NewestQueue(
            settings.max_waiting_frames
        )
        self.failure: VideoError | None = None
        """Why the queue was closed, if not because the reader was stopped."""
        self._address = address
        self._settings = settings
        self._container = container
        self._clock = LiveClock(period)
        self._heard_at = time.monotonic()
        self._wait_seconds = settings.first_wait_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=address.name, daemon=True)

    def start(self) -> None:
        """Begin to read.

        Raises:
            VideoError: for the second time.
        """
        if self._thread.ident is not None:
            raise VideoError(f"{self._address.name} was already read; open it again")
        _started.add(self)
        self._thread.start()

    def stop(self) -> None:
        """End reading; a read that hangs is left to run into its time-out."""
        self._stopped.set()
        self._thread.join(timeout=1.0)
        if self.queue.num_dropped:
            logger.warning(
                "%s: dropped %d frames that came faster than they were used",
                self._address.name,
                self.queue.num_dropped,
            )

    def end(self) -> None:
        """End reading, and wait for a read that hangs."""
        self._stopped.set()
        timeouts = self._settings.timeouts
        self._thread.join(timeout=timeouts.open_seconds + timeouts.read_seconds)

    @property
    def is_reading(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                why = self._read_connection()
                self._container.close()
                self._reconnect(why)
        except VideoError as error:
            self.failure = error
        finally:
            self._container.close()
            self.queue.close()

    def _read_connection(self) -> str:
        """Read until the connection ends; returns why it did."""
        self._clock.begin_connection()
        try:
            stream = video_stream(self._container, self._address)
            for packet in self._container.demux(stream):
                for picture in _decoded(packet):
                    self._heard_at = time.monotonic()
                    self._wait_seconds = self._settings.first_wait_seconds
                    self.queue.put((self._clock.present(picture.time), picture))
                if self._stopped.is_set():
                    break
        except av.FFmpegError as error:
            return reason(error)
        return "the other side ended the stream"

    def _reconnect(self, why: str) -> None:
        """Open the address anew, or return if stopped.

        Raises:
            VideoError: there was no picture for too long.
        """
        while not self._stopped.is_set():
            outage = time.monotonic() - self._heard_at
            if outage > self._settings.max_outage_seconds:
                raise VideoError(
                    f"{self._address.name} gave no picture for {outage:.0f} s: {why}. "
                    "Check the camera and the network, then start again"
                )
            logger.warning("%s: %s; reconnecting", self._address.name, why)
            self._stopped.wait(self._wait_seconds)
            self._wait_seconds = min(2 * self._wait_seconds, self._settings.max_wait_seconds)
            try:
                self._container = connect(self._address)
            except (av.FFmpegError, OSError) as error:
                why = f"cannot connect, {reason(error)}"
            else:
                return


class LiveClock:
    """Seconds since the first picture: by time stamps, and by the wall clock over an outage.

    Args:
        period: seconds that a frame lasts where time stamps are missing.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._first_at: float | None = None
        self._last_seconds = -period
        self._connection: PresentationClock | None = None
        self._shift = 0.0

    def begin_connection(self) -> None:
        """Expect time stamps that have nothing to do with those before."""
        self._connection = None

    def present(self, stamp: float | None) -> float:
        """Return when the next picture is presented.

        Args:
            stamp: its time stamp in seconds, None if it has none.
        """
        if self._connection is None:
            now = time.monotonic()
            self._first_at = now if self._first_at is None else self._first_at
            start = max(now - self._first_at, self._last_seconds + self._period)
            self._shift = start - (stamp or 0.0)
            self._connection = PresentationClock(self._period)
            self._last_seconds = self._connection.present(start)
        else:
            shifted = None if stamp is None else stamp + self._shift
            self._last_seconds = self._connection.present(shifted)
        return self._last_seconds


def _decoded(packet: Packet[VideoStream]) -> Sequence[av.VideoFrame]:
    """Return a packet's pictures; none if it was damaged on its way, as every network does."""
    try:
        return packet.decode()
    except av.error.InvalidDataError:
        return ()


_started: WeakSet[LiveReader] = WeakSet()


def is_any_reading() -> bool:
    """Tell whether a reader's thread runs still: one that was stopped may hang in FFmpeg."""
    return any(reader.is_reading for reader in _started)


@atexit.register
def _end_all() -> None:
    """Stop all readers and wait for those that hang: in an interpreter that ends they would crash.

    That takes as long as their time-outs, at most.
    """
    for reader in list(_started):
        reader.end()
