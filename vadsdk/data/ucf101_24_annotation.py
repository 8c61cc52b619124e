"""The corrected annotation of UCF101-24 (Singh et al., ICCV 2017), in either of its two files.

                    finalAnnots.mat                     pyannot.pkl
    frames          from sf to ef, from 1, inclusive    from sf to ef, from 0, ef exclusive
    class           from 1                              from 0
    boxes           x, y, width, height, in unsigned bytes where they fit: x + width does not

The boxes are taken as they are: x to x + width, max edge exclusive, in pixels of 320 x 240.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.matlab_files import read_mat
from vadsdk.data.problems import Problem, VideoExtent, tube_problems
from vadsdk.data.restricted_pickle import read_pickle
from vadsdk.errors import DatasetError

CLASSES = (
    "Basketball",
    "BasketballDunk",
    "Biking",
    "CliffDiving",
    "CricketBowling",
    "Diving",
    "Fencing",
    "FloorGymnastics",
    "GolfSwing",
    "HorseRiding",
    "IceDancing",
    "LongJump",
    "PoleVault",
    "RopeClimbing",
    "SalsaSpin",
    "SkateBoarding",
    "Skiing",
    "Skijet",
    "SoccerJuggling",
    "Surfing",
    "TennisSwing",
    "TrampolineJumping",
    "VolleyballSpiking",
    "WalkingWithDog",
)
WIDTH, HEIGHT = 320, 240
"""Of the frames that were annotated, in pixels."""
MAT_FILE, PICKLE_FILE = "finalAnnots.mat", "pyannot.pkl"
MAX_TUBES = 1000
"""Of one video; there are at most 21."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AnnotatedTube:
    """One actor."""

    first_frame: int
    """From 0."""
    boxes_xyxy: NDArray[np.float64]
    """(F, 4), one a frame, in pixels of the annotated size."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AnnotatedVideo:
    """What is known of one video."""

    num_frames: int
    """Of the video."""
    tubes: tuple[AnnotatedTube, ...]
    """All of the class that the video's name begins with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """How one of the two files counts, and what it calls things."""

    length: str
    tubes: str
    label: str
    first: int
    """The number of the first frame, and of the first class."""


_MAT = _Layout(length="num_imgs", tubes="tubes", label="class", first=1)
_PICKLE = _Layout(length="numf", tubes="annotations", label="label", first=0)


class Ucf101Annotation:
    """The annotation file of a data set; a video is read when it is asked for.

    Args:
        path: `finalAnnots.mat`, or another file as `pyannot.pkl`.

    Raises:
        DatasetError: the file is not readable, or has no videos in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layout, self._entries = _entries(path)
        if not self._entries:
            raise DatasetError(f"{path} has no videos in it; get the file from its source again")

    @property
    def names(self) -> tuple[str, ...]:
        """`<class>/<video>` of every video, sorted."""
        return tuple(sorted(self._entries))

    def video(self, name: str) -> tuple[AnnotatedVideo | None, list[Problem]]:
        """Return what is known of a video, None if that is malformed, and what is wrong with it."""
        file, place = str(self.path), name
        try:
            tubes = []
            problems: list[Problem] = []
            entry = self._entries[name]
            num_frames = _integer(entry, self._layout.length, place)
            for index, tube in enumerate(_list(entry, self._layout.tubes, place)):
                place = f"{name}: {self._layout.tubes}[{index}]"
                tubes.append(self._tube(tube, name, place))
                problems += _tube_problems(file, place, tubes[-1], num_frames)
        except _FieldError as error:
            return None, [Problem(file, error.field, str(error))]
        return AnnotatedVideo(num_frames=num_frames, tubes=tuple(tubes)), problems

    def _tube(self, tube: object, name: str, place: str) -> AnnotatedTube:
        layout = self._layout
        start = _integer(tube, "sf", place) - layout.first
        end = _integer(tube, "ef", place)
        label = _integer(tube, layout.label, place) - layout.first
        if not 0 <= label < len(CLASSES) or CLASSES[label] != name.split("/")[0]:
            message = f"the class {label + layout.first} is not that of the name; correct one"
            raise _FieldError(f"{place}.{layout.label}", message)
        boxes = _field(tube, "boxes", place)
        if not isinstance(boxes, np.ndarray) or boxes.dtype.kind not in "iuf":
            raise _FieldError(f"{place}.boxes", f"{boxes!r:.60} are no numbers")
        if boxes.shape != (end - start, 4) or not len(boxes):
            message = (
                f"{boxes.shape} boxes for the frames {start} to {end - 1}, counted from 0; "
                "give x, y, width and height for each"
            )
            raise _FieldError(f"{place}.boxes", message)
        xywh = boxes.astype(np.float64)  # before x + width, which overflows the bytes in the file
        return AnnotatedTube(
            first_frame=start, boxes_xyxy=np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
        )


class _FieldError(Exception):
    """One field is malformed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _entries(path: Path) -> tuple[_Layout, Mapping[str, object]]:
    """Return the layout of a file, and for each video in it what is known."""
    if path.suffix == ".mat":
        rows = read_mat(path).get("annot")
        if not isinstance(rows, list):
            raise DatasetError(f"{path} has no struct `annot` in it; is it another file?")
        entries = {str(row.get("name")): row for row in rows}
        if len(entries) != len(rows):
            raise DatasetError(f"{path}: annot: a video's name comes twice; keep one entry a video")
        layout = _MAT
    else:
        content = read_pickle(path)
        if not isinstance(content, dict):
            raise DatasetError(f"{path} holds no dictionary of videos; is it another file?")
        entries, layout = content, _PICKLE
    for name in entries:
        if not isinstance(name, str) or not _is_video_name(name):
            raise DatasetError(
                f"{path}: the name {name!r:.80} is not <class>/<video> with one of the 24 classes"
            )
    return layout, entries


def _is_video_name(name: str) -> bool:
    label, _, video = name.partition("/")
    return label in CLASSES and video.isascii() and video.replace("_", "").isalnum()


def _tube_problems(file: str, place: str, tube: AnnotatedTube, num_frames: int) -> list[Problem]:
    frames = np.arange(tube.first_frame, tube.first_frame + len(tube.boxes_xyxy))
    extent = VideoExtent(num_frames=num_frames, width=WIDTH, height=HEIGHT)
    return tube_problems(file, place, frames, tube.boxes_xyxy, extent)


def _field(entry: object, key: str, place: str) -> object:
    if not isinstance(entry, dict) or key not in entry:
        raise _FieldError(f"{place}.{key}", "it is missing; get the file from its source again")
    value: object = entry[key]
    return value


def _list(entry: object, key: str, place: str) -> Sequence[object]:
    values = _field(entry, key, place)
    if not isinstance(values, list):
        raise _FieldError(f"{place}.{key}", f"{values!r:.60} is no list of tubes")
    if len(values) > MAX_TUBES:
        raise _FieldError(f"{place}.{key}", f"{len(values)} tubes are more than {MAX_TUBES}")
    return values


def _integer(entry: object, key: str, place: str) -> int:
    """Return a small whole number, which may be an array of one."""
    value = _field(entry, key, place)
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**31:
        raise _FieldError(f"{place}.{key}", f"expected a whole number from 0, not {value!r:.60}")
    return value
