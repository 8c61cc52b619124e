"""The layouts on disk: how each is recognised, opened and looked through for problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data import ava, coco, cvat, davis, recognition, ucf101_24, voc, youtube_vos
from vadsdk.data.jhmdb21 import Jhmdb21Dataset
from vadsdk.data.native import NativeDataset
from vadsdk.data.native_annotation import read_annotation
from vadsdk.data.native_schema import DATASET_FILE
from vadsdk.data.problems import Problem
from vadsdk.data.recognition_kinetics import is_kinetics
from vadsdk.data.recognition_lists import is_lists
from vadsdk.data.recognition_official import is_hmdb51, is_ucf101
from vadsdk.data.records import ActionDataset
from vadsdk.data.ucf101_24_files import is_ucf101_24
from vadsdk.errors import DatasetError

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFormat:
    """One layout on disk."""

    recognise: Callable[[Path], bool]
    """Whether a folder plainly has this layout."""
    expected: str
    """What makes it plain, for error texts."""
    open: Callable[[Path, Progress | None], ActionDataset]
    """Takes the root and a progress callback."""
    open_split: Callable[[Path, int, Progress | None], ActionDataset] | None = None
    """Takes the number of an official split too, from 1 (DAVIS: its year), where there are some."""
    open_percent: Callable[[Path, int, int], ActionDataset] | None = None
    """Takes the number of a split and the percentage of labelled videos, where there are lists of
    several."""
    problems: Callable[[Path], Sequence[Problem]] | None = None
    """All that is wrong with the annotation; None where opening it tells the first thing alone."""


FORMATS = {
    "vadsdk": DatasetFormat(
        recognise=lambda root: (root / DATASET_FILE).is_file(),
        expected=DATASET_FILE,
        open=lambda root, progress: NativeDataset(root),
        problems=lambda root: read_annotation(root)[1],
    ),
    "jhmdb21": DatasetFormat(
        recognise=lambda root: (root / "puppet_mask").is_dir() and (root / "splits").is_dir(),
        expected="ReCompress_Videos/, puppet_mask/ and splits/",
        open=lambda root, progress: Jhmdb21Dataset(root, progress=progress),
        open_split=Jhmdb21Dataset,
    ),
    "ucf101-24": DatasetFormat(
        recognise=is_ucf101_24,
        expected="finalAnnots.mat or pyannot.pkl",
        open=lambda root, progress: ucf101_24.Ucf101Dataset(root, progress=progress),
        open_split=ucf101_24.Ucf101Dataset,
        problems=ucf101_24.read_problems,
    ),
    "ava": DatasetFormat(
        recognise=ava.is_ava,
        expected="ava_train_v2.2.csv or ava_val_v2.2.csv, and videos/",
        open=lambda root, progress: ava.AvaDataset(root, progress=progress),
        problems=lambda root: ava.read_ava(root).problems,
    ),
    "youtube-vos": DatasetFormat(
        recognise=youtube_vos.is_youtube_vos,
        expected="train/meta.json and train/JPEGImages/, or the same in valid/",
        open=lambda root, progress: youtube_vos.YoutubeVosDataset(root, progress),
        problems=lambda root: youtube_vos.read_youtube_vos(root).problems,
    ),
    "davis": DatasetFormat(
        recognise=davis.is_davis,
        expected="JPEGImages/, Annotations/ and ImageSets/2016/ or ImageSets/2017/",
        open=lambda root, progress: davis.DavisDataset(root, progress=progress),
        open_split=davis.DavisDataset,
        problems=lambda root: davis.read_davis(root).problems,
    ),
    "cvat": DatasetFormat(
        recognise=cvat.is_cvat,
        expected="CVAT for video 1.1 XML files beside their videos",
        open=lambda root, progress: cvat.CvatDataset(root, progress=progress),
        problems=cvat.read_problems,
    ),
    "voc": DatasetFormat(
        recognise=voc.is_voc,
        expected="JPEGImages/ and Annotations/ with Pascal VOC's XML files",
        open=lambda root, progress: voc.VocDataset(root, progress=progress),
        problems=voc.read_problems,
    ),
    "coco": DatasetFormat(
        recognise=coco.is_coco,
        expected="annotations.json or instances_*.json in COCO's form with videos",
        open=lambda root, progress: coco.CocoDataset(root),
        problems=coco.read_problems,
    ),
    "ucf101": DatasetFormat(
        recognise=is_ucf101,
        expected="classInd.txt, or ucfTrainTestlist/ with it",
        open=lambda root, progress: recognition.open_ucf101(root),
        open_split=lambda root, index, progress: recognition.open_ucf101(root, index),
        problems=recognition.ucf101_problems,
    ),
    "hmdb51": DatasetFormat(
        recognise=is_hmdb51,
        expected="<class>_test_split1.txt, or splits/ with them, and no puppet_mask/",
        open=lambda root, progress: recognition.open_hmdb51(root),
        open_split=lambda root, index, progress: recognition.open_hmdb51(root, index),
        problems=recognition.hmdb51_problems,
    ),
    "kinetics400": DatasetFormat(
        recognise=is_kinetics,
        expected="a csv file with the columns label,youtube_id,time_start,time_end,split",
        open=lambda root, progress: recognition.open_kinetics400(root),
        problems=recognition.kinetics400_problems,
    ),
    "lists": DatasetFormat(
        recognise=is_lists,
        expected="ucf101_train_10_percent_labeled_split_1_rawframes.txt or the like",
        open=lambda root, progress: recognition.open_lists(root),
        open_split=lambda root, index, progress: recognition.open_lists(root, index),
        open_percent=recognition.open_lists,
        problems=recognition.lists_problems,
    ),
}
"""Every layout by name."""


def no_official_splits(root: Path, name: str) -> DatasetError:
    """Return the error for a split index where the layout has no official splits."""
    return DatasetError(
        f"{root} is in the format {name!r}, which names its splits; leave split_index out"
    )


def no_percentages(root: Path, name: str) -> DatasetError:
    """Return the error for a percentage where the layout has no lists of several."""
    return DatasetError(
        f"{root} is in the format {name!r}, which has no lists of labelled percentages; leave "
        "labelled_percent out, and choose a share with --labelled-fraction"
    )
