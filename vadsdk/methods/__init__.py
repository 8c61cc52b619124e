"""Ways to learn from few labels: one file a method, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from vadsdk.errors import unknown_name
from vadsdk.methods.e2e import E2E
from vadsdk.methods.e2e_settings import E2ESettings
from vadsdk.methods.method import Method
from vadsdk.methods.settings import read_settings
from vadsdk.methods.supervised import Supervised, SupervisedSettings

SettingsMapping = Mapping[str, object] | None


def _supervised(network: nn.Module, settings: SettingsMapping) -> Method:
    return Supervised(network, read_settings("supervised", SupervisedSettings, settings))


def _e2e(network: nn.Module, settings: SettingsMapping) -> Method:
    return E2E(network, read_settings("e2e", E2ESettings, settings))


METHODS: dict[str, Callable[[nn.Module, SettingsMapping], Method]] = {
    "supervised": _supervised,
    "e2e": _e2e,
}
"""Every method by name."""


def build_method(name: str, network: nn.Module, settings: SettingsMapping = None) -> Method:
    """Return the method of that name around a network.

    Args:
        name: one of `METHODS`.
        network: `(clips, condition) -> ClipOutputs`, with `num_classes` and `input_size`.
        settings: the method's settings by field name, as configuration files hold them.

    Raises:
        ConfigError: no such method, no such setting, or a value that does not fit.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name](network, settings)


__all__ = [
    "E2E",
    "METHODS",
    "E2ESettings",
    "Method",
    "Supervised",
    "SupervisedSettings",
    "build_method",
]
