"""Find the clip bank of a run, see whether it is still good, and build what is missing."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data.bank_building import build_bank, is_unchanged
from vadsdk.data.bank_file import DamagedBankError, mask_bytes, read_bank_file
from vadsdk.data.bank_sources import source_of
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.errors import DatasetError

_SUFFIX = ".bank"


def banks_folder() -> Path:
    """Return the folder of cached banks: `VADSDK_BANKS`, or one in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("VADSDK_BANKS") or cache / "vadsdk" / "banks")


def cached_bank_path(root: Path, store_size: tuple[int, int], *others: object) -> Path:
    """Return where the bank of a data set is cached.

    Args:
        root: folder of the data set.
        store_size: h and w.
        *others: whatever else tells which videos are meant.
    """
    root = root.resolve()
    place = hashlib.sha256(repr((str(root), *others)).encode()).hexdigest()[:12]
    return banks_folder() / f"{root.name}-{store_size[0]}x{store_size[1]}-{place}{_SUFFIX}"


def has_room_for(path: Path, num_frames: int, store_size: tuple[int, int]) -> bool:
    """Return whether a bank of so many frames can be written at a path."""
    folder = next(folder for folder in path.absolute().parents if folder.is_dir())
    num_bytes = num_frames * (store_size[0] * store_size[1] * 3 + mask_bytes(store_size))
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1.1 * num_bytes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BankPlace:
    """Where a bank lies or shall lie, and how it is made."""

    path: Path
    """Of the file."""
    store_size: tuple[int, int]
    """h and w."""
    root: Path | None = None
    """Folder of the data set with which the bank goes, if it is a cached one."""
    num_workers: int = 2
    """Processes that decode."""

    def open(self, note: Callable[[str], None]) -> ClipBank | None:
        """Open the bank if there is one; a damaged one is told and counts as none.

        Raises:
            DatasetError: there is something else, or a bank of another size.
        """
        if not self.path.exists():
            return None
        try:
            bank = ClipBank.open(self.path)
        except DamagedBankError as error:
            note(f"{error}; it is built anew")
            return None
        if bank.store_size != self.store_size:
            raise DatasetError(
                f"the clip bank {self.path} holds frames of {_text(bank.store_size)} pixels, this "
                f"run needs {_text(self.store_size)}; give another data.bank"
            )
        return bank

    def current(
        self,
        dataset: ActionDataset,
        records: Sequence[VideoRecord],
        earlier: ClipBank | None,
        *,
        note: Callable[[str], None],
        progress: Callable[[int, int], None] | None = None,
    ) -> ClipBank:
        """Return a bank that has all of some records as they are now; built if need be.

        What is unchanged in an earlier bank is copied. A video whose file is gone is unchanged.

        Args:
            dataset: the whole one, with all annotation that there is.
            records: of it, and unlabelled ones from anywhere.
            earlier: what `open` returned.
            note: told why a bank is written again.
            progress: called with the videos done and their number.

        Raises:
            DatasetError: the bank is of other videos, none can be decoded, or it cannot be written.
        """
        kept = list(records)
        if earlier is not None:
            reason = self._why_written_again(dataset, records, earlier)
            if reason is None:
                return earlier
            note(f"the clip bank {self.path} {reason}")
            others = set(earlier.entries) - {record.name for record in records}
            kept += [record for record in dataset.records if record.name in others]
        if self.root is not None:
            _remove_orphans(self.path.parent)
        build_bank(
            dataset,
            kept,
            self.path,
            store_size=self.store_size,
            root=self.root,
            num_workers=self.num_workers,
            earlier=earlier,
            progress=progress,
        )
        return ClipBank.open(self.path)

    def _why_written_again(
        self, dataset: ActionDataset, records: Sequence[VideoRecord], bank: ClipBank
    ) -> str | None:
        """Return what the bank does, and why: it grows or is built anew; None: it stays."""
        known = {*bank.entries, *bank.skipped}
        missing = [record.name for record in records if record.name not in known]
        if len(missing) == len(records):
            raise DatasetError(
                f"the clip bank {self.path} is of other videos, those of {bank.name!r}; "
                "give another data.bank, or remove the file"
            )
        if missing:
            return f"grows by {len(missing)} videos, such as {missing[0]!r}"
        for record in records:
            if record.name in bank.skipped:
                changed = source_of(record.path) != bank.skipped[record.name].source
            else:
                changed = not is_unchanged(dataset, record, bank.entries[record.name])
            if changed:
                return f"is built anew: {record.name!r} or its annotation has changed"
        return None


def _remove_orphans(folder: Path) -> None:
    """Remove cached banks of data sets that are no longer there."""
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            root = read_bank_file(path)[0].get("root")
        except DatasetError:
            continue
        if root is not None and not Path(root).exists():
            path.unlink(missing_ok=True)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
