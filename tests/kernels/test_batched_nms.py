from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from vadsdk.boxes import nms
from vadsdk.kernels.batched_nms import batched_nms


def random_boxes(seed: int, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(3, count, 2, generator=generator)
    sizes = torch.rand(3, count, 2, generator=generator) * 0.5
    return torch.cat((corners, corners + sizes), -1), torch.rand(3, count, generator=generator)


@pytest.mark.parametrize("iou_threshold", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("max_kept", [4, 40])
def test_each_clip_comes_out_as_if_it_were_alone(iou_threshold: float, max_kept: int) -> None:
    boxes, scores = random_boxes(0, 40)
    indices, kept = batched_nms(boxes, scores, iou_threshold, min_score=0.25, max_kept=max_kept)
    for row in range(3):
        sure = np.flatnonzero(scores[row] > 0.25)
        expected = sure[nms(boxes[row].numpy()[sure], scores[row].numpy()[sure], iou_threshold)]
        assert indices[row][kept[row]].tolist() == expected[:max_kept].tolist()


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_is_kept_where_nothing_scores(count: int) -> None:
    boxes, scores = random_boxes(0, count)
    indices, kept = batched_nms(boxes, 0 * scores, 0.5, min_score=0.0, max_kept=5)
    assert indices.shape == kept.shape == (3, count)
    assert not kept.any()
