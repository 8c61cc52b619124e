from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vadsdk.losses import RegionLosses, RegionSettings, region_loss
from vadsdk.losses.region_targets import RegionTargets, assign_regions

ANCHORS = torch.tensor([[1.0, 1.0], [3.0, 1.0]])
GRID = 4
K = 3
MEAN = RegionSettings()
SUM = RegionSettings(reduction="sum")
BOX = torch.tensor([[[0.25, 0.25, 0.5, 0.5]]])  # one cell, the second row and column
IN_BOX = (0, 0, slice(None), 1, 1)
"""Its place in the predictions: clip, anchor, logits, row, column."""


def flat_predictions(num_clips: int = 1) -> Tensor:
    """Predictions that put every box in the middle of its cell, as large as its anchor."""
    return torch.zeros(num_clips, 2, 5 + K, GRID, GRID)


def random_scene(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.randn(3, 2, 5 + K, GRID, GRID, generator=generator)
    low = torch.rand(3, 6, 2, generator=generator) * 0.8
    sizes = torch.rand(3, 6, 2, generator=generator) * 0.6
    boxes = torch.cat((low, low + sizes), -1).clamp(0, 1)
    classes = torch.randint(-1, K, (3, 6), generator=generator)
    return predictions, boxes, classes


def naive_iou(a: list[float], b: list[float]) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = wide * high
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


def naive_masks(predictions: Tensor, boxes: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the object of each place, -1 for none, and confidence masks, one cell at a time."""
    objects = torch.full((3, 2, GRID, GRID), -1)
    counts = torch.ones(3, 2, GRID, GRID)
    for b in range(3):
        known = [m for m in range(6) if classes[b, m] >= 0]
        scaled = (boxes[b] * GRID).tolist()
        for a in range(2):
            for j in range(GRID):
                for i in range(GRID):
                    x, y, w, h = predictions[b, a, :4, j, i].tolist()
                    x, y = i + 1 / (1 + math.exp(-x)), j + 1 / (1 + math.exp(-y))
                    w, h = (
                        ANCHORS[a, 0].item() * math.exp(w) / 2,
                        ANCHORS[a, 1].item() * math.exp(h) / 2,
                    )
                    found = [x - w, y - h, x + w, y + h]
                    if any(naive_iou(found, scaled[m]) > 0.6 for m in known):
                        counts[b, a, j, i] = 0
        for m in known:
            x0, y0, x1, y1 = scaled[m]
            shapes = [
                naive_iou([0, 0, x1 - x0, y1 - y0], [0, 0, *anchor]) for anchor in ANCHORS.tolist()
            ]
            place = b, shapes.index(max(shapes)), int((y0 + y1) / 2), int((x0 + x1) / 2)
            objects[place], counts[place] = m, 5
    return objects, counts


@pytest.mark.parametrize("seed", range(4))
def test_places_are_those_of_a_loop_over_objects_and_cells(seed: int) -> None:
    predictions, boxes, classes = random_scene(seed)
    targets = assign_regions(predictions, boxes, classes >= 0, ANCHORS, 0.6)
    expected_objects, expected_counts = naive_masks(predictions, boxes, classes)
    objects = torch.full((3, 2 * GRID * GRID), -1)
    objects[targets.rows, targets.places] = targets.objects
    counts = targets.is_empty.float()
    assert not counts[targets.rows, targets.places].any()
    counts[targets.rows, targets.places] = 5
    assert torch.equal(objects.view_as(expected_objects), expected_objects)
    assert torch.equal(counts.view_as(expected_counts), expected_counts)


def test_the_terms_written_out() -> None:
    predictions = flat_predictions()
    predictions[0, 0, :5, 1, 1] = torch.tensor([0.0, 0.0, 0.5, 2.0, 0.0])
    losses = region_loss(predictions, BOX, torch.tensor([[2]]), ANCHORS, SUM)
    # eq. 1: 0.5 d^2 below 1, d - 0.5 above; the anchor is as large as the box
    assert losses.w.item() == pytest.approx(0.5 * 0.5 * 0.25)
    assert losses.h.item() == pytest.approx(0.5 * 1.5)
    assert losses.x.item() == losses.y.item() == 0
    # All other 31 places should be empty and say 1/2. Here the box is e^0.5 wide and e^2 high, of
    # which the object covers a share.
    gap = 0.5 - math.exp(-2.5)
    assert losses.confidence.item() == pytest.approx(0.5 * (31 * 0.25 + 5 * gap**2))
    # eq. 3 for three classes of 1/3: one true, two false
    third = (2 / 3) ** 2 * math.log(3) + 2 * (1 / 3) ** 2 * math.log(3 / 2)
    assert losses.classification.item() == pytest.approx(third)


def test_the_released_focal_term_is_that_of_the_true_class() -> None:
    released = RegionSettings(focal="released", gamma=1.0)
    losses = region_loss(flat_predictions(), BOX, torch.tensor([[2]]), ANCHORS, released)
    assert losses.classification.item() == pytest.approx(2 / 3 * math.log(3))


def test_settings_weigh_what_they_name() -> None:
    predictions, boxes, classes = random_scene(0)
    plain = region_loss(predictions, boxes, classes, ANCHORS, SUM)
    heavy = region_loss(predictions, boxes, classes, ANCHORS, SUM.model_copy(update={"alpha": 1.5}))
    for name in ("x", "y", "w", "h", "confidence"):
        torch.testing.assert_close(getattr(heavy, name), 3 * getattr(plain, name))
    torch.testing.assert_close(heavy.classification, plain.classification)
    light = SUM.model_copy(update={"object_weight": 0.0, "eta": 0.0})
    lighter = region_loss(flat_predictions(), BOX, torch.tensor([[0]]), ANCHORS, light)
    assert lighter.confidence.item() == pytest.approx(0.5 * 31 * 0.25)
    assert region_loss(predictions, boxes, classes, ANCHORS, light).x.item() == 0


def test_a_place_whose_box_overlaps_an_object_need_not_be_empty() -> None:
    predictions = flat_predictions()
    predictions[0, 1, 2, 1, 1] = -math.log(3)  # the other anchor tells the same box
    classes = torch.tensor([[0]])
    ignored = region_loss(predictions, BOX, classes, ANCHORS, SUM).confidence
    counted = region_loss(
        predictions, BOX, classes, ANCHORS, SUM.model_copy(update={"ignore_iou": 1.0})
    ).confidence
    assert (counted - ignored).item() == pytest.approx(0.5 * 0.25)


def total(losses: RegionLosses) -> Tensor:
    return torch.stack(list(losses)).sum()


def test_the_mean_is_the_sum_over_the_clips_by_their_number() -> None:
    scene = random_scene(0)
    mean, summed = (total(region_loss(*scene, ANCHORS, s)) for s in (MEAN, SUM))
    torch.testing.assert_close(3 * mean, summed)
    alone = [
        total(region_loss(*(part[row : row + 1] for part in scene), ANCHORS, SUM))
        for row in range(3)
    ]
    torch.testing.assert_close(sum(alone), summed)
    weights = torch.tensor([1.0, 0.0, 2.0])
    weighted = total(region_loss(*scene, ANCHORS, MEAN, sample_weights=weights))
    torch.testing.assert_close(weighted, (alone[0] + 2 * alone[2]) / 3)


def test_without_objects_every_place_should_say_that_it_is_empty() -> None:
    predictions = flat_predictions(2).requires_grad_()
    losses = region_loss(predictions, torch.zeros(2, 0, 4), torch.zeros(2, 0).long(), ANCHORS, MEAN)
    assert losses.confidence.item() == pytest.approx(0.5 * 32 * 0.25)
    total(losses).backward()
    assert losses.classification.item() == losses.w.item() == 0
    assert predictions.grad is not None
    assert (predictions.grad[:, :, 4] > 0).all()


@pytest.mark.parametrize("count", [0, 2])
def test_no_clip_and_clips_without_weight_are_connected_zeros(count: int) -> None:
    predictions = flat_predictions(count).requires_grad_()
    boxes, classes = BOX.expand(count, 1, 4), torch.zeros(count, 1).long()
    loss = total(
        region_loss(predictions, boxes, classes, ANCHORS, MEAN, sample_weights=torch.zeros(count))
    )
    loss.backward()
    assert loss.item() == 0
    assert predictions.grad is not None
    assert not predictions.grad.any()


def test_equal_boxes_share_their_classes_where_several_are_allowed() -> None:
    boxes, classes = BOX.expand(1, 2, 4), torch.tensor([[0, 2]])
    predictions = torch.zeros(1, 2, 5 + 80, GRID, GRID)  # AVA's classes, of which 14 are poses

    def cost(classes: Tensor, *, multi_label: bool) -> float:
        losses = region_loss(predictions, boxes, classes, ANCHORS, MEAN, multi_label=multi_label)
        return losses.classification.item()

    # 14 poses of 1/14 and 66 others of 1/2, gamma 0.5
    absent = 66 * 0.5**0.5 * math.log(2)
    pose = (13 / 14) ** 0.5 * math.log(14)
    other_pose = (1 / 14) ** 0.5 * math.log(14 / 13)
    both = 2 * pose + 12 * other_pose + absent
    assert cost(classes, multi_label=True) == pytest.approx(both, rel=1e-5)
    pose_and_other = pose + 13 * other_pose + absent  # yes costs as much as no at 1/2
    assert cost(torch.tensor([[0, 17]]), multi_label=True) == pytest.approx(
        pose_and_other, rel=1e-5
    )
    hot = torch.zeros(1, 2, 80, dtype=torch.bool)
    hot[0, 0, [0, 2]] = True
    assert cost(hot, multi_label=True) == pytest.approx(both, rel=1e-5)


def test_classes_that_are_not_avas_are_independent_where_several_are_allowed() -> None:
    predictions = torch.zeros(1, 2, 5 + 20, GRID, GRID)
    losses = region_loss(predictions, BOX, torch.tensor([[0]]), ANCHORS, MEAN, multi_label=True)
    # yes costs as much as no at 1/2, gamma 0.5
    expected = 20 * 0.5**0.5 * math.log(2)
    assert losses.classification.item() == pytest.approx(expected, rel=1e-5)


def test_extreme_answers_have_finite_gradients() -> None:
    for multi_label in (False, True):
        predictions = torch.full((1, 2, 5 + 20, GRID, GRID), 200.0)
        predictions[:, :, 5::2] = -200.0
        predictions.requires_grad_()
        classes = torch.tensor([[1]])
        losses = region_loss(predictions, BOX, classes, ANCHORS, MEAN, multi_label=multi_label)
        total(losses).backward()
        assert predictions.grad is not None
        assert predictions.grad.isfinite().all()


def test_boxes_on_the_edge_or_without_area_find_a_place_or_none() -> None:
    boxes = torch.tensor([[[1.0, 1.0, 1.0, 1.0], [0.9, 0.9, 1.1, 1.1], [-0.2, -0.2, 0.1, 0.1]]])
    targets: RegionTargets = assign_regions(
        flat_predictions(), boxes, torch.ones(1, 3).bool(), ANCHORS, 0.6
    )
    assert targets.objects.tolist() == [1, 2]
    assert targets.places.tolist() == [GRID * GRID - 1, 0]


def test_half_precision_is_summed_in_single() -> None:
    predictions, boxes, classes = random_scene(0)
    half = region_loss(predictions.bfloat16(), boxes, classes, ANCHORS, MEAN)
    whole = region_loss(predictions.bfloat16().float(), boxes, classes, ANCHORS, MEAN)
    assert total(half).dtype == torch.float32
    torch.testing.assert_close(total(half), total(whole))
