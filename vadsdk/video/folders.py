"""Folders: of videos, each of which is a source, or of images, which together are one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.structures import Frame
from vadsdk.video.decoder import size_changed

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"}
)
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def video_files(folder: Path | str) -> list[Path]:
    """Return the video files directly in a folder, `clip2` before `clip10`; hidden ones not.

    Raises:
        VideoError: there is no such folder.
    """
    return _files(Path(folder), VIDEO_SUFFIXES)


def image_files(folder: Path) -> list[Path]:
    """Return the images directly in a folder, in the order in which they are frames.

    Raises:
        VideoError: there is no such folder.
    """
    return _files(folder, IMAGE_SUFFIXES)


class ImageFolder:
    """The images of a folder as one video, `frame2` before `frame10`.

    Args:
        folder: holds the images, and may hold other files.
        fps: images a second, as nothing in the folder tells.

    Raises:
        VideoError: there is no such folder, or no image in it.
    """

    is_live = False

    def __init__(self, folder: Path, *, fps: float) -> None:
        self._paths = image_files(folder)
        if not self._paths:
            raise _nothing_in(folder)
        self.name = str(folder)
        self.fps = fps
        self.num_frames = len(self._paths)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the images; each time from the first."""
        size: tuple[int, int] | None = None
        for index, path in enumerate(self._paths):
            image = _read_image(path)
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                raise size_changed(str(path), index, size, image.shape[:2])
            yield Frame(index=index, pts_seconds=index / self.fps, image=image)


def read_images(
    folder: Path,
    frame_indices: Sequence[int] | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Read images of a folder, (T, H, W, 3) RGB, in the order of `ImageFolder`.

    Args:
        folder: holds the images.
        frame_indices: (T,) which ones, in any order; None for all.
        size: (height, width) to stretch every image to, averaging over areas.

    Raises:
        VideoError: no such folder or image, one that cannot be read, or images of several sizes.
    """
    paths = image_files(folder)
    if not paths:
        raise VideoError(
            f"{folder} is a folder without images, expected a video file or a folder of images"
        )
    images: list[NDArray[np.uint8]] = []
    full_size: tuple[int, int] | None = None
    for index in range(len(paths)) if frame_indices is None else frame_indices:
        if not 0 <= index < len(paths):
            raise VideoError(f"{folder} has no frame {index}; it has {len(paths)} images")
        image = _read_image(paths[index])
        found = (image.shape[0], image.shape[1])
        full_size = full_size or found
        if found != full_size:
            raise size_changed(str(paths[index]), index, full_size, found)
        images.append(_stretched(image, size))
    return np.stack(images)


def _stretched(image: NDArray[np.uint8], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    if size is None or image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    if not folder.is_dir():
        raise VideoError(f"{folder} is not a folder; check the path")
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes and not path.name.startswith(".")
        ),
        key=_natural_order,
    )


def _nothing_in(folder: Path) -> VideoError:
    """Return the error for a folder without a file that could be watched; it looks further down."""
    missing = f"{folder} has neither a video nor an image directly in it"
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        for kind, suffixes in (("video", VIDEO_SUFFIXES), ("image", IMAGE_SUFFIXES)):
            count = len(_files(inner, suffixes))
            if count:
                return VideoError(
                    f"{missing}, but {inner} has {count} {kind}{'s' * (count > 1)}: give that"
                )
    return VideoError(f"{missing}; expected files such as a.mp4, or 1.png, 2.png and so on")


def _natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def _read_image(path: Path) -> NDArray[np.uint8]:
    content = np.fromfile(path, np.uint8)  # cv2.imread cannot open every name on Windows
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None  # applies EXIF's turn
    if image is None:
        raise VideoError(f"{path} is not an image that can be decoded; replace or remove it")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
