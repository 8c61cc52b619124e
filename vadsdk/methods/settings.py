"""What the fields of methods' settings share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from vadsdk.kernels.view_settings import ViewSettings, view_settings


def _known_strength(strength: str | ViewSettings) -> str | ViewSettings:
    view_settings(strength)
    return strength


ViewStrength = Annotated[str | ViewSettings, AfterValidator(_known_strength)]
"""A name of `kernels.view_settings.STRENGTHS`, or settings of one's own."""
