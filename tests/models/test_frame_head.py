from __future__ import annotations

import torch

from vadsdk.models.frame_head import FrameHead


def head(*, multi_label: bool) -> FrameHead:
    torch.manual_seed(0)
    return FrameHead(8, 3, multi_label=multi_label)


def test_one_class_a_frame_has_a_background_and_logits_are_scaled_cosines() -> None:
    frames = torch.rand(4, 8, 2, 2)
    network = head(multi_label=False)
    logits = network(frames)
    assert tuple(logits.shape) == (4, 3 + 1)
    assert network.scale is not None
    assert logits.abs().max() <= network.scale
    with torch.no_grad():
        network.classes.weight *= 7  # the length of a direction does not matter
    assert torch.allclose(network(frames), logits, atol=1e-5)
    hidden = network.hidden(frames.amax((2, 3)))
    assert hidden.min() < 0  # directions may oppose each other
    cosines = torch.cosine_similarity(hidden[:, None], network.classes.weight, dim=2)
    assert torch.allclose(logits, network.scale * cosines, atol=1e-5)


def test_several_classes_a_frame_have_a_logit_each() -> None:
    network = head(multi_label=True)
    frames = torch.rand(4, 8, 2, 2)
    hidden = network.hidden(frames.amax((2, 3))).relu()
    assert torch.allclose(network(frames), network.classes(hidden))
    assert tuple(network(frames).shape) == (4, 3)
    assert "scale" not in network.state_dict()
