"""Average precisions of six public codes on the recorded scene, each under its own convention."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from golden_scene import (
    Scene,
    Tubes,
    moc_tubes,
    multisports_tubes,
    retinanet_tubes,
    road_rows,
    road_tubes,
    yowo_tubes,
)

from vadsdk.boxes import soft_nms
from vadsdk.evaluation import (
    STRICT_THRESHOLDS,
    ClassScores,
    Evaluator,
    FrameBoxes,
    frame_average_precisions,
    tube_average_precisions,
)
from vadsdk.evaluation.conventions import CONVENTIONS
from vadsdk.structures import Tube, VideoResult

pytestmark = pytest.mark.golden

SINGLE = 1e-4
"""Tolerance in percent for codes that reckon in float32."""
DOUBLE = 1e-6
"""Tolerance for those that reckon in float64."""


@pytest.fixture(scope="module")
def scene(golden_folder: Path) -> Scene:
    return Scene(golden_folder)


def frames_of(
    scene: Scene, recorded: dict, boxes: dict[str, FrameBoxes], convention: str
) -> Iterator[tuple[dict, ClassScores]]:
    """Yield what is recorded at each threshold and what is found there."""
    assert recorded
    found = frame_average_precisions(
        scene.truth(),
        boxes,
        scene.labels,
        [float(text) for text in recorded],
        convention=convention,
    )
    yield from zip(recorded.values(), found, strict=True)


def tubes_of(
    scene: Scene, recorded: dict, tubes: Tubes, convention: str
) -> Iterator[tuple[dict, ClassScores]]:
    """Yield what is recorded at each threshold and what is found there."""
    assert recorded
    found = tube_average_precisions(
        scene.truth(),
        tubes,
        scene.labels,
        [float(text) for text in recorded],
        convention=convention,
    )
    yield from zip(recorded.values(), found, strict=True)


def assert_percent(found: ClassScores, expected: dict, tolerance: float) -> None:
    assert 100 * found.average_precisions == pytest.approx(expected["ap"], abs=tolerance)
    assert 100 * found.mean == pytest.approx(expected["mAP"], abs=tolerance)


def test_frames_of_yowo(scene: Scene) -> None:
    recorded = scene.python["yowo_frame"]
    for expected, found in frames_of(scene, recorded, scene.class_rows(), "yowo"):
        assert found.average_precisions == pytest.approx(expected["ap"], abs=DOUBLE)
        assert found.mean == pytest.approx(expected["mAP"], abs=DOUBLE)
        assert found.num_ground_truth.tolist() == expected["n_gt"]
        finals = np.array([curve.recalls[-1] for curve in found.curves])
        num_right = np.round(finals * found.num_ground_truth).astype(int)
        assert num_right.tolist() == expected["tp"]
        assert (found.num_answers - num_right).tolist() == expected["fp"]


def test_tubes_of_yowo(scene: Scene) -> None:
    recorded = scene.python["yowo_video"]
    for expected, found in tubes_of(scene, recorded, yowo_tubes(scene), "yowo"):
        assert found.average_precisions == pytest.approx(expected["ap"], abs=1e-6)
        assert found.mean == pytest.approx(expected["mAP"], abs=1e-6)


def test_frames_of_multisports(scene: Scene) -> None:
    recorded = scene.python["mmaction2"]["frame"]
    for expected, found in frames_of(scene, recorded, scene.class_rows(), "multisports"):
        assert_percent(found, expected, 100 * DOUBLE)


def test_tubes_of_multisports(scene: Scene) -> None:
    tubes, recorded = multisports_tubes(scene), scene.python["mmaction2"]["video"]
    for expected, found in tubes_of(scene, recorded, tubes, "multisports"):
        assert_percent(found, expected, 100 * DOUBLE)
    ranges = {
        "v_map_0.05:0.45": np.arange(5, 50, 5) / 100,
        "v_map_0.10:0.90": np.arange(1, 10) / 10,
        "v_map_0.50:0.95": STRICT_THRESHOLDS,
    }
    for name, expected in scene.python["mmaction2"]["video_all"].items():
        found = tube_average_precisions(
            scene.truth(), tubes, scene.labels, ranges[name], convention="multisports"
        )
        mean = np.mean([100 * scores.mean for scores in found])
        assert mean == pytest.approx(expected, abs=0.6e-4)  # recorded with 4 digits


def lowered(boxes_xyxy: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the scores after soft NMS, in the order of the boxes."""
    kept, new_scores = soft_nms(boxes_xyxy, scores, 0.6)
    return new_scores[np.argsort(kept)]


def test_frames_of_moc(scene: Scene) -> None:
    recorded = scene.python["moc"]["frame"]
    for expected, found in frames_of(scene, recorded, scene.class_rows(lowered), "moc"):
        assert_percent(found, expected, SINGLE)


def test_tubes_of_moc(scene: Scene) -> None:
    tubes, recorded = moc_tubes(scene), scene.python["moc"]
    for expected, found in tubes_of(scene, recorded["video"], tubes, "moc"):
        assert_percent(found, expected, SINGLE)
    strict = tube_average_precisions(
        scene.truth(), tubes, scene.labels, STRICT_THRESHOLDS, convention="moc"
    )
    mean = np.mean([100 * scores.mean for scores in strict])
    assert mean == pytest.approx(recorded["video_0.50:0.95"], abs=SINGLE)


def test_frames_of_3d_retinanet(scene: Scene) -> None:
    recorded = scene.python["r3d"]["frame"]
    for expected, found in frames_of(scene, recorded, scene.class_rows(), "3d-retinanet"):
        assert_percent(found, expected, SINGLE)


@pytest.mark.parametrize("kind", ["as_coded", "filled"])
def test_tubes_of_3d_retinanet(scene: Scene, kind: str) -> None:
    tubes = retinanet_tubes(scene, filled=kind == "filled")
    recorded = scene.python["r3d"]["video"][f"{kind}_none_0"]
    for expected, found in tubes_of(scene, recorded, tubes, "3d-retinanet"):
        assert_percent(found, expected, SINGLE)
        finals = [curve.recalls[-1] for curve in found.curves]
        assert finals == pytest.approx(expected["recall"], abs=1e-6)


@pytest.mark.parametrize("alpha", [1.0, 3.0, 5.0])
def test_tubes_of_road(scene: Scene, alpha: float) -> None:
    tubes = road_tubes(scene, alpha)
    recorded = {str(entry["thr"]): entry for entry in scene.road["eval"] if entry["alpha"] == alpha}
    for expected, found in tubes_of(scene, recorded, tubes, "road"):
        assert found.average_precisions == pytest.approx(expected["AP"], abs=DOUBLE)
        assert found.mean == pytest.approx(expected["mAP"], abs=DOUBLE)
        assert mean_iou_of_road(found) == pytest.approx(expected["mean_IoU"], abs=DOUBLE)
        assert class_accuracy(scene, tubes) == expected["video_cls_acc"]


def mean_iou_of_road(found: ClassScores) -> float:
    """Return the mean over classes of ROAD's mean overlap, which is 0.1 where nothing is right."""
    means = []
    for curve, count in zip(found.curves, found.num_ground_truth, strict=True):
        num_right = round(curve.recalls[-1] * count)
        total = num_right * curve.mean_overlap if num_right else 0.0
        means.append((total + 1e-6) / (num_right + 1e-5))
    return float(np.mean(means))


def class_accuracy(scene: Scene, tubes: Tubes) -> float:
    evaluator = Evaluator(scene.labels)
    for name, annotated in scene.truth().items():
        result = VideoResult(frames=[], tubes=tubes[name], labels=tuple(scene.labels))
        evaluator.add(name, annotated, result)
    return evaluator.report().class_accuracy


def test_scores_of_tubes(scene: Scene) -> None:
    rules = {name: convention.tubes for name, convention in CONVENTIONS.items()}
    for entry in scene.python["yowo_tubes"]:
        for number, score in zip(entry["kept_after_nms"], entry["scores"], strict=True):
            path = scene.arrays[f"yowo_path_v{entry['video']}_c{entry['class']}_{number}"]
            assert rules["yowo"].score_tube(path[:, 5]) == pytest.approx(score, abs=1e-4)
    for entry in scene.python["moc"]["tubes"]:
        rows = scene.arrays[f"moc_tube_v{entry['video']}_c{entry['class']}_{entry['index']}"]
        assert rules["moc"].score_tube(rows[:, 5]) == pytest.approx(entry["score"], abs=1e-4)
    for entry in scene.python["mmaction2"]["tubes"]:
        rows = scene.arrays[f"mm_tube_c{entry['class']}_{entry['index']}"]
        score = rules["multisports"].score_tube(rows[:, 5])
        assert score == pytest.approx(entry["score"], abs=1e-4)
    for entry in scene.road["tubes"]:
        scores = road_rows(scene, entry)[:, 4 + entry["class"]]
        assert rules["road"].score_tube(scores) == pytest.approx(entry["score"], abs=1e-6)


@pytest.fixture(scope="module")
def tubelets(golden_folder: Path) -> dict:
    return json.loads((golden_folder / "moc_tubelets_k3.json").read_text())


def tube_of_rows(label: str, score: float, start: int, rows: np.ndarray) -> Tube:
    return Tube(
        id=0,
        label=label,
        score=score,
        frame_indices=np.arange(start - 1, start - 1 + len(rows)),
        boxes_xyxy=rows[:, :4].astype(np.float32),
    )


def truth_of_tubelets(tubelets: dict) -> Tubes:
    truth: Tubes = {name: [] for name in tubelets["videos"]}
    for name, classes in tubelets["gt"].items():
        for label, tubes in classes.items():
            for rows in map(np.array, tubes):
                truth[name].append(tube_of_rows(label, 1.0, int(rows[0, 0]), rows[:, 1:]))
    return truth


def boxes_of_tubelets(tubelets: dict, name: str, labels: list[str]) -> FrameBoxes:
    """Return every box of every tubelet by frame, start frame and row, soft NMS frame by frame."""
    rows = []
    for start, classes in tubelets["tubelets"][name].items():
        for label in labels:
            for row, values in enumerate(np.array(classes[label]).reshape(-1, 13)):
                for offset in range(3):
                    place = (int(start) - 1 + offset, int(start), row)
                    rows.append((*place, values[4 * offset :][:4], label, values[12]))
    rows.sort(key=lambda row: row[:3])
    frames = np.array([row[0] for row in rows])
    boxes = np.array([row[3] for row in rows], np.float32)
    scores = np.array([(row[4] == np.array(labels)) * row[5] for row in rows], np.float32)
    for frame in np.unique(frames):
        for index in range(len(labels)):
            own = np.flatnonzero((frames == frame) & (scores[:, index] > 0))
            scores[own, index] = lowered(boxes[own], scores[own, index])
    return FrameBoxes(frame_indices=frames, boxes_xyxy=boxes, class_scores=scores)


def test_frames_of_tubelets_of_moc(tubelets: dict) -> None:
    recorded, labels = tubelets["frameAP"], ["0", "1"]
    boxes = {name: boxes_of_tubelets(tubelets, name, labels) for name in tubelets["videos"]}
    found = frame_average_precisions(
        truth_of_tubelets(tubelets), boxes, labels, [float(t) for t in recorded], convention="moc"
    )
    for expected, scores in zip(recorded.values(), found, strict=True):
        assert_percent(scores, expected, SINGLE)


def test_tubes_of_tubelets_of_moc(tubelets: dict) -> None:
    recorded, labels = tubelets["videoAP"], ["0", "1"]
    tubes: Tubes = {name: [] for name in tubelets["videos"]}
    for entry in tubelets["tubes"]:
        if entry["kept"]:
            rows = np.array(entry["rows"])
            tube = tube_of_rows(str(entry["class"]), entry["score"], entry["start"], rows)
            tubes[entry["video"]].append(tube)
    found = tube_average_precisions(
        truth_of_tubelets(tubelets), tubes, labels, [float(t) for t in recorded], convention="moc"
    )
    for expected, scores in zip(recorded.values(), found, strict=True):
        assert_percent(scores, expected, SINGLE)
