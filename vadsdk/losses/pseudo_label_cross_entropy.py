"""Cross entropy with confident classes of a weaker view (FixMatch, Sohn et al. 2020, eq. 4).

Legend: B clips, K classes, M modalities or views that judge together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean


def confident_classes(logits: Sequence[Tensor], threshold: float) -> Tensor:
    """Return (B,) int64: the class of the mean logits, -1 where it is not probable enough.

    Logits are averaged, not probabilities (reference.md 4 b): a modality that is sure outweighs one
    that is not.

    Args:
        logits: M tensors (B, K), before the softmax; no gradient flows into them.
        threshold: least softmax probability of a class that is kept.
    """
    probabilities = torch.stack([values.detach() for values in logits]).mean(0).softmax(1)
    best, classes = probabilities.max(1)
    return classes.where(best >= threshold, -1)


def pseudo_label_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the cross entropies of the kept rows, summed and divided by B.

    So few confident rows weigh little, as in FixMatch.

    Args:
        logits: (B, K), before the softmax.
        classes: (B,) int64 of `confident_classes`; rows with -1 do not count.
    """
    kept = classes >= 0
    costs = F.cross_entropy(logits, classes.clamp_min(0), reduction="none")
    return weighted_mean(costs * kept)
