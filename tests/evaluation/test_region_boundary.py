from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadsdk.errors import DatasetError
from vadsdk.evaluation.region_boundary import (
    boundary_accuracy,
    boundary_map,
    frame_statistics,
    region_similarity,
)


def mask(text: str) -> np.ndarray:
    """Return the mask drawn with `#`, rows between blanks."""
    return np.array([[letter == "#" for letter in row] for row in text.split()])


def a_square(size: int, low: int, high: int) -> np.ndarray:
    square = np.zeros((size, size), bool)
    square[low:high, low:high] = True
    return square


def slow_boundary_map(one: np.ndarray) -> np.ndarray:
    """The definition, pixel by pixel."""
    height, width = one.shape
    outline = np.zeros_like(one)
    for y in range(height):
        for x in range(width):
            others = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            inside = [one[v, u] for v, u in others if v < height and u < width]
            outline[y, x] = any(other != one[y, x] for other in inside)
    return outline


def slow_f(predicted: np.ndarray, true: np.ndarray, radius: int) -> float:
    """The definition, with a disk moved along each outline."""
    steps = np.arange(-radius, radius + 1)
    disk = (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.uint8)
    outlines = [slow_boundary_map(one).astype(np.uint8) for one in (predicted, true)]
    thick = [cv2.dilate(outline, disk) for outline in outlines]
    counts = [int(outline.sum()) for outline in outlines]
    if 0 in counts:
        return float(counts == [0, 0])
    precision = (outlines[0] & thick[1]).sum() / counts[0]
    recall = (outlines[1] & thick[0]).sum() / counts[1]
    both = precision + recall
    return float(2 * precision * recall / both) if both else 0.0


def test_region_similarity_is_the_intersection_over_the_union() -> None:
    assert region_similarity(mask("##. ..."), mask(".## ...")) == pytest.approx(1 / 3)


def test_two_empty_masks_agree_and_one_does_not() -> None:
    empty, full = mask("... ..."), mask("##. ...")
    for measure in (region_similarity, boundary_accuracy):
        assert measure(empty, empty) == 1.0
        assert measure(full, empty) == 0.0
        assert measure(empty, full) == 0.0


def test_masks_that_fill_the_frame_have_no_outline_and_agree() -> None:
    full = np.ones((4, 5), bool)
    assert boundary_accuracy(full, full) == 1.0
    assert boundary_accuracy(full, a_square(5, 1, 3)[:4]) == 0.0


def test_the_outline_looks_right_below_and_right_below() -> None:
    assert (
        boundary_map(mask(".... .##. .##. ....")).tolist() == mask("###. #.#. ###. ....").tolist()
    )
    assert boundary_map(mask("..# ..# ..#")).tolist() == mask(".#. .#. .#.").tolist()


@given(st.integers(0, 10_000))
def test_outlines_are_those_of_the_definition(seed: int) -> None:
    one = np.random.default_rng(seed).random((7, 9)) < 0.3
    assert (boundary_map(one) == slow_boundary_map(one)).all()


@pytest.mark.parametrize("size", [(90, 120), (240, 320)])
@pytest.mark.parametrize("seed", range(4))
def test_f_is_that_of_a_moved_disk(size: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = [cv2.resize(rng.random((12, 16), np.float32), size[::-1]) for _ in range(2)]
    predicted, true = (one > 0.55 for one in noise)
    radius = {90: 2, 240: 4}[size[0]]  # of diagonals 150 and 400
    expected = slow_f(predicted, true, radius)
    assert 0.05 < expected < 0.95
    assert boundary_accuracy(predicted, true) == pytest.approx(expected, abs=1e-12)


def test_an_outline_just_within_the_radius_is_found_and_one_beyond_is_not() -> None:
    true = np.zeros((90, 120), bool)  # radius ceil(0.008 * 150) = 2
    true[:, :60] = True
    moved = [np.roll(true, shift, axis=1) | (np.arange(120) < 60) for shift in (2, 3)]
    assert [float(boundary_accuracy(one, true)) for one in moved] == [1.0, 0.0]


def test_measures_broadcast_over_leading_axes() -> None:
    rng = np.random.default_rng(0)
    predicted, true = rng.random((3, 1, 20, 30)) < 0.5, rng.random((2, 20, 30)) < 0.5
    for measure in (region_similarity, boundary_accuracy):
        pairs = [[measure(one[0], other) for other in true] for one in predicted]
        assert (measure(predicted, true) == np.array(pairs)).all()


def test_void_pixels_leave_a_region_as_if_they_were_not_there() -> None:
    predicted, true, void = mask("##.#"), mask("#..."), mask("...#")
    assert region_similarity(predicted, true) == pytest.approx(1 / 3)
    assert region_similarity(predicted, true, void) == pytest.approx(1 / 2)
    assert region_similarity(predicted, true, np.ones((1, 4), bool)) == 1.0


def test_void_pixels_are_cleared_before_the_outline_is_drawn() -> None:
    square, void = a_square(30, 5, 25), np.zeros((30, 30), bool)
    void[:, 15:] = True
    cut = square & ~void
    shifted = np.roll(square, 4, axis=0)
    expected = boundary_accuracy(np.roll(cut, 4, axis=0), cut)
    assert boundary_accuracy(shifted, square, void) == expected
    assert expected != boundary_accuracy(shifted, square)


def test_decay_compares_the_first_quarter_with_the_last() -> None:
    values = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    statistics = frame_statistics(values)  # quarters 1-3 and 6-8, as linspace(1, 8, 5) rounds
    assert statistics.mean == pytest.approx(0.65)
    assert statistics.recall == 5 / 8
    assert statistics.decay == pytest.approx(0.9 - 0.4)


def test_a_frame_of_exactly_one_half_is_not_good() -> None:
    assert frame_statistics(np.array([0.5, 0.5, 0.6, 0.4])).recall == 0.25


def test_one_frame_has_no_decay() -> None:
    assert frame_statistics(np.array([0.7])).decay == 0.0


def test_no_frames_have_no_statistics() -> None:
    with pytest.raises(DatasetError, match="an object without frames has no statistics"):
        frame_statistics(np.zeros(0))


@pytest.mark.parametrize("measure", [region_similarity, boundary_accuracy])
def test_masks_of_other_sizes_or_kinds_are_refused(measure: Callable[..., np.ndarray]) -> None:
    true = np.ones((4, 5), bool)
    with pytest.raises(DatasetError, match=r"\(4, 5\); those named predicted are \(4, 6\) of bool"):
        measure(np.ones((4, 6), bool), true)
    with pytest.raises(DatasetError, match=r"those named predicted are \(4, 5\) of uint8"):
        measure(np.ones((4, 5), np.uint8), true)
    with pytest.raises(DatasetError, match=r"those named void are \(5, 5\) of bool"):
        measure(true, true, np.ones((5, 5), bool))
    with pytest.raises(DatasetError, match=r"those named true are \(5,\) of bool"):
        measure(true, true[0])
