"""The parts of a video that its clips keep to, as if it had been cut there.

annotated actions    . . . x x x x x . . . x x x x . .
                             y y y y y y
looked at, sparse    .       x       x       .       x
parts                      |-------------|             of the first two rows together
                             |-------|               | of the third: what lies between two
                                                       frames with an action is in it

"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vadsdk.data.records import VideoRecord, has_boxes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoPart:
    """Frames of a video, at least one."""

    record: VideoRecord
    """The video."""
    first: int
    """The first frame."""
    stop: int
    """One past the last frame."""


def whole_video(record: VideoRecord, num_frames: int) -> VideoPart:
    """Return all of a video of so many frames."""
    return VideoPart(record=record, first=0, stop=num_frames)


def drawn_parts(record: VideoRecord, num_frames: int) -> list[VideoPart]:
    """Return the parts from which clips of an unlabelled video are drawn.

    Args:
        record: its `drawn_ranges` say which.
        num_frames: of the video as it decodes; of a range beyond its end the last frame is left.
    """
    if record.drawn_ranges is None:
        return [whole_video(record, num_frames)]
    found = []
    for first, stop in record.drawn_ranges:
        start = min(first, num_frames - 1)
        found.append(
            VideoPart(record=record, first=start, stop=max(min(stop, num_frames), start + 1))
        )
    return found


def action_ranges(record: VideoRecord) -> tuple[tuple[int, int], ...] | None:
    """Return the half-open ranges of frames in which an action is annotated, increasing.

    Where annotation is sparse, an action goes on from one frame that was looked at to the next, if
    both have one. None: nothing is annotated by time, as in footage without annotation and in
    videos of one class as a whole.
    """
    if not has_boxes(record):
        return None
    acting = {frame for tube in record.tubes for frame in tube.frame_indices.tolist()}
    if record.annotated_frames is None:
        looked_at = np.arange(max(record.num_frames, *(frame + 1 for frame in acting), 0))
    else:
        looked_at = np.array(record.annotated_frames, np.int64)
    shown = np.isin(looked_at, sorted(acting)).astype(np.int8)
    changes = np.diff(shown, prepend=0, append=0)
    firsts, stops = looked_at[changes[:-1] == 1], looked_at[changes[1:] == -1] + 1
    return tuple(zip(firsts.tolist(), stops.tolist(), strict=True))
