from __future__ import annotations

import cv2
import numpy as np
import pytest

from vadsdk.errors import ConfigError, VideoError
from vadsdk.structures import Frame
from vadsdk.video import Source, open_source, video_files
from vadsdk.video.given_frames import GivenFrames


def write_image(path, level, size=(4, 6)):
    image = np.full((*size, 3), (level, 0, 200), np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())


def test_a_folder_of_images_is_one_video_in_natural_order(tmp_path):
    for number in (10, 9, 1, 100):
        write_image(tmp_path / f"frame{number}.png", number)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_text("not an image either")
    source = open_source(tmp_path, fps=10)
    assert (source.name, source.fps, source.num_frames) == (str(tmp_path), 10, 4)
    frames = list(source)
    assert [frame.image[0, 0].tolist() for frame in frames] == [
        [1, 0, 200],
        [9, 0, 200],
        [10, 0, 200],
        [100, 0, 200],
    ]
    assert [frame.pts_seconds for frame in frames] == [0.0, 0.1, 0.2, 0.3]


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    write_image(tmp_path / "1.png", 0)
    (tmp_path / "2.png").write_bytes(b"broken")
    (tmp_path / "3.jpg").write_bytes(b"")
    with pytest.raises(VideoError, match=r"2\.png is not an image that can be decoded"):
        list(open_source(tmp_path))
    (tmp_path / "2.png").unlink()
    with pytest.raises(VideoError, match=r"3\.jpg is not an image that can be decoded"):
        list(open_source(tmp_path))


def test_an_image_of_another_size_is_named(tmp_path):
    write_image(tmp_path / "1.png", 0)
    write_image(tmp_path / "2.png", 0, size=(5, 7))
    with pytest.raises(VideoError, match=r"2\.png: frame 1 is 7x5, but the frames before .* 6x4"):
        list(open_source(tmp_path))


def test_only_a_video_file_that_is_opened_may_stop_where_it_breaks(tmp_path):
    write_image(tmp_path / "1.png", 0)
    opened = GivenFrames([np.zeros((4, 6, 3), np.uint8)])
    opened.name = "opened before"
    for source, name in (
        (tmp_path, str(tmp_path)),
        ([np.zeros((4, 6, 3), np.uint8)], "frames"),
        (opened, opened.name),
    ):
        with pytest.raises(ConfigError) as caught:
            open_source(source, on_error="stop")
        assert str(caught.value) == (
            'on_error="stop" (predict --accept-broken) is for a video file that is opened by its '
            f"path or URL, and {name} is none; leave it out"
        )


def test_a_rate_is_not_given_again_to_a_folder_that_is_open(tmp_path):
    write_image(tmp_path / "1.png", 0)
    with pytest.raises(ConfigError, match="tells its own"):
        open_source(open_source(tmp_path, fps=5), fps=10)


def test_a_folder_without_images_says_what_was_expected(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(VideoError, match=r"has neither a video nor an image directly in it; expec"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("names", "found"), [(["a.mp4"], "1 video"), (["1.png", "2.png"], "2 images")]
)
def test_a_folder_of_a_folder_of_videos_names_that(tmp_path, names, found):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "videos").mkdir()
    for name in names:
        (tmp_path / "videos" / name).touch()
    with pytest.raises(VideoError, match=rf"directly in it, but .*/videos has {found}: give that"):
        open_source(tmp_path)


def test_the_videos_of_a_folder_are_sources_of_their_own(make_video):
    ten = make_video("clip10.mp4")
    two = make_video("clip2.MKV".lower())
    folder = ten.parent
    (folder / "readme.txt").write_text("x")
    assert video_files(folder) == [two, ten]
    with pytest.raises(VideoError, match=r"a folder of 2 videos.*open each by itself.*clip2\.mkv"):
        open_source(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"nope is not a folder; check the path"):
        video_files(tmp_path / "nope")


IMAGES = np.arange(3 * 4 * 6 * 3, dtype=np.uint8).reshape(3, 4, 6, 3)


def test_images_in_memory_are_a_source():
    source = open_source(IMAGES, fps=10)
    assert isinstance(source, Source)
    assert (source.num_frames, source.is_live) == (3, False)
    frames = list(source)
    assert [frame.pts_seconds for frame in frames] == [0.0, 0.1, 0.2]
    np.testing.assert_array_equal([frame.image for frame in frames], IMAGES)


def test_frames_in_memory_keep_their_indices_and_times():
    given = (
        Frame(index=i, pts_seconds=s, image=IMAGES[0]) for i, s in ((7, 0.5), (8, 0.5), (12, 2))
    )
    source = open_source(given)
    assert source.num_frames is None
    assert [(frame.index, frame.pts_seconds) for frame in source] == [(7, 0.5), (8, 0.5), (12, 2)]


@pytest.mark.parametrize("fps", [0, -1, 1001, float("nan"), float("inf")])
def test_a_frame_rate_that_cannot_be_is_refused(fps):
    with pytest.raises(ConfigError, match=r"fps is 0\.001 to 1000 images a second, not"):
        open_source(IMAGES, fps=fps)


def test_a_frame_rate_is_for_images_alone(make_video):
    path = make_video("a.mp4")
    for source in (path, open_source(IMAGES)):
        with pytest.raises(ConfigError, match=r"fps is for images alone, and .* tells its own"):
            open_source(source, fps=10)
    frames = [Frame(index=0, pts_seconds=0.0, image=IMAGES[0])]
    with pytest.raises(ConfigError, match="and Frames have times; leave it out"):
        list(open_source(frames, fps=10))


@pytest.mark.parametrize("source", [None, 0.5, object()])
def test_what_cannot_be_watched_is_said(source):
    with pytest.raises(VideoError, match="is no video; expected a file, a folder of images"):
        open_source(source)


@pytest.mark.parametrize(("index", "seconds"), [(0, float("nan")), (0, float("inf")), (-1, 0.0)])
def test_a_frame_without_a_place_in_time_is_said(index, seconds):
    expected = rf"frame {index} is at {seconds} s; expected an index from 0 on and a finite time"
    with pytest.raises(VideoError, match=expected):
        Frame(index=index, pts_seconds=seconds, image=IMAGES[0])


def test_a_source_is_returned_as_it_is():
    source = open_source(IMAGES)
    assert open_source(source) is source


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([IMAGES[0], IMAGES[0, :2]], r"frame 1 is 6x2, but the frames before it are 6x4"),
        ([IMAGES[0] / 255], r"frame 0 is float64 \(4, 6, 3\), expected a Frame or a uint8"),
        (IMAGES[0], r"frame 0 is uint8 \(6, 3\), expected a Frame or a uint8 \(H, W, 3\)"),
        ([], r"there is no frame among those given"),
        (["a.png"], r"frame 0 is 'a\.png', expected a Frame or a uint8"),
        (
            [Frame(index=0, pts_seconds=0.0, image=IMAGES[0])] * 2,
            r"frame 0 came after frame 0; number the frames upwards",
        ),
        (
            [Frame(index=i, pts_seconds=1 - i / 2, image=IMAGES[0]) for i in (0, 1)],
            r"frame 1 is at 0\.5 s, the frame before it at 1\.0 s; give the frames in order",
        ),
    ],
)
def test_what_is_not_a_video_in_memory_is_said(items, message):
    with pytest.raises(VideoError, match=message):
        list(open_source(items))
