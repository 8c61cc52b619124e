"""The same model under another threshold than its file carries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError
from vadsdk.structures import ClipModel, ModelSpec, RawOutputs


class _Redecoded:
    def __init__(self, model: ClipModel, spec: ModelSpec) -> None:
        self._model = model
        self._spec = spec

    @property
    def spec(self) -> ModelSpec:
        """What the model detects, with the other threshold."""
        return self._spec

    def infer(self, clips: NDArray[np.uint8]) -> RawOutputs:
        """Run the model."""
        return self._model.infer(clips)


def with_min_score(model: ClipModel, min_score: float | None) -> ClipModel:
    """Return a model whose detections count from another score on.

    Average precision asks for the weakest detections too: YOWO's evaluation takes 0.005, and what
    is shown to people more than the default. Recognisers are scored without a threshold anyhow.

    Args:
        model: runs as before, and is shared.
        min_score: in [0, 1]; None leaves the model as it is.

    Raises:
        ConfigError: out of range.
    """
    if min_score is None:
        return model
    try:
        decoding = replace(model.spec.decoding, min_score=min_score)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return _Redecoded(model, replace(model.spec, decoding=decoding))
