"""Paper 2's frame-level classifier: what the whole frame shows, beside what its boxes say.

Legend: B clips, C channels, H, W of the grid, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HIDDEN = 256
_SCALE = 30.0
"""Of cosines, at the start. With 10, where Gidaris and Komodakis (2018, section 3.2) start it, no
answer of `yowo-n` to toy footage passed F_th = 0.5 in 800 steps, so nothing was ever taught."""


class FrameHead(nn.Module):
    """Two linear layers over the strongest of the fused features (paper 2, section 4.2).

    With one class a frame it is a cosine classifier, of K + 1 logits, the last one background: the
    second layer compares directions, and a learned scale makes logits of cosines. No ReLU lies
    before it, so that directions may oppose each other (Gidaris and Komodakis, section 3.2). The
    paper says no more of it; layer sizes, scale and pooling are ours: an actor fills few cells of
    the grid, and a mean over all of them says little of it. With several classes a frame, as in
    AVA, it gives K logits for sigmoids.

    Args:
        in_channels: C.
        num_classes: K.
        multi_label: several classes a frame.
    """

    def __init__(self, in_channels: int, num_classes: int, *, multi_label: bool) -> None:
        super().__init__()
        self.multi_label = multi_label
        self.hidden = nn.Linear(in_channels, _HIDDEN)
        self.classes = nn.Linear(
            _HIDDEN, num_classes if multi_label else num_classes + 1, bias=multi_label
        )
        self.scale = None if multi_label else nn.Parameter(torch.tensor(_SCALE))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, K + 1), or (B, K) with several classes a frame.

        Args:
            features: (B, C, H, W).
        """
        hidden = self.hidden(features.amax((2, 3)))
        if self.scale is None:
            return self.classes(F.relu(hidden))  # type: ignore[no-any-return]
        directions = F.normalize(self.classes.weight, dim=1)
        return self.scale * F.linear(F.normalize(hidden, dim=1), directions)
