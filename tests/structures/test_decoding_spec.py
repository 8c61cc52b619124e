from __future__ import annotations

import json
from typing import get_args

import pytest

from vadsdk.structures import (
    BoxDecodingSpec,
    DecodingSpec,
    MaskDecodingSpec,
    ModelSpec,
    RecognitionDecodingSpec,
)
from vadsdk.structures.model_spec import DECODING_OF_KIND, ModelKind


def spec_of(kind: ModelKind, **options: object) -> ModelSpec:
    return ModelSpec(
        kind=kind,
        model="tiny",
        labels=("a", "b"),
        clip_length=4,
        frame_stride=1,
        input_height=8,
        input_width=8,
        **options,  # type: ignore[arg-type]
    )


def test_every_kind_has_its_decoding():
    assert set(DECODING_OF_KIND) == set(get_args(ModelKind))
    assert set(DECODING_OF_KIND.values()) == set(get_args(DecodingSpec))


@pytest.mark.parametrize(
    ("kind", "decoding"),
    [
        ("mask", MaskDecodingSpec(mask_threshold=0.25)),
        ("box", BoxDecodingSpec(nms_iou_threshold=0.5, class_agnostic_nms=False)),
        ("recognition", RecognitionDecodingSpec(min_score=0.25)),
    ],
)
def test_a_spec_comes_back_from_its_json(kind: ModelKind, decoding: DecodingSpec):
    spec = spec_of(kind, decoding=decoding)
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert spec_of(kind).decoding == type(decoding)()


@pytest.mark.parametrize("kind", get_args(ModelKind))
def test_numbers_that_an_older_file_does_not_have_take_their_defaults(kind: ModelKind):
    values = json.loads(spec_of(kind).to_json())
    values["decoding"] = {"min_score": 0.5}
    found = ModelSpec.from_json(json.dumps(values)).decoding
    assert found == type(found)(min_score=0.5)


def test_the_decoding_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="of a box model is a BoxDecodingSpec, not a MaskDecoding"):
        spec_of("box", decoding=MaskDecodingSpec())
    values = json.loads(spec_of("mask").to_json())
    values["kind"] = "recognition"
    with pytest.raises(ValueError, match="not a vadsdk model spec"):
        ModelSpec.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("decoding", "name", "value"),
    [
        (MaskDecodingSpec, "mask_threshold", 1.5),
        (MaskDecodingSpec, "min_area_fraction", -0.1),
        (MaskDecodingSpec, "max_detections", 0),
        (BoxDecodingSpec, "min_score", -0.1),
        (BoxDecodingSpec, "nms_iou_threshold", 1.1),
        (BoxDecodingSpec, "max_detections", 0),
        (RecognitionDecodingSpec, "min_score", 2.0),
    ],
)
def test_numbers_out_of_range_are_named(decoding: type[DecodingSpec], name: str, value: float):
    with pytest.raises(ValueError, match=f"{name} must .*, not {value}"):
        decoding(**{name: value})
