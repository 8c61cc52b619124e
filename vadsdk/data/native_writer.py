"""Write a data set in the native format.

First, in any number of processes, for each video: encode `videos/a.mp4`, and
`write_masks(folder, "masks/a.json", tubes, tube_masks)`. At the end, once: `write_dataset(folder,
labels, videos)`; until then the folder is no data set, so a broken-off run cannot pass for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.atomic import write_text
from vadsdk.data.native_annotation import document_problems
from vadsdk.data.native_schema import (
    DATASET_FILE,
    DatasetFile,
    FrameBox,
    MaskFile,
    MaskTrack,
    TubeEntry,
    VideoEntry,
)
from vadsdk.data.problems import raise_if_fatal
from vadsdk.data.rle import encode_masks
from vadsdk.structures import Tube


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NativeVideo:
    """One video of a native data set, ready to be written."""

    path: str
    """Of the video file, relative to the data set's folder, such as "videos/a.mp4"."""
    split: str
    """Such as "train" or "test"."""
    num_frames: int
    """Frames that the video decodes to."""
    fps: float
    """Average frames a second."""
    width: int
    """Of the upright frame, in pixels."""
    height: int
    """Of the upright frame, in pixels."""
    tubes: tuple[Tube, ...] = ()
    """Every actor doing a labelled action; their labels are among the data set's."""
    video_label: str | None = None
    """Class of a trimmed video as a whole, instead of tubes; among the data set's labels."""
    masks_path: str | None = None
    """The file that `write_masks` made, relative to the folder; None where there are boxes only."""
    labelled: bool = True
    """False for a video that nobody annotated."""
    annotated_frames: tuple[int, ...] | None = None
    """The frames that were looked at, where annotation is sparse."""


def write_masks(
    folder: Path,
    masks_path: str,
    tubes: Sequence[Tube],
    tube_masks: Mapping[int, Sequence[NDArray[np.bool_]] | NDArray[np.bool_]],
) -> None:
    """Write the actors' masks of one video.

    Args:
        folder: of the data set.
        masks_path: relative to `folder`, such as "masks/a.json".
        tubes: the video's tubes.
        tube_masks: for the id of each tube, a (H, W) mask for each of its `frame_indices`.
    """
    tracks, sizes = [], set()
    for tube in tubes:
        masks = np.asarray(tube_masks[tube.id], np.bool_)  # (F, H, W)
        if masks.ndim != 3 or len(masks) != len(tube):
            raise ValueError(f"tube {tube.id} has {len(tube)} frames, its masks are {masks.shape}")
        sizes.add((masks.shape[1], masks.shape[2]))
        frames = list(zip(tube.frame_indices.tolist(), encode_masks(masks), strict=True))
        tracks.append(MaskTrack(tube_id=tube.id, frames=frames))
    if len(sizes) > 1:
        raise ValueError(f"the masks of one video have one size, not {sorted(sizes)}")
    size = sizes.pop() if sizes else None
    write_mask_file(folder / masks_path, MaskFile(size=size, tracks=tracks))


def write_mask_file(path: Path, masks: MaskFile) -> None:
    """Write the masks of one video, completely or not at all."""
    write_text(path, masks.model_dump_json())


def write_dataset(folder: Path, labels: Sequence[str], videos: Sequence[NativeVideo]) -> Path:
    """Write `dataset.json`, which makes `folder` a data set, and return its path.

    Args:
        folder: holds the videos and mask files already.
        labels: names of the classes, in their order.
        videos: in the order in which they will be listed.

    Raises:
        DatasetError: the annotation is malformed, or the file cannot be written.
    """
    entries = [_video_entry(video) for video in videos]
    document = DatasetFile(labels=list(labels), videos=entries)
    raise_if_fatal(document_problems(document, folder), folder)
    path = folder / DATASET_FILE
    write_text(path, document.model_dump_json(exclude_none=True))
    return path


def _video_entry(video: NativeVideo) -> VideoEntry:
    return VideoEntry(
        path=video.path,
        split=video.split,
        num_frames=video.num_frames,
        fps=video.fps,
        width=video.width,
        height=video.height,
        labelled=video.labelled,
        video_label=video.video_label,
        masks=video.masks_path,
        annotated_frames=(None if video.annotated_frames is None else list(video.annotated_frames)),
        tubes=[
            TubeEntry(id=tube.id, label=tube.label, boxes=_frame_boxes(tube))
            for tube in video.tubes
        ],
    )


def _frame_boxes(tube: Tube) -> list[FrameBox]:
    rows = np.round(tube.boxes_xyxy.astype(float), 3).tolist()
    frames = tube.frame_indices.tolist()
    return [(frame, x1, y1, x2, y2) for frame, (x1, y1, x2, y2) in zip(frames, rows, strict=True)]
