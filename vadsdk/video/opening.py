"""Opening a container with FFmpeg, and saying in plain words why that did not work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vadsdk.errors import VideoError
from vadsdk.video.address import Address
from vadsdk.video.declared_size import is_cut_mp4

_TEXT_RENDERERS = ("tty", "bin", "xbin", "adf", "idf")


@contextmanager
def open_video(address: Address) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its first real video stream; closed at the end of the block.

    Raises:
        VideoError: it is not a video, or it has no pictures.
    """
    container = open_container(address)
    try:
        yield container, video_stream(container, address)
    finally:
        container.close()


def open_container(address: Address) -> InputContainer:
    """Open a container; the caller closes it.

    Raises:
        VideoError: it cannot be opened; the text never holds the location's credentials.
    """
    try:
        return connect(address)
    except (av.FFmpegError, OSError) as caught:
        error = _not_opened(address, caught)
    raise error  # outside of `except`: FFmpeg's own error names the location


def connect(address: Address) -> InputContainer:
    """Open a container; the caller closes it, and gives the `reason` of an error, never its text.

    Raises:
        av.FFmpegError, OSError: it cannot be opened; the text may hold the location's credentials.
    """
    timeouts = address.timeouts
    return av.open(
        address.location,
        mode="r",
        format=address.format,
        options=dict(address.options),
        metadata_errors="replace",
        timeout=(timeouts.open_seconds, timeouts.read_seconds) if timeouts else None,
    )


def video_stream(container: InputContainer, address: Address) -> VideoStream:
    """Return the first video stream that is not the cover of an audio file.

    Raises:
        VideoError: there is none.
    """
    if container.format.name in _TEXT_RENDERERS:  # FFmpeg would film the text
        raise VideoError(f"{address.name} is text, expected a video; check the path")
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    found = "sound but no pictures" if container.streams.audio else "no video stream"
    raise VideoError(f"{address.name} has {found}, expected a video; choose another file")


def reason(error: Exception) -> str:
    """Return FFmpeg's or the system's own words, without the location they come with."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return "no answer in time" if isinstance(error, av.error.ExitError) else text


def _not_opened(address: Address, error: Exception) -> VideoError:
    if address.path is None:
        return VideoError(
            f"cannot open {address.name}: {reason(error)}. Check that it is switched on and "
            "reachable from here, and its address, user and password"
        )
    if isinstance(error, av.error.InvalidDataError):
        return VideoError(f"{address.name} is not a video: {_looks_like(address.path)}")
    return VideoError(f"cannot open {address.name}: {reason(error)}; check the file and its rights")


def _looks_like(path: Path) -> str:
    if is_cut_mp4(path):
        return (
            "it begins like an mp4, but its index (the moov box) is missing, so the recording or "
            "the copy was cut off; copy it again"
        )
    with path.open("rb") as file:
        start = file.read(512)
    if _is_text(start):
        return f"it is text ({start[:24].decode('utf-8', 'ignore')!r}...); check the path"
    return "FFmpeg does not know its contents; check that it is complete, or convert it to mp4"


def _is_text(start: bytes) -> bool:
    characters = start.decode("utf-8", "ignore")
    return len(characters) > len(start) // 2 and all(
        character.isprintable() or character.isspace() for character in characters
    )
