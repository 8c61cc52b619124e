"""How torch's compiler passes through two answers on a CPU: in one loop over the pixels.

`coherence_losses` makes a tensor of each step of its arithmetic, strip by strip. Here each frame is
a name of its own, so that the compiler sees all that becomes of a pixel, keeps it in registers, and
reads the answers once.

Legend: B clips, T frames, H, W, F attentions. A plane is a frame of all clips, (B, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial, reduce
from typing import NamedTuple

import torch
from torch import Tensor

from vadsdk.kernels.coherence_form import CoherenceForm, MapScale
from vadsdk.kernels.coherence_losses import LossesByPasses, check_answers
from vadsdk.kernels.coherence_losses import coherence_losses as eager_losses
from vadsdk.kernels.coherence_sums import Passes, Slopes, Sums
from vadsdk.kernels.coherence_tables import tables_of
from vadsdk.kernels.temporal_maps import SNAP_HIGH, SNAP_LOW

Planes = list[Tensor]
Row = tuple[float, ...]

ONE_LOOP = {
    "realize_reads_threshold": 2**30,
    "realize_acc_reads_threshold": 2**30,
    "realize_opcount_threshold": 2**30,
}
"""Inductor would write to memory what is read often, such as a sigmoid; here it is made once for
each pixel, whoever reads it."""


def coherence_losses(
    first_logits: Tensor,
    second_logits: Tensor,
    form: CoherenceForm,
    attention_weights: Sequence[float | Tensor],
    validity: Tensor | None = None,
) -> Tensor:
    """Return what `coherence_losses.coherence_losses` does; compiled where it runs on a CPU.

    The first call for a form and a number of frames takes as long as the compiler does, some 15
    seconds for 8 frames; so do the next other sizes, until what is compiled serves all of them.
    Takes the same arguments and raises the same errors.
    """
    if first_logits.device.type != "cpu" or not first_logits.numel():
        return eager_losses(first_logits, second_logits, form, attention_weights, validity)
    check_answers(first_logits, second_logits, form, attention_weights, validity)
    weights = tuple(float(weight) for weight in attention_weights)
    losses: Tensor = LossesByPasses.apply(  # type: ignore[no-untyped-call]
        first_logits, second_logits, form, weights, validity, IN_ONE_LOOP
    )
    return losses


def sums(
    first: Tensor, second: Tensor, validity: Tensor | None, form: CoherenceForm
) -> list[list[Sums]]:
    """Return those of each clip and attention (`Passes.sums`)."""
    found = _loops(form, first.shape[1]).sums(first.detach(), second.detach(), validity)
    squares, *of_attentions = torch.stack(found).tolist()
    clips: list[list[Sums]] = [[] for _ in squares]
    for k in range(len(form.attentions)):
        reference, lowest, highest, beyond = of_attentions[4 * k : 4 * k + 4]
        for index, clip in enumerate(clips):
            base = lowest[index] if form.stretched else 0.0
            above = beyond[index] + (reference[index] - base) * squares[index]
            clip.append(Sums(base, highest[index], above, squares[index]))
    return clips


def gradients(
    first: Tensor, second: Tensor, validity: Tensor | None, form: CoherenceForm, slopes: Slopes
) -> tuple[Tensor | None, Tensor | None]:
    """Return those by both answers, where they are wanted (`Passes.gradients`)."""
    dtype = torch.promote_types(first.dtype, torch.float32)
    of_clips = [slopes.of_clip(index) for index in range(len(first))]
    scales = torch.tensor([scales for scales, _ in of_clips], dtype=dtype)  # (B, F)
    offsets = torch.tensor([offset for _, offset in of_clips], dtype=dtype)  # (B,)
    work = _loops(form, first.shape[1]).gradients
    found = work(first.detach(), second.detach(), validity, scales, offsets, slopes.wanted)
    by_first, by_second = found
    return by_first, by_second


IN_ONE_LOOP = Passes(sums, gradients)


class _Loops(NamedTuple):
    """Both passes, compiled."""

    sums: Callable[..., list[Tensor]]
    gradients: Callable[..., list[Tensor | None]]


@lru_cache(maxsize=32)
def _loops(form: CoherenceForm, frames: int) -> _Loops:
    pixels = _Pixels(form, frames)
    compiled = partial(torch.compile, fullgraph=True, options=ONE_LOOP)
    return _Loops(compiled(pixels.sums), compiled(pixels.gradients))


class _Pixels:
    """What becomes of a pixel, with a name for each frame; to be compiled.

    Args:
        form: which maps, of what.
        frames: T.
    """

    def __init__(self, form: CoherenceForm, frames: int) -> None:
        tables = tables_of(form, frames, torch.float64, torch.device("cpu"))
        self._form = form
        self._means, self._mean_squares, self._curvature = (
            tuple(tuple(row) for row in table.tolist()) for table in tables
        )

    def sums(self, first: Tensor, second: Tensor, validity: Tensor | None) -> list[Tensor]:
        """Return the sum of (A - B)^2, then four values of each attention, (B,) each.

        They are a reference, any of its values; its lowest and its highest one; and the sum of
        (V - reference) (A - B)^2, in which a large V that hardly differs loses no digits.
        """
        seen = _seen(validity)
        answers = self._answers(first, second)
        squares = [x * x for x in self._distances(answers, seen)]
        found = [_total(squares)]
        # Made of one pixel's answers: a part of a whole map would have that map written to memory.
        corner = self._answers(first[..., :1, :1], second[..., :1, :1])
        references = self._attentions(corner, None if seen is None else seen[..., :1, :1])
        for attention, (reference, *_) in zip(
            self._attentions(answers, seen), references, strict=True
        ):
            found += [
                reference.flatten(),
                reduce(torch.minimum, attention).amin((1, 2)),
                reduce(torch.maximum, attention).amax((1, 2)),
                _total([(v - reference) * x for v, x in zip(attention, squares, strict=True)]),
            ]
        return found

    def gradients(
        self,
        first: Tensor,
        second: Tensor,
        validity: Tensor | None,
        scales: Tensor,
        offsets: Tensor,
        wanted: tuple[bool, bool],
    ) -> list[Tensor | None]:
        """Return those by both answers, like them, where they are wanted.

        Args:
            first: (B, T, H, W).
            second: (B, T, H, W).
            validity: (B, 1, H, W) or None.
            scales: (B, F), of the attentions.
            offsets: (B,), added to them.
            wanted: of each answer, whether.
        """
        seen = _seen(validity)
        answers = self._answers(first, second)
        slopes = [offsets[:, None, None]] * first.shape[1]
        for attention, scale in zip(self._attentions(answers, seen), scales.unbind(1), strict=True):
            scaled = [v * scale[:, None, None] for v in attention]
            slopes = [x + y for x, y in zip(slopes, scaled, strict=True)]
        distances = self._distances(answers, seen)
        slopes = [x * y for x, y in zip(slopes, distances, strict=True)]
        found: list[Tensor | None] = []
        compared = answers[self._form.compared]
        for planes, sign, is_wanted in zip(compared, (1, -1), wanted, strict=True):
            by_planes = [sign * x for x in slopes]
            if self._form.compared == "probabilities":
                by_planes = [x * p * (1 - p) for x, p in zip(by_planes, planes, strict=True)]
            found.append(torch.stack(by_planes, 1).to(first.dtype) if is_wanted else None)
        return found

    def _answers(self, first: Tensor, second: Tensor) -> dict[MapScale, tuple[Planes, Planes]]:
        dtype = torch.promote_types(first.dtype, torch.float32)
        logits = list(first.to(dtype).unbind(1)), list(second.to(dtype).unbind(1))
        answers: dict[MapScale, tuple[Planes, Planes]] = {"logits": logits}
        if "probabilities" in self._form.scales:
            probabilities = tuple([x.sigmoid() for x in planes] for planes in logits)
            answers["probabilities"] = probabilities[0], probabilities[1]
        return answers

    def _distances(
        self, answers: dict[MapScale, tuple[Planes, Planes]], seen: Tensor | None
    ) -> Planes:
        """Return A - B where both views saw the pixel, else 0."""
        distances = [a - b for a, b in zip(*answers[self._form.compared], strict=True)]
        return distances if seen is None else [x * seen for x in distances]

    def _attentions(
        self, answers: dict[MapScale, tuple[Planes, Planes]], seen: Tensor | None
    ) -> list[Planes]:
        """Return the map of each attention, T planes each."""
        found = []
        for kind in self._form.attentions:
            if kind == "variance":
                found.append(self._variance(*answers[self._form.variance_of], seen))
            else:
                found.append(self._gradient(answers[self._form.gradient_of][0]))
        return found

    def _variance(self, first: Planes, second: Planes, seen: Tensor | None) -> Planes:
        """Return it, counted from the first frame: squares of large logits would eat digits."""
        if seen is not None:
            second = [torch.where(seen, b, a) for a, b in zip(first, second, strict=True)]
        centred = [x - first[0] for x in first + second]
        squared = [x * x for x in centred]
        variance = [_mixed(row, squared) for row in self._mean_squares]
        for index, row in enumerate(self._means):  # of the frames, then of their twins if released
            mean = _mixed(row, centred)
            frame = index % len(first)
            variance[frame] = variance[frame] - mean * mean
        return [x.clamp(min=0) for x in variance]

    def _gradient(self, planes: Planes) -> Planes:
        """Return the size of eq. 6."""
        if self._form.snapped:
            planes = [x.masked_fill(x < SNAP_LOW, 0.0) for x in planes]
            planes = [x.masked_fill(x > SNAP_HIGH, 1.0) for x in planes]
        return [_mixed(row, planes).abs() for row in self._curvature]


def _seen(validity: Tensor | None) -> Tensor | None:
    return None if validity is None else validity[:, 0] > 0


def _total(planes: Planes) -> Tensor:
    return reduce(torch.add, planes).sum((1, 2))


def _mixed(row: Row, planes: Planes) -> Tensor:
    """Return the sum of the planes, each times its value in `row`; equal ones are added first."""
    groups: dict[float, Planes] = {}
    for factor, plane in zip(row, planes, strict=False):
        if factor:
            groups.setdefault(factor, []).append(plane)
    return reduce(torch.add, [reduce(torch.add, same) * f for f, same in groups.items()])
