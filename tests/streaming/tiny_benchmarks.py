"""Tiny data of AVA, DAVIS and YouTube-VOS, and a model that sees what is bright in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from bright_square import BrightSquareModel, make_spec

from vadsdk.data.ava import AvaDataset
from vadsdk.data.davis import DavisDataset
from vadsdk.data.youtube_vos import YoutubeVosDataset
from vadsdk.structures import MaskOutputs
from vadsdk.video import VideoWriter

HEIGHT, WIDTH = 24, 32
FIRST, SECOND = (slice(8, 12), slice(2, 6)), (slice(8, 12), slice(20, 24))


class LabelledSquares(BrightSquareModel):
    """The same for other labels; class i of a clip scores 0.9 less i tenths."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__(replace(make_spec(), labels=labels))

    def infer(self, clips: np.ndarray) -> MaskOutputs:
        masks = super().infer(clips).mask_logits
        scores = 0.9 - 0.1 * np.arange(len(self.spec.labels), dtype=np.float32)
        return MaskOutputs(class_scores=np.tile(scores, (len(clips), 1)), mask_logits=masks)


def bright(*places: tuple[slice, slice]) -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for place in places:
        image[(*place, 0)] = 255
    return image


def write_sequence(images: Path, masks: Path, object_ids: list[np.ndarray], names: list[str]):
    """Two bright squares in every frame, and the given masks."""
    for folder in (images, masks):
        folder.mkdir(parents=True)
    for name, ids in zip(names, object_ids, strict=True):
        picture = cv2.cvtColor(bright(FIRST, SECOND), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(images / f"{name}.png"), picture)
        cv2.imwrite(str(masks / f"{name}.png"), ids)


def object_map(second_left: int = 20, *, void: bool = False) -> np.ndarray:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[FIRST] = 1
    ids[8:12, second_left : second_left + 4] = 2
    if void:
        ids[20:, :4] = 255
    return ids


def davis(root: Path, year: int, num_frames: int = 9) -> DavisDataset:
    """The second object is annotated two pixels beside its square, but for both end frames."""
    names = [f"{index:05d}" for index in range(num_frames)]
    ends = {0, num_frames - 1}
    maps = [object_map(20 if n in ends else 22, void=year == 2017) for n in range(num_frames)]
    images, masks = (root / kind / "480p" / "two" for kind in ("JPEGImages", "Annotations"))
    write_sequence(images, masks, maps, names)
    listed = root / "ImageSets" / str(year) / "val.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("two\n", encoding="utf-8")
    return DavisDataset(root, year)


def youtube_vos(root: Path, category: str | None) -> YoutubeVosDataset:
    """In `valid` one object is a seen dog and one of the given category."""
    names = [f"{5 * index:05d}" for index in range(5)]
    for split, categories in (("train", ["dog"]), ("valid", ["dog", category])):
        folders = (root / split / kind / split for kind in ("JPEGImages", "Annotations"))
        maps = [object_map(22) for _ in names]
        if split == "train":
            maps = [np.where(ids == 2, 0, ids).astype(np.uint8) for ids in maps]
        write_sequence(*folders, maps, names)
        objects = {
            str(number): {"category": name, "frames": names}
            for number, name in enumerate(categories, start=1)
        }
        text = json.dumps({"videos": {split: {"objects": objects}}})
        (root / split / "meta.json").write_text(text, encoding="utf-8")
    return YoutubeVosDataset(root)


BOX = "0.0625,0.3333333333,0.1875,0.5"  # FIRST, as shares of 32 x 24
AVA_ROWS = f"""movie,0000,{BOX},11,0
movie,0001,{BOX},11,0
movie,0001,0.75,0.3333333333,0.875,0.5,11,1
movie,0002,{BOX},12,0
"""
ACTIONS = """item { name: "sit" id: 11 } item { name: "stand" id: 12 }"""


def ava(root: Path, excluded: str = "") -> AvaDataset:
    """A square in 3 seconds at 10 frames a second; it sits at 0 and 1, and stands at 2."""
    (root / "videos").mkdir(parents=True)
    with VideoWriter(root / "videos" / "movie.mp4", fps=10, crf=10) as writer:
        for _ in range(30):
            writer.write(bright(FIRST))
    (root / "ava_val_v2.2.csv").write_text(AVA_ROWS, encoding="utf-8")
    (root / "ava_action_list_v2.2.pbtxt").write_text(ACTIONS, encoding="utf-8")
    if excluded:
        (root / "ava_val_excluded_timestamps_v2.2.csv").write_text(excluded, encoding="utf-8")
    return AvaDataset(root)
