"""How `coherence_losses` walks through two answers on a CPU: in strips that stay in the cache.

Legend: B clips, T frames, H, W, P pixels of a strip.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vadsdk.kernels.coherence_form import CoherenceForm, MapScale
from vadsdk.kernels.coherence_sums import Passes, Slopes, Sums, joined
from vadsdk.kernels.coherence_tables import tables_of
from vadsdk.kernels.temporal_maps import snap_confident

STRIP_BYTES = 2**21
"""Of both answers' frames in a strip, for each thread: the few such arrays that are in use stay in
a core's caches, and a strip is large enough that calls do not count. (In a quarter of it, 8 clips
of 8 x 224 x 224 took 1.15 times as long.)"""


class Strip(NamedTuple):
    """Some pixels of a clip; its memory is used anew for the next strip."""

    columns: slice
    """Which pixels."""
    compared: Tensor
    """(2 T, P), A and B."""
    distances: Tensor
    """(T, P), A - B where both views saw the pixel, else 0."""
    attentions: Iterator[Tensor]
    """Each (T, P), before it is stretched; gone when the next one comes."""


class Walk:
    """Takes two answers apart into strips.

    All products are written into memory that is given, which autocast leaves alone.

    Args:
        first: (B, T, H, W) logits.
        second: (B, T, H, W) logits.
        validity: (B, 1, H, W) or None.
        form: what is made of them.
    """

    def __init__(
        self, first: Tensor, second: Tensor, validity: Tensor | None, form: CoherenceForm
    ) -> None:
        self._form = form
        self._dtype = torch.promote_types(first.dtype, torch.float32)
        self._frames, self._pixels = first.shape[1], first.shape[2:].numel()
        self._device = first.device
        self._tables = tables_of(form, self._frames, self._dtype, self._device)
        self._answers = first.detach().flatten(2), second.detach().flatten(2)
        self._seen = None if validity is None else validity.detach().flatten(1) > 0
        row_bytes = 2 * self._frames * self._dtype.itemsize
        most = max(STRIP_BYTES * torch.get_num_threads() // row_bytes, 1)
        num_strips = max(math.ceil(self._pixels / most), 1)
        self._width = max(math.ceil(self._pixels / num_strips), 1)
        self._memory: dict[tuple[str, int, int], Tensor] = {}

    def clip(self, index: int) -> Iterator[Strip]:
        """Yield the strips of a clip; each is gone when the next one comes."""
        frames = self._frames
        for start in range(0, self._pixels, self._width):
            columns = slice(start, start + self._width)
            seen = None if self._seen is None else self._seen[index, columns]
            first, second = (answer[index, :, columns] for answer in self._answers)
            maps = {scale: self._maps(scale, first, second) for scale in self._form.scales}
            compared = maps[self._form.compared]
            distances = self.memory("distances", frames, first.shape[1])
            torch.sub(compared[:frames], compared[frames:], out=distances)
            if seen is not None:
                distances.mul_(seen)
            yield Strip(columns, compared, distances, self._attentions(maps, seen))

    def memory(self, name: str, rows: int, pixels: int) -> Tensor:
        """Return (rows, pixels) of memory that a strip may write into.

        What is allocated anew for each strip leaves the cache, which costs more than arithmetic.
        """
        key = name, rows, pixels
        if key not in self._memory:
            self._memory[key] = torch.empty((rows, pixels), dtype=self._dtype, device=self._device)
        return self._memory[key]

    def _attentions(self, maps: dict[MapScale, Tensor], seen: Tensor | None) -> Iterator[Tensor]:
        for kind in self._form.attentions:
            if kind == "variance":
                yield self._variance(maps[self._form.variance_of], seen)
            else:
                yield self._gradient(maps[self._form.gradient_of][: self._frames])

    def _maps(self, scale: MapScale, first: Tensor, second: Tensor) -> Tensor:
        """Return (2 T, P), both answers on a scale."""
        maps = self.memory(scale, 2 * self._frames, first.shape[1])
        for part, answer in zip(maps.split(self._frames), (first, second), strict=True):
            if scale == "logits":
                part.copy_(answer)
            elif answer.dtype == self._dtype:
                torch.sigmoid(answer, out=part)
            else:
                part.copy_(answer).sigmoid_()
        return maps

    def _variance(self, maps: Tensor, seen: Tensor | None) -> Tensor:
        """Return (T, P), counted from the first frame: squares of large logits would eat digits."""
        frames, pixels = self._frames, maps.shape[1]
        centred = torch.sub(maps, maps[0], out=self.memory("centred", 2 * frames, pixels))
        if seen is not None:
            first, second = centred.split(frames)
            torch.where(seen, second, first, out=second)
        means = self.memory("means", len(self._tables.means), pixels)
        variance = self.memory("attention", frames, pixels)
        torch.mm(self._tables.means, centred, out=means)
        torch.mm(self._tables.mean_squares, centred.square_(), out=variance)
        for part in means.split(frames):
            variance.addcmul_(part, part, value=-1)
        return variance.clamp_(min=0)

    def _gradient(self, maps: Tensor) -> Tensor:
        """Return (T, P), the size of eq. 6."""
        maps = snap_confident(maps) if self._form.snapped else maps
        gradient = self.memory("attention", self._frames, maps.shape[1])
        return torch.mm(self._tables.curvature, maps, out=gradient).abs_()


def sums(
    first: Tensor, second: Tensor, validity: Tensor | None, form: CoherenceForm
) -> list[list[Sums]]:
    """Return those of each clip and attention (`Passes.sums`)."""
    walk = Walk(first, second, validity, form)
    without_pixels = [Sums(0.0, 0.0, 0.0, 0.0)] * len(form.attentions)
    return [
        joined([_strip_sums(strip, form) for strip in walk.clip(index)]) or without_pixels
        for index in range(len(first))
    ]


def gradients(
    first: Tensor, second: Tensor, validity: Tensor | None, form: CoherenceForm, slopes: Slopes
) -> tuple[Tensor | None, Tensor | None]:
    """Return those by both answers, where they are wanted (`Passes.gradients`)."""
    by_first, by_second = (
        torch.empty(x.shape, dtype=x.dtype, device=x.device) if wanted else None
        for x, wanted in zip((first, second), slopes.wanted, strict=True)
    )
    walk = Walk(first, second, validity, form)
    for index in range(len(first)):
        scales, offset = slopes.of_clip(index)
        for strip in walk.clip(index):
            slope = walk.memory("slope", *strip.distances.shape).fill_(offset)
            for attention, scale in zip(strip.attentions, scales, strict=True):
                slope.add_(attention, alpha=scale)
            slope.mul_(strip.distances)
            for answer, maps in zip((by_first, by_second), strip.compared.chunk(2), strict=True):
                if answer is not None:
                    target = answer[index].flatten(1)[:, strip.columns]
                    target.copy_(_of_logits(slope, maps, walk, form))
                slope.neg_()  # the second answer is taken off the first
    return by_first, by_second


IN_STRIPS = Passes(sums, gradients)


def _strip_sums(strip: Strip, form: CoherenceForm) -> list[Sums]:
    squares = strip.distances.square_().flatten()
    total = squares.sum().item()
    answer = []
    for attention in strip.attentions:
        lowest, highest = 0.0, 0.0
        if form.stretched:
            lowest, highest = (extreme.item() for extreme in attention.aminmax())
            attention.sub_(lowest)
        above = torch.dot(attention.flatten(), squares).item()
        answer.append(Sums(lowest, highest, above, total))
    return answer


def _of_logits(slope: Tensor, maps: Tensor, walk: Walk, form: CoherenceForm) -> Tensor:
    """Return derivatives by logits for those by `maps` (T, P), A or B: times p (1 - p)."""
    if form.compared == "logits":
        return slope
    part = torch.mul(slope, maps, out=walk.memory("part", *slope.shape))
    return part.addcmul_(part, maps, value=-1)
