from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from vadsdk.structures import (
    OUTPUTS_OF_KIND,
    BoxOutputs,
    MaskOutputs,
    RawOutputs,
    RecognitionOutputs,
    output_names,
)
from vadsdk.structures.model_spec import ModelKind


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_every_kind_has_its_outputs():
    assert set(OUTPUTS_OF_KIND) == set(get_args(ModelKind))
    assert set(OUTPUTS_OF_KIND.values()) == set(get_args(RawOutputs))
    assert output_names("box") == ("boxes_xyxy01", "objectness", "class_scores")


def test_shapes_that_belong_together_are_taken():
    MaskOutputs(class_scores=zeros(2, 3), mask_logits=zeros(2, 4, 8, 8))
    BoxOutputs(boxes_xyxy01=zeros(2, 5, 4), objectness=zeros(2, 5), class_scores=zeros(2, 5, 3))
    RecognitionOutputs(class_scores=zeros(2, 3))


@pytest.mark.parametrize(
    ("boxes", "objectness", "scores"),
    [
        ((2, 5, 3), (2, 5), (2, 5, 3)),
        ((2, 6, 4), (2, 5), (2, 5, 3)),
        ((2, 5, 4), (2, 5), (2, 6, 3)),
        ((1, 5, 4), (2, 5), (2, 5, 3)),
        ((2, 5, 4), (2, 5, 1), (2, 5, 3)),
        ((2, 5, 4), (2, 5), (2, 3)),
    ],
)
def test_box_outputs_of_other_shapes_are_named(
    boxes: tuple[int, ...], objectness: tuple[int, ...], scores: tuple[int, ...]
):
    with pytest.raises(ValueError, match=r"not \("):
        BoxOutputs(
            boxes_xyxy01=zeros(*boxes), objectness=zeros(*objectness), class_scores=zeros(*scores)
        )


@pytest.mark.parametrize("shape", [(3,), (2, 5, 3)])
def test_recognition_scores_of_another_shape_are_named(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"class_scores is \(B, K\), not"):
        RecognitionOutputs(class_scores=zeros(*shape))


@pytest.mark.parametrize(("scores", "logits"), [((2, 3), (1, 4, 8, 8)), ((3,), (2, 4, 8, 8))])
def test_mask_outputs_of_other_shapes_are_named(scores: tuple[int, ...], logits: tuple[int, ...]):
    with pytest.raises(ValueError, match="class_scores"):
        MaskOutputs(class_scores=zeros(*scores), mask_logits=zeros(*logits))
