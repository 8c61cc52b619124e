"""The references on tensors of a card: `benchmarks/reference_kernels.py` runs them there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_card import CARD, HOST, WouldFailError, pretended_card
from test_every_pair import PAIRS, batch_for, method_of, network_of
from torch import Tensor
from written_coherence import EACH_FORM

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels import augmentation
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_settings import ViewSettings

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CASES = (
    *("apply_view", "apply_view_fp32", "apply_view_with_gradients", "apply_view_to_masks"),
    *("transfer_maps", "undo_view", "em_routing", "em_routing_fp32"),
    *("temporal_coherence", "gradient_smoothness", "bce_and_dice"),
    *("temporal_coherence_bf16", "gradient_smoothness_bf16", "bce_and_dice_bf16"),
)
# torch's one_hot, which boxes are taught with, makes memory that the pretended card does not see
STEPS = [pair for pair in PAIRS if not pair[0].startswith("yowo")]


@pytest.mark.parametrize("name", CASES)
def test_a_reference_stays_where_its_tensors_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kernel_cases
    import view_cases

    shape = kernel_cases.Shape(
        num_clips=2,
        num_labelled=1,
        num_frames=4,
        stored=(32, 32),
        side=24,
        bank_frames=16,
        positions_a_clip=9,
    )
    makers = (view_cases.view_cases, kernel_cases.routing_cases, kernel_cases.loss_cases)
    with pretended_card():
        cases = {case.name: case for make in makers for case in make(CARD, shape)}
        assert cases.keys() == set(CASES)
        cases[name].run()


VIEW = ViewSettings(
    rotation_degrees=10,
    time_reversal_probability=0.5,
    cutout_probability=0.5,
    blur_probability=1.0,
)
VIEW_OPERATIONS: dict[str, Callable[..., Any]] = {
    "apply_view": lambda clips, masks, view: augmentation.apply_view(clips, view, (16, 16)),
    "apply_view_with_gradients": lambda clips, masks, view: augmentation.apply_view_with_gradients(
        clips, clips.flip(1), view, (16, 16)
    )[1],
    "apply_view_to_masks": lambda clips, masks, view: augmentation.apply_view_to_masks(
        masks, view, (16, 16)
    ),
    "apply_view_to_frames": lambda clips, masks, view: augmentation.apply_view_to_frames(
        masks[:, :, 0, 0], view
    ),
    "undo_view": lambda clips, masks, view: augmentation.undo_view(masks.float(), view, (8, 8))[0],
    "transfer_maps": lambda clips, masks, view: augmentation.transfer_maps(
        masks.float(), view, view.mirrored()
    )[0],
}


@pytest.mark.parametrize("name", VIEW_OPERATIONS)
def test_a_view_with_all_that_there_is_comes_out_the_same_on_a_card(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    clips = torch.randint(256, (3, 4, 24, 24, 3), dtype=torch.uint8, generator=generator)
    masks = torch.randint(2, (3, 4, 24, 24), dtype=torch.uint8, generator=generator)
    view = sample_view(3, VIEW, generator)
    expected = VIEW_OPERATIONS[name](clips, masks, view)
    with pretended_card():
        came = VIEW_OPERATIONS[name](clips.to(CARD), masks.to(CARD), view.to(CARD))
        assert came.device == CARD
        assert torch.equal(came.cpu(), expected)


@EACH_FORM
def test_coherence_in_every_form_comes_out_the_same_on_a_card(form: CoherenceForm) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 4, 5, 7, generator=generator) for _ in range(2))
    validity = torch.randint(2, (2, 1, 5, 7), generator=generator).float()
    weights = [0.3, 0.8][: len(form.attentions)]

    def answers(place: torch.device) -> list[Tensor]:
        given = [x.to(place).requires_grad_() for x in (first, second)]
        losses = coherence_losses(*given, form, weights, validity.to(place))
        return [losses.detach(), *torch.autograd.grad(losses.sum(), given)]

    expected = answers(HOST)
    with pretended_card():
        came = answers(CARD)
        assert {value.device for value in came} == {CARD}
        assert all(torch.equal(x.cpu(), y) for x, y in zip(came, expected, strict=True))


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda':UserWarning")
@pytest.mark.parametrize(("model", "method"), STEPS)
def test_losses_and_gradients_stay_where_the_network_is(model: str, method: str) -> None:
    with pretended_card():
        network = network_of(model).to(CARD)
        learner = method_of(method, network)
        learner.trained.to(CARD)
        learner.begin_step(0.9)
        losses = learner.losses(batch_for(network, 0).to(CARD), 0.9)
        torch.stack(list(losses.values())).sum().backward()
        learner.after_step()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients
        assert {value.device for value in [*gradients, *losses.values()]} == {CARD}


def batch() -> ClipBatch:
    return ClipBatch(
        clips=torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8),
        masks=torch.zeros(1, 2, 4, 4, dtype=torch.uint8),
        class_indices=torch.zeros(1, dtype=torch.int64),
        labelled=torch.ones(1, dtype=torch.bool),
    )


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (lambda: batch().to(CARD).clips, lambda: batch().to(CARD).to("cpu").clips),
        (lambda: batch().to(CARD).masks, lambda: batch().to(CARD).copied_to(HOST).masks),
        (
            lambda: sample_view(2, "strong").to("cuda").affines,
            lambda: sample_view(2, "strong").to(CARD).to("cpu").affines,
        ),
    ],
    ids=["batch", "copied batch", "views"],
)
def test_the_host_waits_for_what_it_is_sent(
    there: Callable[[], Any], back: Callable[[], Any]
) -> None:
    with pretended_card():
        assert there().device == CARD
        assert back().device == HOST


@pytest.mark.parametrize(
    "wrong",
    [
        lambda card, host: card + host,
        lambda card, host: torch.where(host > 0, card, 0.0),
        lambda card, host: torch.sin(card, out=host),
        lambda card, host: host[card.long()],
        lambda card, host: card.to("cpu", non_blocking=True),
        lambda card, host: host.copy_(card, non_blocking=True),
        lambda card, host: card.numpy(),
    ],
)
def test_what_would_fail_on_a_card_fails(wrong: Callable[..., Any]) -> None:
    with pretended_card():
        card, host = torch.zeros(3, device="cuda"), torch.zeros(3)
        assert (card[host.long()] + torch.tensor(1.0)).device == CARD
        with pytest.raises(WouldFailError):
            wrong(card, host)
