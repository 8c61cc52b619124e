"""The kernels on a card, at the sizes of training."""

from __future__ import annotations

import pytest
import torch

from vadsdk.kernels import mask_losses as reference
from vadsdk.kernels.mask_losses import mask_losses

pytestmark = pytest.mark.gpu

SHAPE = (16, 8, 224, 224)


def maps_on_card(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    logits = torch.randn(SHAPE, generator=generator, device="cuda") * 4
    masks = torch.rand(SHAPE, generator=generator, device="cuda") > 0.7
    weights = torch.rand(SHAPE[0], generator=generator, device="cuda")
    return logits.to(dtype).requires_grad_(), masks, weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("masks_dtype", [torch.float32, torch.uint8, torch.bool])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_gradients_equal_the_reference(
    dtype: torch.dtype, masks_dtype: torch.dtype, weighted: bool
) -> None:
    logits, masks, weights = maps_on_card(dtype)
    given = weights if weighted else None
    losses = mask_losses(logits, masks.to(masks_dtype), given)
    copy = logits.detach().double().cpu().requires_grad_()
    on_cpu = None if given is None else given.double().cpu()
    expected = reference.mask_losses(copy, masks.cpu(), on_cpu)
    for loss, target in zip(losses, expected, strict=True):
        torch.testing.assert_close(loss.double().cpu(), target, rtol=1e-5, atol=0)
    (gradient,) = torch.autograd.grad(losses[0] + losses[1], logits)
    (wanted,) = torch.autograd.grad(expected[0] + expected[1], copy)
    rtol = 1e-5 if dtype == torch.float32 else 2**-7
    scale = wanted.abs().max().item()
    torch.testing.assert_close(gradient.double().cpu(), wanted, rtol=rtol, atol=rtol * scale)


def test_losses_are_the_same_from_run_to_run() -> None:
    logits, masks, weights = maps_on_card(torch.float32)
    runs = [torch.stack(mask_losses(logits, masks, weights)) for _ in range(5)]
    assert all(torch.equal(run, runs[0]) for run in runs)


def test_a_captured_graph_follows_logits_and_weights() -> None:
    logits, masks, weights = maps_on_card(torch.float32)

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        loss = torch.stack(mask_losses(logits, masks, weights)).sum()
        return loss.detach(), torch.autograd.grad(loss, logits)[0]

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    with torch.no_grad():
        logits += 0.5
        weights *= 0.25
    graph.replay()
    for came, expected in zip(captured, step(), strict=True):
        torch.testing.assert_close(came, expected, rtol=0, atol=0)
