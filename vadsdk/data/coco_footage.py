"""Where the videos that a COCO file names lie below a root: files, or folders of pictures.

A name is looked for as the end of a path, with or without the suffix of a video file: `a/b` is
`train/a/b.mp4`, or the folder `JPEGImages/a/b`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from vadsdk.data.contained_paths import ContainedPaths
from vadsdk.video.folders import IMAGE_SUFFIXES, VIDEO_SUFFIXES, image_files


class FootageError(Exception):
    """A name that no video can be found by; the message says why."""


class CocoFootage:
    """The videos below a folder.

    Args:
        root: of the data set; links to other folders are not followed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contained = ContainedPaths(root)
        self._pictures: dict[Path, Mapping[str, int]] = {}
        self._found: dict[str, list[PurePosixPath]] = defaultdict(list)
        for folder, folder_names, file_names in os.walk(root):
            folder_names[:] = sorted(name for name in folder_names if not name.startswith("."))
            here = PurePosixPath(Path(folder).relative_to(root).as_posix())
            self._add(here, Path(folder), folder_names, file_names)

    def find(self, name: str, split: str) -> Path | None:
        """Return the video of a name, None if it is not there.

        Args:
            name: from the COCO file.
            split: of the video, which tells videos of one name apart where it is in their paths.

        Raises:
            FootageError: the name leads out of the root, or several videos have it.
        """
        wanted = PurePosixPath(name)
        if wanted.is_absolute() or ".." in wanted.parts or not wanted.parts or "\\" in name:
            raise FootageError(
                f"{name!r:.80} leads out of the data set; names are relative and stay inside it"
            )
        matches = [
            path
            for path in self._found.get(wanted.name, ())
            if path.parent.parts[-len(wanted.parts) + 1 :] == wanted.parent.parts
            or len(wanted.parts) == 1
        ]
        if len(matches) > 1:
            exact = [path for path in matches if path.parent == wanted.parent]
            matches = exact or [path for path in matches if split in path.parts] or matches
        if len(matches) > 1:
            raise FootageError(
                f"{name!r:.80} is both {matches[0]} and {matches[1]}; name more of the path"
            )
        if not matches:
            return None
        path = self._root / matches[0]
        if not self._contained.holds(path):
            raise FootageError(f"{path} is a link that leads out of the data set; copy it there")
        return path

    def pictures(self, folder: Path) -> Mapping[str, int]:
        """Return the place of each picture of a folder in the video that they are.

        Raises:
            FootageError: a picture is a link that leads out of the root.
        """
        if folder not in self._pictures:
            names = picture_names(folder)
            for name in names:
                if not self._contained.holds(folder / name):
                    raise FootageError(
                        f"{folder / name} is a link that leads out of the data set; copy it there"
                    )
            self._pictures[folder] = {name: place for place, name in enumerate(names)}
        return self._pictures[folder]

    def _add(
        self, here: PurePosixPath, folder: Path, folder_names: Iterable[str], names: Iterable[str]
    ) -> None:
        suffixes = {Path(name).suffix.lower() for name in names}
        if suffixes & IMAGE_SUFFIXES:
            self._found[here.name].append(here)
        for name in sorted(names):
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                self._found[name].append(here / name)
                self._found[Path(name).stem].append(here / name)
        for name in folder_names:  # a link to a folder is not walked, but may be one of pictures
            if (folder / name).is_symlink():
                self._found[name].append(here / name)


def picture_names(folder: Path) -> list[str]:
    """Return the names of a folder's pictures in the order of the video that they are."""
    return [path.name for path in image_files(folder)]
