from __future__ import annotations

import numpy as np
import pytest
import torch
from written_coherence import fresh

from vadsdk.kernels.mask_losses import mask_losses

__all__ = ["fresh"]


def random_maps(
    shape: tuple[int, ...], generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 4
    return logits, torch.rand(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("weights", [None, (0.5, 0.0, 2.0)])
def test_both_losses_equal_their_sums_in_numpy(
    weights: tuple[float, ...] | None, fresh: torch.Generator
) -> None:
    logits, masks = random_maps((3, 2, 4, 5), fresh)
    given = None if weights is None else torch.tensor(weights)
    bce, dice = mask_losses(logits, masks, given)
    w = np.ones(3) if weights is None else np.array(weights)
    s, t = 1 / (1 + np.exp(-logits.numpy())), masks.numpy()
    costs = -(t * np.log(s) + (1 - t) * np.log(1 - s)).mean((1, 2, 3))
    both, either = (s * t).sum((1, 2, 3)), (s + t).sum((1, 2, 3))
    assert bce.item() == pytest.approx((w * costs).sum() / w.sum(), rel=1e-9)
    assert dice.item() == pytest.approx(1 - (2 * (w @ both) + 1) / (w @ either + 1), rel=1e-9)


def test_gradients_are_those_of_finite_differences(fresh: torch.Generator) -> None:
    logits, masks = random_maps((2, 2, 3, 2), fresh)
    weights = torch.tensor([0.5, 2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: mask_losses(x, masks, weights), logits.requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.bfloat16])
def test_masks_of_any_type_count_alike(dtype: torch.dtype, fresh: torch.Generator) -> None:
    logits, masks = random_maps((2, 2, 3, 4), fresh)
    masks = (masks > 0.5).double()
    assert mask_losses(logits, masks.to(dtype)) == mask_losses(logits, masks)


def test_bfloat16_logits_are_computed_with_in_float32(fresh: torch.Generator) -> None:
    logits, masks = random_maps((2, 8, 9, 9), fresh)
    logits = logits.bfloat16()
    came = mask_losses(logits, masks)
    for loss, expected in zip(came, mask_losses(logits.double(), masks), strict=True):
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("masks", "weights"), [((2, 3, 5), None), ((2, 3, 4), (3,))])
def test_shapes_that_do_not_fit_are_refused(
    masks: tuple[int, ...], weights: tuple[int, ...] | None
) -> None:
    given = None if weights is None else torch.ones(weights)
    with pytest.raises(ValueError, match="logits and masks of one shape"):
        mask_losses(torch.zeros(2, 3, 4), torch.zeros(masks), given)
