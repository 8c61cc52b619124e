"""From the rows of one AVA video to a record with tubes.

Legend: N rows of a video, F key frames of a tube.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.contained_paths import ContainedPaths
from vadsdk.data.problems import Problem
from vadsdk.data.records import VideoRecord
from vadsdk.data.text_lines import printable
from vadsdk.errors import DatasetError, VideoError
from vadsdk.structures import Tube
from vadsdk.structures.ava import NO_PERSON, AvaRows
from vadsdk.video import probe
from vadsdk.video.folders import VIDEO_SUFFIXES

START_FILE = "start_seconds.txt"
"""Tells, beside the csv files, the time in the movies at which the video files begin."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AvaVideo:
    """What a csv says of one video."""

    name: str
    split: str
    annotation: Path
    """The csv."""
    rows: AvaRows
    """Of this video, without excluded key frames."""
    line_numbers: NDArray[np.int64]
    """(N,) line of each row."""
    empty_timestamps: tuple[float, ...]
    """Key frames, in seconds, with nobody in them."""


def find_videos(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Return the video files of a folder by name without suffix, and what is wrong with them.

    Raises:
        DatasetError: there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; put the videos there as <video id>.mp4")
    contained = ContainedPaths(folder.parent)
    files: dict[str, Path] = {}
    problems = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.name.startswith("."):
            continue
        if not contained.holds(path):
            message = "the link leads out of the data set; put the file itself there"
            problems.append(Problem(printable(path), "", message))
        elif path.stem in files:
            message = f"another file, {printable(files[path.stem])}, is the same video; remove one"
            problems.append(Problem(printable(path), "", message))
        else:
            files[path.stem] = path
    return files, problems


def read_video(
    video: AvaVideo, path: Path, start_seconds: float, label_names: Mapping[int, str]
) -> tuple[VideoRecord | None, list[Problem]]:
    """Return the record of a video, None if its file is not usable, and what is wrong with it.

    Args:
        video: its rows.
        path: the video file.
        start_seconds: time in the movie at which the file begins.
        label_names: of the action ids; rows of other ids make no tubes.
    """
    try:
        info = probe(path)
    except VideoError as error:
        return None, [Problem(str(path), "", f"the video is not readable: {error}")]
    num_frames = info.num_frames or round((info.duration_seconds or 0.0) * (info.fps or 0.0))
    if not info.fps or not num_frames:
        message = (
            "the file tells neither its frame rate nor its length, so no key frame can be "
            "found in it; write it again as mp4"
        )
        return None, [Problem(str(path), "", message)]
    record = VideoRecord(
        name=video.name,
        path=path,
        split=video.split,
        num_frames=num_frames,
        width=info.width,
        height=info.height,
        fps=info.fps,
        labelled=False,
    )
    return annotated_record(video, record, start_seconds, label_names)


def annotated_record(
    video: AvaVideo, record: VideoRecord, start_seconds: float, label_names: Mapping[int, str]
) -> tuple[VideoRecord, list[Problem]]:
    """Return the record with its tubes and key frames, and what is wrong with its rows."""
    frames = _frames_at(video.rows.timestamps, start_seconds, record.fps)
    empty = _frames_at(np.array(video.empty_timestamps), start_seconds, record.fps)
    annotated = np.unique(np.r_[frames, empty])
    if not len(annotated):  # every key frame is excluded
        return record, []
    problems = _frame_problems(video, np.r_[frames, empty], record, start_seconds)
    problems += _repetition_problems(video, frames)
    if problems:
        return replace(record, labelled=True), problems
    tubes = _tubes(video, frames, record, label_names)
    known = tuple(annotated.tolist())
    return replace(record, labelled=True, tubes=tubes, annotated_frames=known), problems


def _frames_at(
    timestamps: NDArray[np.float64], start_seconds: float, fps: float
) -> NDArray[np.int64]:
    return np.rint((timestamps - start_seconds) * fps).astype(np.int64)


def _frame_problems(
    video: AvaVideo, frames: NDArray[np.int64], record: VideoRecord, start_seconds: float
) -> list[Problem]:
    """Return the first key frame that the file does not have; rows come before empty ones."""
    is_outside = (frames < 0) | (frames >= record.num_frames)
    if not is_outside.any():
        return []
    first = int(is_outside.argmax())
    timestamps = [*video.rows.timestamps.tolist(), *video.empty_timestamps]
    is_row = first < len(video.rows)
    place = f"line {video.line_numbers[first]}, timestamp" if is_row else "timestamp"
    message = (
        f"{timestamps[first]:g} s of {video.name} is outside the file, which has "
        f"{start_seconds:g} s to {start_seconds + record.num_frames / record.fps:g} s "
        f"({int(is_outside.sum())} such rows); use the whole movie, or write the time at which the "
        f"cuts begin, such as 900, into the file {START_FILE} beside the csv files"
    )
    return [Problem(str(video.annotation), place, message)]


def _repetition_problems(video: AvaVideo, frames: NDArray[np.int64]) -> list[Problem]:
    """Return the rows that repeat person, action and frame of an earlier one."""
    problems = []
    seen: set[tuple[int, int, int]] = set()
    columns = zip(frames, video.rows.person_ids, video.rows.class_ids, strict=True)
    for row, (frame, person, class_id) in enumerate(columns):
        key = (int(frame), int(person), int(class_id))
        if person != NO_PERSON and key in seen:
            message = (
                f"person {person} of {video.name} has action {class_id} at "
                f"{video.rows.timestamps[row]:g} s twice; keep one row"
            )
            place = f"line {video.line_numbers[row]}, person id"
            problems.append(Problem(str(video.annotation), place, message))
        seen.add(key)
    return problems


def _tubes(
    video: AvaVideo,
    frames: NDArray[np.int64],
    record: VideoRecord,
    label_names: Mapping[int, str],
) -> tuple[Tube, ...]:
    """Return one tube a person and action; a row without a person is a tube by itself."""
    rows_of: dict[tuple[int, int, int], list[int]] = {}
    columns = zip(video.rows.person_ids.tolist(), video.rows.class_ids.tolist(), strict=True)
    for row, (person, class_id) in enumerate(columns):
        if class_id in label_names:
            alone = row if person == NO_PERSON else -1
            rows_of.setdefault((person, class_id, alone), []).append(row)
    scale = np.array([record.width, record.height, record.width, record.height])
    boxes = np.clip(video.rows.boxes01, 0, 1) * scale
    tubes = []
    for id, (key, rows) in enumerate(sorted(rows_of.items())):
        ordered = np.array(rows)[np.argsort(frames[rows], kind="stable")]
        own = frames[ordered]
        tubes.append(
            Tube(
                id=id,
                label=label_names[key[1]],
                score=1.0,
                frame_indices=own,
                boxes_xyxy=boxes[ordered].astype(np.float32),
                start_seconds=float(own[0]) / record.fps,
                end_seconds=float(own[-1] + 1) / record.fps,
            )
        )
    return tuple(tubes)
