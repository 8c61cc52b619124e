"""The videos that a run learns from: from its clip bank or a share of it, from memory, or files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vadsdk.data.bank_cache import BankPlace, cached_bank_path, has_room_for
from vadsdk.data.bank_on_device import free_share
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.decoded import DecodedVideos, choose_kept, measured_with_bank
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.splits import whole_dataset
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.ranks import num_ranks, rank, sum_over_ranks
from vadsdk.training.settings import DataSettings

if TYPE_CHECKING:
    from vadsdk.training.watcher import Watcher

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
        # What all cards together may take, if they can share it out; then what each may take.
        numbers = [1] if settings.shard_bank is False else [num_ranks(), 1]
        budgets = [max(budget, number * _card_bytes(device)) for number in numbers]
        bank = _bank(dataset, records, place, budgets, needs_all=needs_all, watcher=watcher)
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
    """Return whether a card has room for the largest share of a bank, but not for all of it."""
    budget = free_share(device)
    if bank is None or not budget or bank.num_bytes <= budget:
        return False
    try:
        shares = [bank.shard(index, num_ranks()) for index in range(num_ranks())]
    except DatasetError:  # too few videos
        return False
    return max(share.num_bytes for share in shares) <= budget


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
    byte_budgets: Sequence[int],
    *,
    needs_all: bool,
    watcher: Watcher,
) -> ClipBank | None:
    """Return the bank of what a budget admits, the first that the disk has room for.

    None if that is not all, and all is needed; or if there is no room for any.
    """
    if place.root is None and not place.path.exists():
        watcher.note(f"there is no clip bank {place.path} yet: it is made")
    earlier = place.open(watcher.note)
    known = measured_with_bank(records, earlier, num_workers=place.num_workers)
    whole = whole_dataset(dataset)
    annotated = {record.name: record for record in whole.records}
    for budget in byte_budgets:
        kept = choose_kept(known, place.store_size, budget)
        if not kept or (needs_all and len(kept) < len(known)):
            return None
        wanted = [annotated.get(record.name, record) for record in known if record.name in kept]
        is_last = budget == byte_budgets[-1]
        if _has_room(place, wanted, earlier, allows_growth=is_last):
            return place.current(
                whole,
                wanted,
                earlier,
                note=watcher.note,
                progress=watcher.stage("building the clip bank", len(wanted)),
            )
    watcher.note(f"no clip bank: {place.path.parent} has no room for it; set data.bank")
    return None


def _has_room(
    place: BankPlace,
    wanted: Sequence[VideoRecord],
    earlier: ClipBank | None,
    *,
    allows_growth: bool,
) -> bool:
    """Return whether the disk has room for a bank, which is written beside an earlier one.

    Of a bank that the user names, and of one that exists and may grow, it is not asked: that there
    is no room is an error then.
    """
    if place.root is None or (earlier is not None and allows_growth):
        return True
    return has_room_for(place.path, sum(r.num_frames for r in wanted), place.store_size)


def _card_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    return int(_CARD_SHARE * torch.cuda.get_device_properties(device).total_memory)
