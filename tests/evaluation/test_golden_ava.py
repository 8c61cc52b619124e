"""Frame mAP of public AVA scripts on recorded rows; see section 7 of the folder's rules."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from vadsdk.evaluation.ava_map import AvaConventions, ava_conventions, ava_map
from vadsdk.structures.ava import NO_PERSON, AvaRows

pytestmark = pytest.mark.golden

RECOMMENDED, LIMITED = AvaConventions(), ava_conventions("activitynet")
SLOWFAST, MMACTION2 = ava_conventions("slowfast"), ava_conventions("mmaction2")
ALL_KEY_FRAMES = ava_conventions("mmaction2-all-key-frames")


def read_rows(path: Path, *, scored: bool) -> AvaRows:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    last = [float(row[7]) for row in rows]
    return AvaRows(
        videos=np.array([row[0] for row in rows]),
        timestamps=np.array([float(row[1]) for row in rows]),
        boxes01=np.array([[float(side) for side in row[2:6]] for row in rows]),
        class_ids=np.array([int(row[6]) for row in rows]),
        person_ids=np.full(len(rows), NO_PERSON) if scored else np.array(last, np.int64),
        scores=np.array(last) if scored else np.ones(len(rows)),
    )


@pytest.fixture(scope="module")
def excluded(golden_folder: Path) -> list[tuple[str, float]]:
    with (golden_folder / "ava_excluded.csv").open(newline="") as file:
        return [(video, float(time)) for video, time in csv.reader(file)]


@pytest.fixture(scope="module")
def labels(golden_folder: Path) -> dict[int, str]:
    text = (golden_folder / "ava_labelmap.pbtxt").read_text()
    found = re.findall(r'name: "([^"]*)"\s*id: (\d+)', text)
    return {int(class_id): name for name, class_id in found}


@pytest.mark.parametrize(
    ("entry", "conventions", "is_excluding", "tolerance"),
    [
        ("activitynet.as_coded_no_exclusion", LIMITED, False, 1e-9),
        ("activitynet.gt_rows_of_excluded_keys_removed", LIMITED, True, 1e-9),
        ("slowfast.with_exclusions", SLOWFAST, True, 1e-9),
        ("mmaction2.with_exclusions", MMACTION2, True, 1e-6),
        ("mmaction2.no_exclusions", MMACTION2, False, 1e-6),
        ("mmaction2.with_exclusions_ignore_empty_False", ALL_KEY_FRAMES, True, 1e-6),
    ],
)
def test_average_precisions_are_those_of_the_public_scripts(
    golden_folder: Path,
    excluded: list[tuple[str, float]],
    labels: dict[int, str],
    entry: str,
    conventions: AvaConventions,
    is_excluding: bool,
    tolerance: float,
) -> None:
    recorded = json.loads((golden_folder / "ava_results.json").read_text())
    script, rule = entry.split(".")
    expected = recorded[script][rule]
    found = ava_map(
        read_rows(golden_folder / "ava_gt.csv", scored=False),
        read_rows(golden_folder / "ava_det.csv", scored=True),
        labels,
        excluded=excluded if is_excluding else (),
        iou_threshold=recorded["iou_threshold"],
        conventions=conventions,
    )
    by_class = [expected["ap"].get(str(class_id)) for class_id in labels]
    averages = np.array([np.nan if value is None else value for value in by_class])
    assert found.labels == tuple(labels.values())
    assert found.average_precisions == pytest.approx(averages, abs=tolerance, nan_ok=True)
    assert found.mean == pytest.approx(expected["mAP"], abs=tolerance)


def test_the_recommended_conventions_differ_from_activitynets_in_the_limit_alone(
    golden_folder: Path, excluded: list[tuple[str, float]], labels: dict[int, str]
) -> None:
    truth = read_rows(golden_folder / "ava_gt.csv", scored=False)
    detections = read_rows(golden_folder / "ava_det.csv", scored=True)
    recommended = ava_map(truth, detections, labels, excluded=excluded)
    limited = ava_map(truth, detections, labels, excluded=excluded, conventions=LIMITED)
    assert recommended.num_answers.sum() > limited.num_answers.sum()
    frames = np.array([f"{video} {time}" for video, time in detections.key_frames()])
    is_known = np.isin(detections.class_ids, list(labels))
    rows = []
    for frame in np.unique(frames):
        here = np.flatnonzero((frames == frame) & is_known)
        rows += here[np.argsort(-detections.scores[here])][:50].tolist()
    cut = ava_map(truth, detections.at(np.array(rows)), labels, excluded=excluded)
    assert cut.average_precisions == pytest.approx(limited.average_precisions, nan_ok=True)
