from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from network_doubles import NUM_CLASSES, BoxNetwork, ColourNetwork, box_batch, colour_batch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.methods import Method, TemporalGradient, build_method
from vadsdk.models import build_model

TINY = {"input_size": 32, "clip_length": 4, "width": 0.125}
WARM, COLD = 0.5, 0.1  # progress after and before the warm-up
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mask": ColourNetwork,
    "box": BoxNetwork,
    "box without a frame head": lambda: BoxNetwork(frame_head=False),
    "recognition": lambda: build_model("r3d-n", NUM_CLASSES, TINY),
    "i3d": lambda: build_model("r3d-n", NUM_CLASSES, {**TINY, "backbone": "i3d"}),
    "resnext101": lambda: build_model("r3d-n", NUM_CLASSES, {**TINY, "backbone": "resnext101"}),
}


def tiny(**settings: object) -> TemporalGradient:
    torch.manual_seed(0)
    network = build_model("r3d-n", NUM_CLASSES, TINY)
    method = build_method("temporal_gradient", network, {"embedding_width": 16, **settings})
    assert isinstance(method, TemporalGradient)
    return method


def gradients_of(parts: nn.Module) -> list[Tensor | None]:
    return [parameter.grad for parameter in parts.parameters()]


SUPERVISED = {
    "mask": {"cls", "loc_bce", "loc_dice"},
    "box": {"box", "objectness", "box_cls"},
    "recognition": {"cls"},
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_any_network_with_stages_learns_all_four_losses(kind: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[kind]()
    method = build_method("temporal_gradient", network, {"pseudo_threshold": 0.0})
    assert method.needs_successors
    losses = method.losses(box_batch() if network.kind == "box" else colour_batch(), WARM)
    stages = {f"align_{number}" for number in range(1, len(network.stage_names) + 1)}
    own = SUPERVISED[network.kind] | {"pseudo_cls"}
    if kind == "box":
        own |= {"frame_cls"}
    assert losses.keys() == own | {f"gradient_{name}" for name in own} | stages | {"contrast"}
    assert all(value.isfinite() and value >= 0 for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for parts in (network, method.trained):
        assert all(grad is not None and grad.isfinite().all() for grad in gradients_of(parts))


def test_alignment_teaches_the_network_and_never_the_gradient_network() -> None:
    method = tiny()
    losses = method.losses(colour_batch(), WARM)
    torch.stack([losses[f"align_{number}"] for number in range(1, 5)]).sum().backward()
    assert all(grad is None for grad in gradients_of(method.trained))
    assert any(grad is not None and grad.any() for grad in gradients_of(method._network))


@pytest.mark.parametrize(("progress", "taught"), [(COLD, False), (WARM, True)])
def test_pseudo_labels_wait_for_the_warm_up(progress: float, taught: bool) -> None:
    losses = tiny(pseudo_threshold=0.0).losses(colour_batch(), progress)
    assert (losses["pseudo_cls"].item() > 0) == taught
    assert (losses["gradient_pseudo_cls"].item() > 0) == taught


def test_unsure_pseudo_labels_teach_nothing() -> None:
    losses = tiny(pseudo_threshold=1.0).losses(colour_batch(), WARM)
    assert losses["pseudo_cls"].item() == 0


def test_every_weight_scales_its_own_losses() -> None:
    owners = {
        "supervised_weight": {"cls", "gradient_cls"},
        "pseudo_weight": {"pseudo_cls", "gradient_pseudo_cls"},
        "alignment_weight": {f"align_{number}" for number in range(1, 5)},
        "contrast_weight": {"contrast"},
    }
    plain = tiny(pseudo_threshold=0.0, **dict.fromkeys(owners, 1.0)).losses(colour_batch(), WARM)
    for owner, owned in owners.items():
        weights = {**dict.fromkeys(owners, 1.0), owner: 3.0}
        found = tiny(pseudo_threshold=0.0, **weights).losses(colour_batch(), WARM)
        for name, value in plain.items():
            factor = 3.0 if name in owned else 1.0
            torch.testing.assert_close(
                found[name], factor * value, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_without_unlabelled_clips_the_modalities_still_teach_each_other() -> None:
    losses = tiny().losses(colour_batch(num_unlabelled=0), WARM)
    assert losses["pseudo_cls"].item() == 0
    assert losses["align_4"].item() > 0


def test_sampled_gradients_need_no_successors() -> None:
    method = tiny(gradient="sampled")
    assert not method.needs_successors
    batch = colour_batch()
    losses = method.losses(replace(batch, successors=None), WARM)
    other = tiny(gradient="sampled").losses(batch, WARM)
    for name, value in losses.items():
        assert torch.equal(value, other[name]), name


def test_strong_views_are_drawn_apart_unless_they_are_shared() -> None:
    seen = {}
    for mode in ("own", "shared"):
        method = tiny(strong_gradient=mode, strong_view={"flip_probability": 0.5}, seed=1)
        kept: list[Tensor] = []
        for network in (method._network, method._gradient_network):
            network.register_forward_pre_hook(lambda _m, i, kept=kept: kept.append(i[0][6:]))
        batch = colour_batch(num_labelled=2, num_unlabelled=4)
        black = replace(batch, successors=torch.zeros_like(batch.clips))
        method.losses(black, WARM)
        colours, gradients = kept
        # against black the gradient is half of the colours, moved: flips show in the places
        brightest = [x.mean((1, 2)).flatten(1).argmax(1) for x in (colours, gradients)]
        seen[mode] = torch.equal(*brightest)
    assert seen == {"own": False, "shared": True}


@pytest.mark.parametrize(("start", "alike"), [("copy", True), ("random", False)])
def test_the_gradient_network_starts_as_it_is_told(start: str, alike: bool) -> None:
    method = tiny(gradient_start=start)
    pairs = zip(method._network.parameters(), method._gradient_network.parameters(), strict=True)
    shared = [torch.equal(own, other) for own, other in pairs if own.ndim > 1]
    assert all(shared) == alike
    assert any(shared) == alike


def test_the_other_stream_survives_a_resume_and_is_no_part_of_the_network() -> None:
    first, second = tiny(), tiny(seed=5)
    names = set(first._network.state_dict())
    assert not any("head" in name and "cls_head" not in name for name in names)
    with torch.no_grad():
        for parameter in first.trained.parameters():
            parameter.add_(1)
    second.load_state_dict(first.state_dict())
    for own, other in zip(first.trained.parameters(), second.trained.parameters(), strict=True):
        assert torch.equal(own, other)


def test_the_small_detector_of_paper_1_learns_in_both_modalities() -> None:
    settings = {"input_size": 80, "width": 0.125, "num_capsules": 2, "decoder": (8, 8, 8)}
    torch.manual_seed(0)
    network = build_model("videocapsnet-s", NUM_CLASSES, settings)
    method = build_method("temporal_gradient", network, {"pseudo_threshold": 0.0})
    batch = colour_batch(num_labelled=1, num_unlabelled=1)
    longer = replace(
        batch,
        **{
            name: getattr(batch, name).repeat_interleave(2, dim=1)  # 8 frames
            for name in ("clips", "masks", "successors")
        },
    )
    losses = method.losses(longer, WARM)
    assert {"loc_dice", "gradient_loc_dice", "pseudo_cls", "align_3"} <= losses.keys()
    torch.stack(list(losses.values())).sum().backward()
    learned = method.trained.get_submodule("gradient_network.backbone.Mixed_4f")
    assert all(grad is not None and grad.any() for grad in gradients_of(learned))


def test_pseudo_labels_are_for_networks_of_one_action_a_clip() -> None:
    network = BoxNetwork(multi_label=True)
    with pytest.raises(ConfigError, match=r"set method_settings\.pseudo_weight=0"):
        build_method("temporal_gradient", network)
    build_method("temporal_gradient", network, {"pseudo_weight": 0})


def one_clip() -> ClipBatch:
    return colour_batch(num_labelled=1, num_unlabelled=0)


def test_one_clip_alone_cannot_be_told_apart() -> None:
    with pytest.raises(ConfigError, match=r"needs two or more; raise train\.batch_labelled"):
        tiny().losses(one_clip(), WARM)


def test_a_network_without_stages_is_refused() -> None:
    network = ColourNetwork()
    network.stage_names = ()
    with pytest.raises(ConfigError, match="ColourNetwork names no stages"):
        TemporalGradient(network)


def test_hearing_leaves_no_hook_behind() -> None:
    method: Method = tiny()
    method.losses(colour_batch(), WARM)
    assert not any(m._forward_hooks for m in method._network.modules())  # type: ignore[attr-defined]


def test_losses_are_summed_in_single_precision_whatever_the_networks_compute_in() -> None:
    method = tiny(pseudo_threshold=0.0)
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.losses(colour_batch(), WARM)
    assert {
        name: value.dtype for name, value in losses.items() if value.dtype != torch.float32
    } == {}
