"""Clips on which an export is compared with its network: real ones, or made ones if there are none.

Legend: N clips, T frames, h and w of the model's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.streaming.windows import ClipWindows
from vadsdk.structures import ModelSpec
from vadsdk.video import open_source

NUM_CLIPS = 4
SEED = 20_240_501


def smooth_noise_clips(
    spec: ModelSpec, num_clips: int = NUM_CLIPS, seed: int = SEED
) -> NDArray[np.uint8]:
    """Return (N, T, h, w, 3) coloured clouds that drift: full contrast, smooth as footage."""
    generator = np.random.default_rng(seed)
    clips = np.empty(
        (num_clips, spec.clip_length, spec.input_height, spec.input_width, 3), np.uint8
    )
    for clip in clips:
        first, last = (_clouds(generator, spec) for _ in range(2))
        for index, share in enumerate(np.linspace(0.0, 1.0, spec.clip_length)):
            mixed = (1 - share) * first + share * last
            low, high = mixed.min(), mixed.max()
            clip[index] = np.rint(255 * (mixed - low) / (high - low))
    return clips


def video_clips(
    paths: Sequence[Path], spec: ModelSpec, num_clips: int = NUM_CLIPS
) -> NDArray[np.uint8]:
    """Return (N, T, h, w, 3): the first window of each of the first N videos, strided as in use.

    A video shorter than the window repeats its last frame; with fewer videos, fewer clips.

    Raises:
        VideoError: a video cannot be read.
        ValueError: there are no videos.
    """
    return np.stack([_first_window(path, spec) for path in paths[:num_clips]])


def _first_window(path: Path, spec: ModelSpec) -> NDArray[np.uint8]:
    windows = ClipWindows(spec, hop=spec.span)
    for frame in open_source(path):
        clip = windows.push(frame.image)
        if clip is not None:
            return clip.images
    clip = windows.flush()
    assert clip is not None  # a source gives a frame or raises VideoError
    return clip.images


def _clouds(generator: np.random.Generator, spec: ModelSpec) -> NDArray[np.float32]:
    coarse = generator.standard_normal((6, 6, 3)).astype(np.float32)
    size = (spec.input_width, spec.input_height)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.float32)
