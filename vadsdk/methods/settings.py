"""Settings of methods: what their fields share, and how a mapping from outside becomes settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

from vadsdk.errors import ConfigError, unknown_name
from vadsdk.kernels.view_settings import ViewSettings, view_settings

Settings = TypeVar("Settings", bound=BaseModel)


def _known_strength(strength: str | ViewSettings) -> str | ViewSettings:
    view_settings(strength)
    return strength


ViewStrength = Annotated[str | ViewSettings, AfterValidator(_known_strength)]
"""A name of `kernels.view_settings.STRENGTHS`, or settings of one's own."""


def read_settings(
    method: str, kind: type[Settings], values: Mapping[str, object] | None
) -> Settings:
    """Return the settings of a method from a mapping.

    Args:
        method: its name, for the message.
        kind: the settings' class.
        values: by field name; None for the defaults.

    Raises:
        ConfigError: an unknown field or a value that does not fit; the message names the field.
    """
    try:
        return kind.model_validate(dict(values or {}))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
            raise unknown_name(f"setting of method {method}", field, kind.model_fields) from None
        raise ConfigError(
            f"setting {field!r} of method {method!r} cannot be {problem['input']!r}: "
            f"{problem['msg']}"
        ) from None
