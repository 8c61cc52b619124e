"""The videos of lists of trimmed videos, which have one class each and no boxes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data.contained_paths import ContainedPaths
from vadsdk.data.problems import Problem
from vadsdk.data.records import VideoRecord
from vadsdk.data.text_lines import printable
from vadsdk.video.folders import VIDEO_SUFFIXES
from vadsdk.video.presentation import DEFAULT_FPS


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedVideo:
    """A line of a list, before its file is looked for."""

    list_file: Path
    line: int
    name: str
    """Unique in the data set."""
    places: tuple[str, ...]
    """Where its file may be, relative to a folder of videos; the suffix may differ or be absent."""
    label: str | None
    """None if the class is not known."""
    split: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognitionLists:
    """What a folder holds, and what is wrong with it."""

    labels: tuple[str, ...]
    """Names of the classes; the position of a label is its class index."""
    records: tuple[VideoRecord, ...]
    """Of the videos whose file exists; what only the file tells is 0."""
    problems: tuple[Problem, ...]


def find_listed_videos(
    root: Path, folders: Sequence[Path], videos: Iterable[ListedVideo]
) -> tuple[list[VideoRecord], list[Problem]]:
    """Return the records of the videos that are there, and what is wrong.

    Args:
        root: of the data set; a link that leads out of it is not followed.
        folders: that may hold videos, the first ones first.
        videos: each once; a second line of one is a problem.
    """
    media = _MediaFolders(folders)
    contained = ContainedPaths(root)
    first_line: dict[str, ListedVideo] = {}
    records: list[VideoRecord] = []
    missing: list[ListedVideo] = []
    problems: list[Problem] = []
    for video in videos:
        earlier = first_line.setdefault(video.name, video)
        if earlier is not video:
            problems.append(_repetition(video, earlier))
            continue
        path = media.find(video.places)
        if path is None:
            missing.append(video)
        elif not contained.holds(path):
            message = "the link leads out of the data set; put the file itself there"
            problems.append(Problem(printable(path), "", message))
        else:
            records.append(_record(video, path))
    problems += _missing_problems(root, missing, len(first_line))
    return records, problems


class _MediaFolders:
    """Finds files by their listing, so that each folder is read once."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._listings: dict[Path, dict[str, str]] = {}

    def find(self, places: Sequence[str]) -> Path | None:
        """Return the first file or folder at one of the places, whatever its video suffix."""
        for base in self._folders:
            for place in places:
                folder = (base / place).parent
                name = self._listing(folder).get(_without_suffix(Path(place).name))
                if name is not None:
                    return folder / name
        return None

    def _listing(self, folder: Path) -> dict[str, str]:
        """Return the name of each video and each folder, by the name without a video suffix."""
        if folder not in self._listings:
            try:
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in entries if _is_media(entry))
            except OSError:
                names = []
            self._listings[folder] = {_without_suffix(name): name for name in names}
        return self._listings[folder]


def _is_media(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return False
    return Path(entry.name).suffix.lower() in VIDEO_SUFFIXES or entry.is_dir()


def _without_suffix(name: str) -> str:
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in VIDEO_SUFFIXES else name


def _record(video: ListedVideo, path: Path) -> VideoRecord:
    is_folder = path.suffix.lower() not in VIDEO_SUFFIXES
    return VideoRecord(
        name=video.name,
        path=path,
        split=video.split,
        num_frames=0,  # what a list states need not be what there is to decode
        width=0,
        height=0,
        fps=DEFAULT_FPS if is_folder else 0.0,
        video_label=video.label,
        labelled=video.label is not None,
    )


def _repetition(video: ListedVideo, earlier: ListedVideo) -> Problem:
    message = (
        f"{video.name} is listed before, in {earlier.list_file.name}, line {earlier.line}; keep one"
    )
    return Problem(str(video.list_file), f"line {video.line}", message)


def _missing_problems(root: Path, missing: Sequence[ListedVideo], total: int) -> list[Problem]:
    if not missing:
        return []
    place = missing[0].places[0]
    if len(missing) == total:
        message = f"none of the {total} listed videos is below this folder, such as {place}"
        return [Problem(str(root), "", f"{message}; put them there")]
    message = f"{len(missing)} of {total} listed videos are not here, such as {place}"
    return [Problem(str(root), "", f"{message}; they are left out", fatal=False)]
