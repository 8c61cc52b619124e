"""The kernels in Triton's interpreter against the written maps in float64."""

from __future__ import annotations

import pytest
import torch
from poisoned_memory import poisoned
from torch import Tensor
from written_coherence import (
    EACH_FORM,
    FORMS,
    fresh,
    random_answers,
    random_validity,
    written_losses,
)

from vadsdk.kernels import coherence_losses_triton
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses_triton import coherence_losses

__all__ = ["fresh", "poisoned"]

pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are compiled where a card is"),
    pytest.mark.usefixtures("poisoned"),
]

WEIGHTS = (0.3, 0.8)
UPSTREAM = torch.tensor([1.0, -2.0])


def compare(
    first: Tensor, second: Tensor, form: CoherenceForm, validity: Tensor | None, rtol: float
) -> None:
    """Losses and gradients of these answers against those of their float64 copies."""
    weights = WEIGHTS[: len(form.attentions)]
    answers = first.detach().requires_grad_(), second.detach().requires_grad_()
    copies = tuple(x.detach().double().requires_grad_() for x in answers)
    losses = coherence_losses(*answers, form, weights, validity)
    expected = written_losses(*copies, form, weights, validity)
    torch.testing.assert_close(losses.double(), expected, rtol=min(rtol, 3e-5), atol=1e-9)
    upstream = UPSTREAM[: len(losses)]
    gradients = torch.autograd.grad(losses @ upstream, answers)
    wanted = torch.autograd.grad(expected @ upstream.double(), copies)
    for gradient, target, answer in zip(gradients, wanted, answers, strict=True):
        assert gradient.dtype == answer.dtype
        scale = target.abs().max().item() if target.numel() else 1.0
        torch.testing.assert_close(gradient.double(), target, rtol=rtol, atol=rtol * scale + 1e-12)


@EACH_FORM
@pytest.mark.parametrize("with_validity", [False, True])
def test_every_form(form: CoherenceForm, with_validity: bool, fresh: torch.Generator) -> None:
    shape = (2, 8, 5, 7)
    first, second = random_answers(shape, fresh)
    validity = random_validity(shape, fresh).float() if with_validity else None
    compare(first.float(), second.float(), form, validity, 1e-5)


@pytest.mark.parametrize("name", ["open", "gradient"])
def test_pixels_of_several_programs(
    name: str, fresh: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coherence_losses_triton, "TILE", 1)
    monkeypatch.setattr(coherence_losses_triton, "LEAST_BLOCK", 4)
    monkeypatch.setattr(coherence_losses_triton, "FINISH_TILE", 4)
    shape = (2, 3, 3, 6)  # 5 programs a clip, 2 of them added up at once
    form = FORMS[name]
    first, second = random_answers(shape, fresh)
    compare(first.float(), second.float(), form, random_validity(shape, fresh), 1e-5)


@pytest.mark.parametrize(
    "shape", [(1, 2, 3, 3), (1, 3, 1, 7), (2, 5, 4, 3), (1, 9, 2, 2), (0, 8, 3, 3), (2, 8, 0, 3)]
)
def test_odd_and_empty_sizes(shape: tuple[int, ...], fresh: torch.Generator) -> None:
    form = CoherenceForm(attentions=("gradient", "variance"), window=1 if shape[1] == 2 else 3)
    if not (shape[0] and shape[2]):
        first = torch.zeros(shape, requires_grad=True)
        losses = coherence_losses(first, torch.zeros(shape), form, WEIGHTS)
        losses.sum().backward()
        assert losses.tolist() == [0.0, 0.0]
        assert first.grad is not None
        return
    first, second = random_answers(shape, fresh)
    compare(first.float(), second.float(), form, None, 3e-5)  # a few pixels may hardly differ


@pytest.mark.parametrize("types", [("bfloat16", "bfloat16"), ("bfloat16", "float32")])
def test_answers_in_bfloat16(types: tuple[str, str], fresh: torch.Generator) -> None:
    shape = (2, 8, 5, 3)
    first, second = (
        x.to(getattr(torch, name))
        for x, name in zip(random_answers(shape, fresh), types, strict=True)
    )
    compare(first, second, FORMS["both"], random_validity(shape, fresh).bfloat16(), 2**-8)


def test_answers_that_lie_otherwise_in_memory(fresh: torch.Generator) -> None:
    answers = (x.float() for x in random_answers((2, 8, 5, 7), fresh))
    first, second = (x.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0) for x in answers)
    validity = random_validity((2, 8, 7, 5), fresh).mT
    assert not first.is_contiguous()
    assert not validity.is_contiguous()
    compare(first, second, FORMS["both"], validity, 1e-5)


def test_without_a_valid_pixel_the_losses_are_connected_zeros(fresh: torch.Generator) -> None:
    first, second = (x.float().requires_grad_() for x in random_answers((2, 8, 3, 3), fresh))
    losses = coherence_losses(first, second, FORMS["both"], WEIGHTS, torch.zeros(2, 1, 3, 3))
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0]
    assert first.grad is not None
    assert not first.grad.any()


def test_a_detached_answer_is_a_fixed_target(fresh: torch.Generator) -> None:
    first, second = (x.float().requires_grad_() for x in random_answers((1, 8, 3, 3), fresh))
    both = torch.autograd.grad(coherence_losses(first, second, FORMS["default"], (0.5,)), second)
    coherence_losses(first.detach(), second, FORMS["default"], (0.5,)).sum().backward()
    assert first.grad is None
    torch.testing.assert_close(second.grad, both[0], rtol=0, atol=0)


def test_a_weight_may_be_a_tensor_that_changes(fresh: torch.Generator) -> None:
    answers = tuple(x.float() for x in random_answers((1, 8, 3, 3), fresh))
    weight = torch.tensor(0.25)
    for value in (0.25, 0.75):
        weight.fill_(value)
        losses = coherence_losses(*answers, FORMS["both"], (weight, 0.5))
        assert torch.equal(losses, coherence_losses(*answers, FORMS["both"], (value, 0.5)))


def test_large_logits_that_hardly_move_keep_their_digits() -> None:
    steps = torch.tensor([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]).view(1, 8, 1, 1)
    form = CoherenceForm(scaling="paper", compared="logits", variance_of="logits")
    loss = coherence_losses(100 + steps, 101 + steps, form, (1.0,))
    exact = written_losses(100 + steps.double(), 101 + steps.double(), form, (1.0,))
    assert loss.item() == pytest.approx(exact.item(), rel=1e-2)


def test_what_is_not_a_number_stays_so(fresh: torch.Generator) -> None:
    first, second = (x.float() for x in random_answers((2, 8, 3, 3), fresh))
    first[1, 3, 2, 1] = torch.nan
    assert coherence_losses(first, second, FORMS["both"], WEIGHTS).isnan().all()
