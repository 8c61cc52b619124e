"""Enough of pydantic to hold default settings, for machines that have torch and nothing else.

`gpu.sh` puts this folder on the path where the real one is missing; nothing else ever does. It
fills in defaults, builds nested settings from mappings, refuses unknown fields and runs the
validators that classes define. It does not check ranges or types: what the benchmarks and GPU
tests write into settings is checked wherever the real one is installed.
"""

from __future__ import annotations

import copy
import typing
from collections.abc import Callable, Mapping
from typing import Any

_REQUIRED = object()


class ValidationError(ValueError):
    """A field that there is not, or one that is missing."""

    def __init__(self, message: str, field: str, value: object) -> None:
        super().__init__(message)
        kind = "extra_forbidden" if "unknown" in message else "missing"
        self._errors = [{"type": kind, "loc": (field,), "msg": message, "input": value}]

    def errors(self) -> list[dict[str, Any]]:
        return self._errors


class _FieldInfo:
    def __init__(self, default: object, factory: Callable[[], object] | None) -> None:
        self._default, self._factory = default, factory

    def value(self) -> object:
        return self._factory() if self._factory is not None else copy.deepcopy(self._default)

    def is_required(self) -> bool:
        return self._factory is None and self._default is _REQUIRED


def Field(
    default: object = _REQUIRED,
    *,
    default_factory: Callable[[], object] | None = None,
    **_limits: object,
) -> Any:
    return _FieldInfo(default, default_factory)


def ConfigDict(**values: object) -> dict[str, object]:
    return dict(values)


class AfterValidator:
    """Kept in annotations, where the real one looks for it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


def field_validator(*names: str, mode: str = "after") -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        inner = function.__func__ if isinstance(function, classmethod) else function
        inner.validated_fields = names
        return function

    return mark


def model_validator(*, mode: str) -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        function.validates_model = True
        return function

    return mark


class BaseModel:
    """Fields from annotations; compared by value."""

    model_config: dict[str, object] = {}
    model_fields: typing.ClassVar[dict[str, _FieldInfo]] = {}

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        fields = dict(cls.model_fields)
        for name in cls.__dict__.get("__annotations__", {}):
            if name != "model_config":
                default = cls.__dict__.get(name, _REQUIRED)
                info = default if isinstance(default, _FieldInfo) else _FieldInfo(default, None)
                fields[name] = info
        for name, value in cls.__dict__.items():  # a default that is changed without annotation
            if name in fields and not isinstance(value, _FieldInfo):
                fields[name] = _FieldInfo(value, None)
        cls.model_fields = fields

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            if name not in self.model_fields:
                raise ValidationError(f"unknown setting {name!r}", name, value)
        kinds = typing.get_type_hints(type(self), include_extras=True)
        for name, info in self.model_fields.items():
            if name not in values and info.is_required():
                raise ValidationError(f"setting {name!r} is missing", name, None)
            given = values[name] if name in values else info.value()
            self.__dict__[name] = self._checked(name, _built(kinds[name], given))
        for name in dir(type(self)):
            if getattr(getattr(type(self), name), "validates_model", False):
                getattr(self, name)()

    def _checked(self, name: str, value: object) -> object:
        for member in dir(type(self)):
            function = getattr(type(self), member)
            if name in getattr(function, "validated_fields", ()):
                value = function(value)
        return value

    @classmethod
    def model_validate(cls, values: object) -> Any:
        assert isinstance(values, Mapping)
        return cls(**values)

    def model_dump(self, *, mode: str = "python", **_options: object) -> dict[str, Any]:
        return {name: _plain(self.__dict__[name]) for name in self.model_fields}

    def model_copy(self, *, update: Mapping[str, object] | None = None) -> Any:
        return type(self)(**{**{n: self.__dict__[n] for n in self.model_fields}, **(update or {})})

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.__dict__.items(), key=str))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__})"


def _built(kind: Any, value: object) -> object:
    """Return settings built from a mapping where the annotation names a class of settings."""
    for option in (kind, *typing.get_args(kind)):
        if isinstance(value, Mapping) and isinstance(option, type):
            if issubclass(option, BaseModel):
                return option(**value)
    return value


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    return list(value) if isinstance(value, tuple) else value
