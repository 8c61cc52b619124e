"""The recorded scene of section 4 of the golden folder's rules, and the tubes stored with it.

Boxes stay in the numbers of the files, as the public codes read them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation import FrameBoxes
from vadsdk.structures import Tube

Tubes = dict[str, list[Tube]]
MIN_CLASS_SCORE = np.float32(0.05)


class Scene:
    """Ground truth and detections, with what the public codes made of them."""

    def __init__(self, folder: Path) -> None:
        scene = json.loads((folder / "tubes_data.json").read_text())
        self.labels: list[str] = scene["classes"]
        self.videos: list[dict] = scene["videos"]
        self.names = [video["name"] for video in self.videos]
        self.python = json.loads((folder / "tubes_results_py.json").read_text())
        self.road = json.loads((folder / "tubes_results_road.json").read_text())
        self.arrays: Mapping[str, NDArray] = np.load(folder / "tubes_arrays.npz")

    def truth(self) -> Tubes:
        return {
            video["name"]: [
                self.tube(tube["class"], 1.0, tube["start"], tube["boxes"])
                for tube in video["gt_tubes"]
            ]
            for video in self.videos
        }

    def tube(self, label: int, score: float, start: int, boxes: Sequence) -> Tube:
        """Return a tube without gaps, `start` counted from 1 as in the files."""
        return Tube(
            id=0,
            label=self.labels[label],
            score=score,
            frame_indices=np.arange(start - 1, start - 1 + len(boxes)),
            boxes_xyxy=np.array(boxes, np.float32),
        )

    def no_tubes(self) -> Tubes:
        return {name: [] for name in self.names}

    def class_rows(
        self, rescored: Callable[[NDArray, NDArray], NDArray] | None = None
    ) -> dict[str, FrameBoxes]:
        """Return all boxes with their class scores of 0.05 and more.

        Args:
            rescored: from the (N, 4) boxes of one frame and class and their scores, new scores.
        """
        return {video["name"]: self._rows_of(video, rescored) for video in self.videos}

    def _rows_of(self, video: dict, rescored: Callable | None) -> FrameBoxes:
        frames = [np.array(rows, np.float32).reshape(-1, 7) for rows in video["detections"]]
        values = np.concatenate(frames)
        indices = np.repeat(np.arange(len(frames)), [len(rows) for rows in frames])
        scores = np.where(values[:, 4:] >= MIN_CLASS_SCORE, values[:, 4:], 0)
        for frame in range(len(frames)) if rescored else ():
            for label in range(len(self.labels)):
                rows = np.flatnonzero((indices == frame) & (scores[:, label] > 0))
                scores[rows, label] = rescored(values[rows, :4], scores[rows, label])
        return FrameBoxes(frame_indices=indices, boxes_xyxy=values[:, :4], class_scores=scores)


def yowo_tubes(scene: Scene) -> Tubes:
    tubes = scene.no_tubes()
    for entry in scene.python["yowo_tubes"]:
        for number, score in zip(entry["kept_after_nms"], entry["scores"], strict=True):
            path = scene.arrays[f"yowo_path_v{entry['video']}_c{entry['class']}_{number}"]
            tube = scene.tube(entry["class"], score, 1, path[:, 1:5])
            tubes[scene.names[entry["video"]]].append(tube)
    return tubes


def multisports_tubes(scene: Scene) -> Tubes:
    tubes = scene.no_tubes()
    for entry in scene.python["mmaction2"]["tubes"]:
        rows = scene.arrays[f"mm_tube_c{entry['class']}_{entry['index']}"]
        tube = scene.tube(entry["class"], entry["score"], entry["start"], rows[:, 1:5])
        tubes[scene.names[entry["video"]]].append(tube)
    return tubes


def moc_tubes(scene: Scene) -> Tubes:
    tubes = scene.no_tubes()
    kept = [tube for tube in scene.python["moc"]["tubes"] if tube["kept_rank_after_nms3dt"] >= 0]
    for entry in sorted(kept, key=lambda entry: entry["kept_rank_after_nms3dt"]):
        rows = scene.arrays[f"moc_tube_v{entry['video']}_c{entry['class']}_{entry['index']}"]
        tube = scene.tube(entry["class"], entry["score"], entry["start"], rows[:, 1:5])
        tubes[scene.names[entry["video"]]].append(tube)
    return tubes


def retinanet_tubes(scene: Scene, *, filled: bool) -> Tubes:
    """Return the tubes "none": each path of 6 boxes or more, once for every class.

    The recording names no path beside a tube, but the tubes come path by path.
    """
    tubes = scene.no_tubes()
    recorded = scene.python["r3d"]["tubes"][f"{'filled' if filled else 'as_coded'}_none_0"]
    entries = iter(recorded)
    for path in scene.python["r3d"]["paths_score"]:
        found = np.array(path["foundAt"])
        boxes = np.array(path["boxes"], np.float64)
        has_gaps = len(found) <= found[-1] - found[0]
        if len(found) < 6 or (filled and has_gaps and len(found) == 6):
            continue
        if filled:
            frames = np.arange(found[0], found[-1] + 1)
            boxes = np.stack([np.interp(frames, found, edge) for edge in boxes.T], axis=1)
        for _ in scene.labels:
            entry = next(entries)
            assert (entry["video"], entry["start"]) == (path["video"], found[0])
            assert entry["end"] - entry["start"] + 1 == len(boxes)
            tube = scene.tube(entry["class"], entry["score"], entry["start"], boxes)
            tubes[scene.names[entry["video"]]].append(tube)
    assert next(entries, None) is None
    return tubes


def road_tubes(scene: Scene, alpha: float) -> Tubes:
    """Return the tubes at one strength of label smoothing, each a stretch of a path."""
    tubes = scene.no_tubes()
    for entry in scene.road["tubes"]:
        if entry["alpha"] == alpha:
            rows = road_rows(scene, entry)
            tube = scene.tube(entry["class"], entry["score"], entry["start"], rows[:, :4])
            tubes[scene.names[entry["video"]]].append(tube)
    return tubes


def road_rows(scene: Scene, entry: dict) -> NDArray:
    """Return the detections (x1, y1, x2, y2, class scores) that a tube consists of.

    The recording names no path beside a tube: it is the one whose mean of the 40 best scores fits.
    """
    fitting = []
    for path in scene.road["paths"]:
        same = (path["video"], path["class"]) == (entry["video"], entry["class"])
        if not same or path["start"] > entry["start"] or path["end"] < entry["end"]:
            continue
        frames = np.arange(entry["start"], entry["end"] + 1)
        nexts = np.searchsorted(path["foundAt"], frames)  # a gap is filled with the next box
        detections = scene.videos[path["video"]]["detections"]
        rows = np.array([detections[path["foundAt"][n] - 1][path["det"][n]] for n in nexts])
        best = np.sort(rows[:, 4 + entry["class"]])[::-1][:40].mean()
        fitting.append((abs(best - entry["score"]), rows))
    return min(fitting, key=lambda pair: pair[0])[1]
