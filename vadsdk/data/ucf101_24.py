"""UCF101-24: 24 classes of UCF101 (Soomro et al. 2012) with corrected boxes.

    ucf101-24/
      finalAnnots.mat                  or pyannot.pkl (see ucf101_24_annotation.py)
      testlist01.txt                   "<class>/<video>" a line; with or without ".avi"
      trainlist01.txt                  optional: without it all other videos are for training
      .../<class>/<video>.avi          anywhere below; the class folder may be left out

The lists may lie in `splitfiles` or `ucfTrainTestlist`, too, and the annotation beside them. A
video of another size than 320 x 240, such as 340 x 256, gets its boxes scaled to its own frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split
from vadsdk.data.ucf101_24_annotation import (
    CLASSES,
    HEIGHT,
    WIDTH,
    AnnotatedVideo,
    Ucf101Annotation,
)
from vadsdk.data.ucf101_24_files import find_annotation, find_videos, read_splits
from vadsdk.errors import VideoError
from vadsdk.structures import Tube
from vadsdk.video import VideoInfo, probe

FRAMES_PER_SECOND = 25.0
"""Of a file that does not tell: the parent data set is normalised to it (Soomro et al. 2012)."""
NUM_READERS = 2


class Ucf101Dataset:
    """UCF101-24, as far as its videos are there.

    A video whose file cannot be opened is a record all the same; decoding it reports it.

    Args:
        root: holds annotation, lists and videos.
        split_index: which of the three official splits, 1 to 3.
        progress: called with the videos done and their number, while their sizes are read.

    Raises:
        DatasetError: a file is missing or malformed, or none of the videos is there.
    """

    format = "ucf101-24"
    labels = CLASSES
    has_masks = False

    def __init__(
        self,
        root: Path,
        split_index: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        content = read_ucf101_24(root, split_index)
        raise_if_fatal(content.problems, root)
        self.name = root.resolve().name
        self.missing_videos = content.num_missing
        """Videos that are annotated, but whose file is not there."""
        self.problems = tuple(content.problems)
        """What is wrong with it and does not stop a training run."""
        paths, split_of = content.paths, content.split_of
        listed = [name for name in paths if name in split_of]
        infos = _probe_all([paths[name] for name in listed], progress)
        self.records = tuple(
            _record(name, paths[name], split_of[name], content.videos[name], info)
            for name, info in zip(listed, infos, strict=True)
        )

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the actors' filled boxes in each frame, (T, H, W)."""
        return fill_boxes(record, frame_indices)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ucf101Content:
    """What lies in a folder of UCF101-24."""

    paths: Mapping[str, Path]
    """The file of each annotated video that is there, by name."""
    split_of: Mapping[str, str]
    """Of each annotated video that is in a list of the split."""
    videos: Mapping[str, AnnotatedVideo]
    """Of each video that is there, unless its annotation is malformed."""
    num_missing: int
    """Annotated videos that are not there."""
    problems: Sequence[Problem]


def read_problems(root: Path) -> Sequence[Problem]:
    """Return everything that is wrong with a folder of UCF101-24; no video is opened."""
    return read_ucf101_24(root).problems


def read_ucf101_24(root: Path, split_index: int = 1) -> Ucf101Content:
    """Read annotation and lists, and find the videos; none is opened.

    Raises:
        DatasetError: a file is missing or not readable at all.
    """
    annotation = Ucf101Annotation(find_annotation(root))
    split_of = read_splits(root, split_index, annotation.names)
    paths, problems = find_videos(root, annotation.names)
    videos = {}
    for name in paths:
        video, found = annotation.video(name)
        problems += found
        if video is not None:
            videos[name] = video
    problems += _absence_problems(annotation, paths, split_of)
    return Ucf101Content(
        paths=paths,
        split_of=split_of,
        videos=videos,
        num_missing=len(annotation.names) - len(paths),
        problems=problems,
    )


def _absence_problems(
    annotation: Ucf101Annotation, paths: Mapping[str, Path], split_of: Mapping[str, str]
) -> list[Problem]:
    file = str(annotation.path)
    missing = [name for name in annotation.names if name not in paths]
    problems = []
    if missing:
        message = (
            f"{len(missing)} of {len(annotation.names)} annotated videos are not there, such as "
            f"{missing[0]}; unpack them beside it to use them"
        )
        problems.append(Problem(file, "", message, fatal=not paths))
    unlisted = [name for name in paths if name not in split_of]
    if unlisted:
        message = f"{len(unlisted)} videos are in no list of the split, such as {unlisted[0]}"
        problems.append(Problem(file, "", f"{message}; they are left out", fatal=False))
    return problems


def _probe_all(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None
) -> list[VideoInfo | None]:
    infos = []
    with ThreadPoolExecutor(NUM_READERS, thread_name_prefix="probe") as pool:
        for done, info in enumerate(pool.map(_probe, paths), start=1):
            infos.append(info)
            if progress:
                progress(done, len(paths))
    return infos


def _probe(path: Path) -> VideoInfo | None:
    try:
        return probe(path)
    except VideoError:
        return None


def _record(
    name: str, path: Path, split: str, video: AnnotatedVideo, info: VideoInfo | None
) -> VideoRecord:
    width, height = (info.width, info.height) if info else (WIDTH, HEIGHT)
    fps = (info.fps if info else None) or FRAMES_PER_SECOND
    scale = np.array([width / WIDTH, height / HEIGHT] * 2)
    tubes = []
    for index, tube in enumerate(video.tubes):
        end = tube.first_frame + len(tube.boxes_xyxy)
        tubes.append(
            Tube(
                id=index,
                label=name.split("/")[0],
                score=1.0,
                frame_indices=np.arange(tube.first_frame, end),
                boxes_xyxy=(tube.boxes_xyxy * scale).astype(np.float32),
                start_seconds=tube.first_frame / fps,
                end_seconds=end / fps,
            )
        )
    return VideoRecord(
        name=name,
        path=path,
        split=split,
        num_frames=video.num_frames,
        width=width,
        height=height,
        fps=fps,
        tubes=tuple(tubes),
    )
