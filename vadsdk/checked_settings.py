"""Settings that come from outside as plain mappings: each named thing checks its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from vadsdk.errors import ConfigError, unknown_name

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(
    owner: str, kind: type[Settings], values: Mapping[str, object] | None
) -> Settings:
    """Return settings from a mapping.

    Args:
        owner: what they are of, for the message, as in "method 'e2e'".
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
            if not kind.model_fields:
                raise ConfigError(f"{owner} has no settings, so {field!r} is none") from None
            raise unknown_name(f"setting of {owner}", field, kind.model_fields) from None
        what = f"setting {field!r}" if field else "settings"  # several that do not go together
        reason = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{what} of {owner} cannot be {problem['input']!r}: {reason}") from None
