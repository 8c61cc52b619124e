"""A folder of pictures and the annotations of some of them, as a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vadsdk.data.problems import Problem
from vadsdk.data.records import VideoRecord
from vadsdk.data.voc_annotation import VocObject, VocPicture
from vadsdk.data.voc_linking import Track, link
from vadsdk.errors import VideoError
from vadsdk.structures import Tube
from vadsdk.video.folders import image_files, read_images


def video_record(
    name: str, folder: Path, pictures: Sequence[VocPicture], *, split: str, fps: float
) -> tuple[VideoRecord | None, list[Problem]]:
    """Return the record of a video, or None and what is wrong with it.

    Args:
        name: of the record.
        folder: holds the pictures.
        pictures: those that are annotated; none leaves the record unlabelled.
        split: of the record.
        fps: pictures a second.
    """
    try:
        images = image_files(folder)  # in the order in which they are decoded
        if not images:
            raise VideoError(f"{folder} has no image in it")
        size = pictures[0].size if pictures else _size_of(folder)
    except VideoError as error:
        message = f"{error}; the frames of the video {name!r} belong there, as pictures"
        return None, [Problem(str(folder), "", message)]
    picture_at, problems = _frames(images, pictures)
    for picture in pictures:
        problems += _picture_problems(picture, pictures[0])
    if problems:
        return None, problems
    annotated = sorted(picture_at)
    tracks = link([(frame, picture_at[frame].objects) for frame in annotated])
    record = VideoRecord(
        name=name,
        path=folder,
        split=split,
        num_frames=len(images),
        width=size[0],
        height=size[1],
        fps=fps,
        tubes=tuple(_tubes(tracks, fps)),
        labelled=bool(pictures),
        annotated_frames=tuple(annotated) if 0 < len(annotated) < len(images) else None,
    )
    return record, []


def _size_of(folder: Path) -> tuple[int, int]:
    height, width = read_images(folder, [0]).shape[1:3]
    return width, height


def _frames(
    images: Sequence[Path], pictures: Iterable[VocPicture]
) -> tuple[dict[int, VocPicture], list[Problem]]:
    """Return the annotation of each frame that has one, and what is wrong."""
    frame_of = {path.stem: frame for frame, path in enumerate(images)}
    frame_of |= {path.name: frame for frame, path in enumerate(images)}
    picture_at: dict[int, VocPicture] = {}
    problems = []
    for picture in pictures:
        names = (picture.filename, Path(picture.filename).stem, picture.path.stem)
        frame = next((frame_of[name] for name in names if name in frame_of), None)
        file = str(picture.path)
        if frame is None:
            message = (
                f"there is no picture {picture.filename or picture.path.stem!r} in "
                f"{images[0].parent}; put it there or remove its annotation"
            )
            problems.append(Problem(file, "", message))
        elif frame in picture_at:
            message = f"{images[frame].name} is annotated in {picture_at[frame].path}, too"
            problems.append(Problem(file, "", f"{message}; keep one"))
        else:
            picture_at[frame] = picture
    return picture_at, problems


def _picture_problems(picture: VocPicture, first: VocPicture) -> list[Problem]:
    problems = []
    if picture.size != first.size:
        message = (
            f"is {picture.size[0]} x {picture.size[1]}, in {first.path.name} {first.size[0]} x "
            f"{first.size[1]}; the frames of a video have one size"
        )
        problems.append(Problem(str(picture.path), "<size>", message))
    counts = Counter(_track_key(entry) for entry in picture.objects if entry.track_id is not None)
    for entry in picture.objects:
        if counts[_track_key(entry)] > 1:
            message = f"track {entry.track_id} is there twice as {entry.label!r}; keep one"
            problems.append(Problem(str(picture.path), f"line {entry.line}, <object>", message))
    return problems


def _track_key(entry: VocObject) -> tuple[int | None, str]:
    return entry.track_id, entry.label


def _tubes(tracks: Sequence[Track], fps: float) -> list[Tube]:
    """Number the tubes: by their track id where it is free, else after the highest of these."""
    taken: set[int] = set()
    following = max((track.id for track in tracks if track.id is not None), default=-1) + 1
    tubes = []
    for track in tracks:
        tube_id = track.id
        if tube_id is None or tube_id in taken:
            tube_id, following = following, following + 1
        taken.add(tube_id)
        tubes.append(
            Tube(
                id=tube_id,
                label=track.label,
                score=1.0,
                frame_indices=np.array(track.frames, np.int64),
                boxes_xyxy=np.array(track.boxes_xyxy, np.float32),
                start_seconds=track.frames[0] / fps,
                end_seconds=(track.frames[-1] + 1) / fps,
            )
        )
    return tubes
