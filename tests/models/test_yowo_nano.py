from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from vadsdk.errors import ConfigError
from vadsdk.losses import RegionSettings, region_loss
from vadsdk.models import build_model
from vadsdk.models.yowo_nano import NanoYowo, NanoYowoSettings

SMALL: dict[str, object] = {"input_size": 64, "channels": [8, 8, 16, 16], "blocks": [1, 1]}


def small(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    return build_model("yowo-n", 3, SMALL | settings)


@pytest.mark.parametrize(
    ("settings", "anchors", "grid", "frame_classes"),
    [
        ({}, 5, 4, 4),
        ({"clip_length": 16, "input_size": 96}, 5, 6, 4),
        ({"anchors": [[0.2, 0.4]], "multi_label": True}, 1, 4, 3),
        ({"frame_head": False}, 5, 4, 0),
    ],
)
def test_options_give_their_shapes(
    settings: dict[str, object], anchors: int, grid: int, frame_classes: int
) -> None:
    network = small(**settings)
    spec = network.spec("yowo-n", ("wave", "jump", "sit"))
    outputs = network(torch.rand(2, 3, spec.clip_length, spec.input_height, spec.input_width))
    assert tuple(outputs.predictions.shape) == (2, anchors, 5 + 3, grid, grid)
    assert tuple(outputs.frame_logits.shape) == (2, frame_classes)
    boxes, objectness, scores = network.decode(outputs.predictions)
    count = grid * grid * anchors
    assert tuple(boxes.shape) == (2, count, 4)
    assert tuple(objectness.shape) == (2, count)
    assert tuple(scores.shape) == (2, count, 3)
    rebuilt = NanoYowoSettings.model_validate(spec.model_settings)
    assert rebuilt == NanoYowoSettings.model_validate(SMALL | settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"clip_length": 12},
        {"input_size": 100},
        {"channels": [8, 8, 8]},
        {"dropout": 1.0},
        {"colour_dropout": -0.1},
        {"width": 2},
    ],
)
def test_options_that_do_not_fit_are_errors(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        small(**settings)


def test_the_gradient_reaches_every_parameter() -> None:
    network = small(dropout=0.0, colour_dropout=0.0).train()
    outputs = network(torch.rand(4, 3, 8, 64, 64))
    (outputs.predictions.square().sum() + outputs.frame_logits.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_it_starts_with_the_anchors_own_boxes_and_little_belief_in_them() -> None:
    network = NanoYowo(3).eval()
    with torch.no_grad():
        boxes, objectness, _ = network.decode(network(torch.rand(1, 3, 8, 160, 160)).predictions)
    assert objectness.max() < 0.15
    sizes = (boxes[0, :, 2:] - boxes[0, :, :2]).unflatten(0, (100, 5)) * 10
    assert torch.allclose(sizes, network.anchors.expand_as(sizes), rtol=0.2)


def seen_by(network: nn.Module, module: str, clips: Tensor) -> Tensor:
    """Return what a module of a network is given."""
    seen: list[Tensor] = []
    with network.get_submodule(module).register_forward_pre_hook(
        lambda _module, inputs: seen.append(inputs[0])
    ):
        network(clips)
    return seen[0]


def test_the_key_frame_comes_with_its_change_over_1_2_4_and_all_frames() -> None:
    clips = torch.rand(2, 3, 8, 64, 64)
    key = seen_by(small().eval(), "key_half", clips)
    assert torch.equal(key[:, :3], clips[:, :, -1] - 0.5)
    brightness = clips.mean(1)
    for channel, earlier in ((3, -2), (4, -3), (5, -5), (6, 0)):
        change = brightness[:, -1] - brightness[:, earlier]
        assert torch.allclose(key[:, channel], 4 * change, atol=1e-5)  # the gain of motion


def test_training_blanks_the_colours_of_some_clips_for_both_branches() -> None:
    clips = torch.rand(2, 3, 8, 64, 64)
    network = small(colour_dropout=1.0).train()
    assert not seen_by(network, "key_half", clips)[:, :3].any()
    assert not seen_by(network, "clip_half", clips)[:, :3].any()
    assert seen_by(network, "key_half", clips)[:, 3:].any()
    assert seen_by(network.eval(), "key_half", clips)[:, :3].any()


def moving_squares(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Squares on grey that go right (class 0) or down (class 1), and their last boxes."""
    clips, count, side = torch.full((8, 3, 8, 64, 64), 0.5), 8, 16
    corners = torch.randint(0, 64 - side - 16, (count, 2), generator=generator)
    classes = torch.arange(count) % 2
    for clip, corner, step in zip(clips, corners, one_hot(classes, 2), strict=True):
        for frame in range(8):
            x, y = (corner + 2 * frame * step).tolist()
            clip[:, frame, y : y + side, x : x + side] = 0.9
    ends = corners + 2 * 7 * one_hot(classes, 2)
    return clips, torch.cat([ends, ends + side], 1)[:, None] / 64, classes[:, None]


def test_it_learns_where_squares_are_and_which_way_they_go() -> None:
    """Two directions look the same in any one frame."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = small(anchors=[[0.25, 0.25]], frame_head=False).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(60):
        clips, boxes, classes = moving_squares(generator)
        predictions = network(clips).predictions
        losses = region_loss(predictions, boxes, classes, network.anchors, RegionSettings())
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
    clips, boxes, classes = moving_squares(generator)
    with torch.no_grad():
        found, objectness, scores = network.eval().decode(network(clips).predictions)
    best = objectness.argmax(1)
    rows = torch.arange(len(best))
    assert (found[rows, best] - boxes[:, 0]).abs().mean() < 0.06  # squares are 0.25 wide
    assert torch.equal(scores[rows, best].argmax(1), classes[:, 0])
