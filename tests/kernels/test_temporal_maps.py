from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vadsdk.kernels import temporal_maps


def random_maps(frames: int) -> tuple[Tensor, Tensor]:
    return tuple(torch.rand((2, 2, frames, 3, 4), generator=torch.Generator().manual_seed(frames)))


def naive_variance(frames: NDArray[np.float32], kept: list[list[int]]) -> NDArray[np.float32]:
    """The frame loop: variance over the frames listed for each answer."""
    return np.stack([np.var(frames[indices], axis=0) for indices in kept])


@pytest.mark.parametrize(("frames", "window"), [(8, 3), (8, 5), (4, 5), (2, 1)])
def test_cyclic_variance_equals_the_frame_loop(frames: int, window: int) -> None:
    maps, augmented = random_maps(frames)
    came = temporal_maps.variance_map(maps, augmented, window=window)
    length, half = 2 * frames - 2, window // 2
    kept = [[(t + k) % length for k in range(-half, half + 1)] for t in range(frames)]
    for row in range(2):
        backwards = augmented[row, 1:-1].flip(0)
        clip = torch.cat((maps[row], backwards)).numpy()
        np.testing.assert_allclose(came[row], naive_variance(clip, kept), atol=1e-6)


def test_open_variance_uses_the_frames_that_there_are() -> None:
    maps, _ = random_maps(4)
    came = temporal_maps.variance_map(maps, window=3)
    expected = naive_variance(maps[0].numpy(), [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3]])
    np.testing.assert_allclose(came[0], expected, atol=1e-6)


def test_gradient_map_equals_numpy_applied_twice() -> None:
    maps, _ = random_maps(8)
    expected = np.gradient(np.gradient(maps.numpy(), axis=1), axis=1)
    np.testing.assert_allclose(temporal_maps.gradient_map(maps, signed=True), expected, atol=1e-6)
    np.testing.assert_allclose(temporal_maps.gradient_map(maps), np.abs(expected), atol=1e-6)


def test_a_static_pixel_gets_no_attention() -> None:
    maps = torch.full((1, 8, 1, 2), 0.3)
    maps[0, 4:, 0, 1] = 0.9
    for attention in (temporal_maps.variance_map(maps, maps), temporal_maps.gradient_map(maps)):
        assert attention[..., 0].abs().max() < 1e-7
        assert attention[..., 1].max() > 0.01


def test_large_logits_that_hardly_move_keep_their_digits() -> None:
    steps = torch.tensor([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]).view(1, 8, 1, 1)
    came = temporal_maps.variance_map(100 + steps, window=5)
    assert came[0, 3].item() == pytest.approx(2e-4, rel=1e-2)  # of -0.02 .. 0.02


def test_maps_carry_no_gradient() -> None:
    maps = torch.rand((1, 4, 2, 2), requires_grad=True)
    attentions = [
        temporal_maps.variance_map(maps, maps, window=3),
        temporal_maps.gradient_map(maps),
        temporal_maps.released_variance_map(maps, maps, window=3),
        temporal_maps.released_gradient_map(maps),
    ]
    assert not any(attention.requires_grad for attention in attentions)


def test_autocast_does_not_reach_the_maps() -> None:
    maps, augmented = random_maps(8)
    outside = temporal_maps.variance_map(maps, augmented)
    with torch.autocast("cpu", torch.bfloat16):
        inside = temporal_maps.variance_map(maps, augmented)
    assert torch.equal(inside, outside)


def test_min_max_stretches_each_clip_by_itself() -> None:
    maps = torch.tensor([1.0, 3.0, 10.0, 30.0, 5.0, 5.0]).view(3, 2, 1, 1)
    expected = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 0.0]).view(3, 2, 1, 1)
    torch.testing.assert_close(temporal_maps.min_max(maps), expected)


@pytest.mark.parametrize(("frames", "window"), [(1, 1), (8, 4), (3, 5)])
def test_an_impossible_window_is_refused(frames: int, window: int) -> None:
    with pytest.raises(ValueError, match=f"a window of {window}"):
        temporal_maps.variance_map(torch.zeros(1, frames, 2, 2), window=window)
