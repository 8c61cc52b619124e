"""One call for every kind of source: file, folder of images, camera, stream, frames in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError, VideoError
from vadsdk.structures import Frame
from vadsdk.video.address import (
    camera_address,
    file_address,
    is_camera,
    is_url,
    network_address,
)
from vadsdk.video.decoder import OnError
from vadsdk.video.file_source import FileSource
from vadsdk.video.folders import ImageFolder, video_files
from vadsdk.video.given_frames import GivenFrames
from vadsdk.video.live import LiveSource
from vadsdk.video.live_reader import LiveSettings
from vadsdk.video.opening import open_container
from vadsdk.video.presentation import DEFAULT_FPS, MAX_FPS
from vadsdk.video.source import Source

Openable = str | Path | int | Source | Iterable[Frame] | Iterable[NDArray[np.uint8]]
"""What `open_source` takes."""


def open_source(
    source: Openable,
    *,
    on_error: OnError = "raise",
    fps: float | None = None,
    live: LiveSettings | None = None,
) -> Source:
    """Open anything that gives frames.

    Args:
        source: a video file, a folder of images, a camera (0 or "0"), a URL (rtsp, http, ...),
            Frames, or (H, W, 3) uint8 RGB images. A source is returned as it is.
        on_error: for a file that breaks midway: "raise" after its last good frame, or "stop" there
            with a logged warning; for all else "stop" is an error.
        fps: images a second, for a folder of images and images in memory, as nothing else tells
            when they were taken; None is 25. For what has times of its own it is an error.
        live: how patient to be with cameras and streams.

    Raises:
        VideoError: it is not there, or not a video. A file is opened at once; other faults come
            while iterating.
        ConfigError: no usable frame rate, or one for what tells its own; "stop" for what is no
            video file that is opened here.
    """
    _check_fps(fps)
    if isinstance(source, str | Path | int):
        opened = _open_address(source, on_error, fps, live or LiveSettings())
        takes_fps, may_stop = isinstance(opened, ImageFolder), isinstance(opened, FileSource)
    elif isinstance(source, Source):
        opened, takes_fps, may_stop = source, False, False
    elif isinstance(source, Iterable):
        opened, takes_fps, may_stop = GivenFrames(source, fps=fps), True, False
    else:
        raise VideoError(
            f"{source!r} is no video; expected a file, a folder of images, a camera, a URL, Frames "
            "or (H, W, 3) uint8 RGB images"
        )
    if fps is not None and not takes_fps:
        raise ConfigError(f"fps is for images alone, and {opened.name} tells its own; leave it out")
    if on_error == "stop" and not may_stop:
        raise ConfigError(
            'on_error="stop" (predict --accept-broken) is for a video file that is opened by its '
            f"path or URL, and {opened.name} is none; leave it out"
        )
    return opened


def _check_fps(fps: float | None) -> None:
    if fps is not None and not (math.isfinite(fps) and 1 / MAX_FPS <= fps <= MAX_FPS):
        raise ConfigError(f"fps is {1 / MAX_FPS} to {MAX_FPS} images a second, not {fps}")


def _open_address(
    source: str | Path | int, on_error: OnError, fps: float | None, live: LiveSettings
) -> Source:
    if isinstance(source, str) and is_url(source):
        return _open_url(source, live, on_error)
    if isinstance(source, int) or is_camera(str(source)):
        address = camera_address(str(source), live.timeouts)
        return LiveSource(address, live, open_container(address))
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, DEFAULT_FPS if fps is None else fps)
    return FileSource(file_address(path), on_error=on_error)


def _open_url(url: str, live: LiveSettings, on_error: OnError) -> Source:
    """Open what is at a URL: a file if its length is known, else a stream."""
    address = network_address(url, live.timeouts)
    container = open_container(address)
    if not container.duration:
        return LiveSource(address, live, container)
    container.close()
    return FileSource(address, on_error=on_error)


def _open_folder(folder: Path, fps: float) -> Source:
    videos = video_files(folder)
    if videos:
        raise VideoError(
            f"{folder} is a folder of {len(videos)} videos, expected one video or a folder of "
            f"images; open each by itself, as in {videos[0]}"
        )
    return ImageFolder(folder, fps=fps)
