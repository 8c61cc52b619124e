"""Boxes of YOWO's release after its NMS, from the recorded raw output; see section 3.2 there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, softmax

from vadsdk.decoding import decode_boxes
from vadsdk.structures import BoxDecodingSpec, BoxOutputs, Detections

pytestmark = pytest.mark.golden

Recorded = Mapping[str, np.ndarray]
ANCHORS = np.array(  # width and height in cells
    [
        (0.70458, 1.18803),
        (1.26654, 2.55121),
        (1.59382, 4.08321),
        (2.30548, 4.94180),
        (3.52332, 5.91979),
    ]
)
GRID = 7
HEIGHT, WIDTH = 240, 320


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    with np.load(golden_folder / "yowo_decode_nms.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def outputs(recorded: Recorded) -> BoxOutputs:
    """The recorded raw output decoded as the section says, in numpy; order: row, column, anchor."""
    raw = recorded["output"].astype(np.float64).reshape(2, len(ANCHORS), -1, GRID, GRID)
    raw = raw.transpose(0, 3, 4, 1, 2).reshape(2, -1, raw.shape[2])  # (B, N, 5 + K)
    row, column, anchor = np.indices((GRID, GRID, len(ANCHORS))).reshape(3, -1)
    centres = (expit(raw[..., :2]) + np.stack([column, row], axis=1)) / GRID
    halves = ANCHORS[anchor] * np.exp(raw[..., 2:4]) / GRID / 2
    return BoxOutputs(
        boxes_xyxy01=np.concatenate([centres - halves, centres + halves], 2).astype(np.float32),
        objectness=expit(raw[..., 4]).astype(np.float32),
        class_scores=softmax(raw[..., 5:], axis=-1).astype(np.float32),
    )


def decoded(outputs: BoxOutputs, image: int, **options: float) -> Detections:
    spec = BoxDecodingSpec(max_detections=1000, **options)  # type: ignore[arg-type]
    return decode_boxes(
        outputs.boxes_xyxy01[image],
        outputs.objectness[image],
        outputs.class_scores[image],
        height=HEIGHT,
        width=WIDTH,
        spec=spec,
    )


def clipped_pixels(boxes_cxcywh01: np.ndarray) -> np.ndarray:
    centres, halves = boxes_cxcywh01[:, :2], boxes_cxcywh01[:, 2:4] / 2
    size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    return np.clip(np.concatenate([centres - halves, centres + halves], axis=1) * size, 0, size)


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("threshold", [0.005, 0.1, 0.25])
def test_what_nms_leaves_is_as_recorded(
    recorded: Recorded, outputs: BoxOutputs, threshold: float, image: int
) -> None:
    expected = recorded[f"nms_{threshold}_{image}"]
    found = decoded(outputs, image, min_score=threshold)
    np.testing.assert_allclose(found.scores, expected[:, 4] * expected[:, 5], atol=1e-5)
    np.testing.assert_array_equal(found.labels, expected[:, 6])
    np.testing.assert_allclose(found.boxes_xyxy, clipped_pixels(expected), atol=320e-5)


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("threshold", [0.005, 0.1, 0.25])
def test_without_nms_the_candidates_and_their_other_classes_are_as_recorded(
    recorded: Recorded, outputs: BoxOutputs, threshold: float, image: int
) -> None:
    expected, extra = recorded[f"boxes_{threshold}_{image}"], recorded[f"extra_{threshold}_{image}"]
    found = decoded(outputs, image, min_score=threshold, nms_iou_threshold=1.0)
    order = np.argsort(-expected[:, 4], kind="stable")
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, (expected[:, 4] * expected[:, 5])[order], atol=1e-5)
    np.testing.assert_array_equal(found.labels, expected[order, 6])
    others = np.zeros_like(found.class_scores)
    rows, classes = extra[:, 0].astype(int), extra[:, 2].astype(int)
    others[np.argsort(order)[rows], classes] = expected[rows, 4] * extra[:, 1]
    secondary = found.class_scores > threshold
    secondary[np.arange(len(found)), found.labels] = False
    np.testing.assert_array_equal(secondary, others > 0)
    np.testing.assert_allclose(found.class_scores[secondary], others[secondary], atol=1e-5)


@pytest.mark.parametrize("image", [0, 1])
def test_the_video_form_is_as_recorded(recorded: Recorded, outputs: BoxOutputs, image: int) -> None:
    rows = recorded[f"video_nms_0.005_{image}"]
    found = decoded(outputs, image, min_score=0.005)
    np.testing.assert_allclose(found.class_scores, rows[:, 4:5] * rows[:, 5:], atol=1e-5)
    pixels = recorded[f"video_pixels_0.005_{image}"]
    np.testing.assert_allclose(found.boxes_xyxy, pixels, atol=320e-5)


@pytest.mark.parametrize("image", [0, 1])
def test_the_rows_of_the_frame_evaluation_have_our_scores(
    recorded: Recorded, outputs: BoxOutputs, image: int
) -> None:
    """A row a class, the best first; the release writes the best class's id on all of them."""
    found = decoded(outputs, image, min_score=0.005)
    rows: list[tuple[int, float]] = []
    for scores, label in zip(found.class_scores, found.labels.tolist(), strict=True):
        others = [k for k in np.flatnonzero(scores > 0.005).tolist() if k != label]
        rows += [(label + 1, scores[k]) for k in [label, *others]]
    expected = recorded[f"det_file_rows_{image}"]
    assert [row[0] for row in rows] == expected[:, 0].astype(int).tolist()
    np.testing.assert_allclose([row[1] for row in rows], expected[:, 1], atol=1e-5)
