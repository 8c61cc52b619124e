"""Example pictures for reports: test videos with the predictions drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.dataset import VideoRecord
from vadsdk.streaming import detect_video
from vadsdk.structures import ClipModel
from vadsdk.video import contact_sheet, draw_result, open_source

FRAMES_A_VIDEO = 4


def example_pictures(
    model: ClipModel, records: Sequence[VideoRecord], *, count: int = 6
) -> list[NDArray[np.uint8]]:
    """Return a strip of frames, predictions drawn in, for some videos spread over `records`.

    Args:
        model: what predicts.
        records: to choose from.
        count: strips at most.
    """
    if not records:
        return []
    places = np.unique(np.linspace(0, len(records) - 1, count).astype(int))
    return [video_strip(model, records[place].path) for place in places]


def video_strip(model: ClipModel, path: Path) -> NDArray[np.uint8]:
    """Return frames spread over a video side by side, with what the model finds in them."""
    frames = list(open_source(path))
    results = detect_video(model, frames).frames
    places = np.linspace(0, len(frames) - 1, FRAMES_A_VIDEO + 2).astype(int)[1:-1]
    images = [draw_result(frames[i].image, results[i]) for i in places]
    return contact_sheet(images, columns=FRAMES_A_VIDEO)
