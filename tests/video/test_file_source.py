from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vadsdk.errors import VideoError
from vadsdk.structures import Frame
from vadsdk.video import open_source, probe, read_frames

FASTSTART = {"movflags": "faststart"}


def times(path: Path) -> list[float]:
    return [frame.pts_seconds for frame in open_source(path)]


def until_error(path: Path) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    with pytest.raises(VideoError) as caught:
        frames.extend(open_source(path))
    return frames, str(caught.value)


def test_frames_come_in_order_with_their_pictures(make_video):
    frames = list(open_source(make_video("a.mp4")))
    assert [frame.index for frame in frames] == list(range(10))
    greys = [int(frame.image[40, 50].mean()) for frame in frames]
    np.testing.assert_allclose(greys, np.arange(10) * 10 + 20, atol=3)


def test_a_source_tells_its_name_rate_and_length(make_video):
    path = make_video("a.mp4")
    source = open_source(str(path))
    assert (source.name, source.fps, source.num_frames, source.is_live) == (
        str(path),
        10.0,
        10,
        False,
    )


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mov"])
def test_times_are_exact_in_every_container(make_video, suffix):
    # B-frames, on by default, are what makes an AVI's own time stamps come out of order.
    assert times(make_video(f"a.{suffix}", fps=8)) == [index / 8 for index in range(10)]


def test_a_variable_frame_rate_keeps_its_times(make_video):
    pts = [0, 100, 150, 700, 720]
    path = make_video("vfr.mp4", num_frames=5, pts=pts, time_base=Fraction(1, 1000))
    assert times(path) == [0.0, 0.1, 0.15, 0.7, 0.72]


def test_a_late_first_frame_keeps_its_time(make_video):
    path = make_video("late.mp4", num_frames=3, pts=[5, 6, 7])
    assert times(path) == pytest.approx([0.5, 0.6, 0.7])


def test_missing_time_stamps_are_filled_from_the_frame_rate(make_video):
    assert times(make_video("raw.h264")) == pytest.approx([index / 10 for index in range(10)])


def test_a_clock_that_starts_anew_goes_on_from_where_it_was(make_video, tmp_path):
    part = make_video("part.ts").read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(part + part)
    found = times(twice)
    assert len(found) == 20
    np.testing.assert_allclose(np.diff(found), 0.1, atol=1e-6)


@pytest.mark.parametrize(
    ("counterclockwise", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3), (270, 3)]
)
def test_frames_come_out_upright(make_video, counterclockwise, turns):
    stored = read_frames(make_video("stored.mp4", num_frames=2))
    turned = make_video("turned.mp4", num_frames=2, counterclockwise=counterclockwise)
    upright = np.stack([np.rot90(image, turns) for image in stored])
    for frame, image in zip(open_source(turned), upright, strict=True):
        np.testing.assert_array_equal(frame.image, image)
    assert (probe(turned).height, probe(turned).width) == upright.shape[1:3]
    small = read_frames(turned, size=(24, 16))  # upright height and width
    assert small.shape == (2, 24, 16, 3)
    reds = small[0, ..., 0].astype(int) - small[0, ..., 1]
    corner = np.rot90(np.array([[1, 0], [0, 0]]), turns)
    assert (reds.reshape(2, 12, 2, 8).mean((1, 3)) > 100).astype(int).tolist() == corner.tolist()


def test_a_truncated_file_gives_what_it_holds_and_then_says_where_it_breaks(make_video):
    path = make_video("cut.mp4", num_frames=40, is_noise=True, options=FASTSTART)
    whole = read_frames(path)
    size = path.stat().st_size * 7 // 10
    with av.open(str(path)) as container:
        complete = sum(p.pos + p.size <= size for p in container.demux(video=0) if p.size)
    path.write_bytes(path.read_bytes()[:size])
    frames, text = until_error(path)
    assert len(frames) == complete
    np.testing.assert_array_equal([frame.image for frame in frames[:20]], whole[:20])
    assert f"{path} breaks at frame {len(frames)}: it is cut off" in text
    assert 'predict --accept-broken, or open_source(..., on_error="stop")' in text


@pytest.mark.parametrize("suffix", ["avi", "mkv"])
def test_truncation_is_seen_where_the_decoder_does_not_see_it(make_video, suffix):
    path = make_video(f"cut.{suffix}", num_frames=40, is_noise=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    frames, text = until_error(path)
    assert 20 < len(frames) < 35
    assert f"breaks at frame {len(frames)}: it is cut off, its last" in text


def test_on_error_stop_ends_with_a_warning_instead(make_video, caplog):
    path = make_video("cut.mp4", num_frames=40, is_noise=True, options=FASTSTART)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(path, on_error="stop"))
    assert len(frames) > 20
    assert f"breaks at frame {len(frames)}" in caplog.text


def test_damage_in_the_middle_gives_the_frames_before_it(make_video):
    path = make_video("damaged.mp4", num_frames=40, is_noise=True, options=FASTSTART)
    content = bytearray(path.read_bytes())
    middle = len(content) * 6 // 10
    content[middle : middle + 20000] = b"\xff" * 20000
    path.write_bytes(content)
    frames, text = until_error(path)
    assert 10 < len(frames) < 30
    assert f"{path} breaks at frame {len(frames)}: Invalid data found" in text


def test_whole_files_are_not_called_cut_off(make_video):
    for suffix in ("mp4", "mkv", "avi", "ts", "mov", "h264"):
        assert len(read_frames(make_video(f"whole.{suffix}"))) == 10


def test_a_recording_that_begins_between_keyframes_gives_what_follows(make_video):
    path = make_video("tail.ts", num_frames=40, is_noise=True)
    content = path.read_bytes()
    packets = len(content) // 188
    path.write_bytes(content[188 * (packets // 2) :])
    assert 10 < len(list(open_source(path))) < 25


@pytest.mark.parametrize("read", [read_frames, lambda path: list(open_source(path))])
def test_a_frame_size_that_changes_midway_is_an_error(make_video, tmp_path, read):
    path = tmp_path / "both.ts"
    first = make_video("small.ts", size=(48, 64)).read_bytes()
    path.write_bytes(first + make_video("large.ts", size=(96, 128)).read_bytes())
    with pytest.raises(
        VideoError, match=r"both\.ts: frame 10 is 128x96, but the frames before it are 64x48"
    ):
        read(path)


BAD_FILES = {
    "empty.mp4": (b"", r"empty\.mp4 is empty \(0 bytes\), expected a video; record or copy"),
    "text.mp4": (b"hello world\n" * 50, r"text\.mp4 is not a video: it is text \('hello world"),
    "notes.txt": (b"dear diary\n" * 9, r"notes\.txt is (not a video: it is )?text"),
    "noise.mp4": (bytes(range(256)) * 9, r"noise\.mp4 is not a video: FFmpeg does not know"),
    "list.m3u8": (
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        r"list\.m3u8 (is not a video|has no)",
    ),
}


@pytest.mark.parametrize("read", [read_frames, probe, open_source])
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_video_is_named_with_what_to_do(tmp_path, name, read):
    content, message = BAD_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoError, match=message):
        read(path)


def test_an_mp4_cut_before_its_index_is_recognised(make_video):
    path = make_video("cut.mp4", is_noise=True)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(VideoError, match=r"its index \(the moov box\) is missing.*copy it again"):
        open_source(path)


def test_sound_without_pictures_is_an_error(sound_only):
    with pytest.raises(VideoError, match=r"sound\.mp4 has sound but no pictures, expected a video"):
        open_source(sound_only)


def test_a_video_without_one_decodable_frame_is_an_error(make_video):
    path = make_video("none.mp4", options=FASTSTART, is_noise=True)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = b"\xff" * (len(content) - start)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"none\.mp4 has no frame that can be decoded"):
        open_source(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(VideoError, match=r"nope\.mp4 does not exist; check the path"):
        open_source(tmp_path / "nope.mp4")
    with pytest.raises(VideoError, match="is a folder without images, expected a video file"):
        probe(tmp_path)


def test_names_with_colons_and_spaces_are_files(make_video):
    assert len(read_frames(make_video("http: a b (1)!.mkv"))) == 10
