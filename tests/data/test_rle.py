from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vadsdk.data.rle import decode_masks, encode_masks


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 30))))
def test_masks_survive_pycocotools_encoding_and_our_decoding(masks: np.ndarray) -> None:
    assert (decode_masks(encode_masks(masks), masks.shape[1:]) == masks).all()


def test_large_masks_survive() -> None:
    masks = np.zeros((2, 480, 640), np.bool_)
    masks[1, 100:400, 50:600] = True
    assert (decode_masks(encode_masks(masks), (480, 640)) == masks).all()


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ("abc", "end in the middle of a number"),
        ("~~", "unreadable character '~'"),
        ("03", "do not add up to its 2 x 3 pixels"),
        ("", "do not add up to its 2 x 3 pixels"),
        ("oooooooooo0", "unreadable character"),
    ],
)
def test_malformed_counts_are_refused(counts: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        decode_masks([counts], (2, 3))
