"""The native format: `dataset.json` beside the videos (see `native_schema.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.native_annotation import parse_file, read_annotation
from vadsdk.data.native_schema import DatasetFile, MaskFile, TubeEntry, VideoEntry
from vadsdk.data.problems import raise_if_fatal
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split
from vadsdk.data.rle import EncodedMasks, decode_masks, no_pixels
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube


class NativeDataset:
    """A data set in the native format.

    Args:
        root: holds `dataset.json`.

    Raises:
        DatasetError: the annotation is malformed; the message names file and field.
    """

    format = "vadsdk"

    def __init__(self, root: Path) -> None:
        document, problems = read_annotation(root)
        raise_if_fatal(problems, root)
        assert document is not None  # else there was a fatal problem
        self.name = root.resolve().name
        self.labels = tuple(document.labels)
        self.records = _records(document, root)
        self.has_masks = any(video.masks for video in document.videos)
        self._mask_paths = {video.path: video.masks for video in document.videos}
        self._root = root

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the union of the actors in each frame, (T, H, W).

        A video without a mask file gives the actors' filled boxes.
        """
        masks_path = self._mask_paths[record.name]
        if masks_path is None:
            return fill_boxes(record, frame_indices)
        return read_masks(self._root / masks_path, record, frame_indices)

    def mask_path(self, record: VideoRecord) -> Path | None:
        """Return the mask file of a video, None if it has none."""
        path = self._mask_paths[record.name]
        return None if path is None else self._root / path

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks | None:
        """Return the masks of a tube, None where there are none or they are not kept apart."""
        path = self._mask_paths[record.name]
        return None if path is None else read_tube_masks(self._root / path, record, tube)


def read_tube_masks(path: Path, record: VideoRecord, tube: Tube) -> EncodedMasks | None:
    """Read the masks of a tube from a MaskFile; None if the file does not have them apart."""
    document = _read_mask_file(path, record)
    size = (record.height, record.width)
    for index, track in enumerate(document.tracks):
        if track.tube_id == tube.id:
            counts_at, nothing = dict(track.frames), no_pixels(size)
            counts = (counts_at.get(frame, nothing) for frame in tube.frame_indices.tolist())
            masks = EncodedMasks(size=size, counts=tuple(counts))
            try:
                for place in range(len(masks)):
                    masks.mask(place)
            except ValueError as error:
                raise _broken_track(path, index, error) from error
            return masks
    return None


def read_masks(
    path: Path, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Read the union of a MaskFile's tracks at some frames, (T, H, W)."""
    document = _read_mask_file(path, record)
    size = (record.height, record.width)
    masks = np.zeros((len(frame_indices), *size), np.bool_)
    for index, track in enumerate(document.tracks):
        counts_at = dict(track.frames)
        found = [t for t, frame in enumerate(frame_indices) if int(frame) in counts_at]
        try:
            counts = [counts_at[int(frame_indices[t])] for t in found]
            masks[found] |= decode_masks(counts, size)
        except ValueError as error:
            raise _broken_track(path, index, error) from error
    return masks


def _read_mask_file(path: Path, record: VideoRecord) -> MaskFile:
    document, problems = parse_file(path, MaskFile)
    raise_if_fatal(problems, path.parent.parent)
    assert document is not None  # else there was a fatal problem
    size = document.size or (record.height, record.width)
    if size != (record.height, record.width):
        raise DatasetError(
            f"{path}: size: the masks are {size[0]} x {size[1]}, the frames of "
            f"{record.name} {record.height} x {record.width} (height x width); write them again"
        )
    return document


def _broken_track(path: Path, index: int, error: ValueError) -> DatasetError:
    return DatasetError(f"{path}: tracks[{index}].frames: {error}; write it again")


def bare_records(document: DatasetFile, root: Path) -> tuple[VideoRecord, ...]:
    """Return the videos of a document without their tubes; what it says need not be valid."""
    return tuple(
        VideoRecord(
            name=video.path,
            path=root / video.path,
            split=video.split,
            num_frames=video.num_frames,
            width=video.width,
            height=video.height,
            fps=video.fps,
            labelled=video.labelled,
            video_label=video.video_label if video.labelled else None,
            annotated_frames=_annotated_frames(video),
        )
        for video in document.videos
    )


def _annotated_frames(video: VideoEntry) -> tuple[int, ...] | None:
    return None if video.annotated_frames is None else tuple(sorted(set(video.annotated_frames)))


def _records(document: DatasetFile, root: Path) -> tuple[VideoRecord, ...]:
    return tuple(
        replace(record, tubes=tuple(_tube(entry, video) for entry in video.tubes))
        for record, video in zip(bare_records(document, root), document.videos, strict=True)
    )


def _tube(entry: TubeEntry, video: VideoEntry) -> Tube:
    frames = np.array([box[0] for box in entry.boxes], np.int64)
    return Tube(
        id=entry.id,
        label=entry.label,
        score=1.0,
        frame_indices=frames,
        boxes_xyxy=np.array([box[1:] for box in entry.boxes], np.float32),
        start_seconds=float(frames[0] / video.fps),
        end_seconds=float((frames[-1] + 1) / video.fps),
    )
