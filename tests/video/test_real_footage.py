from __future__ import annotations

import cv2
import numpy as np
import pytest

from vadsdk.video import open_source, probe, read_frames

pytestmark = pytest.mark.data


@pytest.mark.parametrize("name", ["footage/sam2_bedroom.mp4", "jhmdb21/ReCompress_Videos/clap"])
def test_real_files_decode_to_the_frames_they_promise(data_folder, name):
    path = data_folder / name
    if path.is_dir():
        path = sorted(path.glob("*.avi"))[0]
    info = probe(path)
    frames = [(f.index, f.pts_seconds, f.image.shape) for f in open_source(path)]
    indices, times, shapes = map(np.array, zip(*frames, strict=True))
    np.testing.assert_array_equal(indices, np.arange(info.num_frames))
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(times * info.fps, np.round(times * info.fps), atol=1e-6)
    assert times[-1] + 1 / info.fps == pytest.approx(info.duration_seconds, abs=1 / info.fps)
    assert (shapes == (info.height, info.width, 3)).all()


def test_every_jhmdb_clip_has_a_frame_a_mask(data_folder):
    from scipy.io import whosmat

    root = data_folder / "jhmdb21"
    for folder in sorted((root / "puppet_mask").glob("*"))[::7]:
        masks = sorted(folder.glob("*/puppet_mask.mat"))[0]
        video = root / "ReCompress_Videos" / folder.name / f"{masks.parent.name}.avi"
        height, width, num_frames = whosmat(masks)[0][1]
        assert read_frames(video).shape == (num_frames, height, width, 3)
        assert probe(video).num_frames == num_frames


def test_the_quick_resize_is_an_area_average_on_real_pictures(data_folder):
    path = sorted((data_folder / "jhmdb21" / "ReCompress_Videos" / "clap").glob("*.avi"))[0]
    exact = [
        cv2.resize(image, (112, 112), interpolation=cv2.INTER_AREA) for image in read_frames(path)
    ]
    error = np.abs(read_frames(path, size=(112, 112)).astype(int) - np.stack(exact))
    assert error.mean() < 1.5  # of which 1.1 is the fast conversion of whole frames
