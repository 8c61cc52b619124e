"""Suppression of boxes that repeat a better one, for all clips of a batch at once, on the device.

Legend: B clips, N boxes of a clip, M boxes kept of it.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def batched_nms(
    boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float, *, min_score: float, max_kept: int
) -> tuple[Tensor, Tensor]:
    """Return indices (B, M) by falling score, and which of them are kept (B, M) bool.

    As `vadsdk.boxes.nms` does clip by clip; the rest is cut off at M, which is `max_kept` or N.

    Args:
        boxes_xyxy: (B, N, 4), max edge exclusive.
        scores: (B, N), above 0.
        iou_threshold: an IoU above this removes a box; in [0, 1].
        min_score: boxes that do not score more are not there; 0 or more.
        max_kept: at most so many boxes of a clip.
    """
    left = scores.where(scores > min_score, 0.0)
    indices, kept = [], []
    for _ in range(min(max_kept, scores.shape[1])):
        score, best = left.max(1)  # (B,), the first of equals
        box = boxes_xyxy.gather(1, best[:, None, None].expand(-1, 1, 4))  # (B, 1, 4)
        left = left.where(_iou(boxes_xyxy, box) <= iou_threshold, 0.0)
        left = left.scatter(1, best[:, None], 0.0)
        indices.append(best)
        kept.append(score > 0)
    if not indices:
        empty = scores.new_zeros((len(scores), 0))
        return empty.long(), empty.bool()
    return torch.stack(indices, 1), torch.stack(kept, 1)


def _iou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """Return (B, N) for (B, N, 4) and (B, 1, 4); a pair of empty boxes has 0."""
    low = torch.maximum(boxes_xyxy[..., :2], others_xyxy[..., :2])
    high = torch.minimum(boxes_xyxy[..., 2:], others_xyxy[..., 2:])
    both = (high - low).clamp_min(0).prod(-1)
    areas, others = (
        (b[..., 2:] - b[..., :2]).clamp_min(0).prod(-1) for b in (boxes_xyxy, others_xyxy)
    )
    unions = areas + others - both
    return both / unions.where(unions > 0, 1.0)
