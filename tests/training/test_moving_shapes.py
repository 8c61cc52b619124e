"""What `test_precision_gpu.py` trains with on a card, as far as a CPU shows it."""

from __future__ import annotations

from types import SimpleNamespace

import moving_shapes
import pytest
import torch
from moving_shapes import ACTIONS, overlaps, score, trained_score
from moving_shapes import moving_shapes as shapes_of
from torch import Tensor, nn

CPU = torch.device("cpu")


def test_the_mask_is_where_the_clip_changes_in_one_colour() -> None:
    clips = shapes_of(6, seed=0)
    assert clips.class_indices.tolist() == [0, 1, 2, 0, 1, 2]
    for clip, mask, action in zip(clips.clips, clips.masks > 0, clips.class_indices, strict=True):
        assert len(clip[mask].unique(dim=0)) == 1
        rows, columns = (mask.any(dim).float().argmax(-1).float() for dim in (2, 1))
        areas = mask.sum((1, 2))
        moves = {"across": (0, 6), "down": (6, 0), "grow": (-1, -1)}[ACTIONS[action]]
        assert rows.diff().unique().tolist() == [moves[0]]
        assert columns.diff().unique().tolist() == [moves[1]]
        assert bool((areas.diff() > 0).all()) is (ACTIONS[action] == "grow")


class Knowing(nn.Module):
    """Answers what is shown, or another class in every clip."""

    def __init__(self, masks: Tensor, classes: Tensor, shift: int) -> None:
        super().__init__()
        self.logits, self.classes = masks.float() - 0.5, (classes + shift) % len(ACTIONS)

    def forward(self, clips: Tensor) -> SimpleNamespace:
        scores = torch.eye(len(ACTIONS))[self.classes]
        return SimpleNamespace(class_scores=scores, mask_logits=self.logits)


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.0)])
def test_a_clip_counts_if_its_class_is_right(shift: int, expected: float) -> None:
    clips = shapes_of(6, seed=1)
    network = Knowing(clips.masks, clips.class_indices, shift)
    assert score(network, clips, CPU) == expected


def test_overlaps_are_counted_in_all_frames() -> None:
    found, shown = (torch.zeros(1, 2, 4, 4, dtype=torch.bool) for _ in range(2))
    found[:, 0, :2], shown[:, :, :1] = True, True
    assert overlaps(found, shown).tolist() == [pytest.approx(4 / 12)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_short_training_comes_to_a_score(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving_shapes, "NUM_STEPS", 2)
    monkeypatch.setattr(moving_shapes, "NUM_LEARNED", 9)
    assert 0.0 <= trained_score(precision, 0, CPU) <= 1.0
