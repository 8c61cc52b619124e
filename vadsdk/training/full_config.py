"""A run with every option of its network and its method written out."""

from __future__ import annotations

from vadsdk.checked_settings import read_settings
from vadsdk.errors import unknown_name
from vadsdk.methods import METHODS
from vadsdk.models import MODELS
from vadsdk.training.settings import RunConfig


def full_config(config: RunConfig) -> RunConfig:
    """Return the same run, whose settings of network and method leave nothing to defaults.

    Raises:
        ConfigError: no such network or method, or settings that they do not have.
    """
    if config.model not in MODELS:
        raise unknown_name("model", config.model, MODELS)
    if config.method not in METHODS:
        raise unknown_name("method", config.method, METHODS)
    model = read_settings(
        f"model {config.model!r}", MODELS[config.model].settings, config.model_settings
    )
    method = read_settings(
        f"method {config.method!r}", METHODS[config.method].settings, config.method_settings
    )
    return config.model_copy(
        update={
            "model_settings": model.model_dump(mode="json"),
            "method_settings": method.model_dump(mode="json"),
        }
    )
