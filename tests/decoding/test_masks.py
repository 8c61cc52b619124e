from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vadsdk.decoding import decode_frame
from vadsdk.errors import ModelFileError
from vadsdk.structures import MaskDecodingSpec

SCORES = np.array([0.2, 0.8, 0.5], np.float32)
LENIENT = MaskDecodingSpec(min_area_fraction=0.0, min_score=0.0, max_detections=100)


def test_a_rectangle_becomes_its_box_mask_and_scores_of_all_classes():
    probabilities = np.full((24, 32), 0.1, np.float32)
    probabilities[5:11, 8:20] = 0.75
    found = decode_frame(SCORES, probabilities, height=24, width=32, spec=MaskDecodingSpec())

    assert found.boxes_xyxy.tolist() == [[8, 5, 20, 11]]
    np.testing.assert_allclose(found.class_scores, [[0.15, 0.6, 0.375]], rtol=1e-6)
    assert found.masks is not None
    np.testing.assert_array_equal(found.masks[0], probabilities > 0.5)
    assert found.track_ids.tolist() == [-1]


def test_the_map_is_enlarged_to_the_source_frame():
    probabilities = np.zeros((12, 16), np.float32)
    probabilities[3:9, 4:12] = 1.0
    found = decode_frame(SCORES, probabilities, height=240, width=320, spec=MaskDecodingSpec())

    # Bilinear: half way between a 0 and a 1 lies at the border between their pixels, 20 to one.
    np.testing.assert_allclose(found.boxes_xyxy[0], [80, 60, 240, 180], atol=1)
    assert found.masks is not None
    assert found.masks.shape == (1, 240, 320)


def test_a_map_larger_than_the_frame_is_averaged():
    probabilities = np.zeros((40, 40), np.float32)
    probabilities[:20, :20] = 1.0
    found = decode_frame(SCORES, probabilities, height=10, width=10, spec=MaskDecodingSpec())
    assert found.boxes_xyxy.tolist() == [[0, 0, 5, 5]]


def test_an_actor_may_fill_the_frame():
    found = decode_frame(
        SCORES, np.ones((8, 8), np.float32), height=30, width=50, spec=MaskDecodingSpec()
    )
    assert found.boxes_xyxy.tolist() == [[0, 0, 50, 30]]
    np.testing.assert_allclose(found.class_scores[0], SCORES)


def test_an_empty_map_gives_no_detection_but_keeps_the_shapes():
    found = decode_frame(
        SCORES, np.zeros((8, 8), np.float32), height=30, width=50, spec=MaskDecodingSpec()
    )
    assert len(found) == 0
    assert found.class_scores.shape == (0, 3)
    assert found.masks is not None
    assert found.masks.shape == (0, 30, 50)


def test_a_box_at_the_border_ends_with_the_frame():
    probabilities = np.zeros((20, 20), np.float32)
    probabilities[15:, 12:] = 1.0
    found = decode_frame(SCORES, probabilities, height=20, width=20, spec=MaskDecodingSpec())
    assert found.boxes_xyxy.tolist() == [[12, 15, 20, 20]]


def test_only_the_largest_come_out_largest_first():
    probabilities = np.zeros((20, 60), np.float32)
    for left, side in ((0, 3), (10, 9), (25, 5), (40, 7)):
        probabilities[:side, left : left + side] = 1.0
    spec = MaskDecodingSpec(max_detections=3, min_area_fraction=0.0)
    found = decode_frame(SCORES, probabilities, height=20, width=60, spec=spec)
    assert found.boxes_xyxy[:, 0].tolist() == [10, 40, 25]


def test_the_least_area_counts():
    probabilities = np.zeros((10, 100), np.float32)
    probabilities[:5, :4] = 1.0  # 20 of 1000 pixels
    probabilities[:1, 50:69] = 1.0  # 19
    spec = MaskDecodingSpec(min_area_fraction=0.02)
    found = decode_frame(SCORES, probabilities, height=10, width=100, spec=spec)
    assert found.boxes_xyxy[:, 0].tolist() == [0]


def test_the_best_class_decides_whether_a_detection_is_kept():
    probabilities = np.zeros((10, 20), np.float32)
    probabilities[:, :5] = 0.5  # best class: 0.4
    probabilities[:, 10:15] = 1.0  # best class: 0.8
    spec = MaskDecodingSpec(min_score=0.6)
    found = decode_frame(SCORES, probabilities, height=10, width=20, spec=spec)
    assert found.boxes_xyxy[:, 0].tolist() == [10]
    assert found.masks is not None
    assert found.masks[0, :, 10:15].all()


def test_pixels_that_touch_at_a_corner_are_one_actor():
    probabilities = np.eye(2, dtype=np.float32).repeat(4, 0).repeat(4, 1)
    found = decode_frame(SCORES, probabilities, height=8, width=8, spec=MaskDecodingSpec())
    assert found.boxes_xyxy.tolist() == [[0, 0, 8, 8]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_an_error(bad: float):
    good = np.ones((4, 4), np.float32)
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        decode_frame(np.array([bad], np.float32), good, height=4, width=4, spec=LENIENT)
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        decode_frame(SCORES, good * np.float32(bad), height=4, width=4, spec=LENIENT)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"not \(1, 3\) and \(4, 4\)"):
        decode_frame(SCORES[None], np.ones((4, 4), np.float32), height=4, width=4, spec=LENIENT)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 25), width=st.integers(1, 25))
def test_components_agree_with_scipy(seed: int, height: int, width: int):
    probabilities = np.random.default_rng(seed).random((height, width), np.float32)
    found = decode_frame(SCORES, probabilities, height=height, width=width, spec=LENIENT)

    labelled, count = ndimage.label(probabilities >= 0.5, structure=np.ones((3, 3)))
    expected = {}
    for number, (rows, columns) in enumerate(ndimage.find_objects(labelled), start=1):
        box = (columns.start, rows.start, columns.stop, rows.stop)
        expected[box, int((labelled == number).sum())] = probabilities[labelled == number].mean()
    assert found.masks is not None
    areas = found.masks.sum(axis=(1, 2)).tolist()
    assert len(found) == min(count, 100)
    assert areas == sorted(areas, reverse=True)
    for row, (box, area) in enumerate(zip(found.boxes_xyxy.tolist(), areas, strict=True)):
        if len(expected) == count:  # boxes and areas tell the components apart
            mean = expected[tuple(int(side) for side in box), area]
            np.testing.assert_allclose(found.class_scores[row], mean * SCORES, rtol=1e-5)
