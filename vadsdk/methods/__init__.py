"""Ways to learn from few labels: one file a method, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from torch import nn

from vadsdk.checked_settings import read_settings
from vadsdk.errors import unknown_name
from vadsdk.methods.co_ssd import CoSSD, CoSSDSettings
from vadsdk.methods.dual_guidance import DualGuidance
from vadsdk.methods.dual_guidance_settings import DualGuidanceSettings
from vadsdk.methods.e2e import E2E
from vadsdk.methods.e2e_settings import E2ESettings
from vadsdk.methods.fixmatch import FixMatch, FixMatchSettings
from vadsdk.methods.mean_teacher import MeanTeacher, MeanTeacherSettings
from vadsdk.methods.method import Method
from vadsdk.methods.mixmatch import MixMatch, MixMatchSettings
from vadsdk.methods.pseudo_label import PseudoLabel, PseudoLabelSettings
from vadsdk.methods.stable_mean_teacher import StableMeanTeacher
from vadsdk.methods.stable_mean_teacher_settings import StableMeanTeacherSettings
from vadsdk.methods.supervised import Supervised, SupervisedSettings
from vadsdk.methods.temporal_gradient import TemporalGradient
from vadsdk.methods.temporal_gradient_settings import TemporalGradientSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodEntry:
    """How a method of one name is made."""

    build: Callable[[nn.Module, Any], Method]
    """Takes the network and the settings."""
    settings: type[BaseModel]
    """Their class."""


METHODS: dict[str, MethodEntry] = {
    "supervised": MethodEntry(build=Supervised, settings=SupervisedSettings),
    "co_ssd": MethodEntry(build=CoSSD, settings=CoSSDSettings),
    "dual_guidance": MethodEntry(build=DualGuidance, settings=DualGuidanceSettings),
    "e2e": MethodEntry(build=E2E, settings=E2ESettings),
    "fixmatch": MethodEntry(build=FixMatch, settings=FixMatchSettings),
    "mean_teacher": MethodEntry(build=MeanTeacher, settings=MeanTeacherSettings),
    "mixmatch": MethodEntry(build=MixMatch, settings=MixMatchSettings),
    "pseudo_label": MethodEntry(build=PseudoLabel, settings=PseudoLabelSettings),
    "stable_mean_teacher": MethodEntry(build=StableMeanTeacher, settings=StableMeanTeacherSettings),
    "temporal_gradient": MethodEntry(build=TemporalGradient, settings=TemporalGradientSettings),
}
"""Every method by name."""


def build_method(
    name: str, network: nn.Module, settings: Mapping[str, object] | None = None
) -> Method:
    """Return the method of that name around a network.

    Args:
        name: one of `METHODS`.
        network: as `build_model` makes it.
        settings: the method's settings by field name, as configuration files hold them.

    Raises:
        ConfigError: no such method, no such setting, a value that does not fit, or a network of a
            kind that the method is not for.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    entry = METHODS[name]
    return entry.build(network, read_settings(f"method {name!r}", entry.settings, settings))


__all__ = [
    "E2E",
    "METHODS",
    "CoSSD",
    "CoSSDSettings",
    "DualGuidance",
    "DualGuidanceSettings",
    "E2ESettings",
    "FixMatch",
    "FixMatchSettings",
    "MeanTeacher",
    "MeanTeacherSettings",
    "Method",
    "MethodEntry",
    "MixMatch",
    "MixMatchSettings",
    "PseudoLabel",
    "PseudoLabelSettings",
    "StableMeanTeacher",
    "StableMeanTeacherSettings",
    "Supervised",
    "SupervisedSettings",
    "TemporalGradient",
    "TemporalGradientSettings",
    "build_method",
]
