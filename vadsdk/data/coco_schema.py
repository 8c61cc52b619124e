"""A COCO file with videos, as it lies on disk: COCO-VID and TAO, or YouTube-VIS.

    videos        id, name or file_name; width, height, fps, num_frames or length, split, labelled
    categories    id, name
    COCO-VID      images: id, video_id, file_name, frame_id or frame_index, from 0
                  annotations: image_id, category_id, bbox, track_id or instance_id, segmentation
    YouTube-VIS   videos: file_names, a picture a frame
                  annotations: video_id, category_id, bboxes and segmentations, one a frame or null

A bbox is x, y, width, height. Other keys are ignored. `fps`, `num_frames`, `split` and `labelled`
of a video, and `score` of an annotation, are what `write_coco` adds.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Frame = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(gt=0, lt=2**31)]
Side = Annotated[int, Field(gt=0, le=16384)]
"""Pixels; bounded, since masks of that size are allocated."""
Box = Annotated[list[float], Field(min_length=4, max_length=4)]
"""x, y, width, height in pixels."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


# A tag tells the choices of a union apart; errors name it in their place, where `<` removes it.
class RleEntry(_Entry):
    """A mask as runs of pixels by column, background first."""

    size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    """Height and width."""
    counts: Annotated[
        Annotated[list[int], Tag("<runs>")] | Annotated[str, Tag("<text>")],
        Discriminator(lambda value: "<text>" if isinstance(value, str) else "<runs>"),
    ]
    """Lengths of the runs, or their compressed text."""


Polygons: TypeAlias = list[list[float]]
"""Each x1, y1, x2, y2, ..."""
Segmentation: TypeAlias = Annotated[
    Annotated[Polygons, Tag("<polygons>")] | Annotated[RleEntry, Tag("<rle>")],
    Discriminator(
        lambda value: "<rle>" if isinstance(value, dict | RleEntry) else "<polygons>",
    ),
]


class VideoEntry(_Entry):
    """One video."""

    id: Id
    name: str | None = None
    file_name: str | None = None
    """Of the video file or the folder of its pictures; `name` will do as well."""
    width: Side | None = None
    height: Side | None = None
    fps: Annotated[float, Field(gt=0)] | None = None
    num_frames: Count | None = None
    length: Count | None = None
    """The same as `num_frames`."""
    split: str | None = None
    labelled: bool = True
    file_names: list[str] | None = None
    """The pictures that the lists of YouTube-VIS are about."""


class ImageEntry(_Entry):
    """One frame of a video."""

    id: Id
    video_id: Id
    frame_id: Frame | None = None
    frame_index: Frame | None = None
    """The same as `frame_id`."""
    file_name: str | None = None
    width: Side | None = None
    height: Side | None = None


class AnnotationEntry(_Entry):
    """One actor in one frame, or with `bboxes` or `segmentations` in all frames of its video."""

    category_id: Id
    image_id: Id | None = None
    video_id: Id | None = None
    track_id: Id | None = None
    instance_id: Id | None = None
    """The same as `track_id`."""
    id: Id | None = None
    """In the form of YouTube-VIS, that of the track."""
    iscrowd: Annotated[int, Field(ge=0, le=1)] = 0
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    bbox: Box | None = None
    segmentation: Segmentation | None = None
    bboxes: list[Box | None] | None = None
    segmentations: list[Segmentation | None] | None = None


class CategoryEntry(_Entry):
    """One class."""

    id: Id
    name: Annotated[str, Field(min_length=1)]


class CocoFile(_Entry):
    """The whole file."""

    videos: Annotated[list[VideoEntry], Field(min_length=1)]
    categories: Annotated[list[CategoryEntry], Field(min_length=1)]
    images: list[ImageEntry] = []
    annotations: list[AnnotationEntry] | None = None
    """None: nobody annotated these videos, as in test sets."""
