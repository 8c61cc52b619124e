"""One whole step of paper 1's release, in float64: two views, one backward pass, one Adam step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, blobs, gen, read_seed
from golden_weights import load_reference_weights
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.methods import E2E, E2ESettings
from vadsdk.methods.views import View
from vadsdk.models.videocapsnet import VideoCapsNet, VideoCapsNetSettings

pytestmark = pytest.mark.golden

RELEASED = VideoCapsNetSettings(routing="released", dropout=0.0)
PROGRESS = 0.5  # epoch 50 of 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    losses: dict[str, Tensor]
    class_scores: list[Tensor]
    gradients: dict[str, Tensor]
    updates: dict[str, Tensor]
    running_mean: Tensor


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "train_step.npz")


@pytest.fixture(scope="module")
def step(recorded: Recorded) -> Step:
    seed = read_seed(recorded)
    network = VideoCapsNet(24, RELEASED).double().train()
    with torch.no_grad():
        load_reference_weights(network, seed)
    return take_step(network, *views_and_batch(seed))


def views_and_batch(seed: int) -> tuple[View, View, ClipBatch]:
    clips = gen(seed, "capsnet/input").random((2, 3, 8, 224, 224))
    clips[1] *= 0.35
    original = torch.from_numpy(clips.astype(np.float32)).double()
    masks = torch.from_numpy(blobs(seed, "step/gt") > 0)[:, 0]
    batch = ClipBatch(
        clips=torch.zeros((2, 8, 224, 224, 3), dtype=torch.uint8),  # the views are given
        masks=masks.to(torch.uint8),
        class_indices=torch.tensor([3, 7]),
        labelled=torch.tensor([True, False]),
    )
    return (
        View(clips=original, parameters=sample_view(2, "identity")),
        View(clips=original.flip(-1), parameters=sample_view(2, "mirror")),
        batch,
    )


def take_step(network: VideoCapsNet, original: View, augmented: View, batch: ClipBatch) -> Step:
    scores: list[Tensor] = []
    network.register_forward_hook(
        lambda _module, _inputs, outputs: scores.append(outputs.class_scores.detach())
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, eps=1e-6)
    losses = E2E(network, E2ESettings.released()).losses_of_views(
        original, augmented, batch, PROGRESS
    )
    before = named_copies(network)
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    optimizer.step()
    after = named_copies(network)
    running_mean = network.get_buffer("conv1.Mixed_4f.b0.bn.running_mean")
    return Step(
        losses={name: loss.detach() for name, loss in losses.items()},
        class_scores=scores,
        gradients=gradients,
        updates={name: after[name] - before[name] for name in before},
        running_mean=running_mean,
    )


def named_copies(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def test_losses_of_the_step(recorded: Recorded, step: Step) -> None:
    losses = step.losses
    values = {
        "cls": losses["cls"],
        "loc": losses["loc_bce"] + losses["loc_dice"],
        "cons": 10 * losses["cons_loc"],
        "total": torch.stack(list(losses.values())).sum(),
    }
    for name, value in values.items():
        assert_recorded(recorded, f"{name}__f64", value, rel=1e-9)


def test_class_activations_of_both_views(recorded: Recorded, step: Step) -> None:
    for name, scores in zip(("orig", "flip"), step.class_scores, strict=True):
        assert_recorded(recorded, f"class_activations_{name}__f64", scores, absolute=1e-9)


def test_gradient_norms_of_every_parameter(recorded: Recorded, step: Step) -> None:
    names = [str(name) for name in recorded["param_names"]]
    assert set(names) == set(step.gradients)
    norms = [step.gradients[name].norm().item() for name in names]
    assert_recorded(recorded, "grad_norms__f64", norms, rel=1e-6)


def test_recorded_gradients_and_updates(recorded: Recorded, step: Step) -> None:
    suffix = "__f64"
    names = [
        key.removeprefix("grad_").removesuffix(suffix)
        for key in recorded
        if key.startswith("grad_") and key.endswith(suffix) and key != f"grad_norms{suffix}"
    ]
    assert len(names) == 12
    for name in names:
        assert_recorded(recorded, f"grad_{name}{suffix}", step.gradients[name], rel=1e-6)
        assert_recorded(recorded, f"update_{name}{suffix}", step.updates[name], rel=1e-5)


def test_running_statistics_saw_both_views(recorded: Recorded, step: Step) -> None:
    assert_recorded(recorded, "bn_running_mean__f64", step.running_mean, rel=1e-9)
