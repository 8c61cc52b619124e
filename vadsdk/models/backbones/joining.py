"""Stages that halve space and time at once: 8 frames become 4, 2, 1 (`videocapsnet-n` says why).

Legend: B clips, T frames, N images, H, W, C channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.models.backbones.i3d import scaled_channels
from vadsdk.models.motion_input import with_motion

_NUM_COLOURS, _NUM_MOTIONS = 3, 1
_CHANNELS = (16, 48, 128)
_NUM_BLOCKS = (2, 5)


class JoiningBackbone(nn.Module):
    """The encoder of `videocapsnet-n`; its modules are named as there, so that its files load.

    Args:
        width: multiplies every channel count (rounded to a multiple of 8, at least 8).
    """

    stage_names = ("fine", "middle", "deep")
    """Modules whose outputs are the stages' feature maps."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        fine, middle, deep = (scaled_channels(count, width) for count in _CHANNELS)
        self.fine = JoiningStage(_NUM_COLOURS + _NUM_MOTIONS, fine, kernel=6)
        self.middle = JoiningStage(fine, middle, num_blocks=_NUM_BLOCKS[0])
        self.deep = JoiningStage(middle, deep, num_blocks=_NUM_BLOCKS[1])
        self.out_channels = deep

    def forward(self, clips: Tensor) -> Tensor:
        """Return (B, out_channels, T / 8, H / 8, W / 8), not negative.

        Args:
            clips: (B, 3, T, H, W) RGB in [0, 1]; T is a multiple of 8.
        """
        return self.deep(self.middle(self.fine(with_motion(clips))))  # type: ignore[no-any-return]


class JoiningStage(nn.Module):
    """Halves space and time by a strided convolution over pairs of frames, then refines.

    It is a 3D convolution with two taps in time: two frames' channels lie side by side.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int = 2, num_blocks: int = 0
    ) -> None:
        super().__init__()
        self.refine = nn.Sequential(
            nn.Conv2d(2 * in_channels, out_channels, kernel, 2, kernel // 2 - 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            *(SeparableBlock(out_channels) for _ in range(num_blocks)),
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Return (B, C', T / 2, H / 2, W / 2), not negative, for (B, C, T, H, W)."""
        pairs = clips.transpose(1, 2).unflatten(1, (-1, 2)).flatten(2, 3).flatten(0, 1)
        answer: Tensor = self.refine(pairs).unflatten(0, (-1, clips.shape[2] // 2))
        return answer.transpose(1, 2)


class SeparableBlock(nn.Module):
    """Looks around in each channel, mixes the channels, and adds its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            depthwise(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) like its input, not negative."""
        changed: Tensor = x + self.change(x)
        return F.relu(changed)


def depthwise(channels: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution of each channel alone."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
