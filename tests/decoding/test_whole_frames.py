from __future__ import annotations

import numpy as np
import pytest

from vadsdk.decoding import decode_whole_frame
from vadsdk.errors import ModelFileError
from vadsdk.structures import RecognitionDecodingSpec

SCORES = np.array([0.2, 0.7, 0.1], np.float32)


def test_the_frame_is_one_actor_with_all_scores():
    found = decode_whole_frame(SCORES, height=30, width=50, spec=RecognitionDecodingSpec())
    assert found.boxes_xyxy.tolist() == [[0, 0, 50, 30]]
    np.testing.assert_array_equal(found.class_scores, SCORES[None])
    assert (found.masks, found.track_ids.tolist()) == (None, [-1])


def test_a_frame_that_nothing_is_sure_of_has_no_detection():
    spec = RecognitionDecodingSpec(min_score=0.75)
    found = decode_whole_frame(SCORES, height=30, width=50, spec=spec)
    assert found.class_scores.shape == (0, 3)


def test_damaged_scores_and_wrong_shapes_are_errors():
    spec = RecognitionDecodingSpec()
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        decode_whole_frame(SCORES * np.float32(np.nan), height=30, width=50, spec=spec)
    with pytest.raises(ValueError, match=r"not \(1, 3\)"):
        decode_whole_frame(SCORES[None], height=30, width=50, spec=spec)
