"""The kernels against the reference in float64: on a card, or in Triton's interpreter."""

from __future__ import annotations

import pytest
import torch
from card_or_interpreter import DEVICE, MARKS, ON_CARD
from poisoned_memory import poisoned
from torch import Tensor
from written_coherence import fresh

from vadsdk.kernels import mask_losses as reference
from vadsdk.kernels import mask_losses_triton
from vadsdk.kernels.mask_losses_triton import mask_losses

__all__ = ["fresh", "poisoned"]

pytestmark = MARKS

# A card's exponential function is 2 units in the last place off, and more for large numbers.
RTOL, ATOL = (1e-5, 1e-6) if ON_CARD else (2e-6, 2.4e-7)
WEIGHTS = {
    "none": None,
    "float": torch.tensor([0.5, 0.0, 2.0]),
    "bool": torch.tensor([True, False, True]),
}


def compare(logits: Tensor, masks: Tensor, weights: Tensor | None, rtol: float = RTOL) -> None:
    """Losses and gradients against those of float64 copies on the CPU."""
    own = logits.detach().to(DEVICE).requires_grad_()
    copy = logits.detach().double().requires_grad_()
    on_device = None if weights is None else weights.to(DEVICE)
    losses = mask_losses(own, masks.to(DEVICE), on_device)
    expected = reference.mask_losses(copy, masks, weights)
    for loss, target in zip(losses, expected, strict=True):
        torch.testing.assert_close(loss.cpu().double(), target, rtol=RTOL, atol=ATOL)
    (gradient,) = torch.autograd.grad(losses[0] - 3 * losses[1], own)
    (wanted,) = torch.autograd.grad(expected[0] - 3 * expected[1], copy)
    assert gradient.dtype == logits.dtype
    # Of a sigmoid near 1 the distance to 1 has an error of its own.
    atol = rtol * wanted.abs().max().item() + ATOL / logits[0].numel()
    torch.testing.assert_close(gradient.cpu().double(), wanted, rtol=rtol, atol=atol)


def random_maps(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    logits = torch.randn(shape, generator=generator) * 4
    return logits, (torch.rand(shape, generator=generator) > 0.5).float()


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (3, 1, 1, 1), (3, 3, 41, 37)])
def test_losses_and_gradients(
    shape: tuple[int, ...], weights: Tensor | None, fresh: torch.Generator
) -> None:
    compare(*random_maps(shape, fresh), weights)


def test_one_gradient_alone(fresh: torch.Generator) -> None:
    logits, masks = random_maps((2, 2, 5, 7), fresh)
    for which in (0, 1):
        answers = []
        for losses, device in ((mask_losses, DEVICE), (reference.mask_losses, "cpu")):
            leaf = logits.clone().to(device).requires_grad_()
            loss = losses(leaf, masks.to(device))[which]
            answers.append(torch.autograd.grad(loss, leaf)[0].cpu())
        torch.testing.assert_close(*answers, rtol=1e-5, atol=1e-7 if ON_CARD else 1e-8)


def test_pixels_of_several_programs(
    fresh: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_losses_triton, "BLOCK", 16)
    monkeypatch.setattr(mask_losses_triton, "FINISH_TILE", 8)  # 5 programs a clip, 2 at once
    compare(*random_maps((3, 2, 5, 7), fresh), WEIGHTS["float"])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.bfloat16, torch.float64])
def test_masks_of_any_type(dtype: torch.dtype, fresh: torch.Generator) -> None:
    logits, masks = random_maps((2, 2, 5, 7), fresh)
    compare(logits, masks.to(dtype), None)


def test_soft_masks_and_logits_in_bfloat16(fresh: torch.Generator) -> None:
    logits, _ = random_maps((3, 2, 5, 7), fresh)
    masks = torch.rand(logits.shape, generator=fresh)
    compare(logits.bfloat16(), masks, WEIGHTS["float"], rtol=2**-8)


def test_maps_that_lie_otherwise_in_memory(fresh: torch.Generator) -> None:
    logits, masks = random_maps((7, 5, 2, 3), fresh)
    logits, masks = logits.permute(3, 2, 0, 1), masks.permute(3, 2, 0, 1)
    assert not logits.to(DEVICE).is_contiguous()
    compare(logits, masks, WEIGHTS["float"])


@pytest.mark.parametrize("weights", [None, 1.0])
@pytest.mark.parametrize("shape", [(0, 2, 3, 3), (3, 0, 3, 3), (3, 2, 0, 3)])
def test_without_a_pixel_losses_are_connected_zeros_and_so_are_the_references(
    shape: tuple[int, ...], weights: float | None
) -> None:
    for losses, device in ((mask_losses, DEVICE), (reference.mask_losses, "cpu")):
        logits, masks = torch.ones((2, *shape), device=device)
        given = None if weights is None else torch.full(shape[:1], weights, device=device)
        came = losses(logits.requires_grad_(), masks, given)
        (came[0] + came[1]).backward()
        assert [loss.item() for loss in came] == [0.0, 0.0]
        assert [loss.shape for loss in came] == [(), ()]
        assert logits.grad is not None
        assert logits.grad.shape == shape


def test_without_a_sample_that_counts_losses_are_connected_zeros() -> None:
    logits, masks = torch.ones(2, 3, 2, 3, 3, device=DEVICE)
    losses = mask_losses(logits.requires_grad_(), masks, torch.zeros(3, device=DEVICE))
    (losses[0] + losses[1]).backward()
    assert [loss.item() for loss in losses] == [0.0, 0.0]
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("size", [0.0, 1e-3, 5.0, 20.0, 90.0, 1e4])
def test_far_logits_keep_their_digits(size: float) -> None:
    # log(1 + exp(-20)) is 2e-9: the sum 1 + exp(-20) itself is 1 in float32.
    logits = torch.tensor([[size, -size]])
    for masks in (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])):
        came = mask_losses(logits.to(DEVICE), masks.to(DEVICE))[0].item()
        exact = reference.mask_losses(logits.double(), masks)[0].item()
        assert came == pytest.approx(exact, rel=RTOL, abs=1e-38)


def test_what_is_not_a_number_stays_so(fresh: torch.Generator) -> None:
    logits, masks = (x.to(DEVICE) for x in random_maps((2, 2, 3, 3), fresh))
    logits[1, 1, 2, 2] = torch.nan
    assert all(loss.isnan() for loss in mask_losses(logits, masks))


@pytest.mark.gpu
def test_what_is_called_by_name_on_a_card_are_these_kernels(fresh: torch.Generator) -> None:
    logits, masks = (x.cuda() for x in random_maps((3, 3, 41, 37), fresh))
    answers = []
    for losses in (mask_losses, reference.mask_losses):
        leaf = logits.clone().requires_grad_()
        bce, dice = losses(leaf, masks)
        answers.append((bce, dice, *torch.autograd.grad(bce + dice, leaf)))
    for own, called in zip(*answers, strict=True):
        assert torch.equal(own, called)
