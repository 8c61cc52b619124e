"""Drawing what was found into a frame.

Legend: H and W of the frame, N detections.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import Detections, FrameResult
from vadsdk.structures.detections import NO_TRACK
from vadsdk.video.label_plates import Layout, make_fitting_plate
from vadsdk.video.palette import BLACK, Colour, track_colour

_TINT = 0.35
_TEXT_SHARE = 0.022  # height of a capital letter over the short side of the frame
_LINE_SHARE = 0.0045
_SMALLEST_LINE = 2  # but of tiny frames
_TINY_SIDE = 100
_CONTOUR_SHARE = 0.6  # of a box's line
_SMALLEST_TEXT = 7.0
_PLATE_SHARE = 0.25  # of the frame's width, for a label that is wider than its box


def draw_result(image: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
    """Return a copy of a frame with each actor's mask, box and `label score #tube`.

    Colours belong to tubes, lines and letters grow with the frame, and what is surest is on top.
    Where that would cover much of a small frame, the score is left out, then the tube's number.

    Args:
        image: (H, W, 3) RGB.
        result: of that frame.
    """
    drawn = np.array(image, order="C")
    if not len(result.detections):
        return drawn
    detections = result.detections
    order = np.argsort(detections.scores, kind="stable")
    colours = [track_colour(int(track_id)) for track_id in detections.track_ids]
    if detections.masks is not None:
        for index in order:
            _draw_mask(drawn, detections.masks[index], colours[index])
    boxes = [_pixels(box) for box in detections.boxes_xyxy]
    edge = line_width(drawn) // 2
    for index in order:
        _draw_box(drawn, boxes[index], colours[index])
    layout = Layout(*drawn.shape[:2])
    text_height = max(_SMALLEST_TEXT, _TEXT_SHARE * min(drawn.shape[:2]))
    for index in order[::-1]:
        x1, y1, x2, y2 = boxes[index]
        outline = (x1 - edge, y1 - edge, x2 + edge + 1, y2 + edge + 1)
        plate = make_fitting_plate(
            captions(detections, int(index), result.labels),
            wanted_width=max(outline[2] - outline[0], int(_PLATE_SHARE * drawn.shape[1])),
            max_width=drawn.shape[1],
            text_height=text_height,
        )
        plate.draw(drawn, *layout.place(plate, outline), colours[index])
    return drawn


def captions(detections: Detections, index: int, labels: tuple[str, ...]) -> list[str]:
    """Return `pour 0.91 #3`, `pour #3` and `pour`; what is not known is left out."""
    has_track = detections.track_ids[index] != NO_TRACK
    track = [f"#{detections.track_ids[index]}"] if has_track else []
    if not detections.class_scores.shape[1]:
        return [" ".join(track)]
    label, score = labels[detections.labels[index]], f"{detections.scores[index]:.2f}"
    return [" ".join([label, score, *track]), " ".join([label, *track]), label]


def _pixels(box_xyxy: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Return the first and last columns and rows of a box, for lines drawn through pixels."""
    x1, y1, x2, y2 = np.round(box_xyxy).astype(int).tolist()
    return x1, y1, x2 - 1, y2 - 1


def line_width(image: NDArray[np.uint8]) -> int:
    """Return how thick boxes and contours are drawn into an image, in pixels."""
    short_side = min(image.shape[:2])
    if short_side < _TINY_SIDE:
        return 1
    return max(_SMALLEST_LINE, int(0.5 + _LINE_SHARE * short_side))


def _draw_mask(image: NDArray[np.uint8], mask: NDArray[np.bool_], colour: Colour) -> None:
    if not mask.any():
        return
    filled = mask.view(np.uint8)
    left, top, width, height = cv2.boundingRect(filled)
    part = (slice(top, top + height), slice(left, left + width))
    plain = np.full((height, width, 3), colour, np.uint8)
    tinted = cv2.addWeighted(image[part], 1 - _TINT, plain, _TINT, 0)
    np.copyto(image[part], tinted, where=mask[part][..., None])
    contours, _ = cv2.findContours(
        filled[part], cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left, top)
    )
    thickness = max(1, round(_CONTOUR_SHARE * line_width(image)))
    cv2.drawContours(image, contours, -1, colour, thickness, cv2.LINE_AA)


def _draw_box(image: NDArray[np.uint8], box: tuple[int, int, int, int], colour: Colour) -> None:
    """Draw a box; where lines are thick enough, with a dark edge that shows on its own colour."""
    width = line_width(image)
    if width > _SMALLEST_LINE:
        cv2.rectangle(image, box[:2], box[2:], BLACK, width + 2)
    cv2.rectangle(image, box[:2], box[2:], colour, width)
