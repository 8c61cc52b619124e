"""The kernels against the written maps in float64: on a card, or in Triton's interpreter."""

from __future__ import annotations

import pytest
import torch
from card_or_interpreter import DEVICE, MARKS, ON_CARD
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

from vadsdk.kernels import coherence_losses as reference
from vadsdk.kernels import coherence_losses_triton
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses_triton import coherence_losses

__all__ = ["fresh", "poisoned"]

pytestmark = MARKS

WEIGHTS = (0.3, 0.8)
UPSTREAM = torch.tensor([1.0, -2.0])
# A card's exponential function is 2 units in the last place off, and squares of small differences
# of probabilities a hundred times as much.
RTOL, FEW_PIXELS_RTOL = (2e-4, 1e-3) if ON_CARD else (1e-5, 3e-5)

# A card has them with a validity in `test_coherence_losses_gpu.py`, and compiles each for seconds.
WITH_VALIDITY = [False] if ON_CARD else [False, True]
SIZES = [(1, 3, 1, 7), (2, 5, 4, 3), (1, 9, 2, 2)]
if not ON_CARD:  # x^2 - x x of one frame is not 0 where products are added before they are rounded
    SIZES += [(1, 2, 3, 3)]


def compare(
    first: Tensor, second: Tensor, form: CoherenceForm, validity: Tensor | None, rtol: float = RTOL
) -> None:
    """Losses and gradients of these answers against those of their float64 copies on the CPU."""
    weights = WEIGHTS[: len(form.attentions)]
    answers = tuple(x.detach().to(DEVICE).requires_grad_() for x in (first, second))
    copies = tuple(x.detach().double().requires_grad_() for x in (first, second))
    seen = None if validity is None else validity.to(DEVICE)
    losses = coherence_losses(*answers, form, weights, seen)
    expected = written_losses(*copies, form, weights, validity)
    of_losses = min(rtol, FEW_PIXELS_RTOL)
    torch.testing.assert_close(losses.cpu().double(), expected, rtol=of_losses, atol=1e-9)
    upstream = UPSTREAM[: len(losses)]
    gradients = torch.autograd.grad(losses @ upstream.to(DEVICE), answers)
    wanted = torch.autograd.grad(expected @ upstream.double(), copies)
    for gradient, target, answer in zip(gradients, wanted, answers, strict=True):
        assert gradient.dtype == answer.dtype
        atol = rtol * target.abs().max().item() + 1e-12
        torch.testing.assert_close(gradient.cpu().double(), target, rtol=rtol, atol=atol)


def float_answers(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    first, second = random_answers(shape, generator)
    return first.float(), second.float()


@EACH_FORM
@pytest.mark.parametrize("with_validity", WITH_VALIDITY)
def test_every_form(form: CoherenceForm, with_validity: bool, fresh: torch.Generator) -> None:
    shape = (2, 8, 5, 7)
    validity = random_validity(shape, fresh).float() if with_validity else None
    compare(*float_answers(shape, fresh), form, validity)


@pytest.mark.parametrize("name", ["open", "gradient"])
def test_pixels_of_several_programs(
    name: str, fresh: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coherence_losses_triton, "TILE", 1)
    monkeypatch.setattr(coherence_losses_triton, "LEAST_BLOCK", 4)
    monkeypatch.setattr(coherence_losses_triton, "FINISH_TILE", 4)
    shape = (2, 3, 3, 6)  # 5 programs a clip, 2 of them added up at once
    compare(*float_answers(shape, fresh), FORMS[name], random_validity(shape, fresh))


@pytest.mark.parametrize("shape", SIZES)
def test_odd_sizes(shape: tuple[int, ...], fresh: torch.Generator) -> None:
    form = CoherenceForm(attentions=("gradient", "variance"), window=1 if shape[1] == 2 else 3)
    compare(*float_answers(shape, fresh), form, None, FEW_PIXELS_RTOL)  # some may hardly differ


@pytest.mark.parametrize("with_validity", [False, True])
@pytest.mark.parametrize("shape", [(0, 8, 3, 3), (2, 8, 0, 3)])
def test_without_a_pixel_losses_are_connected_zeros_and_so_are_the_references(
    shape: tuple[int, ...], with_validity: bool
) -> None:
    for losses, device in ((coherence_losses, DEVICE), (reference.coherence_losses, "cpu")):
        answers = tuple(torch.ones(shape, device=device, requires_grad=True) for _ in range(2))
        validity = torch.ones((shape[0], 1, *shape[2:]), device=device)
        came = losses(*answers, FORMS["both"], WEIGHTS, validity if with_validity else None)
        gradients = torch.autograd.grad(came.sum(), answers)
        assert came.tolist() == [0.0, 0.0]
        assert [gradient.shape for gradient in gradients] == [shape, shape]


@pytest.mark.parametrize("types", [("bfloat16", "bfloat16"), ("bfloat16", "float32")])
def test_answers_in_bfloat16(types: tuple[str, str], fresh: torch.Generator) -> None:
    shape = (2, 8, 5, 3)
    first, second = (
        x.to(getattr(torch, name))
        for x, name in zip(random_answers(shape, fresh), types, strict=True)
    )
    compare(first, second, FORMS["both"], random_validity(shape, fresh).bfloat16(), 2**-8)


def test_answers_that_lie_otherwise_in_memory(fresh: torch.Generator) -> None:
    answers = float_answers((2, 8, 5, 7), fresh)
    first, second = (x.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0) for x in answers)
    validity = random_validity((2, 8, 7, 5), fresh).mT
    assert not first.to(DEVICE).is_contiguous()
    assert not validity.to(DEVICE).is_contiguous()
    compare(first, second, FORMS["both"], validity)


def test_gradients_from_above_may_be_expanded(fresh: torch.Generator) -> None:
    answers = tuple(x.to(DEVICE).requires_grad_() for x in float_answers((2, 8, 5, 7), fresh))
    losses = coherence_losses(*answers, FORMS["both"], WEIGHTS)
    expanded = torch.tensor(3.0, device=DEVICE).expand(2)
    came = torch.autograd.grad(losses, answers, expanded, retain_graph=True)
    wanted = torch.autograd.grad(losses, answers, torch.full((2,), 3.0, device=DEVICE))
    torch.testing.assert_close(came, wanted, rtol=0, atol=0)


def test_without_a_valid_pixel_the_losses_are_connected_zeros(fresh: torch.Generator) -> None:
    answers = tuple(x.to(DEVICE).requires_grad_() for x in float_answers((2, 8, 3, 3), fresh))
    nowhere = torch.zeros(2, 1, 3, 3, device=DEVICE)
    losses = coherence_losses(*answers, FORMS["both"], WEIGHTS, nowhere)
    gradients = torch.autograd.grad(losses.sum(), answers)
    assert losses.tolist() == [0.0, 0.0]
    assert not any(gradient.any() for gradient in gradients)


def test_a_detached_answer_is_a_fixed_target(fresh: torch.Generator) -> None:
    first, second = (x.to(DEVICE).requires_grad_() for x in float_answers((1, 8, 3, 3), fresh))
    both = torch.autograd.grad(coherence_losses(first, second, FORMS["default"], (0.5,)), second)
    coherence_losses(first.detach(), second, FORMS["default"], (0.5,)).sum().backward()
    assert first.grad is None
    rtol, atol = (RTOL, 1e-7) if ON_CARD else (0, 0)
    torch.testing.assert_close(second.grad, both[0], rtol=rtol, atol=atol)


def test_a_weight_may_be_a_tensor_that_changes(fresh: torch.Generator) -> None:
    answers = tuple(x.to(DEVICE) for x in float_answers((1, 8, 3, 3), fresh))
    weight = torch.tensor(0.25, device=DEVICE)
    for value in (0.25, 0.75):
        weight.fill_(value)
        losses = coherence_losses(*answers, FORMS["both"], (weight, 0.5))
        assert torch.equal(losses, coherence_losses(*answers, FORMS["both"], (value, 0.5)))


def test_large_logits_that_hardly_move_keep_their_digits() -> None:
    steps = torch.tensor([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]).view(1, 8, 1, 1)
    form = CoherenceForm(scaling="paper", compared="logits", variance_of="logits")
    answers = (100 + steps).to(DEVICE), (101 + steps).to(DEVICE)
    loss = coherence_losses(*answers, form, (1.0,))
    exact = written_losses(100 + steps.double(), 101 + steps.double(), form, (1.0,))
    assert loss.item() == pytest.approx(exact.item(), rel=1e-2)


def test_what_is_not_a_number_stays_so(fresh: torch.Generator) -> None:
    first, second = (x.to(DEVICE) for x in float_answers((2, 8, 3, 3), fresh))
    first[1, 3, 2, 1] = torch.nan
    assert coherence_losses(first, second, FORMS["both"], WEIGHTS).isnan().all()


@pytest.mark.gpu
def test_what_is_called_by_name_on_a_card_are_these_kernels(fresh: torch.Generator) -> None:
    inputs = tuple(x.cuda().requires_grad_() for x in float_answers((2, 8, 5, 7), fresh))
    answers = []
    for losses in (coherence_losses, reference.coherence_losses):
        came = losses(*inputs, FORMS["both"], WEIGHTS)
        answers.append((came, *torch.autograd.grad(came.sum(), inputs)))
    for own, called in zip(*answers, strict=True):
        assert torch.equal(own, called)
