"""Paths, tubes and labels of public codes on the recorded scenes; see sections 4 to 6 there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vadsdk.linking.offline_detections import VideoDetections, VideoTubelets
from vadsdk.linking.offline_paths import FILLED, LinkedPath, PathBuilder
from vadsdk.linking.offline_retinanet import RetinaLinking, fill_paths, retinanet_linking
from vadsdk.linking.offline_retinanet_trimming import RetinaTrimming, retinanet_trimming
from vadsdk.linking.offline_road import (
    RoadLinker,
    RoadLinking,
    RoadTrimming,
    road_linking,
    road_trimming,
)
from vadsdk.linking.offline_tubelets import (
    MOC,
    MULTISPORTS,
    greedy_kept,
    greedy_linking,
    tubelet_linking,
)
from vadsdk.linking.offline_viterbi import YOWO, viterbi_kept, viterbi_linking
from vadsdk.linking.smoothing import SmoothedLabels, label_runs, smooth_labels, smooth_labels_late

pytestmark = pytest.mark.golden

ROAD = RoadLinking(released=True)
OFFSET = 20.0  # ROAD adds it to all scores before smoothing


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def detections_of(frames: list, num_classes: int) -> VideoDetections:
    rows = [np.array(frame, np.float64).reshape(-1, 4 + num_classes) for frame in frames]
    return VideoDetections.from_arrays([row[:, :4] for row in rows], [row[:, 4:] for row in rows])


@pytest.fixture(scope="module")
def videos(golden_folder: Path) -> list[VideoDetections]:
    scene = read(golden_folder, "tubes_data.json")
    return [detections_of(video["detections"], 3) for video in scene["videos"]]


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> dict:
    return read(golden_folder, "tubes_results_py.json")


@pytest.fixture(scope="module")
def arrays(golden_folder: Path) -> dict[str, np.ndarray]:
    with np.load(golden_folder / "tubes_arrays.npz") as stored:
        return dict(stored)


def assert_same_path(path: LinkedPath, stored: np.ndarray) -> None:
    """Compare with rows of frame, box, score."""
    assert (path.frame_indices + 1).tolist() == stored[:, 0].astype(int).tolist()
    found = np.column_stack([path.boxes_xyxy, path.scores])
    np.testing.assert_allclose(found, stored[:, 1:], rtol=0, atol=1e-4)


def test_viterbi_paths_and_what_nms_keeps_are_yowos(
    videos: list[VideoDetections], recorded: dict, arrays: dict
) -> None:
    for entry in recorded["yowo_tubes"]:
        video, class_index = entry["video"], entry["class"]
        paths = viterbi_linking(videos[video], class_index, YOWO)
        assert len(paths) == entry["n_paths"]
        for number, path in enumerate(paths):
            assert_same_path(path, arrays[f"yowo_path_v{video}_c{class_index}_{number}"])
        kept = viterbi_kept(paths, YOWO)
        assert kept == entry["kept_after_nms"]
        scores = [paths[number].score for number in kept]
        np.testing.assert_allclose(scores, entry["scores"], rtol=0, atol=1e-4)


def test_greedy_tubes_are_those_of_the_multisports_metric(
    videos: list[VideoDetections], recorded: dict, arrays: dict
) -> None:
    for class_index in range(3):
        found = [
            (video, path)
            for video, detections in enumerate(videos)
            for path in greedy_linking(detections, class_index, MULTISPORTS)
        ]
        expected = [t for t in recorded["mmaction2"]["tubes"] if t["class"] == class_index]
        assert [video for video, _ in found] == [tube["video"] for tube in expected]
        for (_, path), tube in zip(found, expected, strict=True):
            assert_same_path(path, arrays[f"mm_tube_c{class_index}_{tube['index']}"])
            assert path.score == pytest.approx(tube["score"], abs=1e-4)


def test_greedy_tubes_and_what_nms_keeps_are_mocs(
    videos: list[VideoDetections], recorded: dict, arrays: dict
) -> None:
    for video, detections in enumerate(videos):
        for class_index in range(3):
            paths = greedy_linking(detections, class_index, MOC)
            expected = [
                tube
                for tube in recorded["moc"]["tubes"]
                if (tube["video"], tube["class"]) == (video, class_index)
            ]
            kept = greedy_kept(paths, MOC)
            for number, (path, tube) in enumerate(zip(paths, expected, strict=True)):
                assert_same_path(path, arrays[f"moc_tube_v{video}_c{class_index}_{number}"])
                assert path.score == pytest.approx(tube["score"], abs=1e-4)
                rank = kept.index(number) if number in kept else -1
                assert rank == tube["kept_rank_after_nms3dt"]


def tubelets_of(by_start: dict, num_frames: int, length: int) -> VideoTubelets:
    """Return all classes' tubelets; each is scored for its own class alone."""
    boxes, scores = [], []
    for start in range(1, num_frames - length + 2):
        rows = [(int(c), row) for c, found in by_start[str(start)].items() for row in found]
        boxes.append(np.array([row[:-1] for _, row in rows]).reshape(-1, length, 4))
        values = np.zeros((len(rows), len(by_start[str(start)])))
        for index, (class_index, row) in enumerate(rows):
            values[index, class_index] = row[-1]
        scores.append(values)
    return VideoTubelets(boxes_xyxy=tuple(boxes), class_scores=tuple(scores))


def test_tubes_of_three_frame_tubelets_are_mocs(golden_folder: Path) -> None:
    stored = read(golden_folder, "moc_tubelets_k3.json")
    settings = replace(MOC, min_tubelet_score=0.0)
    assert stored["tubes"]
    for video in stored["videos"]:
        tubelets = tubelets_of(stored["tubelets"][video], stored["n_frames"], stored["K"])
        for class_index in range(tubelets.num_classes):
            paths = tubelet_linking(tubelets, class_index, settings)
            kept = greedy_kept(paths, settings)
            expected = [
                tube
                for tube in stored["tubes"]
                if (tube["video"], tube["class"]) == (video, class_index)
            ]
            for number, (path, tube) in enumerate(zip(paths, expected, strict=True)):
                frames = np.arange(tube["start"], tube["end"] + 1)
                assert_same_path(path, np.column_stack([frames, tube["rows"]]))
                assert path.score == pytest.approx(tube["score"], abs=1e-4)
                assert (number in kept) == tube["kept"]


@pytest.mark.parametrize(
    ("cost", "key"), [("score", "paths_score"), ("score_iou", "paths_scoreiou")]
)
def test_paths_of_actors_are_those_of_3d_retinanet(
    videos: list[VideoDetections], recorded: dict, cost: str, key: str
) -> None:
    settings = RetinaLinking(cost=cost, released=True)  # type: ignore[arg-type]
    for video, detections in enumerate(videos):
        paths = retinanet_linking(detections, settings)
        found = [((p.frame_indices + 1).tolist(), p.boxes_xyxy.tolist()) for p in paths]
        stored = [
            (path["foundAt"], path["boxes"])
            for path in recorded["r3d"][key]
            if path["video"] == video
        ]
        occupied = [
            frame
            for frame, scores in enumerate(detections.class_scores, start=1)
            if (scores.sum(axis=1) > settings.min_agentness).any()
        ]
        deaths = [death_frame(frames, occupied) for frames, _ in found]
        assert deaths == [death_frame(frames, occupied) for frames, _ in stored]
        assert deaths == sorted(deaths)
        # Which of two that die in one frame comes first hung on how an unstable sort broke a tie.
        dead = sum(death <= len(detections) for death in deaths)
        found = sorted(found[:dead]) + found[dead:]
        stored = sorted(stored[:dead]) + stored[dead:]
        for (frames, boxes), (stored_frames, stored_boxes) in zip(found, stored, strict=True):
            assert frames == stored_frames
            np.testing.assert_allclose(boxes, stored_boxes, rtol=0, atol=1e-4)


def death_frame(frames: list[int], occupied: list[int]) -> int:
    late = [frame for frame in occupied if frame > frames[-1] + 4]
    return min(late, default=10**6)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("as_coded_none_0", "whole"),
        ("filled_none_0", "whole"),
        ("filled_dpscores_3", "joint"),
        ("filled_indiv_3", "per_class"),
    ],
)
def test_tubes_of_actors_are_those_of_3d_retinanet(
    videos: list[VideoDetections], recorded: dict, key: str, kind: str
) -> None:
    trimming = RetinaTrimming(kind=kind, released=True)  # type: ignore[arg-type]
    linking = RetinaLinking(released=True)
    found = []
    for video, detections in enumerate(videos):
        paths = retinanet_linking(detections, linking)
        paths = (
            [played_too_fast(p) for p in paths] if "coded" in key else fill_paths(paths, linking)
        )
        tubes = [tube for path in paths for tube in retinanet_trimming(path, trimming)]
        found += [(video, t.class_index, *span(t), pytest.approx(t.score, abs=1e-4)) for t in tubes]
    expected = [
        (tube["video"], tube["class"], tube["start"], tube["end"], tube["score"])
        for tube in recorded["r3d"]["tubes"][key]
    ]
    # Sorted by place first: the order is that of the paths, which the test above looks at.
    assert sorted(found, key=place_and_score) == sorted(expected, key=place_and_score)


def place_and_score(tube: tuple) -> tuple:
    score = tube[4] if isinstance(tube[4], float) else tube[4].expected
    return (*tube[:4], round(score, 5))


def played_too_fast(path: LinkedPath) -> LinkedPath:
    """As the released code does, whose filled paths get lost: holes are closed up."""
    first = path.frame_indices[0]
    return replace(path, frame_indices=np.arange(first, first + len(path)))


def span(path: LinkedPath) -> tuple[int, int]:
    """First and last frame, counted from 1."""
    return int(path.frame_indices[0]) + 1, int(path.frame_indices[-1]) + 1


def found_at(path: LinkedPath) -> tuple[list[int], list[int]]:
    real = path.rows != FILLED
    return (path.frame_indices[real] + 1).tolist(), path.rows[real].tolist()


def road_paths_of(videos: Sequence[VideoDetections]) -> list[tuple[int, LinkedPath]]:
    return [
        (video, path)
        for video, detections in enumerate(videos)
        for class_index in range(detections.num_classes)
        for path in road_linking(detections, class_index, ROAD)
    ]


def test_paths_are_roads(videos: list[VideoDetections], golden_folder: Path) -> None:
    expected = read(golden_folder, "tubes_results_road.json")["paths"]
    for (video, path), stored in zip(road_paths_of(videos), expected, strict=True):
        assert (video, path.class_index) == (stored["video"], stored["class"])
        assert span(path) == (stored["start"], stored["end"])
        assert found_at(path) == (stored["foundAt"], stored["det"])
        total = path.scores[path.rows != FILLED].sum()
        assert total == pytest.approx(stored["pathScore"], abs=1e-8)


def test_paths_are_the_same_set_in_the_python_port_of_road(
    videos: list[VideoDetections], golden_folder: Path
) -> None:
    expected = read(golden_folder, "tubes_results_feynman27.json")["paths"]
    found = [(video, path.class_index, *found_at(path)) for video, path in road_paths_of(videos)]
    port = [(p["video"], p["class"], p["foundAt"], p["det"]) for p in expected]
    assert sorted(found) == sorted(port)


def mean_step(smoothed: SmoothedLabels, start: int, stop: int, label: int) -> float | None:
    """ROAD's score of a run: what it adds to the accumulated sum a frame; None for one frame."""
    if stop - start == 1:
        return None
    total = smoothed.accumulated[stop - 1, label] - smoothed.accumulated[start, label]
    return float(total / (stop - 1 - start)) + OFFSET


def assert_same_runs(paths: list[LinkedPath], stored: list[dict], alpha: float) -> None:
    found, scores = [], []
    for path in paths:
        smoothed = smooth_labels(path.class_scores, alpha)
        for run in label_runs(smoothed.labels):
            if run.label == path.class_index:
                found.append((span(path)[0], run.start + 1, run.stop, run.label))
                scores.append(mean_step(smoothed, run.start, run.stop, run.label))
    assert found == [(s["path_start"], s["ts"], s["te"], s["class"]) for s in stored]
    for score, one in zip(scores, stored, strict=True):
        assert score == (
            None if one["dp_score"] is None else pytest.approx(one["dp_score"], abs=1e-8)
        )


@pytest.mark.parametrize("alpha", [1.0, 3.0, 5.0])
def test_smoothed_runs_and_tubes_are_roads(
    videos: list[VideoDetections], golden_folder: Path, alpha: float
) -> None:
    stored = read(golden_folder, "tubes_results_road.json")
    paths = road_paths_of(videos)
    smoothed = [s for s in stored["smoothed"] if s["alpha"] == alpha]
    assert_same_runs([path for _, path in paths], smoothed, alpha)

    tubes = [
        (video, tube)
        for video, path in paths
        for tube in road_trimming(path, RoadTrimming(switch_cost=alpha))
    ]
    expected = [t for t in stored["tubes"] if t["alpha"] == alpha]
    for (video, tube), one in zip(tubes, expected, strict=True):
        assert (video, tube.class_index) == (one["video"], one["class"])
        assert span(tube) == (one["start"], one["end"])
        assert tube.score == pytest.approx(one["score"], abs=1e-8)


@pytest.fixture(scope="module")
def online(golden_folder: Path) -> dict:
    return read(golden_folder, "road_online_linking.json")


def state(path: PathBuilder) -> list[int]:
    birth, last = path.frame_indices[0] + 1, path.frame_indices[-1] + 1
    return [birth, path.rows[0], last, path.rows[-1], len(path), path.num_missed]


def test_the_state_after_every_frame_is_roads(online: dict) -> None:
    detections = detections_of(online["detections"], online["n_classes"])
    for class_index in range(online["n_classes"]):
        linker = RoadLinker(class_index, ROAD)
        for frame in range(online["n_frames"]):
            linker.update(detections.boxes_xyxy[frame], detections.class_scores[frame])
            kept = online["kept_after_filter"][class_index][frame]
            assert linker.kept_rows.tolist() == kept
            live = online["live"][class_index][frame]
            assert [state(path) for path in linker.live] == [entry[:6] for entry in live]
            sums = [sum(path.scores) for path in linker.live]
            np.testing.assert_allclose(sums, [entry[6] for entry in live], rtol=0, atol=1e-8)
            died = online["died"][class_index][frame]
            assert [state(path)[:2] for path in linker.died] == died
        expected = [p for p in online["final_paths"] if p["class"] == class_index]
        for path, stored in zip(linker.finish(), expected, strict=True):
            assert span(path) == (stored["start"], stored["end"])
            assert found_at(path) == (stored["foundAt"], stored["det"])
            assert len(path) == stored["n_boxes"]
            assert path.score == pytest.approx(stored["mean_top20"], abs=1e-8)


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_runs_and_tubes_of_the_online_scene_are_roads(online: dict, alpha: float) -> None:
    detections = detections_of(online["detections"], online["n_classes"])
    paths = [path for _, path in road_paths_of([detections])]
    assert_same_runs(paths, [s for s in online["segments"] if s["alpha"] == alpha], alpha)

    trimming = RoadTrimming(switch_cost=alpha)
    tubes = [tube for path in paths for tube in road_trimming(path, trimming)]
    expected = [t for t in online["tubes"] if t["alpha"] == alpha]
    for tube, stored in zip(tubes, expected, strict=True):
        assert (tube.class_index, *span(tube)) == (stored["class"], stored["start"], stored["end"])
        assert tube.score == pytest.approx(stored["score"], abs=1e-8)
        low, high = tube.boxes_xyxy[:, :2], tube.boxes_xyxy[:, 2:]
        boxes = np.concatenate([low + 1, high - low], axis=1)
        np.testing.assert_allclose(boxes, stored["boxes_xywh_1based"], rtol=0, atol=1e-8)


@pytest.mark.parametrize("alpha", [1, 3, 5])
@pytest.mark.parametrize("case", [0, 1, 2])
def test_smoothed_labels_are_roads_and_3d_retinanets(
    golden_folder: Path, case: int, alpha: int
) -> None:
    with np.load(golden_folder / "viterbi_smoothing.npz") as opened:
        stored = dict(opened)
    scores = stored[f"scores_{case}"].T
    smoothed = smooth_labels(scores, alpha)
    labels = stored[f"path_{case}_a{alpha}"]
    assert smoothed.labels.tolist() == labels.tolist()
    late = smooth_labels_late(scores, alpha)
    assert late.tolist() == stored[f"r3d_path_{case}_a{alpha}"].tolist()
    offsets = OFFSET * np.arange(1, len(scores) + 1)
    accumulated = stored[f"D_{case}_a{alpha}"].T - offsets[:, None]
    np.testing.assert_allclose(smoothed.accumulated, accumulated, rtol=0, atol=1e-8)

    rows = stored["segments"]
    rows = rows[(rows[:, 0] == case) & (rows[:, 1] == alpha)]
    runs = sorted(label_runs(smoothed.labels), key=lambda run: (run.label, run.start))
    found = [(run.label, run.start, run.stop - 1) for run in runs]
    assert found == [tuple(row) for row in rows[:, 2:5].astype(int).tolist()]
    means = [mean_step(smoothed, run.start, run.stop, run.label) for run in runs]
    means = [np.nan if mean is None else mean for mean in means]
    np.testing.assert_allclose(means, rows[:, 5], rtol=0, atol=1e-8)
    total = smoothed.accumulated[-1, smoothed.labels[-1]] / len(scores) + OFFSET
    np.testing.assert_allclose(rows[:, 6], total, rtol=0, atol=1e-8)
