"""What a video file says of itself."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from vadsdk.video.address import Address, file_address
from vadsdk.video.decoder import decoded_pictures, upright_size
from vadsdk.video.folders import ImageFolder, read_images
from vadsdk.video.opening import open_video
from vadsdk.video.presentation import DEFAULT_FPS, frame_rate

_WORTH_COUNTING = ("avi", "mov,mp4,m4a,3gp,3g2,mj2")
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInfo:
    """Size, rate and length of a video."""

    width: int
    """Columns of an upright frame."""
    height: int
    """Rows of an upright frame."""
    fps: float | None
    """Average frames a second; None if the file does not tell."""
    num_frames: int | None
    """As the container counts them; None if that is not known. Fewer may decode."""
    duration_seconds: float | None
    """From the first frame to the end of the last; None if that is not known."""


def probe(path: Path | str) -> VideoInfo:
    """Read the size, rate and length of a video file; decodes its first frame alone.

    A folder of images is a video, too, of which no rate is known.

    Raises:
        VideoError: the file is missing, or no video, or none of its frames decodes.
    """
    if Path(path).is_dir():
        return _describe_images(Path(path))
    return describe(file_address(Path(path)))


def describe(address: Address) -> VideoInfo:
    """Read the size, rate and length of what lies at an address, as `probe` does."""
    with closing(decoded_pictures(address)) as pictures:
        height, width = upright_size(next(pictures))  # raises VideoError if there is none
    with open_video(address) as (container, stream):
        num_frames, duration_seconds = _length(container, stream)
        return VideoInfo(
            width=width,
            height=height,
            fps=frame_rate(container, stream),
            num_frames=num_frames,
            duration_seconds=duration_seconds,
        )


def _describe_images(folder: Path) -> VideoInfo:
    height, width = read_images(folder, [0]).shape[1:3]
    num_frames = ImageFolder(folder, fps=DEFAULT_FPS).num_frames
    return VideoInfo(
        width=width, height=height, fps=None, num_frames=num_frames, duration_seconds=None
    )


def _length(container: InputContainer, stream: VideoStream) -> tuple[int | None, float | None]:
    """Return the number of frames and of seconds, each None if it is not known.

    Packets are counted, which reads the whole file, only where that is the one way: an AVI's header
    counts chunks that were left out, too, and a fragmented mp4 does not count at all.
    """
    time_base = stream.time_base or Fraction(1)
    duration = container.duration / _MICROSECONDS if container.duration else None
    if stream.duration:
        duration = float(stream.duration * time_base)
    is_counted = stream.frames > 0 and container.format.name != "avi"
    if duration and (is_counted or container.format.name not in _WORTH_COUNTING):
        return stream.frames or None, duration
    packets = [packet for packet in container.demux(stream) if packet.size]
    ends = [packet.dts + (packet.duration or 0) for packet in packets if packet.dts is not None]
    if ends and not duration:
        starts = [packet.dts for packet in packets if packet.dts is not None]
        duration = float((max(ends) - min(starts)) * time_base)
    return len(packets), duration
