"""The augmented views that methods learn from.

Legend: B clips, T frames, H, W of the stored clip, h, w of the network's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vadsdk.kernels.augmentation import apply_view, apply_view_with_gradients
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.kernels.view_sources import Clips
from vadsdk.methods.host_draws import drawn_on_host


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """One view of each clip of a batch."""

    clips: Tensor
    """(B, 3, T, h, w) as the network wants them: less its mean, divided by its deviation; float32,
    or the type of autocast."""
    parameters: ViewParameters
    """How the clips were seen, on their device."""

    def rows(self, indices: Tensor) -> View:
        """Return the clips at `indices` (N,)."""
        return View(clips=self.clips[indices], parameters=self.parameters.rows(indices))

    def mirrored(self) -> View:
        """Return the same view, left and right exchanged."""
        return View(clips=self.clips.flip(-1), parameters=self.parameters.mirrored())

    def joined(self, other: View) -> View:
        """Return these clips and then the other's."""
        return View(
            clips=torch.cat((self.clips, other.clips)),
            parameters=self.parameters.joined(other.parameters),
        )


class ViewMaker:
    """Draws views from its own random stream, which a resumed run takes up where it stopped.

    Args:
        size: (h, w) of the network's input.
        seed: of the random stream.
        mean: subtracted from RGB in [0, 1], as the network's exported file will.
        std: divides what remains.
        in_autocast_type: write views in the type of autocast, where it is on: on a card.
    """

    def __init__(
        self,
        size: tuple[int, int],
        seed: int,
        *,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        in_autocast_type: bool = False,
    ) -> None:
        self._size = size
        self._mean, self._std = tuple(mean), tuple(std)
        self._in_autocast_type = in_autocast_type
        self._generator = torch.Generator().manual_seed(seed)

    def make(
        self,
        clips: Clips,
        strength: str | ViewSettings,
        *,
        geometry: ViewParameters | None = None,
    ) -> View:
        """Return a fresh view of clips (B, T, H, W, 3) uint8.

        Args:
            clips: what is seen.
            strength: of the view.
            geometry: of another view of the clips, which lends where pixels come from and the
                direction of time; then only colours and cut-outs are drawn.
        """
        parameters = self._draw(clips, strength)
        if geometry is not None:
            parameters = replace(
                parameters, affines=geometry.affines, time_reversed=geometry.time_reversed
            )
        seen = apply_view(
            clips,
            parameters,
            self._size,
            mean=self._mean,
            std=self._std,
            dtype=self._dtype_on(clips.device),
            memory_format=_format_for(clips.device),
        )
        return View(clips=seen, parameters=parameters)

    def make_with_gradients(
        self, clips: Clips, successors: Clips, strength: str | ViewSettings
    ) -> tuple[View, View]:
        """Return a fresh view of clips and the same view of their temporal gradients.

        Gradients get the mean and deviation that the colours get, as in paper 3's release; see
        `apply_view_with_gradients`.

        Args:
            clips: (B, T, H, W, 3) uint8.
            successors: (B, T, H, W, 3) uint8, the frame after each.
            strength: of the view.
        """
        parameters = self._draw(clips, strength)
        colours, gradients = apply_view_with_gradients(
            clips,
            successors,
            parameters,
            self._size,
            mean=self._mean,
            std=self._std,
            dtype=self._dtype_on(clips.device),
            memory_format=_format_for(clips.device),
        )
        return (
            View(clips=colours, parameters=parameters),
            View(clips=gradients, parameters=parameters),
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state of the random stream."""
        return {"view_generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self._generator.set_state(state["view_generator"].cpu())

    def _dtype_on(self, device: torch.device) -> torch.dtype:
        """Return the type of views; on a CPU, where networks leave autocast, always float32."""
        if self._in_autocast_type and device.type == "cuda" and torch.is_autocast_enabled("cuda"):
            return torch.get_autocast_dtype("cuda")
        return torch.float32

    def _draw(self, clips: Clips, strength: str | ViewSettings) -> ViewParameters:
        """Return parameters on the clips' device, as all that follows happens there."""
        height, width = clips.shape[2:4]

        def draw(count: int) -> Tensor:
            drawn = sample_view(count, strength, self._generator, aspect_ratio=width / height)
            return drawn.packed()

        return ViewParameters.unpacked(drawn_on_host(draw, len(clips), clips.device))


def _format_for(device: torch.device) -> torch.memory_format:
    """Return the layout that a device's 3D convolutions are quickest with."""
    return torch.channels_last_3d if device.type == "cuda" else torch.contiguous_format
