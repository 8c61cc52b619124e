"""MixUp of clips with what is known of them: the parts of `mixmatch`.

Legend: B clips, T frames, h, w of the views, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.augmentation import apply_view_to_frames, apply_view_to_masks, transfer_maps
from vadsdk.methods.views import View
from vadsdk.models.outputs import class_weights
from vadsdk.ranks import blocks_of_all_ranks


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SoftTargets:
    """What B clips show, to any degree."""

    classes: Tensor
    """(B, K) distributions over the classes."""
    class_weights: Tensor
    """(B,) 0 where no class is known."""
    masks: Tensor | None
    """(B, T, h, w) in [0, 1]; None for networks without masks."""
    frame_weights: Tensor
    """(B, T) 0 where a frame's masks are not known."""

    def joined(self, *others: SoftTargets) -> SoftTargets:
        """Return these targets and then the others'."""
        parts = (self, *others)
        masks = [part.masks for part in parts if part.masks is not None]
        return SoftTargets(
            classes=torch.cat([part.classes for part in parts]),
            class_weights=torch.cat([part.class_weights for part in parts]),
            masks=torch.cat(masks) if masks else None,
            frame_weights=torch.cat([part.frame_weights for part in parts]),
        )


def annotated_targets(
    batch: ClipBatch, view: View, num_classes: int, *, with_masks: bool
) -> SoftTargets:
    """Return what the annotation of labelled clips says, in a view of them.

    Args:
        batch: labelled clips only.
        view: of them.
        num_classes: K.
        with_masks: whether the network has masks.
    """
    known = batch.class_indices >= 0
    size = (view.clips.shape[-2], view.clips.shape[-1])
    frames = batch.masks.new_ones(batch.masks.shape[:2], dtype=torch.float32)
    if batch.annotated is not None:
        frames = apply_view_to_frames(batch.annotated, view.parameters).float()
    return SoftTargets(
        classes=class_weights(batch.class_indices.clamp_min(0), num_classes),
        class_weights=known.float(),
        masks=apply_view_to_masks(batch.masks, view.parameters, size) if with_masks else None,
        frame_weights=frames,
    )


def guessed_targets(
    answers: list[tuple[View, Tensor, Tensor | None]], temperature: float
) -> list[SoftTargets]:
    """Return sharpened means of a network's answers to several views, one for each view.

    Berthelot et al. 2019, section 3.1; a map is first moved into the view that it is a target of.

    Args:
        answers: a view, class distributions (B, K), and probabilities (B, T, h, w) or None.
        temperature: below 1 sharpens.
    """
    classes = torch.stack([distribution for _, distribution, _ in answers]).mean(0)
    classes = classes.pow(1 / temperature)
    classes = classes / classes.sum(1, keepdim=True).clamp_min(1e-12)
    targets = []
    for view, _, own in answers:
        masks = None if own is None else _sharp(_mean_map(view, own, answers), temperature)
        targets.append(
            SoftTargets(
                classes=classes,
                class_weights=classes.new_ones(len(classes)),
                masks=masks,
                frame_weights=classes.new_ones(len(classes), view.clips.shape[2]),
            )
        )
    return targets


def mixed(
    clips: Tensor,
    targets: SoftTargets,
    partners: Tensor,
    shares: Tensor,
    blocks: Sequence[int],
) -> tuple[Tensor, SoftTargets]:
    """Return clips and targets, each mixed with a partner's (MixUp; section 3.3).

    Partners are rows of any rank.

    Args:
        clips: (B, 3, T, h, w).
        targets: of them.
        partners: (B,) int64 row that each row is mixed with, counted over all ranks.
        shares: (B,) of the row itself, lambda' in [0.5, 1].
        blocks: how many rows of a kind follow each other (`ranks.blocks_of_all_ranks`).
    """
    own, other = shares, 1 - shares

    def of_partners(values: Tensor) -> Tensor:
        return blocks_of_all_ranks(values, blocks)[partners]

    def blend(values: Tensor) -> Tensor:
        shape = (-1, *[1] * (values.ndim - 1))
        sums = own.view(shape) * values + other.view(shape) * of_partners(values)  # float32
        return sums.to(values.dtype)

    return blend(clips), SoftTargets(
        classes=blend(targets.classes),
        class_weights=targets.class_weights * of_partners(targets.class_weights),
        masks=None if targets.masks is None else blend(targets.masks),
        frame_weights=targets.frame_weights * of_partners(targets.frame_weights),
    )


def _mean_map(view: View, own: Tensor, answers: list[tuple[View, Tensor, Tensor | None]]) -> Tensor:
    """Return the mean in a view's frame of all maps that saw a pixel."""
    total, count = own, torch.ones_like(own[:, :1])
    for other, _, maps in answers:
        if other is not view and maps is not None:
            moved, validity = transfer_maps(maps, other.parameters, view.parameters)
            total, count = total + validity * moved, count + validity
    return total / count


def _sharp(probabilities: Tensor, temperature: float) -> Tensor:
    """Return probabilities of a yes/no question, sharpened."""
    yes, no = probabilities.pow(1 / temperature), (1 - probabilities).pow(1 / temperature)
    return yes / (yes + no).clamp_min(1e-12)
