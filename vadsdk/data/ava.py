"""AVA v2 in its official layout (Gu et al., CVPR 2018).

    ava/
      ava_train_v2.2.csv, ava_val_v2.2.csv                  boxes of the key frames, see ava_files
      ava_train_excluded_timestamps_v2.2.csv, ..._val_...   optional
      ava_action_list_v2.2.pbtxt                            the 80 actions; or the list of the 60
      ava_action_list_v2.2_for_activitynet_2019.pbtxt       evaluated ones, if it is there alone
      videos/<video id>.<any suffix>
      start_seconds.txt                                     ours, optional: the time in the movies
                                                            at which the files begin, as 900

One key frame a second is annotated; of the frames between nothing is known:

    frame      k......k......k......k......      k: annotated
    tube       b......b.............b            one person doing one action

A person doing three actions is three tubes with the same boxes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.ava_benchmark import EVALUATED_LIST, AvaBenchmark, read_benchmark
from vadsdk.data.ava_files import AvaFile, parse_ava_rows, read_exclusions
from vadsdk.data.ava_label_map import read_label_map
from vadsdk.data.ava_videos import START_FILE, AvaVideo, find_videos, read_video
from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split
from vadsdk.data.text_lines import read_text, shown
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.structures.ava import KeyFrame

SPLITS = ("train", "val")
MAX_START_SECONDS = 1e6
_ANNOTATION = re.compile(r"ava_(train|val)_v(2\.[0-9]+)\.csv")


@dataclass(frozen=True, kw_only=True, slots=True)
class AvaAnnotation:
    """What a folder holds, and what is wrong with it."""

    labels: tuple[str, ...]
    """Names of the actions, in the order of their ids."""
    records: tuple[VideoRecord, ...]
    """Of the videos whose file exists; without tubes where the annotation has a fatal problem."""
    missing_videos: int
    """Annotated videos without a file."""
    problems: tuple[Problem, ...]


class AvaDataset:
    """AVA v2.

    Args:
        root: holds the csv files and `videos`.
        start_seconds: time in the movie at which the video files begin: 0 for whole movies, 900
            for the common cuts of minute 15 to 30; None reads it from `START_FILE`, 0 without one.
        progress: called with done and total while the videos are opened.

    Raises:
        DatasetError: a file is missing or malformed; the message names file, line and field.
        ConfigError: `start_seconds` is not from 0 to `MAX_START_SECONDS`.
    """

    format = "ava"
    has_masks = False

    def __init__(
        self,
        root: Path,
        *,
        start_seconds: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if start_seconds is None:
            start_seconds = _written_start(root)
        annotation = read_ava(root, start_seconds=start_seconds, progress=progress)
        raise_if_fatal(annotation.problems, root)
        self.name = root.resolve().name
        self.labels = annotation.labels
        self.records = annotation.records
        self.missing_videos = annotation.missing_videos
        """Annotated videos without a file, which are left out."""
        self._root = root
        self._start_seconds = start_seconds

    def benchmark(self, split: str, label_map: Path | None = None) -> AvaBenchmark:
        """Return a split as the benchmark counts it; `label_map` names the evaluated classes.

        Raises:
            DatasetError: a file is missing or malformed.
        """
        version = _version(self._root)
        return read_benchmark(
            self._root,
            split=split,
            version=version,
            labels=_labels(self._root, version)[0],
            start_seconds=self._start_seconds,
            label_map=label_map,
        )

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the filled boxes of each frame, (T, H, W); none between the key frames."""
        return fill_boxes(record, frame_indices)


def is_ava(root: Path) -> bool:
    """Return whether a folder plainly has this layout."""
    return any(_ANNOTATION.fullmatch(path.name) for path in root.glob("ava_*.csv"))


def read_ava(
    root: Path,
    *,
    start_seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AvaAnnotation:
    """Read all annotation of a folder, as `AvaDataset` does, and collect what is wrong with it.

    Raises:
        DatasetError: a file is missing or not readable at all.
        ConfigError: `start_seconds` is not from 0 to `MAX_START_SECONDS`.
    """
    if start_seconds is None:
        start_seconds = _written_start(root)
    if not 0 <= start_seconds <= MAX_START_SECONDS:
        raise ConfigError(
            f"start_seconds is the time at which the video files begin, such as 0 or 900, "
            f"not {start_seconds}"
        )
    version = _version(root)
    labels, is_whole_list = _labels(root, version)
    files, problems = find_videos(root / "videos")
    videos: list[AvaVideo] = []
    for split in SPLITS:
        path = root / f"ava_{split}_v{version}.csv"
        if path.is_file():
            content = parse_ava_rows(path)
            problems += content.problems
            problems += _class_problems(path, content, dict(labels)) if is_whole_list else []
            excluded = _excluded(root / f"ava_{split}_excluded_timestamps_v{version}.csv")
            videos += _videos_of(path, split, content, excluded)
    problems += _repetition_problems(videos)
    problems += _missing_problems(root / "videos", videos, files)
    present = [video for video in videos if video.name in files]
    used = {} if any(problem.fatal for problem in problems) else dict(labels)
    records = []
    for done, video in enumerate(present, start=1):
        record, found = read_video(video, files[video.name], start_seconds, used)
        records += [record] if record else []
        problems += found
        if progress:
            progress(done, len(present))
    return AvaAnnotation(
        labels=tuple(name for _, name in labels),
        records=tuple(records),
        missing_videos=len(videos) - len(present),
        problems=tuple(problems),
    )


def _written_start(root: Path) -> float:
    """Return the time that `START_FILE` tells; 0 without such a file."""
    path = root / START_FILE
    if not path.is_file():
        return 0.0
    text = read_text(path).strip()
    try:
        return float(text)
    except ValueError:
        raise DatasetError(
            f"{path}: expected the time in seconds at which the video files begin, such as 900, "
            f"not {shown(text[:20])}"
        ) from None


def _version(root: Path) -> str:
    found = [_ANNOTATION.fullmatch(path.name) for path in sorted(root.glob("ava_*.csv"))]
    versions = sorted({match[2] for match in found if match})
    if not versions:
        raise DatasetError(f"{root} has no annotation files such as ava_train_v2.2.csv")
    if len(versions) > 1:
        listed = ", ".join(f"v{version}" for version in versions)
        raise DatasetError(f"{root} has the annotation of {listed}; keep one version there")
    return versions[0]


def _labels(root: Path, version: str) -> tuple[tuple[tuple[int, str], ...], bool]:
    """Return the actions, and whether they are all rather than the evaluated ones."""
    whole = root / f"ava_action_list_v{version}.pbtxt"
    evaluated = sorted(root.glob(EVALUATED_LIST.format(version=version)))
    if not whole.is_file() and evaluated:
        return read_label_map(evaluated[-1]), False
    return read_label_map(whole), True


def _excluded(path: Path) -> frozenset[KeyFrame]:
    return read_exclusions(path) if path.is_file() else frozenset()


def _class_problems(path: Path, content: AvaFile, names: dict[int, str]) -> list[Problem]:
    is_unknown = ~np.isin(content.rows.class_ids, list(names))
    return [
        Problem(
            str(path),
            f"line {content.line_numbers[row]}, action id",
            f"the id {content.rows.class_ids[row]} is not in the action list; "
            "correct it, or take the list of the same version",
        )
        for row in np.flatnonzero(is_unknown)
    ]


def _videos_of(
    path: Path, split: str, content: AvaFile, excluded: frozenset[KeyFrame]
) -> list[AvaVideo]:
    """Group the rows of a file by video; key frames that are excluded are dropped."""
    rows = content.rows
    is_kept = np.array([key not in excluded for key in rows.key_frames()], np.bool_)
    names = sorted({*rows.videos.tolist(), *(video for video, _ in rows.empty_key_frames)})
    empty: dict[str, list[float]] = {name: [] for name in names}
    for video, timestamp in rows.empty_key_frames - excluded:
        empty[video].append(timestamp)
    kept = np.flatnonzero(is_kept)
    ordered = kept[np.argsort(rows.videos[kept], kind="stable")]
    first = np.searchsorted(rows.videos[ordered], names, side="left")
    last = np.searchsorted(rows.videos[ordered], names, side="right")
    return [
        AvaVideo(
            name=name,
            split=split,
            annotation=path,
            rows=rows.at(ordered[start:stop]),
            line_numbers=content.line_numbers[ordered[start:stop]],
            empty_timestamps=tuple(sorted(empty[name])),
        )
        for name, start, stop in zip(names, first, last, strict=True)
    ]


def _repetition_problems(videos: Sequence[AvaVideo]) -> list[Problem]:
    split_of: dict[str, str] = {}
    problems = []
    for video in videos:
        if split_of.setdefault(video.name, video.split) != video.split:
            message = (
                f"the video {video.name} is in {split_of[video.name]} as well; remove it from one"
            )
            problems.append(Problem(str(video.annotation), "video", message))
    return problems


def _missing_problems(
    folder: Path, videos: Sequence[AvaVideo], files: Mapping[str, Path]
) -> list[Problem]:
    missing = [video.name for video in videos if video.name not in files]
    if not missing:
        return []
    if len(missing) == len(videos):
        message = (
            f"none of the {len(videos)} annotated videos is here; put them there as "
            f"<video id>.mp4, such as {missing[0]}.mp4"
        )
        return [Problem(str(folder), "", message)]
    message = (
        f"{len(missing)} of {len(videos)} annotated videos have no file here, such as "
        f"{missing[0]}.mp4; they are left out"
    )
    return [Problem(str(folder), "", message, fatal=False)]
