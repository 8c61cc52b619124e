"""The augmented views that methods learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vadsdk.kernels.augmentation import ViewParameters, apply_view, sample_view
from vadsdk.kernels.view_settings import ViewSettings


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """One view of each clip of a batch."""

    clips: Tensor
    """(B, 3, T, h, w) float, as the network wants them."""
    parameters: ViewParameters
    """How the clips were seen."""


class ViewMaker:
    """Draws views from its own random stream, which a resumed run takes up where it stopped.

    Args:
        size: (h, w) of the network's input.
        seed: of the random stream.
    """

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        self._size = size
        self._generator = torch.Generator().manual_seed(seed)

    def make(self, clips: Tensor, strength: str | ViewSettings) -> View:
        """Return a fresh view of clips (B, T, H, W, 3) uint8."""
        height, width = clips.shape[2:4]
        parameters = sample_view(len(clips), strength, self._generator, aspect_ratio=width / height)
        return View(clips=apply_view(clips, parameters, self._size), parameters=parameters)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state of the random stream."""
        return {"view_generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self._generator.set_state(state["view_generator"].cpu())
