from __future__ import annotations

import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec, square_frame

from vadsdk.errors import ConfigError
from vadsdk.runtime import with_min_score
from vadsdk.streaming import detect_video
from vadsdk.structures import ClipModel

FRAMES = [square_frame(i, 10, 10) for i in range(12)]


def num_found(model: ClipModel) -> int:
    return sum(len(frame.detections) for frame in detect_video(model, FRAMES).frames)


@pytest.mark.parametrize("kind", ["mask", "box", "recognition"])
def test_detections_count_from_the_given_score_on(kind: str):
    model = BrightSquareModel(make_spec(height=240, width=320, kind=kind))  # scores just below 1
    for frame in FRAMES:
        frame.image[..., 2] = 100  # of 255 in blue, so "rest" scores 0.6
    assert num_found(with_min_score(model, 0.5)) == len(FRAMES)
    assert num_found(with_min_score(model, 0.7)) == 0
    assert model.spec.decoding.min_score < 0.1  # the model itself is as it was
    clips = np.zeros((1, 4, 240, 320, 3), np.uint8)
    answers = [one.infer(clips).class_scores for one in (model, with_min_score(model, 0.7))]
    np.testing.assert_array_equal(*answers)


def test_no_score_leaves_the_model_and_one_out_of_range_is_named():
    model = BrightSquareModel(make_spec())
    assert with_min_score(model, None) is model
    with pytest.raises(ConfigError, match=r"min_score must lie in \[0, 1\], not 1.5"):
        with_min_score(model, 1.5)
