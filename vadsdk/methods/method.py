"""What the training loop needs from a method, and nothing more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.network import (
    convolves_pixels,
    input_size_of,
    kind_of,
    pixel_statistics_of,
)
from vadsdk.methods.views import ViewMaker

_TRAINED = "trained."


class Method(ABC):
    """Turns a batch into losses; owns whatever else its training needs beside the network.

    Args:
        network: what is learned, in train mode; shared, not copied.
        seed: of the views.
    """

    uses_unlabelled = True
    """Whether unlabelled rows teach."""
    needs_successors = False
    """Whether batches must have `successors`."""

    def __init__(self, network: nn.Module, seed: int) -> None:
        self._network = network
        mean, std = pixel_statistics_of(network)
        self._views = ViewMaker(
            input_size_of(network),
            seed,
            mean=mean,
            std=std,
            in_autocast_type=convolves_pixels(network),
        )
        self._phase: Hashable = None
        self.trained: nn.Module = nn.Module()
        """Parts that are learned with the network and never deployed, such as a second stream."""
        self.eager_reason: str | None = None
        """Why steps cannot be captured as a graph; None: they can."""
        self.uncompiled_reason: str | None = None
        """Why the network cannot be compiled; None: it can."""
        if kind_of(network) == "box":
            self.eager_reason = "how many boxes an annotation or an answer has differs by step"

    @abstractmethod
    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of one step, by name; their sum is what is minimised.

        Args:
            batch: on the network's device.
            progress: share of the training that lies behind, in [0, 1). A tensor, of no dimension
                and on the network's device, stands for whatever it holds when a graph is replayed:
                nothing may depend on it but tensors and the phase.
        """

    def phase(self, progress: float) -> Hashable:
        """Return what kind of step it is: steps of one phase do the same to other numbers."""
        return None

    def begin_step(self, progress: float) -> None:
        """Do what a step needs beforehand on the host; called before each step."""
        self._phase = self.phase(progress)

    def compile(self) -> None:
        """Have torch compile what its steps spend their time in; called once, before them."""
        for network in self.networks():
            network.compile(dynamic=False)

    def networks(self) -> tuple[nn.Module, ...]:
        """Return all networks that answer in a step."""
        return (self._network,)

    def after_step(self) -> None:  # noqa: B027 - most methods have nothing to do
        """Update what follows the network, such as a teacher; called after each optimiser step."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what must survive a resume beyond the network."""
        trained = {_TRAINED + name: value for name, value in self.trained.state_dict().items()}
        return self._views.state_dict() | trained

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self._views.load_state_dict(state)
        self.trained.load_state_dict(
            {n.removeprefix(_TRAINED): v for n, v in state.items() if n.startswith(_TRAINED)}
        )
