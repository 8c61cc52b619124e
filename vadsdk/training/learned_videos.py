"""The videos that a run learns from: from its clip bank or a share of it, from memory, or files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vadsdk.data.bank_cache import BankPlace, cached_bank_path, has_room_for
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.decoded import DecodedVideos, choose_kept, measured_with_bank
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.splits import whole_dataset
from vadsdk.errors import ConfigError
from vadsdk.ranks import num_ranks, rank, sum_over_ranks
from vadsdk.training.settings import DataSettings

if TYPE_CHECKING:
    from vadsdk.training.session import Watcher

_CARD_SHARE = 0.5
"""Of a card's memory, for which a bank is at least made, whatever `memory_gigabytes` says."""


def learned_videos(
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    settings: DataSettings,
    *,
    store_size: tuple[int, int],
    device: torch.device,
    watcher: Watcher,
) -> DecodedVideos:
    """Return the videos of a run, decoded or in a bank as `settings` say; tells what is left out.

    Args:
        dataset: as far as the run may know it.
        records: of it and unlabelled ones.
        settings: of the run.
        store_size: h and w.
        device: on which it learns.
        watcher: shows the progress.

    Raises:
        DatasetError: no video is usable, or the bank cannot be used or made.
    """
    num_workers = settings.num_decoders or min(max(os.cpu_count() or 2, 2), 8)
    budget = int(settings.memory_gigabytes * 2**30)
    place = _bank_place(settings, store_size, num_workers)
    bank = None
    if place is not None:
        needs_all = settings.bank == "auto" and device.type == "cpu"
        num_cards = 1 if settings.shard_bank is False else num_ranks()
        admitted = max(budget, num_cards * _card_bytes(device))
        bank = _bank(dataset, records, place, admitted, needs_all=needs_all, watcher=watcher)
    decoded = DecodedVideos(
        dataset,
        records,
        store_size=store_size,
        byte_budget=budget,
        num_workers=num_workers,
        bank=bank,
        progress=watcher.stage("decoding", len(records)) if bank is None else None,
    )
    for name, reason in decoded.skipped:
        watcher.note(f"skipped {name}: {reason}")
    num_lazy = sum(record.name not in bank.entries for record in decoded.records) if bank else 0
    if num_lazy:
        watcher.note(
            f"{num_lazy} videos are not in the clip bank, as they exceed data.memory_gigabytes; "
            "their clips are read from the files"
        )
    return decoded


def share_of_rank(
    videos: DecodedVideos,
    settings: DataSettings,
    device: torch.device,
    note: Callable[[str], None],
) -> ClipBank | None:
    """Return the part of the clip bank that this process draws from alone; None: all draw from all.

    Args:
        videos: of the run.
        settings: of the run.
        device: on which this process learns.
        note: told which share it is.

    Raises:
        ConfigError: shares are asked for, but not every video is in a bank.
        DatasetError: there are too few videos for the shares that are asked for.
    """
    if num_ranks() == 1 or settings.shard_bank is False:
        return None
    bank = videos.whole_bank
    if bank is None and settings.shard_bank is True:
        raise ConfigError(
            "data.shard_bank=true: the processes share out a clip bank of all videos, and this run "
            "has none; set data.bank and raise data.memory_gigabytes"
        )
    if settings.shard_bank == "auto" and not _all_agree(_only_shares_fit(bank, device)):
        return None
    assert bank is not None  # else nobody would have agreed
    share = bank.shard(rank(), num_ranks())
    note(f"each process draws from its own share of the clip bank: {len(share.records)} videos")
    return share


def _only_shares_fit(bank: ClipBank | None, device: torch.device) -> bool:
    """Return whether a card has room for its share of a bank, but not for all of it."""
    if bank is None or device.type != "cuda":
        return False
    kinds = [sum(record.labelled == kind for record in bank.records) for kind in (True, False)]
    budget = _card_bytes(device)
    fits = bank.num_bytes / num_ranks() <= budget < bank.num_bytes
    return fits and all(count == 0 or count >= num_ranks() for count in kinds)


def _all_agree(vote: bool) -> bool:
    """Return whether all ranks vote for it; all must ask."""
    return int(sum_over_ranks(torch.tensor(int(vote)))) == num_ranks()


def _bank_place(
    settings: DataSettings, store_size: tuple[int, int], num_workers: int
) -> BankPlace | None:
    if settings.bank == "off":
        return None
    if settings.bank != "auto":
        return BankPlace(path=Path(settings.bank), store_size=store_size, num_workers=num_workers)
    root = Path(settings.root)
    which = (settings.format, settings.split_index, settings.labelled_percent)
    footage = [str(Path(folder).resolve()) for folder in settings.unlabelled]
    path = cached_bank_path(root, store_size, *which, *footage)
    return BankPlace(path=path, store_size=store_size, root=root, num_workers=num_workers)


def _bank(
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    place: BankPlace,
    byte_budget: int,
    *,
    needs_all: bool,
    watcher: Watcher,
) -> ClipBank | None:
    """Return the bank of what the budget admits; None if that is not all, and all is needed."""
    earlier = place.open(watcher.note)
    known = measured_with_bank(records, earlier, num_workers=place.num_workers)
    kept = choose_kept(known, place.store_size, byte_budget)
    if not kept or (needs_all and len(kept) < len(known)):
        return None
    whole = whole_dataset(dataset)
    annotated = {record.name: record for record in whole.records}
    wanted = [annotated.get(record.name, record) for record in known if record.name in kept]
    num_frames = sum(record.num_frames for record in wanted)
    if place.root is not None and earlier is None:
        if not has_room_for(place.path, num_frames, place.store_size):
            watcher.note(f"no clip bank: {place.path.parent} has no room for it; set data.bank")
            return None
    return place.current(
        whole,
        wanted,
        earlier,
        note=watcher.note,
        progress=watcher.stage("building the clip bank", len(wanted)),
    )


def _card_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    return int(_CARD_SHARE * torch.cuda.get_device_properties(device).total_memory)
