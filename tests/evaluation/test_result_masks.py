from __future__ import annotations

import numpy as np

from vadsdk.evaluation.result_masks import fill_boxes


def test_a_filled_box_leaves_out_its_max_edges_and_what_lies_outside_the_frame() -> None:
    boxes = np.array([[1, 0, 3, 2], [0.4, 0.6, 1.6, 3.4], [-5, -5, 99, 1]], np.float32)
    drawn = [
        "".join(".x"[int(pixel)] for pixel in row)
        for mask in fill_boxes(boxes, (3, 4))
        for row in mask
    ]
    assert drawn == [".xx.", ".xx.", "....", "....", "xx..", "xx..", "xxxx", "....", "...."]
