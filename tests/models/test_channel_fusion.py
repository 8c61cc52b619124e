from __future__ import annotations

import torch

from vadsdk.models.channel_fusion import ChannelAttention


def attention(gamma: float) -> ChannelAttention:
    module = ChannelAttention()
    torch.nn.init.constant_(module.gamma, gamma)
    return module


def test_each_channel_hears_most_of_those_least_like_it() -> None:
    """Channels of energies 2, 0 and 1 with the first one have weights e^0, e^2 and e^1."""
    x = torch.tensor([[[[1.0, 1.0]], [[1.0, -1.0]], [[1.0, 0.0]]]])
    powers = torch.tensor([0.0, 2.0, 1.0]).exp()
    heard = (powers / powers.sum()) @ x[0, :, 0]
    came = attention(0.5)(x)
    assert torch.allclose(came[0, 0, 0], x[0, 0, 0] + 0.5 * heard)


def test_it_starts_as_if_it_were_not_there() -> None:
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(ChannelAttention()(x), x)


def test_autocast_does_not_reach_the_energies() -> None:
    x = 20 * torch.rand(2, 8, 5, 5)
    expected = attention(1.0)(x)
    with torch.autocast("cpu", torch.bfloat16):
        came = attention(1.0)(x)
    assert torch.equal(came, expected)
