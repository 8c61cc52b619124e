"""Tiny videos, written with PyAV itself so that the tests do not lean on what they test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

MakeVideo = Callable[..., Path]


def picture(index: int, height: int, width: int) -> NDArray[np.uint8]:
    """Grey that grows by 10 a frame, with a red quarter at the top left."""
    image = np.full((height, width, 3), 20 + 10 * (index % 20), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    return image


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write `num_frames` pictures; `pts` are in units of `time_base`, a frame a unit by default."""

    def make(
        name: str,
        *,
        num_frames: int = 10,
        size: tuple[int, int] = (48, 64),
        fps: int = 10,
        pts: Sequence[int] | None = None,
        time_base: Fraction | None = None,
        counterclockwise: int = 0,
        codec: str = "libx264",
        options: dict[str, str] | None = None,
        is_noise: bool = False,
    ) -> Path:
        path = tmp_path / name
        rng = np.random.default_rng(7)
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream(codec, rate=fps)
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = 5
            stream.codec_context.time_base = time_base or Fraction(1, fps)
            if counterclockwise:
                stream.set_display_rotation(counterclockwise)
            for index in range(num_frames):
                image = picture(index, *size)
                if is_noise:
                    image = rng.integers(0, 256, image.shape, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = pts[index] if pts else index
                frame.time_base = time_base or Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture(params=["bare", "with a cover"])
def sound_only(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A tenth of a second of silence; a cover picture is a video stream to FFmpeg."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        if request.param == "with a cover":
            cover = container.add_stream("mjpeg", rate=1)
            cover.height, cover.width = 48, 64
            cover.pix_fmt = "yuvj420p"
            cover.disposition = Disposition.attached_pic
            container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, 48, 64))))
            container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
