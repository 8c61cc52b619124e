"""Any frames of a video file, exactly those of a decode from the start, without one.

    file      K.....K.....K.....K.....      K: a picture that can be decoded alone
    wanted          |   x x x x             seek to the K before, decode from there

The packets are listed once, which reads the file but decodes nothing. Where their time stamps do
not tell which picture is which (a transport stream, an AVI with B-frames,
missing or repeated stamps), the file is
decoded from its start instead; that is slower, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.video.address import Address, file_address
from vadsdk.video.decoder import Picture, check_size, decoded_pictures, upright_size
from vadsdk.video.folders import read_images
from vadsdk.video.opening import open_video, reason
from vadsdk.video.orientation import orientation_of
from vadsdk.video.pixels import RgbConverter
from vadsdk.video.presentation import CLOCK_STARTS_ANYWHERE


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameIndex:
    """Where the frames of a file lie, in its stream's own time stamps."""

    stamps: NDArray[np.int64]
    """(F,) strictly increasing, one a frame."""
    key_stamps: NDArray[np.int64]
    """Those of the frames that can be decoded alone, strictly increasing."""


class FrameReader:
    """Reads frames of one video file by their position.

    Args:
        path: a video file, or a folder of images; it is opened anew for every call, so nothing
            stays open.

    Raises:
        VideoError: the file is missing or no video.
    """

    def __init__(self, path: Path | str) -> None:
        self._folder = Path(path) if Path(path).is_dir() else None
        self._address = file_address(Path(path)) if self._folder is None else None
        self.index = _index_of(self._address) if self._address else None
        """None where the time stamps do not tell the frames apart."""

    @property
    def num_indexed(self) -> int:
        """Frames whose places are kept in memory."""
        return 0 if self.index is None else len(self.index.stamps)

    def read(
        self, frame_indices: Sequence[int] | NDArray[np.integer], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Decode some frames, (T, h, w, 3) RGB, upright.

        Args:
            frame_indices: (T,) from 0, in any order, repeated if need be.
            size: h and w to stretch every frame to, averaging over areas.

        Raises:
            VideoError: there is no such frame, or it cannot be decoded.
        """
        if self._folder is not None:
            return read_images(self._folder, [int(index) for index in frame_indices], size=size)
        assert self._address is not None  # it is one or the other
        return self._read_file(self._address, [int(index) for index in frame_indices], size)

    def _read_file(
        self, address: Address, frame_indices: Sequence[int], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        wanted = sorted(set(frame_indices))
        if wanted and wanted[0] < 0:
            raise VideoError(f"{address.name} has no frame {wanted[0]}; frames count from 0")
        found: dict[int, NDArray[np.uint8]] = {}
        converter = RgbConverter()
        try:
            for picture in self._pictures(address, wanted):
                found[picture.index] = converter.convert(picture, size)
        except av.FFmpegError as error:
            raise VideoError(
                f"{address.name} breaks near frame {wanted[len(found)]}: {reason(error)}; "
                "copy it again"
            ) from error
        missing = [index for index in wanted if index not in found]
        if missing:
            raise VideoError(
                f"{address.name} has no frame {missing[0]} that can be decoded; "
                "copy it again, or annotate what it has"
            )
        return np.stack([found[index] for index in frame_indices])

    def _pictures(self, address: Address, wanted: Sequence[int]) -> Iterator[Picture]:
        """Yield the wanted pictures in their order, as far as the file has them."""
        if self.index is None:
            yield from _from_the_start(address, wanted)
            return
        with open_video(address) as (container, stream):
            stream.thread_type = "SLICE"
            yield from _Seeker(address.name, container, stream, self.index).pictures(wanted)


class _Seeker:
    """Walks through a container, jumping where no frame before the next key picture is wanted."""

    def __init__(
        self, name: str, container: InputContainer, stream: VideoStream, index: FrameIndex
    ) -> None:
        self._name, self._container, self._stream = name, container, stream
        self._index = index
        self._expected_size: tuple[int, int] | None = None

    def pictures(self, wanted: Sequence[int]) -> Iterator[Picture]:
        for run in self._runs(wanted):
            self._container.seek(self._key_before(run[0]), stream=self._stream)
            left = set(run)
            for stored in self._container.decode(self._stream):
                position = self._position(stored)
                if position in left:
                    yield self._picture(position, stored)
                    left.remove(position)
                if not left:
                    break

    def _runs(self, wanted: Sequence[int]) -> list[list[int]]:
        """Split where a key picture lies between two wanted frames: a jump is shorter there."""
        runs: list[list[int]] = []
        for index in wanted:
            if index >= len(self._index.stamps):
                break
            if not runs or self._key_before(index) > self._index.stamps[runs[-1][-1]]:
                runs.append([])
            runs[-1].append(index)
        return runs

    def _key_before(self, index: int) -> int:
        keys = self._index.key_stamps
        place = int(np.searchsorted(keys, self._index.stamps[index], side="right")) - 1
        return int(keys[max(place, 0)])

    def _position(self, stored: av.VideoFrame) -> int:
        stamp = stored.dts if stored.pts is None else stored.pts
        if stamp is None:
            return -1
        place = int(np.searchsorted(self._index.stamps, stamp))
        is_known = place < len(self._index.stamps) and self._index.stamps[place] == stamp
        return place if is_known else -1

    def _picture(self, position: int, stored: av.VideoFrame) -> Picture:
        seconds = float((stored.time_base or 0) * int(self._index.stamps[position]))
        picture = Picture(
            index=position, pts_seconds=seconds, stored=stored, orientation=orientation_of(stored)
        )
        self._expected_size = self._expected_size or upright_size(picture)
        check_size(self._name, picture, self._expected_size)
        return picture


def _from_the_start(address: Address, wanted: Sequence[int]) -> Iterator[Picture]:
    left = set(wanted)
    for position, picture in zip(count(), decoded_pictures(address), strict=False):
        if position in left:
            yield picture
            left.remove(position)
        if not left:
            return


def _index_of(address: Address) -> FrameIndex | None:
    with open_video(address) as (container, stream):
        if container.format.flags & CLOCK_STARTS_ANYWHERE:  # nor can one seek exactly there
            return None
        packets = [_stamp_of(packet, stream) for packet in _shown_packets(container, stream)]
    if not packets or any(stamp is None for stamp, _ in packets):
        return None
    stamps = np.array([stamp for stamp, _ in packets], np.int64)
    keys = np.array([stamp for stamp, is_key in packets if is_key], np.int64)
    if len(np.unique(stamps)) != len(stamps) or not len(keys) or keys.min() != stamps.min():
        return None
    return FrameIndex(stamps=np.sort(stamps), key_stamps=np.sort(keys))


def _shown_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield the packets that hold a picture which is shown; where the file breaks, those before."""
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                yield packet
    except av.FFmpegError:
        return


def _stamp_of(packet: Packet[VideoStream], stream: VideoStream) -> tuple[int | None, bool]:
    """Return a packet's time stamp, None if unknown, and whether it can be decoded alone."""
    if packet.pts is None and not stream.codec_context.has_b_frames:
        return packet.dts, packet.is_keyframe
    return packet.pts, packet.is_keyframe
