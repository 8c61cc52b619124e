"""How actors are linked and their tubes begun, trimmed and ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkingSpec:
    """Numbers of the online linker, in source frames; the defaults mean 25 to 30 of them a second.

    They lean towards long tubes: a tube cut in two misses any annotated tube at IoU 0.5, while a
    few frames too many cost little.
    """

    iou_threshold: float = 0.1
    """An actor and a detection overlapping less (IoU with the predicted box) are never linked."""
    class_weight: float = 0.3
    """Share of class agreement in the affinity, in [0, 1]; the rest is IoU."""
    max_gap_frames: int = 15
    """Longest run of frames without a detection that is bridged; then the actor is dropped."""
    motion_half_life_frames: float = 6.0
    """Half-life of the velocity estimate, and of its influence on the prediction over a gap."""
    birth_score: float = 0.05
    """An unlinked detection whose best class scores less begins no tube (but may continue one)."""
    confirm_frames: int = 3
    """Detections after which a tube's "started" event comes."""
    min_length_frames: int = 8
    """A finished tube of fewer frames is dropped as noise."""
    min_tube_score: float = 0.05
    """A finished tube that scores less is dropped as noise."""
    max_tube_frames: int = 9000
    """A longer tube is ended and goes on under a new id: so memory is bounded."""
    score_half_life_frames: float = 5.0
    """Half-life of the smoothed class scores that trimming and class agreement look at."""
    level_half_life_frames: float = 150.0
    """Half-life with which an actor's level (the peak of his smoothed best score) is forgotten."""
    end_ratio: float = 0.25
    """A tube ends when the smoothed best score falls below this share of the level."""
    start_ratio: float = 0.5
    """An actor who stopped begins a new tube when it rises to this share again."""
    switch_ratio: float = 0.5
    """A tube's action is being replaced while it scores under this share of the actor's best."""
    switch_frames: int = 25
    """After so many frames of that the tube is split where the other action began."""

    def __post_init__(self) -> None:
        for name in ("iou_threshold", "class_weight", "birth_score", "min_tube_score"):
            self._require(name, 0.0 <= getattr(self, name) <= 1.0, "lie in [0, 1]")
        for name in ("motion", "score", "level"):
            field = f"{name}_half_life_frames"
            self._require(field, getattr(self, field) > 0, "be positive")
        for name in ("confirm_frames", "min_length_frames", "switch_frames"):
            self._require(name, getattr(self, name) >= 1, "be 1 or more")
        self._require("max_gap_frames", self.max_gap_frames >= 0, "be 0 or more")
        self._require("switch_ratio", 0.0 <= self.switch_ratio < 1.0, "lie in [0, 1)")
        self._require("end_ratio", 0.0 <= self.end_ratio <= 1.0, "lie in [0, 1]")
        fits = self.end_ratio <= self.start_ratio <= 1.0
        self._require("start_ratio", fits, f"lie in [end_ratio, 1] = [{self.end_ratio}, 1]")
        longer = self.max_tube_frames >= max(self.min_length_frames, self.switch_frames)
        self._require("max_tube_frames", longer, "reach min_length_frames and switch_frames")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name} must {rule}, not {getattr(self, name)}")
