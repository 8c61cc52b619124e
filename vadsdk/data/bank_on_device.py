"""A clip bank where a run learns: whole on the card, or in host memory and copied as needed.

    CPU                          the mapped file itself; the page cache is the memory
    CUDA, fits its share         uploaded once; views read their frames there
    CUDA, does not fit           the mapped file; a clip is gathered into page-locked memory, from
                                 which the card copies it while it computes

The file is not page-locked as a whole: that would take as much memory from everything else, and
one copy of a batch (tens of MB) on the host costs less than a step.

Legend: N frames, h and w of a stored frame, P bytes of a packed mask, B clips, T frames of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vadsdk.data.clip_bank import ClipBank, unpack_masks
from vadsdk.data.clip_targets import ClipPlace
from vadsdk.data.records import has_boxes
from vadsdk.errors import ConfigError

DEVICE_SHARE = 0.5
"""Of a card's free memory: a bank that takes more stays on the host. The rest is for the step."""


class BankOnDevice:
    """The frames of a bank's records, and whereabouts on a device.

    Args:
        bank: the records that it is restricted to are uploaded, others are not.
        device: "cpu" or a CUDA device.
        byte_budget: memory of the device that the bank may take; None: `DEVICE_SHARE` of what is
            free on a card, and nothing on a CPU, where the mapped file is as good.

    Raises:
        ConfigError: another kind of device.
    """

    def __init__(
        self, bank: ClipBank, device: torch.device | str, *, byte_budget: int | None = None
    ) -> None:
        self.device = torch.device(device)
        if self.device.type not in ("cpu", "cuda"):
            raise ConfigError(f"a clip bank is for cpu or cuda, not {self.device.type!r}")
        self.store_size = bank.store_size
        """h and w."""
        self.num_frames = bank.num_frames
        """Of each video, by name."""
        budget = free_share(self.device) if byte_budget is None else byte_budget
        self.is_resident = bank.num_bytes <= budget
        """Whether the frames are in the device's memory."""
        self.frames = bank.frames
        """(N, h, w, 3) uint8; on the device if they are resident, else on the host."""
        self.packed_masks = bank.packed_masks
        """(N, P) uint8, at the same place."""
        self._first = {name: bank.entries[name].first_frame for name in self.num_frames}
        if self.is_resident:
            self._upload(bank)

    def frame_indices(self, places: Sequence[ClipPlace], *, successors: bool = False) -> Tensor:
        """Return (B, T) int64 on the host: where the frames of some clips lie in `frames`.

        Args:
            places: of B clips.
            successors: of the frames that follow in the video, instead.
        """
        rows = []
        for place in places:
            name = place.record.name
            indices = place.frame_indices
            if successors:
                indices = place.successors(self.num_frames[name])
            rows.append(indices + self._first[name])
        return torch.from_numpy(np.stack(rows))

    def gather(self, frame_indices: Tensor) -> Tensor:
        """Return frames (..., h, w, 3) uint8: on the device if resident, else page-locked.

        Args:
            frame_indices: (...) int64 in [0, N), where `frames` is. On a card, nobody waits.
        """
        shape = (*frame_indices.shape, *self.store_size, 3)
        return self._rows(self.frames, frame_indices).view(shape)

    def gather_masks(self, frame_indices: Tensor) -> Tensor:
        """Return packed masks (..., P), like `gather`."""
        return self._rows(self.packed_masks, frame_indices).view(*frame_indices.shape, -1)

    def unpack(self, packed: Tensor, known: Tensor) -> Tensor:
        """Return masks (B, T, h, w) uint8, zero where none may be known.

        Args:
            packed: (B, T, P), on any device.
            known: (B,) bool, there as well.
        """
        return unpack_masks(packed * known[:, None, None], self.store_size)

    def _rows(self, stored: Tensor, indices: Tensor) -> Tensor:
        flat = stored.flatten(1)
        if flat.shape[1] % 8 == 0:  # a thread of a card moves an element
            flat = flat.view(torch.int64)
        locked = not self.is_resident and self.device.type == "cuda"
        out = flat.new_empty((indices.numel(), flat.shape[1]), pin_memory=locked)
        return torch.index_select(flat, 0, indices.flatten(), out=out).view(torch.uint8)

    def _upload(self, bank: ClipBank) -> None:
        """Copy the frames of the records, one video after another."""
        count = sum(self.num_frames.values())
        self.frames = bank.frames.new_empty((count, *bank.frames.shape[1:]), device=self.device)
        self.packed_masks = bank.packed_masks.new_empty(
            (count, bank.packed_masks.shape[1]), device=self.device
        )
        target = 0
        for name, length in self.num_frames.items():
            source, self._first[name] = self._first[name], target
            target += length
            own, theirs = slice(target - length, target), slice(source, source + length)
            self.frames[own].copy_(bank.frames[theirs])
            self.packed_masks[own].copy_(bank.packed_masks[theirs])


def knows_masks(places: Sequence[ClipPlace]) -> Tensor:
    """Return (B,) bool: the clips whose masks may be known; of the others there are none."""
    return torch.tensor([has_boxes(place.record) for place in places], dtype=torch.bool)


def free_share(device: torch.device) -> int:
    """Return the bytes of a device that a bank may take now: none of a CPU's."""
    if device.type == "cpu":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return int(DEVICE_SHARE * free)
