"""Bring a data set of any layout into the native format, completely or not at all.

    source                          out/
      its own files  ------------>    videos/...      linked if the disk allows, else copied
      its masks      ------------>    masks/...json
      its annotation ------------>    dataset.json    written last

All of it grows in a hidden folder beside `out`, in it if it exists, and gets its name at the end.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.contained_paths import LEADS_OUT, ContainedPaths
from vadsdk.data.measuring import fitted, measured
from vadsdk.data.native_annotation import is_label
from vadsdk.data.native_schema import DATASET_FILE, MaskFile, MaskTrack
from vadsdk.data.native_writer import NativeVideo, write_dataset, write_mask_file
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.rle import EncodedMasks, encode_in_parts
from vadsdk.data.tube_masks import masks_of_tubes
from vadsdk.errors import DatasetError, VideoError
from vadsdk.structures import Tube
from vadsdk.video.folders import image_files

_UNSAFE = str.maketrans(dict.fromkeys('\\:*?"<>|\0\n\r\t', "_"))
_LONGEST_NAME_BYTES = 200
"""Of a part of a file's name: what file systems allow, 255, less what is put behind it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What came over."""

    num_videos: int
    """Videos in the new data set."""
    num_actions: int
    """Annotated actions in it: tubes, and trimmed videos with a class."""
    skipped: tuple[tuple[str, str], ...]
    """Name and reason of each video that was left out."""


def import_dataset(
    dataset: ActionDataset,
    out: Path,
    *,
    root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Write a data set in the native format.

    A video that is missing, cannot be opened, or is not the one that its boxes are for (shorter,
    longer, of another size) is left out and listed; none of its files comes over.

    Args:
        dataset: what to bring over.
        out: a folder that does not exist yet, or an empty one.
        root: the data set's folder; images that are links may lead to anywhere in it. None: only
            to the folder of their own video.
        progress: called with the videos done and their number.

    Raises:
        DatasetError: `out` is taken, a label is no name, no video can be brought over, or the disk
            is full.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} exists already; give a new folder, or remove that one")
    for label in dataset.labels:
        if not is_label(label):
            raise DatasetError(
                f"{dataset.name}: the label {label!r} is no name that can be printed; rename it"
            )
    growing = _growing_place(out.absolute())
    try:
        report = _write(dataset, growing, root, progress)
        _move(growing, out.absolute())
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise DatasetError(
                f"{out} has been filled by something else meanwhile; nothing was imported"
            ) from error
        raise DatasetError(
            f"cannot write {out}: {error.strerror or error}. Free some space or choose another "
            "folder, then run again; nothing was imported"
        ) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return report


def _growing_place(out: Path) -> Path:
    """Return a folder beside `out`; in it if it exists, as it may be a disk of its own."""
    name = f".{out.name}.{os.getpid()}.partial"
    return out / name if out.exists() else out.with_name(name)


def _move(growing: Path, out: Path) -> None:
    """Give the files their place, `dataset.json`, which makes a data set of them, last."""
    if growing.parent != out:
        growing.rename(out)
        return
    moved: list[Path] = []
    try:
        for entry in sorted(
            growing.iterdir(), key=lambda entry: (entry.name == DATASET_FILE, entry)
        ):
            moved.append(entry.rename(out / entry.name))
    except BaseException:
        for path in moved:
            shutil.rmtree(path)
        raise


def _write(
    dataset: ActionDataset,
    folder: Path,
    root: Path | None,
    progress: Callable[[int, int], None] | None,
) -> ImportReport:
    folder.mkdir(parents=True)
    videos: list[NativeVideo] = []
    skipped: list[tuple[str, str]] = []
    taken: set[str] = set()
    for done, record in enumerate(dataset.records, start=1):
        try:
            videos.append(_bring_over(dataset, record, folder, taken, root))
        except (VideoError, DatasetError) as error:
            skipped.append((record.name, str(error)))
        if progress:
            progress(done, len(dataset.records))
    if not videos:
        reason = f"; the first: {skipped[0][1]}" if skipped else ""
        raise DatasetError(f"none of the videos of {dataset.name} could be imported{reason}")
    write_dataset(folder, dataset.labels, videos)
    num_actions = sum(len(video.tubes) + (video.video_label is not None) for video in videos)
    return ImportReport(num_videos=len(videos), num_actions=num_actions, skipped=tuple(skipped))


def _bring_over(
    dataset: ActionDataset, record: VideoRecord, folder: Path, taken: set[str], root: Path | None
) -> NativeVideo:
    """Write one video's files; an error that leaves it out comes before the first is written."""
    if not record.path.exists():
        raise VideoError(f"{record.path} does not exist; put it there, or leave it out")
    record = _fitted(record)
    tubes = tuple(_inside(tube, record) for tube in record.tubes)
    masks = _masks(dataset, record) if dataset.has_masks and record.tubes else None
    files = _files(record.path, root)
    name = _name(record, taken)
    video_path = f"videos/{name}" if record.path.is_dir() else f"videos/{name}{_suffix(record)}"
    masks_path = f"masks/{name}.json" if masks else None
    if masks and masks_path:
        write_mask_file(folder / masks_path, masks)
    for source, inner in files:
        target = folder / video_path / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(source, target)
    return NativeVideo(
        path=video_path,
        split=record.split,
        num_frames=record.num_frames,
        fps=record.fps,
        width=record.width,
        height=record.height,
        tubes=tubes,
        masks_path=masks_path,
        labelled=record.labelled,
        video_label=record.video_label,
        annotated_frames=record.annotated_frames,
    )


def _fitted(record: VideoRecord) -> VideoRecord:
    record = measured(record)
    if not record.num_frames or not record.fps:
        raise VideoError(
            f"{record.path} does not tell its frame rate or length; convert it to mp4, which does"
        )
    return fitted(record)


def _masks(dataset: ActionDataset, record: VideoRecord) -> MaskFile:
    """Return the masks of each tube where all are known apart, else of all actors together."""
    size = (record.height, record.width)
    masks_of = masks_of_tubes(dataset, record)
    if len(masks_of) == len(record.tubes):
        tracks = [
            MaskTrack(tube_id=tube.id, frames=_frames(tube.frame_indices, masks_of[tube.id]))
            for tube in record.tubes
        ]
        return MaskFile(size=size, tracks=tracks)
    annotated = np.unique(np.concatenate([tube.frame_indices for tube in record.tubes]))
    union = encode_in_parts(annotated, size, lambda frames: dataset.actor_masks(record, frames))
    return MaskFile(size=size, tracks=[MaskTrack(tube_id=None, frames=_frames(annotated, union))])


def _frames(frame_indices: NDArray[np.int64], masks: EncodedMasks) -> list[tuple[int, str]]:
    return list(zip(frame_indices.tolist(), masks.counts, strict=True))


def _inside(tube: Tube, record: VideoRecord) -> Tube:
    """Clip the boxes to the frame; readers allow the pixel by which tools disagree."""
    limits = np.array([record.width, record.height] * 2, np.float32)
    boxes = np.clip(tube.boxes_xyxy, 0, limits)
    visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if not visible.all():
        frame = int(tube.frame_indices[~visible][0])
        raise DatasetError(f"{record.name}: tube {tube.id} lies outside of frame {frame}")
    return Tube(
        id=tube.id,
        label=tube.label,
        score=tube.score,
        frame_indices=tube.frame_indices,
        boxes_xyxy=boxes,
        start_seconds=tube.start_seconds,
        end_seconds=tube.end_seconds,
    )


def _name(record: VideoRecord, taken: set[str]) -> str:
    """Return a relative name for the record's files that no other record has, without suffix."""
    printable = record.name.encode("utf-8", "backslashreplace").decode()
    stem = printable if record.path.is_dir() else printable.removesuffix(record.path.suffix)
    parts = [part for part in stem.translate(_UNSAFE).split("/") if part.strip(". ")]
    cut = "/".join(_cut(part) for part in parts).removeprefix("videos/") or "video"
    name, number = cut, 2
    while name.casefold() in taken:
        name, number = f"{cut}-{number}", number + 1
    taken.add(name.casefold())
    return name


def _cut(part: str) -> str:
    return part.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")


def _suffix(record: VideoRecord) -> str:
    return record.path.suffix.lower()


def _files(path: Path, root: Path | None) -> list[tuple[Path, str]]:
    """Return the files of a video and where each goes below its target; no link may lead out."""
    if not path.is_dir():
        return [(path, "")]
    contained = ContainedPaths(root or path)
    images = image_files(path)
    for image in images:
        if not contained.holds(image):
            raise DatasetError(f"{image} {LEADS_OUT}")
    return [(image, image.name) for image in images]


def _link_or_copy(source: Path, target: Path) -> None:
    """Bring a file over; a link costs no space, and outlives its source."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
