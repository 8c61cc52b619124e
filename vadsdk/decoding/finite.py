"""The check that every decoding makes of a model's numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ModelFileError


def require_finite(*outputs: NDArray[np.float32]) -> None:
    """Refuse what a damaged model gives.

    Raises:
        ModelFileError: NaN or infinity.
    """
    if not all(np.isfinite(values).all() for values in outputs):
        raise ModelFileError(
            "the model gave NaN or infinite scores: its weights are damaged or its precision is "
            "too low; train it again, or export it with --precision fp32"
        )
