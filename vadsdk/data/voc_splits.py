"""Which split a video belongs to: `ImageSets/Main/{train,val,test}.txt`.

A line names a video (`video1`) or one of its pictures (`video1/000012`); what follows a space is
ignored, as in VOC's lists of a class. All pictures of a video belong to one split.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vadsdk.data.problems import Problem
from vadsdk.data.xml_elements import shown

SPLITS = ("train", "val", "test")
LISTS_FOLDER = Path("ImageSets") / "Main"
DEFAULT_SPLIT = "train"
"""Of every video where there are no lists."""
UNLISTED_SPLIT = "unlisted"
"""Of an annotated video that no list names."""


def read_splits(
    root: Path, video_of: Mapping[str, str]
) -> tuple[dict[str, str] | None, list[Problem]]:
    """Read the lists.

    Args:
        root: of the data set.
        video_of: the video of each video name, and of each picture's name without its suffix.

    Returns:
        the split of each video that is listed, or None if there are no lists; and what is wrong.
    """
    files = [root / LISTS_FOLDER / f"{split}.txt" for split in SPLITS]
    if not any(file.is_file() for file in files):
        return None, []
    split_of: dict[str, str] = {}
    problems: list[Problem] = []
    for file in filter(Path.is_file, files):
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(str(file), "", f"cannot be read: {error}; save it as UTF-8"))
            continue
        for number, line in enumerate(lines, start=1):
            name = next(iter(line.split()), "")
            if not name:
                continue
            if message := _add(name, file.stem, video_of, split_of):
                problems.append(Problem(str(file), f"line {number}", message))
    return split_of, problems


def _add(
    name: str, split: str, video_of: Mapping[str, str], split_of: dict[str, str]
) -> str | None:
    """Put a video into a split; return what is wrong with that, if anything is."""
    video = video_of.get(name)
    if video is None:
        return (
            f"{shown(name)} is neither a folder of JPEGImages nor a picture of Annotations; "
            "correct the line or remove it"
        )
    if split_of.setdefault(video, split) != split:
        return (
            f"{shown(name)} puts the video {video!r} into {split}, {split_of[video]}.txt into "
            f"{split_of[video]}; keep all its pictures in one"
        )
    return None
