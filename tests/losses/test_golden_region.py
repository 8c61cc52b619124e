"""YOWO's region loss against the numbers recorded from its release (golden README, section 3.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_within
from torch import Tensor

from vadsdk.losses import RegionLosses, RegionSettings, region_loss
from vadsdk.losses.region_targets import RegionTargets, assign_regions, predicted_boxes

pytestmark = pytest.mark.golden

ANCHORS = torch.tensor(
    [
        (0.70458, 1.18803),
        (1.26654, 2.55121),
        (1.59382, 4.08321),
        (2.30548, 4.94180),
        (3.52332, 5.91979),
    ]
)
AS_RELEASED = RegionSettings(focal="released", reduction="sum")
TERMS = ("x", "y", "w", "h", "conf", "cls")
GRID = (4, 5, 7, 7)


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "yowo_region_loss.npz")


def predictions_of(recorded: Recorded) -> Tensor:
    return torch.from_numpy(recorded["output"]).unflatten(1, (5, 29))


def objects_of(recorded: Recorded) -> tuple[Tensor, Tensor]:
    """Return boxes (4, 50, 4) as corners and classes (4, 50)."""
    rows = torch.from_numpy(recorded["target"]).unflatten(1, (50, 5))
    centres, sizes = rows[..., 1:3].double(), rows[..., 3:].double()
    classes = rows[..., 0].long().where(rows[..., 1] != 0, -1)
    return torch.cat((centres - sizes / 2, centres + sizes / 2), -1), classes


def losses_of(recorded: Recorded, predictions: Tensor, rows: slice = slice(None)) -> RegionLosses:
    boxes, classes = objects_of(recorded)
    return region_loss(predictions[rows], boxes[rows], classes[rows], ANCHORS, AS_RELEASED)


def targets_of(recorded: Recorded) -> RegionTargets:
    boxes, classes = objects_of(recorded)
    return assign_regions(predictions_of(recorded), boxes.float(), classes >= 0, ANCHORS, 0.6)


def test_every_term_and_the_total(recorded: Recorded) -> None:
    losses = losses_of(recorded, predictions_of(recorded))
    for name, value in zip(TERMS, losses, strict=True):
        assert value.item() == pytest.approx(float(recorded[f"loss_{name}"]), rel=1e-5)
    assert sum(losses).item() == pytest.approx(float(recorded["loss_total"]), rel=1e-5)


@pytest.mark.parametrize("row", range(4))
def test_each_clip_alone(recorded: Recorded, row: int) -> None:
    losses = losses_of(recorded, predictions_of(recorded), slice(row, row + 1))
    expected = recorded[f"loss_sample{row}"]
    came = np.array([*(value.item() for value in losses), sum(losses).item()])
    np.testing.assert_allclose(came, expected, rtol=1e-5, atol=1e-9)


def test_the_gradient(recorded: Recorded) -> None:
    predictions = predictions_of(recorded).requires_grad_()
    sum(losses_of(recorded, predictions)).backward()
    assert predictions.grad is not None
    assert_within("grad", predictions.grad.flatten(1, 2), recorded["grad"], 1e-5)


def test_who_answers_for_what(recorded: Recorded) -> None:
    targets = targets_of(recorded)
    _, classes = objects_of(recorded)

    def on_grid(values: Tensor) -> np.ndarray:
        flat = torch.zeros(4, 5 * 7 * 7)
        flat[targets.rows, targets.places] = values.float()
        return flat.view(GRID).numpy()

    has_object = on_grid(torch.ones(len(targets.rows)))
    np.testing.assert_array_equal(has_object, recorded["t_coord_mask"])
    np.testing.assert_array_equal(has_object, recorded["t_cls_mask"])
    counts = targets.is_empty.view(GRID).numpy() + 5 * has_object
    np.testing.assert_array_equal(counts, recorded["t_conf_mask"])
    labels = classes[targets.rows, targets.objects]
    np.testing.assert_array_equal(on_grid(labels), recorded["tcls"])
    for position, name in enumerate(("tx", "ty", "tw", "th")):
        assert_within(name, on_grid(targets.offsets[:, position]), recorded[name], 1e-5)
    assert_within("tconf", on_grid(targets.overlaps), recorded["tconf"], 1e-5)
    assert (classes >= 0).sum().item() == recorded["nGT"]


def test_predicted_boxes(recorded: Recorded) -> None:
    corners = predicted_boxes(predictions_of(recorded), ANCHORS).flatten(0, 1)
    low, high = corners.split(2, dim=1)
    centred = torch.cat(((low + high) / 2, high - low), 1)
    np.testing.assert_allclose(centred, recorded["pred_boxes"], rtol=1e-5, atol=1e-5)
