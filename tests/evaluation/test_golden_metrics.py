"""Numbers of public implementations on the recorded scene; see section 4 of the folder's rules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vadsdk.evaluation import FrameBoxes, PrecisionRecall, frame_map, video_map
from vadsdk.structures import Tube

pytestmark = pytest.mark.golden

INCLUSIVE = np.array([0, 0, 1, 1], np.float32)
"""Turns an inclusive max edge, as YOWO counts pixels, into the exclusive one of this project."""


@pytest.fixture(scope="module")
def scene(golden_folder: Path) -> dict:
    return json.loads((golden_folder / "tubes_data.json").read_text())


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> dict:
    return json.loads((golden_folder / "tubes_results_py.json").read_text())


def true_tubes(scene: dict, edge: np.ndarray) -> dict[str, list[Tube]]:
    return {
        video["name"]: [
            Tube(
                id=number,
                label=scene["classes"][tube["class"]],
                score=1.0,
                frame_indices=np.arange(tube["start"] - 1, tube["end"]),
                boxes_xyxy=np.array(tube["boxes"], np.float32) + edge,
            )
            for number, tube in enumerate(video["gt_tubes"])
        ]
        for video in scene["videos"]
    }


def trapezoid(curve: PrecisionRecall) -> float:
    """Area without an envelope, from (recall 0, precision 1) on, as 3D-RetinaNet takes it."""
    return float(np.trapezoid(np.append(1, curve.precisions), np.append(0, curve.recalls)))


def test_frame_matches_are_those_of_3d_retinanet(scene: dict, recorded: dict) -> None:
    predictions = {}
    for video in scene["videos"]:
        rows = [(index, row) for index, found in enumerate(video["detections"]) for row in found]
        values = np.array([row for _, row in rows], np.float32)
        scores = np.where(values[:, 4:] >= np.float32(0.05), values[:, 4:], 0)
        predictions[video["name"]] = FrameBoxes(
            frame_indices=np.array([index for index, _ in rows]),
            boxes_xyxy=values[:, :4],
            class_scores=scores,
        )
    truth = true_tubes(scene, 0 * INCLUSIVE)
    for threshold, expected in recorded["r3d"]["frame"].items():
        found = frame_map(truth, predictions, scene["classes"], float(threshold))
        percent = [100 * trapezoid(curve) for curve in found.curves]
        assert percent == pytest.approx(expected["ap"], abs=1e-4)


def test_video_average_precision_is_yowos(scene: dict, recorded: dict, golden_folder: Path) -> None:
    arrays = np.load(golden_folder / "tubes_arrays.npz")
    predictions: dict[str, list[Tube]] = {video["name"]: [] for video in scene["videos"]}
    for entry in recorded["yowo_tubes"]:
        for number, score in zip(entry["kept_after_nms"], entry["scores"], strict=True):
            path = arrays[f"yowo_path_v{entry['video']}_c{entry['class']}_{number}"]
            tube = Tube(
                id=number,
                label=scene["classes"][entry["class"]],
                score=score,
                frame_indices=path[:, 0].astype(np.int64) - 1,
                boxes_xyxy=path[:, 1:5].astype(np.float32) + INCLUSIVE,
            )
            predictions[scene["videos"][entry["video"]]["name"]].append(tube)
    truth = true_tubes(scene, INCLUSIVE)
    for threshold, expected in recorded["yowo_video"].items():
        found = video_map(truth, predictions, scene["classes"], float(threshold))
        counts = found.num_ground_truth  # YOWO divides by 1e-5 more than there are
        yowo = found.average_precisions * counts / (counts + 1e-5)
        assert yowo == pytest.approx(np.array(expected["ap"]), abs=1e-6)
