"""A small data set in order for each format, which the fuzzer damages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
from test_ava import make_root as write_ava
from test_cvat import box, track, write_xml
from test_davis import make_root as write_davis
from test_recognition import make_hmdb51, make_kinetics, make_lists, make_ucf101
from test_ucf101_24 import make_root as write_ucf101_24
from test_voc import an_object, write_list
from test_voc import write_video as write_pictures_and_boxes
from test_youtube_vos import make_root as write_youtube_vos
from tiny_data import HEIGHT, WIDTH, make_dataset, write_video

from vadsdk.data.coco_writer import write_coco
from vadsdk.data.dataset import open_dataset


def write_jhmdb21(folder: Path) -> None:
    (folder / "splits").mkdir()
    for label in ("jump", "wave"):
        names = [f"{label}_{number}" for number in range(2)]
        lines = [f"{name}.avi {number + 1}\n" for number, name in enumerate(names)]
        (folder / "splits" / f"{label}_test_split1.txt").write_text("".join(lines))
        for name in names:
            write_video(folder / "ReCompress_Videos" / label / f"{name}.avi", 8)
            mask = np.zeros((HEIGHT, WIDTH, 8), np.uint8)
            mask[10:30, 8:24] = 1
            path = folder / "puppet_mask" / label / name / "puppet_mask.mat"
            path.parent.mkdir(parents=True)
            scipy.io.savemat(path, {"part_mask": mask}, do_compression=True)


def write_cvat_task(folder: Path) -> None:
    write_video(folder / "clip.mp4", 20)
    write_xml(folder / "clip.xml", track(box(4), box(5), box(9), box(10, outside=1)))


def write_coco_file(folder: Path) -> None:
    dataset = open_dataset(make_dataset(folder))
    write_coco(folder / "annotations.json", dataset.records, dataset.labels)
    (folder / "dataset.json").unlink()


def write_native(folder: Path) -> None:
    """Videos with tubes and one with a class as a whole."""
    path = make_dataset(folder) / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    trimmed = document["videos"][0] | {"path": "videos/trimmed.mp4", "video_label": "wave"}
    document["videos"].append({**trimmed, "tubes": [], "masks": None})
    path.write_text(json.dumps(document), encoding="utf-8")
    write_video(folder / "videos" / "trimmed.mp4", 20)


def write_voc(folder: Path) -> None:
    write_pictures_and_boxes(folder, "one", [an_object(11)], [an_object(13)], [])
    write_list(folder, "train", "one/0", "one/1")


SEEDS: dict[str, Callable[[Path], object]] = {
    "ava": write_ava,
    "coco": write_coco_file,
    "cvat": write_cvat_task,
    "davis": write_davis,
    "hmdb51": make_hmdb51,
    "jhmdb21": write_jhmdb21,
    "kinetics400": make_kinetics,
    "lists": make_lists,
    "ucf101": make_ucf101,
    "ucf101-24": write_ucf101_24,
    "vadsdk": write_native,
    "voc": write_voc,
    "youtube-vos": write_youtube_vos,
}
