"""Batches from a clip bank on a device, the same ones that a sampler makes on the host.

    a thread ahead    draws the places of step i + 2, and where the bank is on the host, gathers
    this thread       step i + 1: on a card, copies on a stream of its own, while step i is learned
                      from; where the bank is on the card, that is whereabouts alone: views read the
                      frames where they lie

Legend: B clips, T frames, h and w of the stored frame, P bytes of a packed mask.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from vadsdk.data.bank_on_device import BankOnDevice, knows_masks
from vadsdk.data.batches import ClipBatch
from vadsdk.data.clip_targets import ClipTargets
from vadsdk.data.prefetching import PinnedBatches, prefetch
from vadsdk.data.sampling import ClipSampler
from vadsdk.kernels.view_sources import Clips, IndexedClips


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlannedBatch:
    """A batch that the host has done its part of; everything is on the host."""

    frame_indices: Tensor
    """(B, T) int64 into the bank's frames."""
    successor_indices: Tensor | None
    """(B, T) int64, those of the frames that follow; None where nobody asked."""
    knows_masks: Tensor
    """(B,) bool."""
    targets: ClipTargets
    """What is known of the clips."""
    clips: Tensor | None = None
    """(B, T, h, w, 3) uint8, where the bank is on the host; on the device they stay there."""
    successors: Tensor | None = None
    """(B, T, h, w, 3) uint8, likewise."""
    packed_masks: Tensor | None = None
    """(B, T, P) uint8, likewise."""


class BankBatches:
    """Makes the batches of a sampler from a bank.

    Args:
        sampler: says which clips; all of its videos are in the bank.
        bank: where they are.
    """

    def __init__(self, sampler: ClipSampler, bank: BankOnDevice) -> None:
        self._sampler = sampler
        self.bank = bank

    def batch(self, step: int) -> ClipBatch:
        """Return the batch of a step, on the bank's device."""
        return self.gathered(self.planned(step))

    def planned(self, step: int) -> PlannedBatch:
        """Return what the host does for the batch of a step; no work is given to a card."""
        places, bank = self._sampler.places(step), self.bank
        indices = bank.frame_indices(places)
        following = None
        if self._sampler.with_successors:
            following = bank.frame_indices(places, successors=True)
        plan = PlannedBatch(
            frame_indices=self._locked(indices),
            successor_indices=None if following is None else self._locked(following),
            knows_masks=self._locked(knows_masks(places)),
            targets=self._sampler.targets(places).each(self._locked),
            clips=None if bank.is_resident else bank.gather(indices),
            successors=None if bank.is_resident or following is None else bank.gather(following),
            packed_masks=None if bank.is_resident else bank.gather_masks(indices),
        )
        return plan

    def gathered(self, plan: PlannedBatch) -> ClipBatch:
        """Return a planned batch on the bank's device; on a card, nobody waits for it."""
        indices = self._moved(plan.frame_indices)
        packed = plan.packed_masks
        if packed is None:
            packed = self.bank.gather_masks(indices)
        batch = plan.targets.batch(
            self._clips(plan.clips, indices),
            self.bank.unpack(self._moved(packed), self._moved(plan.knows_masks)),
            None
            if plan.successor_indices is None
            else self._clips(plan.successors, self._moved(plan.successor_indices)),
        )
        return batch.to(self.bank.device)

    def _clips(self, gathered: Tensor | None, indices: Tensor) -> Clips:
        """Return clips on the device: what the host gathered, or where they lie there."""
        if gathered is not None:
            return self._moved(gathered)
        return IndexedClips(self.bank.frames, indices)

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.bank.device, non_blocking=True)

    def _locked(self, tensor: Tensor) -> Tensor:
        """Return a small tensor in memory from which a card copies without being waited for."""
        return tensor.pin_memory() if self.bank.device.type == "cuda" else tensor


def device_batches(
    sampler: ClipSampler, device: torch.device, start: int, stop: int | None = None
) -> Generator[ClipBatch, None, None]:
    """Return the batches of a sampler, made ahead: from a bank on a device if all videos are in it.

    Args:
        sampler: says which clips.
        device: "cpu" or a CUDA device; batches of videos that are not in a bank are on the host.
        start: the first step.
        stop: one past the last step; None never ends.
    """
    bank = sampler.videos.whole_bank
    if bank is None:
        return prefetch(PinnedBatches(sampler) if device.type == "cuda" else sampler, start, stop)
    return bank_batches(BankBatches(sampler, BankOnDevice(bank, device)), start, stop)


class _Plans:
    """The plans of a source of batches."""

    def __init__(self, source: BankBatches) -> None:
        self._source = source

    def batch(self, step: int) -> PlannedBatch:
        return self._source.planned(step)


def bank_batches(
    source: BankBatches, start: int, stop: int | None = None
) -> Generator[ClipBatch, None, None]:
    """Return the batches of the steps start, ..., stop - 1 on the bank's device, made ahead.

    On a card each is ready for the stream that is current here: it was copied or gathered on
    another stream, while the batch before was learned from, and nobody waits on the host.

    Args:
        source: makes the batches.
        start: the first step.
        stop: one past the last step; None never ends.
    """
    if source.bank.device.type == "cpu":
        return prefetch(source, start, stop)
    return _one_ahead(prefetch(_Plans(source), start, stop), source)


def _one_ahead(
    plans: Generator[PlannedBatch, None, None], source: BankBatches
) -> Generator[ClipBatch, None, None]:
    """Yield what comes of each plan after the card was given the work of the next one."""
    side = torch.cuda.Stream(source.bank.device)
    waiting: tuple[ClipBatch, torch.cuda.Event] | None = None
    with closing(plans):
        for plan in plans:
            with torch.cuda.stream(side):
                batch = source.gathered(plan)
            event = side.record_event()
            if waiting is not None:
                yield _handed_over(*waiting)
            waiting = batch, event
        if waiting is not None:
            yield _handed_over(*waiting)


def _handed_over(batch: ClipBatch, event: torch.cuda.Event) -> ClipBatch:
    """Let the current stream wait for a batch, whose memory it uses from now on."""
    stream = torch.cuda.current_stream(batch.clips.device)
    stream.wait_event(event)
    for value in batch.tensors().values():
        value.record_stream(stream)
    return batch
