"""Whether a file lies in its data set, links followed: a data set may come from anywhere."""

from __future__ import annotations

from pathlib import Path

LEADS_OUT = "is a link that leads out of the data set; put the file itself there"
"""What to say of a path that does."""


class ContainedPaths:
    """Tells paths that stay below a folder from those that lead out of it.

    Folders are looked up once, so that many files of one folder cost little.

    Args:
        root: of the data set.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._is_inside: dict[Path, bool] = {}

    def holds(self, path: Path) -> bool:
        """Return whether a path stays inside, with every link on the way followed."""
        folder = path.parent
        if folder not in self._is_inside:
            self._is_inside[folder] = folder.resolve().is_relative_to(self._root)
        if not path.is_symlink():
            return self._is_inside[folder] and path.name != ".."
        return path.resolve().is_relative_to(self._root)

    def first_outside(self, path: Path) -> Path | None:
        """Return what leads out: the path, or if it is a folder something directly in it; or None.

        The path need not exist.
        """
        if not self.holds(path):
            return path
        entries = sorted(path.iterdir()) if path.is_dir() else []
        return next((entry for entry in entries if not self.holds(entry)), None)
