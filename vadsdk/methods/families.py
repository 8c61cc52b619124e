"""The families by kind of network, and the settings that every method shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch import nn

from vadsdk.errors import ConfigError
from vadsdk.kernels.view_settings import ViewSettings
from vadsdk.methods.box_family import BoxFamily
from vadsdk.methods.box_settings import BoxTermSettings, PseudoBoxSettings
from vadsdk.methods.family import Family
from vadsdk.methods.mask_family import MaskFamily, PseudoMaskSettings
from vadsdk.methods.network import kind_of, num_classes_of
from vadsdk.methods.recognition_family import RecognitionFamily, RecognitionSettings
from vadsdk.methods.supervised_terms import TermSettings
from vadsdk.structures import ModelKind


class FamilySettings(BaseModel):
    """How networks of each kind are taught; a method reads the part of its network's kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: TermSettings = TermSettings()
    """Mask networks: weights and forms of the supervised losses."""
    pseudo_masks: PseudoMaskSettings = PseudoMaskSettings()
    """Mask networks: what is trusted of an answer."""
    box_terms: BoxTermSettings = BoxTermSettings()
    """Box networks: weights and forms of the supervised losses."""
    pseudo_boxes: PseudoBoxSettings = PseudoBoxSettings()
    """Box networks: what is trusted of an answer."""
    recognition: RecognitionSettings = RecognitionSettings()
    """Recognition networks: weights of the losses, and what is trusted of an answer."""
    seed: int = 0
    """Of the views."""


def _mask_family(network: nn.Module, settings: FamilySettings) -> MaskFamily:
    return MaskFamily(num_classes_of(network), settings.terms, settings.pseudo_masks)


def _box_family(network: nn.Module, settings: FamilySettings) -> BoxFamily:
    for name, value in settings:
        if isinstance(value, ViewSettings) and value.time_reversal_probability > 0:
            raise ConfigError(
                f"setting {name!r} has views that are reversed in time, but a box network learns "
                "a clip's last frame, which would be its first; set time_reversal_probability to 0"
            )
    return BoxFamily(network, settings.box_terms, settings.pseudo_boxes)


def _recognition_family(network: nn.Module, settings: FamilySettings) -> RecognitionFamily:
    return RecognitionFamily(settings.recognition)


FAMILIES: dict[ModelKind, Callable[[nn.Module, FamilySettings], Family[Any, Any]]] = {
    "mask": _mask_family,
    "box": _box_family,
    "recognition": _recognition_family,
}


def family_of(network: nn.Module, settings: FamilySettings) -> Family[Any, Any]:
    """Return how a network of this kind is taught."""
    return FAMILIES[kind_of(network)](network, settings)


def require_kind(network: nn.Module, kinds: Sequence[ModelKind], method: str, reason: str) -> None:
    """Refuse a network that a method makes no sense for.

    Args:
        network: what came.
        kinds: what the method is for.
        method: its name.
        reason: why others do not fit, a clause that ends the message.

    Raises:
        ConfigError: the network is of another kind.
    """
    kind = kind_of(network)
    if kind not in kinds:
        raise ConfigError(
            f"method {method!r} is for {' and '.join(kinds)} networks, not for a {kind} network: "
            f"{reason}"
        )
