"""J and F of public implementations on recorded label maps; see section 8 of the folder's rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from golden_rules import assert_within

from vadsdk.evaluation.object_segmentation import (
    DavisScores,
    MaskQuality,
    davis_scores,
    semi_supervised,
    unsupervised,
    youtube_vos_scores,
)
from vadsdk.evaluation.region_boundary import FrameStatistics, boundary_map, frame_statistics

pytestmark = pytest.mark.golden

TOLERANCE = 1e-12
SEQUENCES = (0, 1)
VOID_COLUMNS = slice(60, 80)


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Mapping[str, np.ndarray]:
    return np.load(golden_folder / "davis_jf.npz")


@pytest.fixture(scope="module")
def results(golden_folder: Path) -> dict:
    return json.loads((golden_folder / "davis_results.json").read_text())


def void_of(maps: np.ndarray) -> np.ndarray:
    void = np.zeros(maps.shape, bool)
    void[:, :, VOID_COLUMNS] = True
    return void


def measured(recorded: Mapping[str, np.ndarray]) -> list[MaskQuality]:
    return [semi_supervised(recorded[f"res_{s}"], recorded[f"gt_{s}"]) for s in SEQUENCES]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_frame_scores_as_recorded(recorded: Mapping[str, np.ndarray], sequence: int) -> None:
    quality = semi_supervised(recorded[f"res_{sequence}"], recorded[f"gt_{sequence}"])
    assert quality.object_ids.tolist() == [1, 2]
    assert_within("J", quality.regions, recorded[f"J_{sequence}"], TOLERANCE)
    assert_within("F", quality.boundaries, recorded[f"F_{sequence}"], TOLERANCE)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_void_pixels_do_not_count(recorded: Mapping[str, np.ndarray], sequence: int) -> None:
    true = recorded[f"gt_{sequence}"]
    quality = semi_supervised(recorded[f"res_{sequence}"], true, void_of(true))
    assert_within("Jvoid", quality.regions, recorded[f"Jvoid_{sequence}"], TOLERANCE)
    assert_within("Fvoid", quality.boundaries, recorded[f"Fvoid_{sequence}"], TOLERANCE)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_proposals_find_their_objects(recorded: Mapping[str, np.ndarray], sequence: int) -> None:
    true, result = recorded[f"gt_{sequence}"], recorded[f"res_{sequence}"]
    stripe = np.broadcast_to(np.abs(np.arange(true.shape[2]) - 80) < 8, true.shape)
    proposals = np.stack([result == 2, stripe, result == 1])
    quality = unsupervised(proposals, true, void_of(true))
    by_proposal = quality.proposals.argsort()  # the reference sorts its rows so
    assert_within("J", quality.regions[by_proposal], recorded[f"Junsup_{sequence}"], TOLERANCE)
    assert_within("F", quality.boundaries[by_proposal], recorded[f"Funsup_{sequence}"], TOLERANCE)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_the_boundary_map_is_the_recorded_one(
    recorded: Mapping[str, np.ndarray], sequence: int
) -> None:
    outline = boundary_map(recorded[f"gt_{sequence}"][0] == 1)
    assert (outline == recorded[f"bmap_gt_{sequence}_t0_obj1"]).all()


def listed(statistics: FrameStatistics) -> list[float]:
    return [statistics.mean, statistics.recall, statistics.decay]


def objects_of(quality: MaskQuality) -> Iterator[tuple[FrameStatistics, FrameStatistics]]:
    for regions, boundaries in zip(quality.regions, quality.boundaries, strict=True):
        yield frame_statistics(regions), frame_statistics(boundaries)


@pytest.mark.parametrize("frames", ["all_frames", "first_and_last_dropped"])
def test_statistics_of_objects_and_of_the_data_set_are_as_recorded(
    recorded: Mapping[str, np.ndarray], results: dict, frames: str
) -> None:
    sequences = measured(recorded)
    if frames == "first_and_last_dropped":
        sequences = [quality.without_ends() for quality in sequences]
    objects = [pair for quality in sequences for pair in objects_of(quality)]
    for (region, boundary), expected in zip(objects, results["objects"], strict=True):
        for letter, statistics in (("J", region), ("F", boundary)):
            values = [expected[f"{frames}_{letter}"][key] for key in ("mean", "recall", "decay")]
            assert_within(letter, listed(statistics), values, TOLERANCE)
    scores: DavisScores = davis_scores(sequences)
    table = results["davis_global"][frames]
    for letter, statistics in (("J", scores.region), ("F", scores.boundary)):
        values = [table[f"{letter}-{key}"] for key in ("mean", "recall", "decay")]
        assert_within(letter, listed(statistics), values, TOLERANCE)
    assert_within("J&F", scores.mean, table["J&F-mean"], TOLERANCE)


def test_youtube_vos_averages_are_as_recorded(
    recorded: Mapping[str, np.ndarray], results: dict
) -> None:
    expected = results["youtube_vos_style"]
    sequences = [quality.without_ends() for quality in measured(recorded)]
    seen = [
        [[number, int(object_id)] in expected["seen_objects"] for object_id in quality.object_ids]
        for number, quality in enumerate(sequences)
    ]
    scores = youtube_vos_scores(sequences, seen)
    found = (scores.region_seen, scores.boundary_seen, scores.region_unseen)
    assert_within("seen", found, [expected[k] for k in ("J_seen", "F_seen", "J_unseen")], TOLERANCE)
    assert_within("F_unseen", scores.boundary_unseen, expected["F_unseen"], TOLERANCE)
    assert_within("overall", scores.overall, expected["overall"], TOLERANCE)
