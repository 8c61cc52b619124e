"""The same batch with its clips in a bank, as a card that holds the training set makes it."""

from __future__ import annotations

from dataclasses import replace

import torch

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_sources import IndexedClips, gathered


def banked(batch: ClipBatch) -> ClipBatch:
    """Return the batch with clips and successors by indices into one bank, in shuffled order."""
    assert batch.successors is not None
    clips, successors = gathered(batch.clips), gathered(batch.successors)
    frames = torch.cat((clips.flatten(0, 1), successors.flatten(0, 1)))
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))
    places = order.argsort().view(2, *clips.shape[:2]).to(frames.device)
    bank = frames[order.to(frames.device)]
    return replace(
        batch,
        clips=IndexedClips(bank, places[0]),
        successors=IndexedClips(bank, places[1]),
    )
