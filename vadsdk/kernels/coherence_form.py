"""Which attention maps weigh the squared differences of two answers (`coherence_losses`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AttentionKind = Literal["variance", "gradient"]
MapScale = Literal["probabilities", "logits"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CoherenceForm:
    """Which attention maps, and of what they are taken."""

    attentions: tuple[AttentionKind, ...] = ("variance",)
    """Of eq. 4, of |eq. 6|, or both, each once: one loss each, in this order."""
    scaling: Literal["min_max", "paper", "released"] = "min_max"
    """min_max: stretched to [0, 1] for each clip. paper: as the equations read. released: variances
    of frames and their twins added, stretched, and doubled for the two directions; not for the
    gradient, whose released form mixes the clips of a batch."""
    window: int = 5
    """Frames of a variance, odd."""
    cyclic: bool = True
    """The variance runs on into the second answer; else it ends where the clip ends."""
    compared: MapScale = "probabilities"
    """What A - B is the difference of."""
    variance_of: MapScale = "probabilities"
    """What the variance is taken of."""
    gradient_of: MapScale = "probabilities"
    """What the gradient is taken of."""
    snapped: bool = False
    """The gradient is taken of probabilities that `temporal_maps.snap_confident` has snapped."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        kinds = self.attentions
        if not kinds or len(set(kinds)) < len(kinds) or set(kinds) - {"variance", "gradient"}:
            raise ValueError(f"need 'variance', 'gradient' or both, each once; got {kinds}")
        if "gradient" in kinds and self.scaling == "released":
            raise ValueError(
                "the released gradient weighs each clip by all clips' maps; "
                "give temporal_maps.released_gradient_map(...) to gradient_smoothness_loss"
            )
        if self.scaling == "released" and not self.cyclic:
            raise ValueError("the released variance is cyclic; set cyclic=True")
        if self.snapped and self.gradient_of != "probabilities":
            raise ValueError("only probabilities are snapped; set gradient_of='probabilities'")

    @property
    def stretched(self) -> bool:
        """Whether each clip's maps are stretched to [0, 1]."""
        return self.scaling != "paper"

    @property
    def gain(self) -> float:
        """Factor of the attention, stretched or not."""
        return 2.0 if self.scaling == "released" else 1.0

    @property
    def scales(self) -> frozenset[MapScale]:
        """What has to be made of the logits."""
        of_attentions = {"variance": self.variance_of, "gradient": self.gradient_of}
        return frozenset([self.compared, *(of_attentions[kind] for kind in self.attentions)])
