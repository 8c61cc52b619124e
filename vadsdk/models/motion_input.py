"""Motion as a fourth input channel, of the networks that learn from a few dozen clips.

Legend: B clips, T frames, H, W.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_MOTION_GAIN = 4.0  # brings frame differences to the spread of the colours


def with_motion(clips: Tensor) -> Tensor:
    """Return (B, 4, T, H, W): clips centred on grey, then the change of brightness.

    The first frame has no predecessor and so no change.
    """
    brightness = clips.mean(1, keepdim=True)
    change = F.pad(brightness[:, :, 1:] - brightness[:, :, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat([clips - 0.5, _MOTION_GAIN * change], dim=1)


def drop_colours(pixels: Tensor, share: float) -> Tensor:
    """Return clips of which some are seen by their motion alone, so that looks tell no action.

    Args:
        pixels: (B, 4, T, H, W), see `with_motion`.
        share: of the clips whose colours are blanked; drawn on the pixels' device.
    """
    if not share:
        return pixels
    kept = torch.rand(len(pixels), 1, 1, 1, 1, device=pixels.device) >= share
    is_motion = torch.arange(4, device=pixels.device).view(1, 4, 1, 1, 1) == 3
    return pixels * (kept | is_motion)
