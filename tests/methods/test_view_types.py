"""The type that views are written in where autocast is on: the network's, if it takes pixels so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from pretended_card import CARD, pretended_card
from test_every_pair import KINDS, PAIRS, batch_for, method_of, network_of
from torch import Tensor, nn

from vadsdk.kernels.augmentation import apply_view
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.methods.network import convolves_pixels
from vadsdk.models import build_model

BF16, FP32 = torch.bfloat16, torch.float32
CALCULATING = {"videocapsnet-n", "videocapsnet-s", "yowo-n", "joining"}
"""Networks that take differences of pixels before they convolve."""


@contextmanager
def bf16_on_a_card() -> Iterator[None]:
    """Let tensors be on a card that is only pretended, and autocast on there and where they are."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", BF16)
    try:
        with pretended_card(), torch.autocast("cpu", BF16):
            yield
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


def any_network(name: str) -> nn.Module:
    if name in KINDS:
        return network_of(name).eval()
    torch.manual_seed(0)
    settings = {"backbone": name, "input_size": 64, "width": 0.25}
    return build_model("r3d-n", 3, settings).eval()


def answers(network: Any, clips: Tensor) -> list[Tensor]:
    """Return all that a network answers, and its first stage."""
    heard: list[Tensor] = []
    stage = network.get_submodule(network.stage_names[0])
    hook = stage.register_forward_hook(lambda module, inputs, output: heard.append(output))
    outputs = network(clips)
    hook.remove()
    return [value.cpu() for value in (*outputs, *heard)]


@pytest.mark.parametrize("name", [*KINDS, "i3d", "resnext101", "joining"])
def test_a_network_says_whether_its_first_layer_rounds_pixels_anyway(name: str) -> None:
    network: Any = any_network(name)
    assert convolves_pixels(network) is (name not in CALCULATING)
    spec = network.spec(name, ("a", "b", "c"))
    size = (spec.input_height, spec.input_width)
    clips = batch_for(network).clips[:1]
    form = {"mean": spec.pixel_mean, "std": spec.pixel_std}
    layout = torch.channels_last_3d
    with bf16_on_a_card(), torch.no_grad():
        network.to(CARD)
        seen = apply_view(clips.to(CARD), sample_view(1, "identity"), size, **form)
        first, second = (
            answers(network, seen.to(dtype, memory_format=layout)) for dtype in (FP32, BF16)
        )
    assert all(map(torch.equal, first, second)) is convolves_pixels(network)


class Watched:
    """Runs a step's losses and remembers how its networks were given their clips."""

    def __init__(self, model: str, method: str, convolves: bool) -> None:
        self.network: Any = network_of(model).to(CARD)
        self.network.convolves_pixels = convolves
        self.seen: list[Tensor] = []
        learner = method_of(method, self.network)
        learner.trained.to(CARD)
        for network in {self.network, *streams(learner)}:
            network.register_forward_pre_hook(self._see)
        learner.begin_step(0.9)
        self.losses = learner.losses(batch_for(self.network).to(CARD), 0.9)
        torch.stack(list(self.losses.values())).sum().backward()

    def _see(self, network: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.seen.append(inputs[0])


def streams(learner: Any) -> list[nn.Module]:
    """Return what else than the network looks at clips: a teacher, the network of gradients."""
    teachers = [v.network for v in vars(learner).values() if hasattr(v, "num_updates")]
    others = [*teachers, getattr(learner, "_gradient_network", None)]
    return [network for network in others if hasattr(network, "kind")]


# torch's one_hot, which boxes are taught with, makes memory that the pretended card does not see
STEPS = [pair for pair in PAIRS if not pair[0].startswith("yowo")]


@pytest.mark.parametrize(("model", "method"), STEPS)
def test_on_a_card_networks_that_convolve_pixels_get_them_as_they_take_them(
    model: str, method: str
) -> None:
    is_exact = model == "r3d-n" and method != "mixmatch"  # others calculate with rounded pixels
    tolerance = 0.0 if is_exact else 2e-2
    with bf16_on_a_card():
        short, plain = (Watched(model, method, convolves) for convolves in (True, False))
        assert {clips.dtype for clips in short.seen} == {BF16}
        assert {clips.dtype for clips in plain.seen} == {FP32}
        for clips in [*short.seen, *plain.seen]:
            assert clips.is_contiguous(memory_format=torch.channels_last_3d)
        for name, loss in short.losses.items():
            assert loss.dtype == FP32
            expected = plain.losses[name].cpu()
            torch.testing.assert_close(loss.cpu(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("model", ["r3d-n", "videocapsnet-n"])
def test_on_a_cpu_views_are_float32_whatever_autocast_is(model: str) -> None:
    network = network_of(model)
    learner = method_of("supervised", network)
    clips = batch_for(network).clips
    with torch.autocast("cpu", BF16):
        assert learner._views.make(clips, "weak").clips.dtype == FP32
