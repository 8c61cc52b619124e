from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vadsdk.kernels.view_parameters import sample_view
from vadsdk.methods.mask_family import MaskFamily, PseudoMasks, PseudoMaskSettings
from vadsdk.methods.supervised_terms import TermSettings
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs

SURE, TORN = [0.95, 0.05, 0.05], [0.5, 0.5, 0.5]
BEST_OF_SURE = 19 / (19 + 2 / 19)
"""Odds of 19, 1/19 and 1/19, of which exactly one is true."""
PIXELS = [0.9, 0.7, 0.1, 0.3]


def family(**settings: object) -> MaskFamily:
    return MaskFamily(3, TermSettings(), PseudoMaskSettings.model_validate(settings))


def answer(scores: list[list[float]], pixels: list[list[float]]) -> ClipOutputs:
    """Return an answer of one frame of one row of pixels a clip."""
    class_scores = torch.tensor(scores)
    probabilities = torch.tensor(pixels)[:, None, None]
    return ClipOutputs(class_scores, probabilities.logit(), class_scores[:, None])


def view_of(count: int, strength: str = "identity") -> View:
    return View(clips=torch.zeros(count, 3, 1, 1, 4), parameters=sample_view(count, strength))


def rows(values: Tensor) -> list[list[float]]:
    listed: list[list[float]] = values.flatten(1).tolist()
    return listed


def test_a_sure_class_and_its_sure_pixels_are_pseudo_labels() -> None:
    outputs, view = answer([SURE, TORN], [PIXELS, PIXELS]), view_of(2)
    pseudo = family(class_threshold=0.99, pixel_threshold=0.8).pseudo_labels(outputs, view, view)
    assert pseudo.class_indices.tolist() == [0, -1]
    assert rows(pseudo.masks)[0] == [1, 1, 0, 0]
    assert rows(pseudo.pixel_weights) == [[1, 0, 1, 0], [0, 0, 0, 0]]


def test_both_thresholds_are_reached_by_what_equals_them_and_missed_by_less() -> None:
    outputs, view = answer([SURE], [PIXELS]), view_of(1)
    for offset, class_index in ((-1e-4, 0), (1e-4, -1)):
        judge = family(class_threshold=BEST_OF_SURE + offset)
        assert judge.pseudo_labels(outputs, view, view).class_indices.tolist() == [class_index]
    for offset, weight in ((-1e-4, 1), (1e-4, 0)):
        judge = family(pixel_threshold=0.9 + offset)
        assert rows(judge.pseudo_labels(outputs, view, view).pixel_weights)[0][0] == weight


def test_masks_of_all_clips_are_trusted_pixel_by_pixel_where_asked() -> None:
    outputs, view = answer([TORN], [PIXELS]), view_of(1)
    pseudo = family(masks_of="all").pseudo_labels(outputs, view, view)
    assert pseudo.class_indices.tolist() == [-1]
    assert rows(pseudo.pixel_weights) == [[1, 0, 1, 0]]


def test_pseudo_masks_lie_in_the_frame_of_the_view_that_is_taught() -> None:
    pseudo = family(pixel_threshold=0.8).pseudo_labels(
        answer([SURE], [PIXELS]), view_of(1), view_of(1, "mirror")
    )
    assert rows(pseudo.masks) == [[0, 0, 1, 1]]
    assert rows(pseudo.pixel_weights) == [[0, 1, 0, 1]]


def test_pseudo_losses_by_hand_divide_by_all_clips_and_pixels() -> None:
    """Of two clips and eight pixels, one and two are trusted: an actor's and a background's."""
    judge = family(cls_weight=3.0, loc_weight=5.0)
    pseudo = PseudoMasks(
        class_indices=torch.tensor([0, -1]),
        masks=torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])[:, None, None],
        pixel_weights=torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0] * 4])[:, None, None],
    )
    losses = judge.pseudo_losses(answer([SURE, TORN], [[0.6, 0.9, 0.3, 0.9], [0.2] * 4]), pseudo)
    assert losses["pseudo_cls"].item() == pytest.approx(-3 * math.log(BEST_OF_SURE) / 2, rel=1e-4)
    bce = -(math.log(0.6) + math.log(0.7)) / 8
    assert losses["pseudo_bce"].item() == pytest.approx(5 * bce, rel=1e-5)
    dice = 1 - (2 * 0.6 + 1) / (0.6 + 0.3 + 1 + 1)
    assert losses["pseudo_dice"].item() == pytest.approx(5 * 2 / 8 * dice, rel=1e-5)


def test_nothing_trusted_costs_nothing_but_stays_in_the_graph() -> None:
    outputs = answer([TORN], [PIXELS])
    scores, logits = outputs.class_scores.requires_grad_(), outputs.mask_logits.requires_grad_()
    judge, view = family(), view_of(1)
    losses = judge.pseudo_losses(outputs, judge.pseudo_labels(outputs, view, view))
    torch.stack(list(losses.values())).sum().backward()
    assert [value.item() for value in losses.values()] == pytest.approx([0, 0, 0], abs=1e-9)
    for given in (scores, logits):
        assert given.grad is not None
        assert not given.grad.any()


@pytest.mark.parametrize(
    ("consistency_of", "expected"),
    [
        ("all", (0.6**2 + 0.5**2 + 0.2**2) / 4),  # the mean of all four pixels
        ("actors", (0.6**2 + 0.5**2) / 2),  # of those that either answer calls an actor
    ],
)
def test_masks_agree_on_all_pixels_or_on_those_that_either_calls_an_actor(
    consistency_of: str, expected: float
) -> None:
    ours, theirs = answer([SURE], [[0.8, 0.4, 0.1, 0.2]]), answer([SURE], [[0.2, 0.9, 0.1, 0.4]])
    judge, view = family(consistency_of=consistency_of, loc_weight=2.0), view_of(1)
    for first, second in ((ours, theirs), (theirs, ours)):
        losses = judge.consistency_losses(first, view, second, view)
        assert losses["cons_loc"].item() == pytest.approx(2 * expected, rel=1e-5)
        assert losses["cons_cls"].item() == pytest.approx(0, abs=1e-6)


def test_mirrored_answers_to_mirrored_views_agree() -> None:
    left, right = answer([SURE], [PIXELS]), answer([SURE], [PIXELS[::-1]])
    losses = family().consistency_losses(left, view_of(1), right, view_of(1, "mirror"))
    assert losses["cons_loc"].item() == pytest.approx(0, abs=1e-9)
    losses = family().consistency_losses(left, view_of(1), left, view_of(1, "mirror"))
    assert losses["cons_loc"].item() > 0.1


def test_classes_agree_by_the_divergence_of_sharpened_distributions() -> None:
    """Odds 4, 1, 1 and their rotation; a temperature of 1/2 squares odds."""
    ours, theirs = answer([[0.8, 0.5, 0.5]], [PIXELS]), answer([[0.5, 0.8, 0.5]], [PIXELS])
    for temperature, odds in ((1.0, 4.0), (0.5, 16.0)):
        judge = family(class_temperature=temperature, cls_weight=3.0)
        came = judge.consistency_losses(ours, view_of(1), theirs, view_of(1))["cons_cls"]
        high, low = odds / (odds + 2), 1 / (odds + 2)
        middle = (high + low) / 2
        expected = high * math.log(high / middle) + low * math.log(low / middle)
        assert came.item() == pytest.approx(3 * expected, rel=1e-4)
