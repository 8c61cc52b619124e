"""An actor that the linker follows: where he is, where he goes, and the tube he is in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.linking.spec import LinkingSpec
from vadsdk.linking.trimming import ActionLevel, new_weight
from vadsdk.linking.tube_builder import Observation, TubeBuilder


class Actor:
    """State of one actor, of constant size but for the tube."""

    def __init__(self, observation: Observation, tube: TubeBuilder, spec: LinkingSpec) -> None:
        self._spec = spec
        self._velocity = np.zeros(2)  # pixels a frame, of the box's centre
        self._num_steps = 0
        self.last = observation
        """The latest observation."""
        self.action = ActionLevel(observation.class_scores, spec)
        self.tube: TubeBuilder | None = tube
        """None while the actor is in view without acting."""
        self.other_action_since: int | None = None
        """Frame from which on another action than the tube's has clearly outscored it."""

    def predict(self, index: int) -> NDArray[np.float64]:
        """Return the (4,) box expected at frame `index`: same size, velocity fading over a gap."""
        fading = 0.5 ** (1.0 / self._spec.motion_half_life_frames)
        steps = (1.0 - fading ** (index - self.last.index)) / (1.0 - fading)
        # `steps` sums 1 + fading + fading^2 + ...: the next frame gets the whole velocity.
        predicted: NDArray[np.float64] = self.last.box_xyxy + steps * np.tile(self._velocity, 2)
        return predicted

    def observe(self, observation: Observation) -> None:
        """Take in where the actor is now and how he scores; the tube is the linker's business."""
        elapsed = observation.index - self.last.index
        moved = _centre(observation.box_xyxy) - _centre(self.last.box_xyxy)
        self._num_steps += 1
        weight = new_weight(self._num_steps, elapsed, self._spec.motion_half_life_frames)
        self._velocity += weight * (moved / elapsed - self._velocity)
        self.action.observe(observation.class_scores, elapsed)
        self.last = observation

    def switches_action(self, class_index: int) -> bool:
        """Whether the tube's action has been outscored by another one for `switch_frames`.

        To be asked at each observation of an acting actor.

        Args:
            class_index: the tube's action.
        """
        if not self.action.replaces(class_index):
            self.other_action_since = None
        elif self.other_action_since is None:
            self.other_action_since = self.last.index
        since = self.other_action_since
        return since is not None and self.last.index - since >= self._spec.switch_frames


def _centre(box_xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    return (box_xyxy[:2].astype(np.float64) + box_xyxy[2:]) / 2
