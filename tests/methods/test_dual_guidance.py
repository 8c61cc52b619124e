from __future__ import annotations

from typing import Any

import pytest
import torch
from network_doubles import NUM_CLASSES, BoxNetwork, ColourNetwork, box_batch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.methods import DualGuidance, DualGuidanceSettings, build_method
from vadsdk.models import build_model
from vadsdk.models.outputs import BoxClipOutputs

SUPERVISED = {"box", "objectness", "box_cls", "frame_cls", "temporal"}
UNLABELLED = {
    "pseudo_box",
    "pseudo_objectness",
    "pseudo_box_cls",
    "pseudo_frame_cls",
    "unlabelled_temporal",
}


def method_of(network: nn.Module, **settings: Any) -> DualGuidance:
    method = build_method("dual_guidance", network, settings)
    assert isinstance(method, DualGuidance)
    return method


def in_train_mode(seed: int = 0, **traits: bool) -> BoxNetwork:
    return BoxNetwork(seed, **traits).train()


def taught(seed: int = 0) -> BoxNetwork:
    """Return a network that knows the colours."""
    network, batch = in_train_mode(seed), box_batch(num_labelled=12, num_unlabelled=0)
    learner = build_method("supervised", network, {"view": "identity"})
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(100):
        optimiser.zero_grad()
        torch.stack(list(learner.losses(batch, 0.5).values())).sum().backward()
        optimiser.step()
    network.clips.clear()
    return network


def test_unlabelled_clips_teach_after_the_burn_in_alone() -> None:
    method = method_of(in_train_mode(), burn_in_fraction=0.3)
    assert set(method.losses(box_batch(), 0.29)) == SUPERVISED
    assert set(method.losses(box_batch(), 0.3)) == SUPERVISED | UNLABELLED
    assert set(method.losses(box_batch(num_unlabelled=0), 0.9)) == SUPERVISED


def test_only_unlabelled_clips_are_strong_and_only_the_teacher_sees_them_weak() -> None:
    network, batch = in_train_mode(), box_batch(num_labelled=2, num_unlabelled=3)
    method = method_of(network, labelled_view="identity", strong_view="mirror", temporal_weight=0.0)
    assert method._teacher is not None
    method.losses(batch, 0.9)
    labelled, strong = network.clips
    [weak] = method._teacher.network.clips
    pixels = batch.clips.permute(0, 4, 1, 2, 3) / 255
    torch.testing.assert_close(labelled, pixels[:2])
    torch.testing.assert_close(weak, pixels[2:])
    torch.testing.assert_close(strong, pixels[2:].flip(-1))


def test_a_taught_teacher_gives_boxes_of_the_classes_it_sees() -> None:
    network, batch = taught(), box_batch(seed=5, num_labelled=1, num_unlabelled=6)
    method = method_of(network, strong_view="mirror")
    losses = method.losses(batch, 0.9)
    assert losses["pseudo_box_cls"].item() > 0
    assert losses["pseudo_objectness"].item() > 0
    nobody = method_of(network, pseudo_boxes={"objectness_threshold": 1.0})
    assert nobody.losses(batch, 0.9)["pseudo_objectness"].item() == 0
    unsure = method_of(network, pseudo_boxes={"frame_threshold": 1.0}).losses(batch, 0.9)
    assert unsure["pseudo_objectness"].item() == unsure["pseudo_frame_cls"].item() == 0
    careless = {"frame_threshold": 1.0, "class_agreement": False}  # the paper's Mean-Teacher
    alone = method_of(network, pseudo_boxes=careless).losses(batch, 0.9)
    assert alone["pseudo_objectness"].item() > 0


def test_naming_one_threshold_keeps_the_agreement() -> None:
    settings = DualGuidanceSettings.model_validate({"pseudo_boxes": {"objectness_threshold": 0.3}})
    assert settings.pseudo_boxes.class_agreement


class LastFrame(BoxNetwork):
    """Says of the frame how bright it is."""

    def forward(self, clips: Tensor) -> BoxClipOutputs:
        outputs = super().forward(clips)
        brightness = clips[:, :, -1].mean((1, 2, 3))
        frame = torch.zeros(len(clips), NUM_CLASSES + 1)
        return outputs._replace(
            frame_logits=frame.index_add(1, torch.tensor([0]), brightness[:, None])
        )


def with_successors(batch: ClipBatch, values: int) -> ClipBatch:
    assert batch.successors is not None
    batch.successors.fill_(values)
    return batch


def test_the_temporal_losses_compare_a_frame_with_the_next_in_the_same_view() -> None:
    batch = box_batch(num_labelled=1, num_unlabelled=1)
    batch.clips.fill_(0)
    method = method_of(
        LastFrame(), strong_view="identity", labelled_view="mirror", temporal_weight=2.0
    )
    assert method.needs_successors
    losses = method.losses(with_successors(batch, 255), 0.9)
    logits = torch.zeros(NUM_CLASSES + 1)
    bright = logits.index_fill(0, torch.tensor([0]), 1.0)
    expected = 2 * (logits.softmax(0) - bright.softmax(0)).abs().sum().item()
    for name in ("temporal", "unlabelled_temporal"):
        assert losses[name].item() == pytest.approx(expected, rel=1e-5)
    still = method.losses(with_successors(batch, 0), 0.9)
    assert still["temporal"].item() == still["unlabelled_temporal"].item() == 0


def test_without_temporal_loss_nobody_asks_for_successors() -> None:
    method = method_of(in_train_mode(), temporal_weight=0.0)
    assert not method.needs_successors
    names = set(method.losses(box_batch(), 0.9))
    assert names == (SUPERVISED | UNLABELLED) - {"temporal", "unlabelled_temporal"}


def test_the_average_follows_and_resumes() -> None:
    network = in_train_mode()
    method = method_of(network, teacher_decay=0.5)
    with torch.no_grad():
        network.head.bias.add_(1.0)
    method.after_step()
    resumed = method_of(in_train_mode())
    resumed.load_state_dict(method.state_dict())
    assert resumed._teacher is not None
    moved = resumed._teacher.network.head.bias - BoxNetwork().head.bias
    torch.testing.assert_close(moved, torch.full_like(moved, 0.5))


def test_the_student_may_teach_itself_without_a_copy() -> None:
    network = in_train_mode()
    method = method_of(network, teacher="student", temporal_weight=0.0)
    losses = method.losses(box_batch(), 0.9)
    assert network.training
    assert len(network.clips) == 3  # labelled, weak, strong
    assert not any(name.startswith("teacher.") for name in method.state_dict())
    method.after_step()
    assert set(losses) == (SUPERVISED | UNLABELLED) - {"temporal", "unlabelled_temporal"}


def test_weights_scale_the_unlabelled_losses() -> None:
    batch, network = box_batch(seed=5, num_labelled=1), taught()
    plain, double = (
        method_of(network, unlabelled_weight=w, strong_view="mirror").losses(batch, 0.9)
        for w in (1.0, 2.0)
    )
    for name in UNLABELLED - {"unlabelled_temporal"}:
        torch.testing.assert_close(double[name], 2 * plain[name])
    torch.testing.assert_close(double["unlabelled_temporal"], plain["unlabelled_temporal"])


def test_several_actions_a_box_learn_alike() -> None:
    network = in_train_mode(multi_label=True)
    losses = method_of(network).losses(box_batch(), 0.9)
    assert set(losses) == SUPERVISED | UNLABELLED
    torch.stack(list(losses.values())).sum().backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_other_networks_are_refused_with_the_reason() -> None:
    reason = "selects boxes by the class of their frame; use fixmatch"
    for network in (ColourNetwork(), build_model("r3d-n", 2, {"input_size": 32})):
        with pytest.raises(ConfigError, match=f"is for box networks, not for a .*: it {reason}"):
            method_of(network)
    with pytest.raises(ConfigError, match=r"this network has none; set model_settings\.frame_head"):
        method_of(BoxNetwork(frame_head=False))
