"""Write tubes for annotation tools: a data set's own, or what a model predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vadsdk.data.coco_writer import write_coco
from vadsdk.data.cvat_writer import CvatVideoTubes, write_cvat, xml_paths
from vadsdk.data.records import VideoRecord
from vadsdk.data.rle import EncodedMasks
from vadsdk.errors import DatasetError, unknown_name
from vadsdk.structures import Tube

COCO_FILE = "annotations.json"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoTubes:
    """The tubes of one video, annotated or predicted."""

    record: VideoRecord
    """The video."""
    tubes: tuple[Tube, ...]
    """What to write of it."""
    masks: Mapping[int, EncodedMasks] = field(default_factory=dict)
    """Of each tube that has masks, by its id."""


def write_tubes(
    format: str, folder: Path, videos: Sequence[VideoTubes], labels: Sequence[str]
) -> list[Path]:
    """Write tubes in one of `EXPORT_FORMATS` and return the files, each whole or not at all.

    Args:
        format: "cvat" writes one XML file a video, masks as polygons; "coco" one JSON file, masks
            as RLE beside the boxes.
        folder: is made if it is missing; files of the same names are replaced.
        videos: with their tubes.
        labels: names of the classes, in their order.

    Raises:
        ConfigError: unknown format.
        DatasetError: a tube does not fit its video or the labels, a video has a class as a whole
            and no tubes, or a file cannot be written.
    """
    if format not in EXPORT_FORMATS:
        raise unknown_name("annotation format", format, EXPORT_FORMATS)
    for video in videos:
        if video.record.video_label is not None:
            raise DatasetError(
                f"{video.record.name} has one class as a whole and no boxes, which {format} cannot "
                "hold; let a model draw them with: vadsdk data prelabel"
            )
    return EXPORT_FORMATS[format](folder, videos, labels)


def files_to_write(format: str, folder: Path, video_names: Sequence[str]) -> list[Path]:
    """Return the files that `write_tubes` would write, which need not exist.

    Raises:
        ConfigError: unknown format.
        DatasetError: the format has no file for a name, or one for two.
    """
    if format not in EXPORT_FORMATS:
        raise unknown_name("annotation format", format, EXPORT_FORMATS)
    return xml_paths(folder, video_names) if format == "cvat" else [folder / COCO_FILE]


def require_new(paths: Sequence[Path]) -> None:
    """Raise a DatasetError if one of the files exists: a person may have corrected it."""
    existing = [path for path in paths if path.exists()]
    if existing:
        others = f" and {len(existing) - 1} more exist" if len(existing) > 1 else " exists"
        raise DatasetError(
            f"{existing[0]}{others} already and may hold corrections; "
            "give another --out, or replace it with --overwrite"
        )


def _cvat(folder: Path, videos: Sequence[VideoTubes], labels: Sequence[str]) -> list[Path]:
    entries = [
        CvatVideoTubes(record=video.record, tubes=video.tubes, masks=video.masks)
        for video in videos
    ]
    return write_cvat(folder, entries, labels)


def _coco(folder: Path, videos: Sequence[VideoTubes], labels: Sequence[str]) -> list[Path]:
    path = folder / COCO_FILE
    masks_of = {video.record.name: video.masks for video in videos}
    write_coco(
        path,
        [replace(video.record, tubes=video.tubes) for video in videos],
        labels,
        tube_masks=lambda record, tube: masks_of[record.name].get(tube.id),
    )
    return [path]


EXPORT_FORMATS: dict[str, Callable[[Path, Sequence[VideoTubes], Sequence[str]], list[Path]]] = {
    "cvat": _cvat,
    "coco": _coco,
}
"""What annotation tools read."""
