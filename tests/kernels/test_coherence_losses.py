from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from written_coherence import (
    EACH_FORM,
    FORMS,
    fresh,
    random_answers,
    random_validity,
    written_losses,
)

from vadsdk.kernels import coherence_strips
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses

__all__ = ["fresh"]

WEIGHTS = (0.3, 0.8)


def weights_of(form: CoherenceForm) -> tuple[float, ...]:
    return WEIGHTS[: len(form.attentions)]


@pytest.fixture(params=[1, 7, 10_000], ids=lambda pixels: f"strips of {pixels}")
def strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    row_bytes = 2 * 8 * torch.float64.itemsize // torch.get_num_threads()
    monkeypatch.setattr(coherence_strips, "STRIP_BYTES", request.param * row_bytes)


@EACH_FORM
@pytest.mark.parametrize("with_validity", [False, True])
@pytest.mark.usefixtures("strips")
def test_losses_and_gradients_equal_those_of_written_maps(
    form: CoherenceForm, with_validity: bool, fresh: torch.Generator
) -> None:
    shape = (2, 8, 5, 7)
    answers = tuple(x.requires_grad_() for x in random_answers(shape, fresh))
    validity = random_validity(shape, fresh) if with_validity else None
    losses = coherence_losses(*answers, form, weights_of(form), validity)
    expected = written_losses(*answers, form, weights_of(form), validity)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)
    upstream = torch.tensor([1.0, -2.0], dtype=torch.float64)[: len(losses)]
    gradients = torch.autograd.grad(losses @ upstream, answers)
    wanted = torch.autograd.grad(expected @ upstream, answers)
    torch.testing.assert_close(gradients, wanted, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("name", ["open", "gradient", "snapped", "paper gradient"])
def test_the_gradient_by_the_second_answer_is_that_of_finite_differences(
    name: str, fresh: torch.Generator
) -> None:
    # The maps of these forms are of the first answer alone, so that they stand still.
    shape = (2, 4, 2, 3)
    form = FORMS[name]
    first, second = random_answers(shape, fresh)
    validity = random_validity(shape, fresh)

    def loss(logits: Tensor) -> Tensor:
        return coherence_losses(first, logits, form, weights_of(form), validity)

    assert torch.autograd.gradcheck(loss, second.requires_grad_())


@EACH_FORM
def test_both_answers_have_gradients_of_finite_differences_under_plain_squares(
    form: CoherenceForm, fresh: torch.Generator
) -> None:
    answers = tuple(x.requires_grad_() for x in random_answers((1, 4, 2, 2), fresh))
    plain = (0.0,) * len(form.attentions)
    assert torch.autograd.gradcheck(lambda *x: coherence_losses(*x, form, plain), answers)


@pytest.mark.parametrize(("frames", "window"), [(2, 1), (3, 3), (5, 7), (9, 5)])
def test_other_clip_lengths_and_windows(frames: int, window: int, fresh: torch.Generator) -> None:
    answers = random_answers((3, frames, 3, 3), fresh)
    form = CoherenceForm(attentions=("variance", "gradient"), window=window)
    losses = coherence_losses(*answers, form, WEIGHTS)
    torch.testing.assert_close(losses, written_losses(*answers, form, WEIGHTS))


@EACH_FORM
def test_float32_answers_are_as_good_as_the_written_form(
    form: CoherenceForm, fresh: torch.Generator
) -> None:
    answers = random_answers((2, 8, 24, 24), fresh)
    losses = coherence_losses(*(x.float() for x in answers), form, weights_of(form))
    expected = written_losses(*answers, form, weights_of(form))
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses.double(), expected, rtol=3e-6, atol=0)


def test_bfloat16_answers_are_computed_with_in_float32(fresh: torch.Generator) -> None:
    first, second = (x.bfloat16().requires_grad_() for x in random_answers((2, 8, 6, 5), fresh))
    losses = coherence_losses(first, second, FORMS["both"], WEIGHTS)
    expected = written_losses(first.double(), second.double(), FORMS["both"], WEIGHTS)
    torch.testing.assert_close(losses.double(), expected, rtol=3e-6, atol=0)
    gradients = torch.autograd.grad(losses.sum(), (first, second))
    wanted = torch.autograd.grad(expected.sum(), (first, second))
    assert {gradient.dtype for gradient in gradients} == {torch.bfloat16}
    torch.testing.assert_close(gradients, wanted, rtol=2**-7, atol=1e-8)


def test_answers_that_lie_otherwise_in_memory(fresh: torch.Generator) -> None:
    answers = random_answers((2, 8, 5, 7), fresh)
    turned = tuple(x.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0) for x in answers)
    assert not turned[0].is_contiguous()
    form = FORMS["both"]
    losses = coherence_losses(*turned, form, WEIGHTS)
    assert torch.equal(losses, coherence_losses(*answers, form, WEIGHTS))


def test_autocast_does_not_reach_the_losses(fresh: torch.Generator) -> None:
    first, second = (x.float().requires_grad_() for x in random_answers((1, 8, 4, 4), fresh))
    outside = coherence_losses(first, second, FORMS["both"], WEIGHTS)
    wanted = torch.autograd.grad(outside.sum(), first)
    with torch.autocast("cpu", torch.bfloat16):
        inside = coherence_losses(first, second, FORMS["both"], WEIGHTS)
        gradients = torch.autograd.grad(inside.sum(), first)
    assert torch.equal(inside, outside)
    assert torch.equal(gradients[0], wanted[0])


def test_large_logits_that_hardly_move_keep_their_digits() -> None:
    steps = torch.tensor([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]).view(1, 8, 1, 1)
    form = CoherenceForm(scaling="paper", compared="logits", variance_of="logits")
    loss = coherence_losses(100 + steps, 101 + steps, form, (1.0,))
    exact = written_losses(100 + steps.double(), 101 + steps.double(), form, (1.0,))
    assert loss.item() == pytest.approx(exact.item(), rel=1e-2)


@EACH_FORM
def test_static_answers_get_no_attention(form: CoherenceForm, fresh: torch.Generator) -> None:
    logits = torch.randn((1, 1, 4, 4), generator=fresh).expand(-1, 8, -1, -1)
    validity = torch.zeros(1, 1, 4, 4)
    validity[0, 0, 0, 0] = 1
    second = logits.clone()
    second[:, :, 1:] += 1  # not seen by both
    losses = coherence_losses(logits, second, form, (1.0,) * len(form.attentions), validity)
    assert losses.max() < 1e-12  # equal probabilities may differ by a rounding


def test_equal_attention_everywhere_stretches_to_none() -> None:
    # Over three frames, differences of differences are the same at each.
    first = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    form = CoherenceForm(attentions=("gradient",), gradient_of="logits", compared="logits")
    assert coherence_losses(first, first + 3, form, (1.0,)).item() == 0


@pytest.mark.parametrize("rows", [0, 2])
def test_without_a_valid_pixel_the_losses_are_connected_zeros(rows: int) -> None:
    first = torch.randn((rows, 8, 3, 3), requires_grad=True)
    form = FORMS["both"]
    losses = coherence_losses(first, first.detach() + 1, form, WEIGHTS, torch.zeros(rows, 1, 3, 3))
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0]
    assert first.grad is not None
    assert not first.grad.any()


def test_a_detached_answer_is_a_fixed_target(fresh: torch.Generator) -> None:
    first, second = (x.requires_grad_() for x in random_answers((1, 8, 3, 3), fresh))
    both = torch.autograd.grad(coherence_losses(first, second, FORMS["default"], (0.5,)), second)
    loss = coherence_losses(first.detach(), second, FORMS["default"], (0.5,))
    loss.sum().backward()
    assert first.grad is None
    torch.testing.assert_close(second.grad, both[0], rtol=0, atol=0)


def test_a_weight_may_be_a_tensor(fresh: torch.Generator) -> None:
    answers = random_answers((1, 8, 3, 3), fresh)
    losses = coherence_losses(*answers, FORMS["both"], (torch.tensor(0.25), 0.5))
    assert torch.equal(losses, coherence_losses(*answers, FORMS["both"], (0.25, 0.5)))


def test_what_is_not_a_number_stays_so(fresh: torch.Generator) -> None:
    first, second = random_answers((2, 8, 3, 3), fresh)
    first[1, 3, 2, 1] = torch.nan
    assert coherence_losses(first, second, FORMS["both"], WEIGHTS).isnan().all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"attentions": ()}, "each once"),
        ({"attentions": ("variance", "variance")}, "each once"),
        ({"attentions": ("curvature",)}, "curvature"),
        ({"attentions": ("gradient",), "scaling": "released"}, "released_gradient_map"),
        ({"scaling": "released", "cyclic": False}, "cyclic=True"),
        ({"snapped": True, "gradient_of": "logits"}, "gradient_of='probabilities'"),
    ],
)
def test_a_form_without_meaning_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CoherenceForm(**settings)


@pytest.mark.parametrize(
    ("second", "validity", "weights", "said"),
    [
        ((1, 8, 3, 4), None, (1.0,), "two answers"),
        ((1, 8, 3, 3), (1, 8, 3, 3), (1.0,), r"validity \(B, 1, H, W\)"),
        ((1, 8, 3, 3), None, (), "a weight for each"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    second: tuple[int, ...],
    validity: tuple[int, ...] | None,
    weights: tuple[float, ...],
    said: str,
) -> None:
    seen = None if validity is None else torch.ones(validity)
    with pytest.raises(ValueError, match=said):
        coherence_losses(
            torch.zeros(1, 8, 3, 3), torch.zeros(second), CoherenceForm(), weights, seen
        )


def test_a_window_longer_than_the_cycle_is_refused() -> None:
    maps = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match="a window of 5"):
        coherence_losses(maps, maps, CoherenceForm(), (1.0,))
    assert coherence_losses(maps, maps, FORMS["gradient"], (1.0,)).item() == 0
