"""Find everything that is wrong with a data set before a training run does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vadsdk import video
from vadsdk.data.dataset import FORMATS, find_format, open_dataset
from vadsdk.data.measuring import extent_problems
from vadsdk.data.native import bare_records
from vadsdk.data.native_annotation import read_annotation
from vadsdk.data.problems import (
    DEFAULT_CLIP_FRAMES,
    Problem,
    VideoExtent,
    label_problems,
    tube_problems,
)
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.errors import DatasetError, VideoError


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """What a check found."""

    format: str
    """Layout of the data set."""
    num_videos: int
    """Videos that were looked at."""
    problems: tuple[Problem, ...]
    """Annotation first, then videos in the order of the data set."""

    @property
    def num_fatal(self) -> int:
        """Problems that stop a training run, or make it skip a video."""
        return sum(problem.fatal for problem in self.problems)


def check_dataset(
    root: Path,
    *,
    format: str | None = None,
    split_index: int | None = None,
    labelled_percent: int | None = None,
    clip_frames: int = DEFAULT_CLIP_FRAMES,
    num_workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Read all annotation and decode all videos of a data set, and report what is wrong.

    Args:
        root: folder of the data set.
        format: layout; None finds it out.
        split_index: whose videos are decoded, as `open_dataset` takes it.
        labelled_percent: whose videos are decoded, as `open_dataset` takes it.
        clip_frames: videos with fewer frames are reported, as harmless.
        num_workers: threads that decode.
        progress: called with the videos done and their number.

    Raises:
        DatasetError: there is no data set, or its annotation is not readable at all.
    """
    name = find_format(root) if format is None else format
    dataset, records, problems = _read(root, name, split_index, labelled_percent)

    def check_video(record: VideoRecord) -> list[Problem]:
        found = video_problems(record, clip_frames)
        return found + (mask_problems(record, dataset) if dataset else [])

    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="check")
    try:
        for done, found in enumerate(pool.map(check_video, records), start=1):
            problems += found
            if progress:
                progress(done, len(records))
    finally:
        pool.shutdown(cancel_futures=True)
    return CheckReport(format=name, num_videos=len(records), problems=tuple(problems))


def record_problems(dataset: ActionDataset) -> list[Problem]:
    """Return what is wrong with names and tubes, whatever the format."""
    problems = []
    names = Counter(record.name for record in dataset.records)
    for record in dataset.records:
        file = str(record.path)
        if names[record.name] > 1:
            problems.append(
                Problem(file, "", f"the name {record.name!r} is used twice; rename one")
            )
        extent = VideoExtent(num_frames=record.num_frames, width=record.width, height=record.height)
        for index, tube in enumerate(record.tubes):
            field = f"tubes[{index}]"
            boxes = tube.boxes_xyxy.astype(np.float64)
            problems += label_problems(file, f"{field}.label", tube.label, dataset.labels)
            problems += tube_problems(file, field, tube.frame_indices, boxes, extent)
    return problems


def video_problems(record: VideoRecord, clip_frames: int) -> list[Problem]:
    """Decode a video and compare it with its record."""
    file = str(record.path)
    if not record.path.exists():
        return [Problem(file, "", "there is no such file; put it there or drop its entry")]
    try:
        info = video.probe(record.path)
        num_frames = len(video.read_frames(record.path, size=(8, 8)))
    except VideoError as error:
        return [Problem(file, "", f"the video is not readable: {error}")]
    problems = extent_problems(record, num_frames, info)
    if num_frames < clip_frames:
        message = (
            f"the video has {num_frames} frames, a clip spans {clip_frames}: "
            "its last frame will be repeated"
        )
        problems.append(Problem(file, "num_frames", message, fatal=False))
    return problems


def mask_problems(record: VideoRecord, dataset: ActionDataset) -> list[Problem]:
    """Read the masks of a record, if it has any."""
    if not record.labelled or record.video_label is not None:
        return []
    try:
        dataset.actor_masks(record, np.arange(record.num_frames))
    except DatasetError as error:
        return [Problem(str(record.path), "masks", str(error))]
    except IndexError as error:
        return [Problem(str(record.path), "masks", f"fewer masks than frames ({error})")]
    return []


def _read(
    root: Path, name: str, split_index: int | None, labelled_percent: int | None
) -> tuple[ActionDataset | None, Sequence[VideoRecord], list[Problem]]:
    """Open the data set if that is possible, else at least find its videos."""
    if name == "vadsdk":
        document, problems = read_annotation(root)
        if any(problem.fatal for problem in problems):
            stays_inside = not any(problem.field.endswith(".path") for problem in problems)
            videos = bare_records(document, root) if document and stays_inside else ()
            return None, videos, problems
        dataset = open_dataset(root, format=name)
        return dataset, dataset.records, problems
    list_problems = FORMATS[name].problems if name in FORMATS else None
    problems = [] if list_problems is None else list(list_problems(root))
    if any(problem.fatal for problem in problems):
        return None, (), problems
    dataset = open_dataset(
        root, format=name, split_index=split_index, labelled_percent=labelled_percent
    )
    return dataset, dataset.records, problems + record_problems(dataset)
