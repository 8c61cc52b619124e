"""What the attention maps of `coherence_losses` make of frames, as matrices along time.

Legend: T frames. Matrices (R, 2 T) act on the T frames of the first answer, then on those of the
    second.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.temporal_maps import curvature_table, cyclic_table, open_table


class Tables(NamedTuple):
    """What acts along time, for one form and number of frames."""

    means: Tensor
    """(T or 2 T, 2 T): means of the windows; of frames, then of their twins if released."""
    mean_squares: Tensor
    """(T, 2 T): the same for squares, with frames and twins added."""
    curvature: Tensor
    """(T, T)."""


@lru_cache(maxsize=32)
def tables_of(form: CoherenceForm, frames: int, dtype: torch.dtype, device: torch.device) -> Tables:
    """Return the tables of a form for clips of so many frames, where the answers are.

    They are made on the host, once.
    """
    curvature = curvature_table(frames).to(device, dtype)
    if "variance" not in form.attentions:
        return Tables(curvature, curvature, curvature)
    if form.cyclic:
        cycle = cyclic_table(frames, form.window)  # (2 T - 2, 2 T - 2)
        ends = cycle.new_zeros(len(cycle), 1)  # the second answer's end frames are not in the cycle
        rows = torch.cat((cycle[:, :frames], ends, cycle[:, frames:].flip(1), ends), 1)
    else:
        of_first = open_table(frames, form.window)
        rows = torch.cat((of_first, torch.zeros_like(of_first)), 1)
    means = mean_squares = rows[:frames]
    if form.scaling == "released":
        twins = rows[-torch.arange(frames) % len(rows)]
        means, mean_squares = torch.cat((means, twins)), means + twins
    return Tables(means.to(device, dtype), mean_squares.to(device, dtype), curvature)
