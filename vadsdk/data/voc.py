"""Pascal VOC folders whose pictures are the frames of videos.

    my_data/
      JPEGImages/<video>/<frame>.jpg      a folder of pictures is a video; its frames are in the
                                          order of their names, 2 before 10
      Annotations/<video>/<frame>.xml     see voc_annotation; or Annotations/<any>.xml, whose
                                          <folder> and <filename> name video and picture
      ImageSets/Main/{train,val,test}.txt optional, see voc_splits

Objects become tubes by their track id, or are linked by overlap (see voc_linking). Of a picture
without an annotation nothing is known, and of a folder without any neither; such a video is in the
split "train" unless a list names it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.contained_paths import LEADS_OUT, ContainedPaths
from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split
from vadsdk.data.voc_annotation import ROOT_TAG, VocPicture, read_picture
from vadsdk.data.voc_splits import DEFAULT_SPLIT, LISTS_FOLDER, UNLISTED_SPLIT, read_splits
from vadsdk.data.voc_videos import video_record
from vadsdk.data.xml_elements import any_begins_with, shown
from vadsdk.errors import DatasetError
from vadsdk.video.folders import IMAGE_SUFFIXES
from vadsdk.video.presentation import DEFAULT_FPS

ANNOTATIONS = "Annotations"
IMAGES = "JPEGImages"


class VocDataset:
    """Videos as folders of pictures, annotated as Pascal VOC does.

    Args:
        root: holds `Annotations` and `JPEGImages`.
        fps: pictures a second, as nothing in the folders tells.
        progress: called with the XML files done and their number.

    Raises:
        DatasetError: a file is malformed; the message names file and line.
    """

    format = "voc"
    has_masks = False

    def __init__(
        self,
        root: Path,
        *,
        fps: float = DEFAULT_FPS,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if not 0 < fps < math.inf:
            raise DatasetError(f"fps is {fps}, expected a positive number of pictures a second")
        content = _read_content(root, fps, progress)
        raise_if_fatal(content.problems, root)
        self.name = root.resolve().name
        self.labels = content.labels
        self.records = content.records

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the actors' filled boxes in each frame, (T, H, W)."""
        return fill_boxes(record, frame_indices)


def read_problems(root: Path) -> list[Problem]:
    """Return everything that is wrong with a data set's annotation, harmless things too.

    Raises:
        DatasetError: there is no XML file at all.
    """
    return list(_read_content(root, DEFAULT_FPS).problems)


def is_voc(root: Path) -> bool:
    """Return whether a folder plainly has this layout."""
    if not (root / ANNOTATIONS).is_dir() or not (root / IMAGES).is_dir():
        return False
    return any_begins_with(ROOT_TAG, (root / ANNOTATIONS).rglob("*.xml"))


@dataclass(frozen=True, slots=True, eq=False)
class _Content:
    """Everything in the folders."""

    records: tuple[VideoRecord, ...]
    labels: tuple[str, ...]
    problems: tuple[Problem, ...]


def _read_content(
    root: Path, fps: float, progress: Callable[[int, int], None] | None = None
) -> _Content:
    pictures_of, names, problems = _read_pictures(root, progress)
    folders = _image_folders(root / IMAGES)
    videos = sorted({*pictures_of, *folders})
    names |= {f"{video}/{Path(name).stem}": video for video in folders for name in folders[video]}
    listed, found = read_splits(root, names | {video: video for video in videos})
    problems += found
    contained = ContainedPaths(root)
    records = []
    for video in videos:
        pictures = pictures_of.get(video, [])
        split = _split(video, listed, is_labelled=bool(pictures))
        if split == UNLISTED_SPLIT:
            message = f"no list names the video; it is in the split {UNLISTED_SPLIT!r}"
            problems.append(Problem(str(root / LISTS_FOLDER), video, message, fatal=False))
        outside = contained.first_outside(root / IMAGES / video)
        if outside is not None:
            problems.append(Problem(str(outside), "", LEADS_OUT))
            continue
        record, found = video_record(video, root / IMAGES / video, pictures, split=split, fps=fps)
        records += [record] if record else []
        problems += found
    labels = {tube.label for record in records for tube in record.tubes}
    if not labels and not any(problem.fatal for problem in problems):
        message = "none of the files has an <object>; annotate some"
        problems.append(Problem(str(root / ANNOTATIONS), "", message))
    return _Content(tuple(records), tuple(sorted(labels)), tuple(problems))


def _split(video: str, listed: dict[str, str] | None, *, is_labelled: bool) -> str:
    if listed is None or not is_labelled:
        return (listed or {}).get(video, DEFAULT_SPLIT)
    return listed.get(video, UNLISTED_SPLIT)


def _read_pictures(
    root: Path, progress: Callable[[int, int], None] | None
) -> tuple[dict[str, list[VocPicture]], dict[str, str], list[Problem]]:
    """Return each video's annotated pictures, the video of each XML file, and what is wrong."""
    folder = root / ANNOTATIONS
    paths = sorted(path for path in folder.rglob("*.xml") if not path.name.startswith("."))
    if not paths:
        raise DatasetError(
            f"{folder} has no XML file in it, expected Annotations/<video>/<frame>.xml"
        )
    contained = ContainedPaths(root)
    pictures_of: dict[str, list[VocPicture]] = {}
    names: dict[str, str] = {}
    problems: list[Problem] = []
    for done, path in enumerate(paths, start=1):
        if not contained.holds(path):
            problems.append(Problem(str(path), "", LEADS_OUT))
            continue
        picture, found = read_picture(path)
        problems += found
        if picture is not None:
            parent = path.parent.relative_to(folder).as_posix()
            video = picture.folder if parent == "." else parent
            if _leads_out(video):
                message = f"<folder> is {shown(video)}, expected a folder of {IMAGES}; correct it"
                problems.append(Problem(str(path), "", message))
            else:
                names[path.relative_to(folder).with_suffix("").as_posix()] = video
                pictures_of.setdefault(video, []).append(picture)
        if progress:
            progress(done, len(paths))
    return pictures_of, names, problems


def _leads_out(video: str) -> bool:
    parts = PurePosixPath(video.replace("\\", "/")).parts
    return not parts or ".." in parts or parts[0] == "/" or "\0" in video or ":" in parts[0]


def _image_folders(root: Path) -> dict[str, list[str]]:
    """Return the names of the pictures in each folder that has some, `<video>` -> files."""
    found = {}
    for folder, _, files in os.walk(root):
        pictures = [name for name in files if Path(name).suffix.lower() in IMAGE_SUFFIXES]
        video = Path(folder).relative_to(root).as_posix()
        if pictures and video != ".":
            found[video] = pictures
    return found
