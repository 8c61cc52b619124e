"""2D capsules: from feature maps to primary capsules, and routed to one capsule a class.

Legend: B clips, H, W of the grid, M primary capsules, K classes, P = H * W positions. A pose is a
4 x 4 matrix, row-major.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.kernels.routing import RoutingMode, em_routing

POSE_SIDE = 4
POSE_SIZE = POSE_SIDE**2


def capsule_activations(logits: Tensor) -> Tensor:
    """Return the sigmoid, as exactly near 0 as anywhere, in every engine.

    Routing divides by sums of activations however small, so their ratios count; engines' own
    sigmoids stop short of 0 (onnxruntime's at 1.5e-8).
    """
    return (-F.softplus(-logits)).exp().to(logits.dtype)


def initialise_primary_capsules(*convolutions: nn.Conv2d | nn.Conv3d) -> None:
    """Draw weights that keep the variance, so that poses start at the scale that routing expects.

    The release draws N(0, 0.1^2), whose poses of deviation 18 saturate the routing.
    """
    for convolution in convolutions:
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]


class PrimaryCapsules(nn.Module):
    """Poses and activations of M capsules a position, each from a window without padding."""

    def __init__(self, in_channels: int, num_capsules: int, kernel: int) -> None:
        super().__init__()
        self.pose = nn.Conv2d(in_channels, num_capsules * POSE_SIZE, kernel)
        self.a = nn.Conv2d(in_channels, num_capsules, kernel)
        initialise_primary_capsules(self.pose, self.a)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, H, W, M * 16 + M): poses, then activations in (0, 1)."""
        capsules = torch.cat([self.pose(features), capsule_activations(self.a(features))], dim=1)
        return capsules.permute(0, 2, 3, 1)


class ClassCapsules(nn.Module):
    """Routes the M capsules of each position to K class capsules.

    Args:
        num_capsules: M.
        num_classes: K.
        routing: "em", or "released" for paper 1's arithmetic.
    """

    def __init__(self, num_capsules: int, num_classes: int, routing: RoutingMode) -> None:
        super().__init__()
        self.num_capsules, self.num_classes, self.routing = num_capsules, num_classes, routing
        self.beta_u = nn.Parameter(torch.zeros(num_classes, POSE_SIZE))
        self.beta_a = nn.Parameter(torch.zeros(num_classes))
        transforms = torch.randn(1, num_capsules, num_classes, POSE_SIDE, POSE_SIDE)
        # Votes then have the variance of the poses; the release draws N(0, 1).
        self.weights = nn.Parameter(transforms / POSE_SIDE**0.5)

    def forward(self, capsules: Tensor) -> Tensor:
        """Return (B, H, W, K * 16 + K), poses then activations, for primary capsules."""
        grid = capsules.shape[:3]
        poses, activations = capsules.flatten(0, 2).split(
            [self.num_capsules * POSE_SIZE, self.num_capsules], dim=1
        )
        routed = em_routing(
            poses.reshape(-1, self.num_capsules, POSE_SIDE, POSE_SIDE),
            activations,
            self.weights[0],
            self.beta_u,
            self.beta_a,
            mode=self.routing,
        )
        routed_capsules = torch.cat([routed.poses.flatten(1), routed.activations], dim=1)
        return routed_capsules.reshape(*grid, -1)
