from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import assert_recorded, gen, read_seed

from vadsdk.kernels.temporal_gradient import clip_gradient, temporal_gradient

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def test_bytes_are_truncated_and_a_static_pixel_is_127() -> None:
    current = torch.tensor([10, 0, 255, 0, 9], dtype=torch.uint8)
    successor = torch.tensor([10, 255, 0, 1, 6], dtype=torch.uint8)
    expected = [127, 0, 255, 127, 129]
    assert temporal_gradient(current, successor).tolist() == expected


def test_floats_are_the_same_without_rounding() -> None:
    torch.manual_seed(0)
    frames = torch.randint(0, 256, (2, 5, 4, 4, 3), dtype=torch.uint8)
    whole = clip_gradient(frames, dim=1)
    exact = clip_gradient(frames.float().div(255), dim=1) * 255
    assert whole.shape == (2, 4, 4, 4, 3)
    assert torch.equal(exact.round(decimals=2).floor().to(torch.uint8), whole)


def test_frames_of_another_shape_or_type_are_refused() -> None:
    frames = torch.zeros(2, 3)
    for other in (torch.zeros(1, 3), torch.zeros(2, 3, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="frames and successors are alike"):
            temporal_gradient(frames, other)


@pytest.mark.golden
def test_gradients_equal_the_recorded_ones(golden_folder: Path) -> None:
    recorded = np.load(golden_folder / "tg_losses.npz")
    shape = (9, 48, 64, 3)
    frames = gen(read_seed(recorded), "tg/clip").integers(0, 256, shape, dtype=np.uint8)
    frames[4], frames[6], frames[7] = frames[3], 255, 0
    gradients = clip_gradient(torch.from_numpy(frames), dim=0).numpy()
    assert_recorded(recorded, "tg_uint8", gradients, absolute=0)
    normalised = ((gradients - np.array(MEAN)) / np.array(STD)).transpose(3, 0, 1, 2)
    assert_recorded(recorded, "tg_normalised", normalised.astype(np.float32), rel=3e-6)
