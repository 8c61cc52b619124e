"""What the training loop needs from a method, and nothing more."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from vadsdk.data.batches import ClipBatch


class Method(Protocol):
    """Turns a batch into losses; owns whatever else its training needs beside the network."""

    def losses(self, batch: ClipBatch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses of one step, by name; their sum is what is minimised.

        Args:
            batch: on the network's device.
            progress: share of the training that lies behind, in [0, 1).
        """
        ...

    def after_step(self) -> None:
        """Update what follows the network, such as a teacher; called after each optimiser step."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Return what must survive a resume beyond the network."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        ...
