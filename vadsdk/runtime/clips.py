"""The check that every backend makes of its input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import ModelSpec


def check_clips(clips: NDArray[np.uint8], spec: ModelSpec) -> None:
    """Refuse anything but (B, T, h, w, 3) uint8 at the size of `spec`, with B of 1 or more.

    Raises:
        ValueError: another shape or type.
    """
    wanted = (spec.clip_length, spec.input_height, spec.input_width, 3)
    if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[1:] != wanted or not len(clips):
        raise ValueError(
            f"clips must be (B, {', '.join(map(str, wanted))}) uint8 with B >= 1, "
            f"not {clips.shape} {clips.dtype}"
        )
