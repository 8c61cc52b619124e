"""Whole runs on a card, from videos to a score."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_session import tiny_run, train

pytestmark = pytest.mark.gpu


def score(folder: Path, data: Path, precision: str, seed: int) -> float:
    config = tiny_run(
        data,
        "method=supervised",
        "data.labelled_fraction=1.0",
        "train.max_steps=400",
        "train.batch_labelled=8",
        "train.batch_unlabelled=0",
        "train.log_every=100",
        "train.save_every=400",
        f"train.precision={precision}",
        f"train.seed={seed}",
    )
    report = train(config, folder, device="cuda").scores
    assert report is not None
    return float(report.to_json()["frame_map_50"])


def test_training_in_bf16_reaches_the_score_of_fp32_within_its_spread(
    toy_folder: Path, tmp_path: Path
) -> None:
    full = [score(tmp_path / f"fp32-{seed}", toy_folder, "fp32", seed) for seed in range(3)]
    half = [score(tmp_path / f"bf16-{seed}", toy_folder, "bf16", seed) for seed in range(3)]
    spread = max(full) - min(full)
    assert sum(half) / 3 >= sum(full) / 3 - max(spread, 0.03)
