"""The kernels on a card, at the sizes of training."""

from __future__ import annotations

import pytest
import torch
from written_coherence import EACH_FORM, FORMS, written_losses

from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses

pytestmark = pytest.mark.gpu

SHAPE = (16, 8, 224, 224)
WEIGHTS = (0.3, 0.8)


def answers_on_card(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    first = torch.randn(SHAPE, generator=generator, device="cuda") * 2
    second = first + torch.randn(SHAPE, generator=generator, device="cuda")
    validity = torch.rand((16, 1, 224, 224), generator=generator, device="cuda") > 0.1
    return first.to(dtype).requires_grad_(), second.to(dtype).requires_grad_(), validity.float()


@EACH_FORM
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_losses_and_gradients_equal_those_of_written_maps(
    form: CoherenceForm, dtype: torch.dtype
) -> None:
    first, second, validity = answers_on_card(dtype)
    weights = WEIGHTS[: len(form.attentions)]
    losses = coherence_losses(first, second, form, weights, validity)
    copies = tuple(x.detach().double().requires_grad_() for x in (first, second))
    expected = written_losses(*copies, form, weights, validity.double())
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=0)
    gradients = torch.autograd.grad(losses.sum(), (first, second))
    wanted = torch.autograd.grad(expected.sum(), copies)
    rtol = 1e-5 if dtype == torch.float32 else 2**-7
    for gradient, target in zip(gradients, wanted, strict=True):
        scale = target.abs().max().item()
        torch.testing.assert_close(gradient.double(), target, rtol=rtol, atol=rtol * scale)


def test_losses_are_the_same_from_run_to_run() -> None:
    first, second, validity = answers_on_card(torch.float32)
    runs = [coherence_losses(first, second, FORMS["both"], WEIGHTS, validity) for _ in range(5)]
    assert all(torch.equal(run, runs[0]) for run in runs)


def test_a_captured_graph_follows_weight_and_answers() -> None:
    first, second, validity = answers_on_card(torch.float32)
    weight = torch.tensor(0.25, device="cuda")

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        losses = coherence_losses(first, second, FORMS["default"], (weight,), validity)
        return losses.detach(), torch.autograd.grad(losses.sum(), second)[0]

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    weight.fill_(0.75)
    with torch.no_grad():
        second += 0.5
    graph.replay()
    for came, expected in zip(captured, step(), strict=True):
        torch.testing.assert_close(came, expected, rtol=0, atol=0)


def test_offsets_beyond_32_bits() -> None:
    shape = (3, 8, 10240, 9216)  # 2.3e9 values, 4.5 GB a map in bfloat16
    first = torch.zeros(shape, dtype=torch.bfloat16, device="cuda")
    second = torch.zeros_like(first)
    second[-1, -1, -1, -1] = 2.0
    form = CoherenceForm(compared="logits")
    loss = coherence_losses(first, second, form, (0.0,))
    assert loss.item() == pytest.approx(4 / first.numel(), rel=1e-5)
