from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vadsdk.kernels.smoothed_upsampling import upsample_and_smooth

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
