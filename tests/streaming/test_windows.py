from __future__ import annotations

import numpy as np
import pytest
from bright_square import make_spec, numbered_frame

from vadsdk.streaming.windows import ClipWindows, KeyFrameWindows, Windows, shrink


def windows_of(num_frames: int, windows: Windows) -> list[list[int]]:
    """Cut a source into clips; check that the images are those that the clips name."""
    clips = [windows.push(numbered_frame(i, i).image) for i in range(num_frames)]
    clips.append(windows.flush())
    for clip in clips:
        if clip is not None:
            assert clip.images[:, 0, 0, 2].tolist() == clip.frame_indices.tolist()
    return [clip.frame_indices.tolist() for clip in clips if clip is not None]


@pytest.mark.parametrize(
    ("num_frames", "clip_length", "stride", "hop", "expected"),
    [
        # The two sources that the docstring draws.
        (15, 4, 2, 4, [[0, 2, 4, 6], [4, 6, 8, 10], [8, 10, 12, 14]]),
        (14, 4, 2, 4, [[0, 2, 4, 6], [4, 6, 8, 10], [6, 8, 10, 12]]),
        (16, 4, 2, 8, [[0, 2, 4, 6], [8, 10, 12, 14]]),
        (9, 4, 2, 8, [[0, 2, 4, 6], [1, 3, 5, 7]]),
        (8, 4, 2, 8, [[0, 2, 4, 6]]),
        (7, 4, 2, 4, [[0, 2, 4, 6]]),
        (5, 4, 2, 4, [[0, 2, 4, 4]]),
        (1, 4, 2, 4, [[0, 0, 0, 0]]),
        (3, 1, 1, 1, [[0], [1], [2]]),
        (5, 2, 2, 1, [[0, 2], [1, 3], [2, 4]]),
    ],
)
def test_clips_are_those_drawn_by_hand(
    num_frames: int, clip_length: int, stride: int, hop: int, expected: list[list[int]]
):
    windows = ClipWindows(make_spec(clip_length, stride), hop)
    assert windows_of(num_frames, windows) == expected


@pytest.mark.parametrize(
    ("num_frames", "clip_length", "stride", "hop", "expected"),
    [
        # The source that the docstring draws.
        (11, 4, 2, 3, [[0, 0, 0, 0], [0, 0, 1, 3], [0, 2, 4, 6], [3, 5, 7, 9], [4, 6, 8, 10]]),
        (10, 4, 2, 3, [[0, 0, 0, 0], [0, 0, 1, 3], [0, 2, 4, 6], [3, 5, 7, 9]]),
        (4, 4, 1, 1, [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3]]),
        (3, 1, 1, 1, [[0], [1], [2]]),
        (2, 4, 2, 8, [[0, 0, 0, 0], [0, 0, 0, 1]]),
        (1, 4, 2, 8, [[0, 0, 0, 0]]),
    ],
)
def test_clips_that_end_at_key_frames_are_those_drawn_by_hand(
    num_frames: int, clip_length: int, stride: int, hop: int, expected: list[list[int]]
):
    windows = KeyFrameWindows(make_spec(clip_length, stride, kind="box"), hop)
    assert windows_of(num_frames, windows) == expected


def test_a_clip_comes_with_its_last_frame():
    windows = ClipWindows(make_spec(4, 2), hop=4)
    came = [windows.push(numbered_frame(i, i).image) is not None for i in range(15)]
    assert [i for i, clip in enumerate(came) if clip] == [6, 10, 14]


@pytest.mark.parametrize("size", [(48, 64), (24, 32)])
def test_the_image_kept_is_a_copy(size: tuple[int, int]):
    image = np.full((*size, 3), 7, np.uint8)
    kept = shrink(image, 24, 32)
    image[:] = 0
    assert kept.shape == (24, 32, 3)
    assert (kept == 7).all()


def test_shrinking_averages():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0] = 200
    assert (shrink(image, 1, 1) == 100).all()
