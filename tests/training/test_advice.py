from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from vadsdk.data.records import VideoRecord
from vadsdk.structures import Tube
from vadsdk.training.advice import advice_on
from vadsdk.training.settings import RunConfig, with_overrides

LABELS = ("wave", "jump", "sit")


def video(name: str, label: str | None) -> VideoRecord:
    tubes = ()
    if label is not None:
        boxes = np.array([[0, 0, 4, 4]], np.float32)
        tubes = (Tube(id=0, label=label, score=1.0, frame_indices=np.array([0]), boxes_xyxy=boxes),)
    return VideoRecord(
        name=name,
        path=Path(name),
        split="train",
        num_frames=1,
        width=8,
        height=8,
        fps=25.0,
        tubes=tubes,
        labelled=label is not None,
    )


ALL = [video(label, label) for label in LABELS] * 3


def advice(records: list[VideoRecord], *settings: str, uses_unlabelled: bool = True) -> list[str]:
    config = with_overrides(RunConfig(), ["train.batch_labelled=4", *settings])
    return advice_on(config, records, LABELS, uses_unlabelled=uses_unlabelled)


def test_a_run_as_it_should_be_needs_no_advice() -> None:
    assert not advice([*ALL, video("rest", None)])
    assert not advice(ALL, "train.batch_unlabelled=0", uses_unlabelled=False)


def test_a_warm_up_that_is_longer_than_the_run_is_said() -> None:
    assert not advice(ALL, "train.max_steps=100", "train.warmup_steps=100")
    (note,) = advice(ALL, "train.max_steps=60", "train.warmup_steps=100")
    assert note.startswith("train.warmup_steps=100 exceeds train.max_steps=60: the rate rises to")


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([r for r in ALL if r.name != "sit"], "no labelled video shows sit: .* cannot learn it;"),
        ([r for r in ALL if r.name == "sit"] * 2, "shows wave, jump: .* cannot learn them;"),
        (ALL[:3], "^3 labelled videos for 4 labelled clips a step"),
    ],
)
def test_what_labels_cannot_teach_is_said(records: list[VideoRecord], text: str) -> None:
    (note,) = advice(records)
    assert re.search(text, note)


def test_methods_and_unlabelled_clips_that_do_not_go_together_are_named() -> None:
    (note,) = advice(ALL, "train.batch_unlabelled=0")
    assert "'e2e' learns from unlabelled clips, but train.batch_unlabelled is 0" in note
    (note,) = advice(ALL, "method=supervised", uses_unlabelled=False)
    assert "'supervised' does not learn from unlabelled clips" in note
    assert "set train.batch_unlabelled=0" in note
    unread = ("method=supervised", "train.batch_unlabelled=0", 'data.unlabelled=["hours"]')
    (note,) = advice(ALL, *unread, uses_unlabelled=False)
    assert "hours will not be read" in note
