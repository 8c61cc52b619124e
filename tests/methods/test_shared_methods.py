"""The methods that are written once for every kind of network."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from network_doubles import NUM_CLASSES, BoxNetwork, ColourNetwork, box_batch, colour_batch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.methods import METHODS, Method, build_method
from vadsdk.methods.mixing import SoftTargets, guessed_targets, mixed
from vadsdk.methods.views import ViewMaker
from vadsdk.models.outputs import RecognitionClipOutputs

SHARED = ("co_ssd", "fixmatch", "mean_teacher", "mixmatch", "pseudo_label")
REFUSED = {("mixmatch", "box"), ("co_ssd", "recognition")}
PAIRS = [
    (method, kind)
    for method in SHARED
    for kind in ("mask", "box", "recognition")
    if (method, kind) not in REFUSED
]
LATE = 0.9
ALL_TRUSTED = {
    "pseudo_masks": {"class_threshold": 0.0, "pixel_threshold": 0.5},
    "pseudo_boxes": {"objectness_threshold": 0.0, "frame_threshold": 0.0},
    "recognition": {"class_threshold": 0.0},
}


class Recogniser(nn.Module):
    """Tells the colour of a clip."""

    kind = "recognition"
    num_classes = NUM_CLASSES

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        inner = ColourNetwork(seed)
        self.input_size = inner.input_size
        self.body, self.classes = inner.body, inner.classes

    def spec(self, name: str, labels: tuple[str, ...]) -> Any:
        from network_doubles import spec_of

        return spec_of("recognition", name, labels)

    def forward(self, clips: Tensor) -> RecognitionClipOutputs:
        maps = self.classes(torch.relu(self.body(clips - 0.5)))
        return RecognitionClipOutputs(4 * maps.amax((2, 3, 4)))


def case(kind: str, **sizes: int) -> tuple[nn.Module, ClipBatch]:
    network = {"mask": ColourNetwork, "box": BoxNetwork, "recognition": Recogniser}[kind]()
    return network.train(), (box_batch if kind == "box" else colour_batch)(**sizes)


def trusting(name: str, network: nn.Module, **settings: Any) -> Method:
    """Return a method that trusts every answer at full weight."""
    chosen = {
        key: value
        for key, value in ALL_TRUSTED.items()
        if key in METHODS[name].settings.model_fields
    }
    return build_method(name, network, chosen | settings)


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value.float() for value in losses.values()]).sum()


def hidden_annotation(batch: ClipBatch) -> ClipBatch:
    """Return the batch as a sampler gives it: unlabelled rows without classes, masks or boxes."""
    unlabelled = ~batch.labelled
    classes, masks = batch.class_indices.clone(), batch.masks.clone()
    classes[unlabelled], masks[unlabelled] = -1, 0
    boxes = None if batch.box_classes is None else batch.box_classes.clone()
    if boxes is not None:
        boxes[unlabelled] = -1
    return ClipBatch(
        clips=batch.clips,
        masks=masks,
        class_indices=classes,
        labelled=batch.labelled,
        boxes_xyxy01=batch.boxes_xyxy01,
        box_classes=boxes,
    )


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_step_gives_every_parameter_a_gradient_and_finite_losses(name: str, kind: str) -> None:
    network, batch = case(kind)
    losses = trusting(name, network).losses(hidden_annotation(batch), LATE)
    assert all(torch.isfinite(value) for value in losses.values()), losses
    total(losses).backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not missing


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_step_in_bf16_gives_every_weight_a_gradient(name: str, kind: str) -> None:
    """Autocast may keep weights that a labeller's pass without a graph has cast."""
    network, batch = case(kind)
    with torch.autocast("cpu", torch.bfloat16):
        losses = trusting(name, network).losses(hidden_annotation(batch), LATE)
        cost = total(losses)
    cost.backward()
    assert not [n for n, p in network.named_parameters() if p.grad is None]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_losses_change_neither_weights_nor_modes_nor_the_batch(name: str, kind: str) -> None:
    network, batch = case(kind)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    given = [batch.clips.clone(), batch.masks.clone(), batch.class_indices.clone()]
    method = trusting(name, network)
    for progress in (0.0, 0.5, LATE):
        method.losses(batch, progress)
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)
    assert all(module.training for module in network.modules())
    for value, original in zip((batch.clips, batch.masks, batch.class_indices), given, strict=True):
        torch.testing.assert_close(value, original, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "num_passes"), [(n, 1 + (n == "co_ssd")) for n in SHARED])
def test_running_statistics_are_those_of_the_passes_that_learn(name: str, num_passes: int) -> None:
    network, batch = case("mask")
    normalisation = nn.BatchNorm3d(8)
    network.body = nn.Sequential(network.body, normalisation)
    method = trusting(name, network)
    method.losses(batch, LATE)
    assert normalisation.num_batches_tracked == num_passes


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_unlabelled_clips_teach_but_their_annotation_does_not(name: str, kind: str) -> None:
    network, batch = case(kind)

    def gradient(changed: ClipBatch) -> Tensor:
        network.zero_grad()
        torch.manual_seed(0)
        total(trusting(name, network).losses(changed, LATE)).backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    hidden = hidden_annotation(batch)
    clips = hidden.clips.clone()
    clips[~hidden.labelled] = 255 - clips[~hidden.labelled]
    others = ClipBatch(
        clips=clips,
        masks=hidden.masks,
        class_indices=hidden.class_indices,
        labelled=hidden.labelled,
        boxes_xyxy01=hidden.boxes_xyxy01,
        box_classes=hidden.box_classes,
    )
    plain = gradient(hidden)
    torch.testing.assert_close(gradient(batch), plain)
    assert not torch.allclose(gradient(others), plain)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_batch_without_unlabelled_clips_is_learned_from_all_the_same(
    name: str, kind: str
) -> None:
    network, batch = case(kind, num_unlabelled=0)
    losses = trusting(name, network).losses(batch, LATE)
    total(losses).backward()
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_method_that_is_resumed_goes_on_with_the_same_losses(name: str, kind: str) -> None:
    network, batch = case(kind)
    method = trusting(name, network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        total(method.losses(batch, 0.5)).backward()
        optimiser.step()
        method.after_step()
    state = {name: value.clone() for name, value in method.state_dict().items()}
    twin_network = copy.deepcopy(network)
    twin = trusting(name, twin_network)
    twin.load_state_dict(state)
    torch.manual_seed(1)
    expected = method.losses(batch, 0.6)
    torch.manual_seed(1)
    torch.testing.assert_close(twin.losses(batch, 0.6), expected)


@pytest.mark.parametrize(("name", "kind"), sorted(REFUSED))
def test_what_makes_no_sense_is_refused_with_the_reason(name: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.* for a {kind} network: .*; use "):
        build_method(name, case(kind)[0])


@pytest.mark.parametrize("name", ["fixmatch", "pseudo_label"])
@pytest.mark.parametrize("kind", ["mask", "recognition"])
def test_what_is_not_trusted_teaches_nothing(name: str, kind: str) -> None:
    network, batch = case(kind)
    wary = {
        "pseudo_masks": {"class_threshold": 1.0},
        "recognition": {"class_threshold": 1.0},
    }
    losses = build_method(name, network, wary).losses(hidden_annotation(batch), LATE)
    found = {key: value for key, value in losses.items() if key.startswith("pseudo_")}
    assert found
    for value in found.values():
        assert value.detach() == pytest.approx(0.0, abs=1e-6)
        assert value.requires_grad


def test_masks_of_all_clips_teach_where_asked_though_their_class_is_not_trusted() -> None:
    network, batch = case("mask")
    wary = {"pseudo_masks": {"class_threshold": 1.0, "pixel_threshold": 0.5, "masks_of": "all"}}
    losses = build_method("fixmatch", network, wary).losses(hidden_annotation(batch), LATE)
    assert losses["pseudo_cls"].detach() == 0
    assert losses["pseudo_bce"].detach() > 0


@pytest.mark.parametrize("name", ["fixmatch", "mean_teacher", "pseudo_label", "mixmatch"])
def test_masks_are_compared_of_one_class_the_labellers_best(name: str) -> None:
    network, batch = case("mask")
    method = trusting(name, network)
    method.losses(hidden_annotation(batch), LATE)
    labeller = network
    for attribute in ("_teacher", "_labeller"):
        if hasattr(method, attribute):
            labeller = getattr(method, attribute).network
    asked = torch.stack([c[-3:] for c in labeller.conditions + network.conditions])
    seen = labeller.clips[0][-3:]
    own = labeller(seen, torch.zeros(3, NUM_CLASSES)).class_scores.argmax(1)
    assert not asked[0].any()  # its own best class
    torch.testing.assert_close(asked[1], nn.functional.one_hot(own, NUM_CLASSES).float())


def test_the_first_round_of_pseudo_label_ends_at_start_and_the_others_share_the_rest() -> None:
    network, batch = case("mask")
    method = trusting("pseudo_label", network, num_rounds=4, start=0.4)
    rounds = []
    for progress in (0.0, 0.39, 0.41, 0.59, 0.61, 0.79, 0.81, 0.99):
        method.losses(batch, progress)
        rounds.append(int(method._labeller.num_updates))  # type: ignore[attr-defined]
    assert rounds == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_rounds_of_pseudo_label_begin_with_the_network_of_that_time() -> None:
    network, batch = case("mask")
    method = trusting("pseudo_label", network, num_rounds=2, start=0.5)
    assert not any(name.startswith("pseudo_") for name in method.losses(batch, 0.49))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    assert any(name.startswith("pseudo_") for name in method.losses(batch, 0.5))
    labeller = dict(method._labeller.network.named_parameters())  # type: ignore[attr-defined]
    begun = {name: value.clone() for name, value in network.named_parameters()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    method.losses(batch, 0.99)
    for name, value in begun.items():
        torch.testing.assert_close(labeller[name], value)
        assert not labeller[name].requires_grad


def test_the_mean_teacher_follows_and_has_no_gradient() -> None:
    network, batch = case("mask")
    method = trusting("mean_teacher", network, decay=0.5)
    total(method.losses(batch, LATE)).backward()
    teacher = dict(method._teacher.network.named_parameters())  # type: ignore[attr-defined]
    start = {name: value.clone() for name, value in teacher.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    method.after_step()
    for name, value in start.items():
        torch.testing.assert_close(teacher[name], value + 0.5)
        assert teacher[name].grad is None


def test_a_network_that_answers_mirrored_clips_mirrored_has_no_co_ssd_loss() -> None:
    network, batch = case("mask")
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 5:
                parameter.copy_(0.5 * (parameter + parameter.flip(-1)))
    losses = build_method("co_ssd", network, {"ramp_down_start": 1.0}).losses(batch, LATE)
    assert losses["cons_loc"].detach() == pytest.approx(0.0, abs=1e-9)
    assert losses["cons_cls"].detach() == pytest.approx(0.0, abs=1e-6)
    crooked = build_method("co_ssd", ColourNetwork().train()).losses(batch, 0.5)
    assert crooked["cons_loc"].detach() > 1e-6


def test_co_ssd_leaves_out_background_whatever_else_is_set() -> None:
    chosen = METHODS["co_ssd"].settings.model_validate({"pseudo_masks": {"loc_weight": 0.5}})
    assert chosen.pseudo_masks.consistency_of == "actors"  # type: ignore[attr-defined]


def test_a_guess_is_the_sharpened_mean_by_hand() -> None:
    views = ViewMaker((2, 2), 0)
    clips = torch.zeros((1, 1, 2, 2, 3), dtype=torch.uint8)
    plain, mirror = views.make(clips, "identity"), views.make(clips, "mirror")
    first, second = torch.tensor([[0.6, 0.4]]), torch.tensor([[0.8, 0.2]])
    left = torch.tensor([[[[0.9, 0.1], [0.5, 0.1]]]])
    right = torch.tensor([[[[0.1, 0.7], [0.1, 0.5]]]])  # the mirror image of 0.7 0.1 / 0.5 0.1
    targets = guessed_targets([(plain, first, left), (mirror, second, right)], 0.5)
    torch.testing.assert_close(targets[0].classes, torch.tensor([[0.49, 0.09]]) / 0.58)
    masks = targets[0].masks
    assert masks is not None
    assert masks[0, 0, 0, 0] == pytest.approx(0.64 / (0.64 + 0.04))  # mean 0.8
    assert masks[0, 0, 1, 0] == pytest.approx(0.5)
    mirrored = targets[1].masks
    assert mirrored is not None
    torch.testing.assert_close(mirrored, masks.flip(-1))


def test_a_mixture_is_made_of_clips_classes_and_masks_alike_and_of_what_both_know() -> None:
    clips = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1).expand(2, 3, 1, 1, 1)
    targets = SoftTargets(
        classes=torch.eye(2),
        class_weights=torch.tensor([1.0, 0.0]),
        masks=torch.tensor([0.0, 1.0]).view(2, 1, 1, 1),
        frame_weights=torch.ones(2, 1),
    )
    seen, known = mixed(clips, targets, torch.tensor([1, 1]), torch.tensor([0.75, 0.6]), [2])
    assert seen[:, 0, 0, 0, 0].tolist() == pytest.approx([0.25, 1.0])
    assert known.classes.tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert known.masks is not None
    assert known.masks.flatten().tolist() == pytest.approx([0.25, 1.0])
    assert known.class_weights.tolist() == [0.0, 0.0]
