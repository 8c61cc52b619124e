from __future__ import annotations

import pytest
import torch
from no_waiting import NoWaiting
from torch import Tensor, nn

from vadsdk.kernels import smoothed_upsampling
from vadsdk.kernels.smoothed_upsampling import (
    convolved_at_once,
    convolved_one_by_one,
    upsample_and_smooth,
)

SIZES = pytest.mark.parametrize("size", [(4, 5, 6), (2, 1, 3), (1, 1, 1)])


def layers() -> tuple[nn.ConvTranspose3d, nn.ConvTranspose3d]:
    torch.manual_seed(0)
    upsample = nn.ConvTranspose3d(5, 7, 3, stride=2, padding=1, output_padding=1).double()
    return upsample, nn.ConvTranspose3d(7, 1, 3, padding=1).double()


@SIZES
@pytest.mark.parametrize("rows", [1, 3], ids=["shared scales", "scales of each clip"])
def test_one_convolution_equals_the_two_with_all_gradients(
    size: tuple[int, int, int], rows: int
) -> None:
    upsample, smooth = layers()
    x = torch.randn(3, 5, *size, dtype=torch.float64, requires_grad=True)
    scales = torch.rand(rows, 7, dtype=torch.float64)
    two = smooth(upsample(x) * scales[:, :, None, None, None])
    one = upsample_and_smooth(x, upsample, smooth, scales)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    leaves = [x, *upsample.parameters(), *smooth.parameters()]
    weights = torch.randn_like(two)
    for came, expected in zip(
        grads(one, weights, leaves), grads(two, weights, leaves), strict=True
    ):
        torch.testing.assert_close(came, expected, rtol=0, atol=1e-10)


def grads(y: Tensor, weights: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad((y * weights).sum(), leaves)


def test_kernels_are_multiplied_in_float32_under_autocast() -> None:
    upsample, smooth = (layer.float() for layer in layers())
    x = torch.randn(1, 5, 4, 6, 6)
    two = smooth(upsample(x))
    with torch.autocast("cpu", torch.bfloat16):
        one = upsample_and_smooth(x, upsample, smooth, torch.ones(1, 7))
    assert one.dtype == torch.float32
    assert (one - two).abs().max() < 0.01 * two.abs().max()


@pytest.mark.parametrize("taps", [(3, 3, 3), (3, 1, 3), (1, 1, 3), (1, 1, 1)])
def test_what_a_card_convolves_at_once_is_what_a_cpu_convolves_clip_by_clip(
    taps: tuple[int, int, int],
) -> None:
    generator = torch.Generator().manual_seed(0)
    size = [5 if a == 3 else 1 for a in taps]
    x = torch.randn(3, 4, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    x_last = x.to(memory_format=torch.channels_last_3d)
    kernels = torch.randn(3, 2, 4, *taps, generator=generator, dtype=torch.float64)
    leaves = [x, kernels.requires_grad_()]
    padding = [a // 2 for a in taps]
    one = convolved_at_once(x_last, kernels, padding)
    several = convolved_one_by_one(x, kernels, padding)
    torch.testing.assert_close(one, several, rtol=0, atol=1e-12)
    weights = torch.randn(several.shape, generator=generator, dtype=torch.float64)
    for came, expected in zip(
        grads(one, weights, leaves), grads(several, weights, leaves), strict=True
    ):
        torch.testing.assert_close(came, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 3], ids=["shared scales", "scales of each clip"])
def test_nothing_waits_for_a_card(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothed_upsampling, "convolved_one_by_one", convolved_at_once)
    upsample, smooth = layers()
    x = torch.randn(3, 5, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    scales = torch.rand(rows, 7, dtype=torch.float64)
    with NoWaiting():
        upsample_and_smooth(x, upsample, smooth, scales).sum().backward()
    assert x.grad is not None
