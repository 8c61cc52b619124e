from __future__ import annotations

import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec, square_frame

from vadsdk.errors import DatasetError
from vadsdk.runtime import with_labels
from vadsdk.streaming import detect_video

FRAMES = [square_frame(i, 10, 10) for i in range(12)]


@pytest.mark.parametrize("kind", ["mask", "box", "recognition"])
def test_the_same_is_found_whatever_the_order_of_the_labels(kind: str) -> None:
    model = BrightSquareModel(make_spec(height=240, width=320, kind=kind))
    turned = with_labels(model, model.spec.labels[::-1])
    assert turned.spec.labels == model.spec.labels[::-1]
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 240, 320, 3), np.uint8)
    ours, theirs = (one.infer(clips).class_scores for one in (model, turned))
    assert not np.array_equal(ours, theirs)
    np.testing.assert_array_equal(ours, theirs[..., ::-1])
    found, same = (detect_video(one, FRAMES) for one in (model, turned))
    assert [tube.label for tube in found.tubes]
    assert [tube.label for tube in found.tubes] == [tube.label for tube in same.tubes]


def test_a_model_with_these_labels_stays_as_it_is() -> None:
    model = BrightSquareModel(make_spec())
    assert with_labels(model, list(model.spec.labels)) is model


def test_labels_that_differ_are_named() -> None:
    model = BrightSquareModel(make_spec())
    first, *others = model.spec.labels
    with pytest.raises(
        DatasetError, match=rf"the model alone has {first}; the data set alone has x"
    ):
        with_labels(model, ["x", *others])
    with pytest.raises(
        DatasetError, match=rf"different labels: the model alone has {first}\. Eval"
    ):
        with_labels(model, others)
