"""The same model with its labels in another order, such as that of a data set.

Legend: B clips, N boxes, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError
from vadsdk.structures import ClipModel, ModelSpec, RawOutputs


class _Relabelled:
    def __init__(self, model: ClipModel, labels: tuple[str, ...]) -> None:
        self._model = model
        self._spec = replace(model.spec, labels=labels)
        self._places = [model.spec.labels.index(label) for label in labels]

    @property
    def spec(self) -> ModelSpec:
        """What the model detects, in the other order."""
        return self._spec

    def infer(self, clips: NDArray[np.uint8]) -> RawOutputs:
        """Run the model."""
        outputs = self._model.infer(clips)
        scores = outputs.class_scores[..., self._places]  # (B, K) or (B, N, K)
        return replace(outputs, class_scores=scores)


def with_labels(model: ClipModel, labels: Sequence[str]) -> ClipModel:
    """Return a model that names its classes in the order of `labels`.

    Layouts order the same labels differently: by name, by id, as they were written.

    Args:
        model: runs as before, and is shared.
        labels: of a data set.

    Raises:
        DatasetError: they are not the model's labels in some order; names those that differ.
    """
    known, asked = set(model.spec.labels), set(labels)
    if known != asked:
        differing = [
            f"the {who} alone has {', '.join(sorted(names))}"
            for who, names in (("model", known - asked), ("data set", asked - known))
            if names
        ]
        raise DatasetError(
            f"model and data set have different labels: {'; '.join(differing)}. "
            "Evaluate the model on data of its own labels"
        )
    return model if model.spec.labels == tuple(labels) else _Relabelled(model, tuple(labels))
