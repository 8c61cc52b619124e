"""Projection head of contrastive learning, as paper 3's release builds it."""

from __future__ import annotations

from torch import Tensor, nn


class ContrastHead(nn.Module):
    """Global mean and a perceptron of three layers; layers are named and numbered as released.

    Args:
        in_channels: C.
        width: of the hidden layers and the embedding.
    """

    def __init__(self, in_channels: int, width: int = 512) -> None:
        super().__init__()
        self.fcs = nn.Sequential(
            nn.Linear(in_channels, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.Identity(),  # the release skips a number
            nn.BatchNorm1d(width, affine=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return embeddings (B, width) of feature maps (B, C, ...)."""
        embeddings: Tensor = self.fcs(features.flatten(2).mean(2))
        return embeddings
