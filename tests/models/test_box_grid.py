from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from vadsdk.models.box_grid import BoxNetworkSettings, class_scores, decode_grid


def test_boxes_come_by_row_then_column_then_anchor() -> None:
    """A logit of 0 is the middle of its cell and the size of its anchor."""
    anchors = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    boxes, objectness, scores = decode_grid(
        torch.zeros(1, 2, 5 + 4, 2, 3), anchors, multi_label=False
    )
    assert tuple(boxes.shape) == (1, 12, 4)
    expected = [
        ((x + 0.5 - w / 2) / 3, (y + 0.5 - h / 2) / 2, (x + 0.5 + w / 2) / 3, (y + 0.5 + h / 2) / 2)
        for y in (0, 1)
        for x in (0, 1, 2)
        for w, h in anchors.tolist()
    ]
    assert torch.allclose(boxes[0], torch.tensor(expected))
    assert objectness.tolist() == [[0.5] * 12]
    assert torch.equal(scores, torch.full((1, 12, 4), 0.25))


def test_every_logit_changes_its_own_box_alone() -> None:
    predictions = torch.zeros(1, 2, 5 + 3, 2, 3)
    predictions[0, 1, :, 1, 2] = torch.tensor([2.0, -2.0, math.log(2), math.log(3), 1, 9, 0, 0])
    anchors = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    boxes, objectness, scores = decode_grid(predictions, anchors, multi_label=False)
    place = (1 * 3 + 2) * 2 + 1
    x, y = 2 + torch.tensor(2.0).sigmoid().item(), 1 + torch.tensor(-2.0).sigmoid().item()
    expected = [(x - 3) / 3, (y - 1.5) / 2, (x + 3) / 3, (y + 1.5) / 2]
    assert boxes[0, place].tolist() == pytest.approx(expected, rel=1e-5)
    others = [index for index in range(12) if index != place]
    assert (objectness[0, place] > 0.7, objectness[0, others].unique().tolist()) == (True, [0.5])
    assert scores[0, place, 0] > 0.99
    assert torch.allclose(scores[0, others], torch.tensor(1 / 3))


def test_huge_sizes_stay_finite() -> None:
    predictions = torch.full((1, 1, 6, 1, 1), 1e4)
    boxes, _, _ = decode_grid(predictions, torch.ones(1, 2), multi_label=False)
    assert bool(torch.isfinite(boxes).all())


def test_scores_exclude_each_other_or_are_independent() -> None:
    logits = torch.tensor([[1.0, 3.0, -2.0]])
    powers = [math.exp(value) for value in (1, 3, -2)]
    one = [power / sum(powers) for power in powers]
    assert class_scores(logits, multi_label=False)[0].tolist() == pytest.approx(one)
    several = [power / (1 + power) for power in powers]
    assert class_scores(logits, multi_label=True)[0].tolist() == pytest.approx(several)


@pytest.mark.parametrize(("num_classes", "num_poses"), [(80, 14), (60, 13)])
def test_avas_poses_exclude_each_other_and_its_other_actions_do_not(
    num_classes: int, num_poses: int
) -> None:
    scores = class_scores(torch.zeros(num_classes), multi_label=True)
    assert scores.tolist() == pytest.approx(
        [1 / num_poses] * num_poses + [0.5] * (num_classes - num_poses)
    )


def test_anchors_by_name_keep_their_share_of_the_frame_on_another_grid() -> None:
    settings = BoxNetworkSettings(anchors="jhmdb21")
    assert settings.anchors_in_cells(7)[0].tolist() == pytest.approx([0.95878, 3.10197])
    assert torch.allclose(settings.anchors_in_cells(14), 2 * settings.anchors_in_cells(7))


def test_anchors_of_ones_own_are_shares_of_the_frame() -> None:
    settings = BoxNetworkSettings.model_validate({"anchors": [[0.1, 0.2], [0.5, 1.0]]})
    assert torch.allclose(settings.anchors_in_cells(10), torch.tensor([[1.0, 2.0], [5.0, 10.0]]))


@pytest.mark.parametrize("anchors", [[], [[0.0, 0.5]], [[0.5, 1.5]], [[0.5]], "ucf", [[-0.1, 0.2]]])
def test_odd_anchors_are_refused(anchors: object) -> None:
    with pytest.raises(ValidationError):
        BoxNetworkSettings.model_validate({"anchors": anchors})
