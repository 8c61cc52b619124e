"""A picture of what a detector got most wrong: one tile an annotated tube, its worst first.

green   the annotated box            the tile is the middle frame of the annotated tube
red     the box that it was taken for
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.records import VideoRecord
from vadsdk.evaluation.confusion import TubeMatch
from vadsdk.structures import Tube
from vadsdk.video import FrameReader, contact_sheet

TILE = (240, 320)
COLUMNS = 4
_GREEN, _RED, _WHITE = (60, 220, 60), (235, 60, 60), (255, 255, 255)


def worst_matches(
    matches: Sequence[TubeMatch], count: int, *, iou_threshold: float = 0.5
) -> list[TubeMatch]:
    """Return the annotated tubes that were found worst: at most `count`, none that was found.

    Missed places come first, then wrong classes, the most confident first.
    """
    wrong = [match for match in matches if not match.is_found(iou_threshold)]

    def badness(match: TubeMatch) -> tuple[bool, float, float]:
        score = 0.0 if match.predicted is None else match.predicted.score
        return match.iou >= iou_threshold, match.iou if match.iou < iou_threshold else 0.0, -score

    return sorted(wrong, key=badness)[:count]


def draw_matches(
    matches: Sequence[TubeMatch], records: Mapping[str, VideoRecord]
) -> NDArray[np.uint8]:
    """Return a picture of tubes, (H, W, 3) RGB.

    Args:
        matches: at least one.
        records: of their videos, by name.

    Raises:
        VideoError: a video cannot be read.
    """
    tiles = [_tile(match, records[match.video]) for match in matches]
    return contact_sheet(tiles, min(COLUMNS, len(tiles)))


def _tile(match: TubeMatch, record: VideoRecord) -> NDArray[np.uint8]:
    frame = int(match.annotated.frame_indices[len(match.annotated) // 2])
    image = FrameReader(record.path).read([frame], TILE)[0]
    scale = np.array([TILE[1] / record.width, TILE[0] / record.height] * 2)
    lines = [(f"{match.annotated.label}", _GREEN)]
    _draw_box(image, match.annotated, frame, scale, (_GREEN, 4))
    if match.predicted is None:
        lines.append(("nothing", _RED))
    else:
        _draw_box(image, match.predicted, frame, scale, (_RED, 2))
        text = f"{match.predicted.label} {match.predicted.score:.2f}, IoU {match.iou:.2f}"
        lines.append((text, _RED))
    for row, (text, colour) in enumerate(lines):
        _write(image, text, 14 + 15 * row, colour)
    _write(image, f"{match.video} #{frame}"[-52:], TILE[0] - 6, _WHITE)
    return np.asarray(image, np.uint8)


def _draw_box(
    image: NDArray[np.uint8],
    tube: Tube,
    frame: int,
    scale: NDArray[np.float64],
    pen: tuple[tuple[int, int, int], int],
) -> None:
    rows = np.flatnonzero(tube.frame_indices == frame)
    if len(rows):
        x1, y1, x2, y2 = np.rint(tube.boxes_xyxy[rows[0]] * scale).astype(int).tolist()
        cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), *pen)


def _write(image: NDArray[np.uint8], text: str, bottom: int, colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()  # OpenCV's font has no other letters
    for ink, width in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(
            image, plain, (4, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, width, cv2.LINE_AA
        )
