"""What torch compiles for a CPU. Most is tried on the uncompiled arithmetic, as the compiler takes
seconds for each form and shape; two tests compile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from written_coherence import (
    EACH_FORM,
    FORMS,
    fresh,
    random_answers,
    random_validity,
    written_losses,
)

from vadsdk.kernels import coherence_losses as eager
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_loop import coherence_losses

__all__ = ["fresh"]

WEIGHTS = (0.3, 0.8)
# torch's own import
COMPILES = pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")


@pytest.fixture
def uncompiled() -> Iterator[None]:
    torch.compiler.set_stance("force_eager")
    yield
    torch.compiler.set_stance("default")


def weights_of(form: CoherenceForm) -> tuple[float, ...]:
    return WEIGHTS[: len(form.attentions)]


def assert_equal_to_written(
    form: CoherenceForm, shape: tuple[int, ...], with_validity: bool, generator: torch.Generator
) -> None:
    answers = tuple(x.requires_grad_() for x in random_answers(shape, generator))
    validity = random_validity(shape, generator) if with_validity else None
    losses = coherence_losses(*answers, form, weights_of(form), validity)
    expected = written_losses(*answers, form, weights_of(form), validity)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)
    upstream = torch.tensor([1.0, -2.0], dtype=torch.float64)[: len(losses)]
    gradients = torch.autograd.grad(losses @ upstream, answers)
    wanted = torch.autograd.grad(expected @ upstream, answers)
    torch.testing.assert_close(gradients, wanted, rtol=1e-10, atol=1e-16)


@EACH_FORM
@pytest.mark.parametrize("with_validity", [False, True])
@pytest.mark.usefixtures("uncompiled")
def test_losses_and_gradients_equal_those_of_written_maps(
    form: CoherenceForm, with_validity: bool, fresh: torch.Generator
) -> None:
    assert_equal_to_written(form, (2, 8, 5, 7), with_validity, fresh)


@COMPILES
def test_what_is_compiled_equals_written_maps(fresh: torch.Generator) -> None:
    assert_equal_to_written(FORMS["both"], (2, 6, 5, 7), True, fresh)


@COMPILES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_vectors_are_as_good_as_the_written_form(
    dtype: torch.dtype, fresh: torch.Generator
) -> None:
    """An odd number of pixels, so that some are left beside whole vectors."""
    first, second = (x.to(dtype) for x in random_answers((2, 6, 11, 13), fresh))
    losses = coherence_losses(first, second.requires_grad_(), FORMS["released"], (0.5,))
    expected = written_losses(first.double(), second.double(), FORMS["released"], (0.5,))
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses.double(), expected, rtol=3e-6, atol=0)
    gradient, wanted = (torch.autograd.grad(x.sum(), second)[0] for x in (losses, expected))
    assert gradient.dtype == dtype
    rounding = 2**-7 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(gradient, wanted, rtol=rounding, atol=1e-8)


@pytest.mark.usefixtures("uncompiled")
def test_a_detached_answer_is_a_fixed_target(fresh: torch.Generator) -> None:
    first, second = (x.requires_grad_() for x in random_answers((1, 8, 3, 3), fresh))
    both = torch.autograd.grad(coherence_losses(first, second, FORMS["default"], (0.5,)), second)
    loss = coherence_losses(first.detach(), second, FORMS["default"], (0.5,))
    loss.sum().backward()
    assert first.grad is None
    torch.testing.assert_close(second.grad, both[0], rtol=0, atol=0)


@pytest.mark.usefixtures("uncompiled")
def test_equal_attention_everywhere_stretches_to_none(fresh: torch.Generator) -> None:
    """Not to what sums of large terms of both signs leave over."""
    first = torch.tensor([0.0, 0.0, 1.3]).view(1, 3, 1, 1).expand(1, 3, 40, 40)
    second = first + torch.randn((1, 3, 40, 40), generator=fresh)
    form = CoherenceForm(attentions=("gradient",), gradient_of="logits", compared="logits")
    assert coherence_losses(first, second, form, (1.0,)).item() == 0


@pytest.mark.usefixtures("uncompiled")
def test_what_is_not_a_number_stays_so(fresh: torch.Generator) -> None:
    first, second = random_answers((2, 8, 3, 3), fresh)
    first[1, 3, 2, 1] = torch.nan
    assert coherence_losses(first, second, FORMS["both"], WEIGHTS).isnan().all()


@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.usefixtures("uncompiled")
def test_without_a_valid_pixel_the_losses_are_connected_zeros(rows: int) -> None:
    first = torch.randn((rows, 8, 3, 3), requires_grad=True)
    validity = torch.zeros(rows, 1, 3, 3)
    losses = coherence_losses(first, first.detach() + 1, FORMS["both"], WEIGHTS, validity)
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0]
    assert first.grad is not None
    assert not first.grad.any()


@pytest.mark.usefixtures("uncompiled")
def test_answers_that_lie_otherwise_in_memory(fresh: torch.Generator) -> None:
    answers = random_answers((2, 8, 5, 7), fresh)
    turned = tuple(x.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0) for x in answers)
    assert not turned[0].is_contiguous()
    losses = coherence_losses(*turned, FORMS["both"], WEIGHTS)
    expected = eager.coherence_losses(*answers, FORMS["both"], WEIGHTS)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)


def test_it_refuses_what_the_eager_form_refuses() -> None:
    answers = torch.zeros(1, 8, 3, 3), torch.zeros(1, 8, 3, 4)
    with pytest.raises(ValueError, match="two answers"):
        coherence_losses(*answers, CoherenceForm(), (1.0,))
