from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vadsdk.errors import VideoError
from vadsdk.video import FrameReader, probe, read_frames

SIZE = (24, 32)
KINDS = {
    "mp4 with B-frames": ("a.mp4", {}),
    "mkv": ("a.mkv", {}),
    "transport stream": ("a.ts", {}),
    "avi without presentation times": ("a.avi", {"codec": "mpeg4"}),
    "variable frame rate": (
        "a.mp4",
        {
            "pts": [0, 3, 4, 9, 10, 11, 20, 23, 24, 30, 31, 35, 36],
            "time_base": Fraction(1, 30),
        },
    ),
    "turned": ("a.mp4", {"counterclockwise": 90}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "wanted", [[0], [12], [4, 5, 6], [11, 2, 7, 2], list(range(13)), [9, 10, 12, 12, 12]]
)
def test_any_frames_are_those_of_a_decode_from_the_start(make_video, kind, wanted):
    name, options = KINDS[kind]
    path = make_video(name, num_frames=13, is_noise=True, **options)
    size = SIZE[::-1] if kind == "turned" else SIZE
    expected = read_frames(path, size=size)[wanted]
    np.testing.assert_array_equal(FrameReader(path).read(wanted, size), expected)


def test_key_pictures_are_found_so_that_jumps_are_short(make_video):
    index = FrameReader(make_video("a.mp4", num_frames=13)).index
    assert index is not None
    assert len(index.stamps) == 13
    assert index.stamps.searchsorted(index.key_stamps).tolist()[:2] == [0, 5]  # gop_size 5


@pytest.mark.parametrize("wanted", [[13], [3, 40], [-1]])
def test_a_frame_that_is_not_there_is_named(make_video, wanted):
    path = make_video("a.mp4", num_frames=13)
    bad = next(index for index in wanted if not 0 <= index < 13)
    with pytest.raises(VideoError, match=f"has no frame {bad}"):
        FrameReader(path).read(wanted, SIZE)


def test_a_cut_file_gives_the_frames_before_the_cut(make_video):
    path = make_video("a.ts", num_frames=13, is_noise=True)
    expected = read_frames(path, size=SIZE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = FrameReader(path)
    np.testing.assert_array_equal(reader.read([1, 2], SIZE), expected[1:3])
    with pytest.raises(VideoError, match=r"a\.ts"):
        reader.read([12], SIZE)


def test_a_folder_of_images_reads_like_a_video(tmp_path):
    import cv2

    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((8, 10, 3), 50 * index, np.uint8))
    assert read_frames(tmp_path).shape == (3, 8, 10, 3)
    info = probe(tmp_path)
    assert (info.width, info.height, info.num_frames, info.fps) == (10, 8, 3, None)
    assert read_frames(tmp_path, size=(4, 5))[:, 0, 0, 0].tolist() == [0, 50, 100]
    assert FrameReader(tmp_path).read([2, 0], (4, 5))[:, 0, 0, 0].tolist() == [100, 0]
