"""How strongly a view may differ from the stored clip."""

from __future__ import annotations

from dataclasses import dataclass

from vadsdk.errors import ConfigError, unknown_name


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewSettings:
    """Ranges that a view is drawn from; the defaults change nothing."""

    flip_probability: float = 0.0
    """Mirrored left to right."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Range of the seen window's side over the frame's: below 1 is a crop, above 1 shows black
    around."""
    rotation_degrees: float = 0.0
    """At most so far either way."""
    shift: float = 0.0
    """The window may leave the frame by this share of half the frame."""
    brightness: float = 0.0
    """Gain drawn from 1 -+ this."""
    contrast: float = 0.0
    """Gain about the clip's mean brightness, drawn from 1 -+ this."""
    saturation: float = 0.0
    """Drawn from 1 -+ this."""
    grayscale_probability: float = 0.0
    """All colour removed."""
    cutout_probability: float = 0.0
    """One box, the same in all frames, becomes grey."""
    cutout_side: float = 0.4
    """Largest side of that box over the view's side."""
    time_reversal_probability: float = 0.0
    """Frames in reverse order; only where the actions mean the same backwards."""
    blur_probability: float = 0.0
    """Every frame smoothed by one Gaussian."""
    blur_sigma: tuple[float, float] = (0.3, 1.5)
    """Range of its standard deviation in pixels of the view; it is cut off two pixels away."""

    def __post_init__(self) -> None:
        low, high = self.zoom
        if not 0 < low <= high:
            raise ConfigError(f"zoom must be a range of positive numbers, not {self.zoom}")
        low, high = self.blur_sigma
        if not 0 < low <= high:
            raise ConfigError(f"blur_sigma must be a range of positive numbers, not {(low, high)}")
        for name in ("brightness", "contrast", "saturation", "cutout_side"):
            self._require(name, 0.0, 1.0)
        for name in ("flip", "grayscale", "cutout", "time_reversal", "blur"):
            self._require(f"{name}_probability", 0.0, 1.0)
        self._require("rotation_degrees", 0.0, 180.0)
        self._require("shift", 0.0, 2.0)

    def _require(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} of a view must lie in [{low:g}, {high:g}], not {value}")


STRENGTHS = {
    "identity": ViewSettings(),
    "mirror": ViewSettings(flip_probability=1.0),
    "weak": ViewSettings(
        flip_probability=0.5, zoom=(0.8, 1.0), brightness=0.15, contrast=0.15, saturation=0.15
    ),
    "strong": ViewSettings(
        flip_probability=0.5,
        zoom=(0.6, 1.1),
        rotation_degrees=10.0,
        shift=0.1,
        brightness=0.4,
        contrast=0.4,
        saturation=0.6,
        grayscale_probability=0.2,
        cutout_probability=0.5,
    ),
    "paper2": ViewSettings(flip_probability=0.5, zoom=(0.6, 1.2), shift=0.1),
}
"""Ready-made strengths; `mirror` is paper 1's released augmentation, always flipped; `paper2` is
paper 2's strong one, which flips, scales and crops (section 4.2, without ranges)."""


def view_settings(strength: str | ViewSettings) -> ViewSettings:
    """Return the settings of a named strength, or the settings given.

    Raises:
        ConfigError: no such name.
    """
    if isinstance(strength, ViewSettings):
        return strength
    if strength not in STRENGTHS:
        raise unknown_name("view strength", strength, STRENGTHS)
    return STRENGTHS[strength]
