"""The files of the native format, as they lie on disk.

    my_data/
      dataset.json        DatasetFile: the labels, and each video with its tubes
      videos/a.mp4        anywhere inside the folder; `dataset.json` says where
      masks/a.json        MaskFile, optional: the actors of one video as COCO RLE

Coordinates are pixels of the upright source frame, xyxy, max edge exclusive; frames count from 0.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DATASET_FILE = "dataset.json"

Frame = Annotated[int, Field(ge=0, lt=2**31)]
FrameBox = tuple[Frame, float, float, float, float]
"""frame, x1, y1, x2, y2."""
Count = Annotated[int, Field(gt=0, lt=2**31)]


class TubeEntry(BaseModel):
    """One actor doing one action; an entry of `tubes.json` fits too (other keys are ignored)."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[int, Field(ge=0, lt=2**31)]
    label: str
    boxes: Annotated[list[FrameBox], Field(min_length=1)]


class VideoEntry(BaseModel):
    """One video and what is known of it."""

    model_config = ConfigDict(extra="forbid")

    path: str
    """Relative to the folder of `dataset.json`, inside it, with forward slashes."""
    split: str = "train"
    num_frames: Count
    fps: Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]
    width: Count
    height: Count
    labelled: bool = True
    """False: nobody annotated the video, so empty `tubes` do not mean that nothing happens."""
    annotated_frames: list[Frame] | None = None
    """The frames that were looked at, where annotation is sparse; boxes lie in these alone."""
    masks: str | None = None
    """Relative path of the video's MaskFile; without one the masks are the filled boxes."""
    video_label: str | None = None
    """The class of a trimmed video as a whole, where no boxes are annotated."""
    tubes: list[TubeEntry] = []


class DatasetFile(BaseModel):
    """`dataset.json`."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["vadsdk"] = "vadsdk"
    version: Literal[1] = 1
    labels: Annotated[list[str], Field(min_length=1)]
    videos: Annotated[list[VideoEntry], Field(min_length=1)]


class MaskTrack(BaseModel):
    """The masks of one tube, or with `tube_id` null of all actors together."""

    model_config = ConfigDict(extra="forbid")

    tube_id: int | None = None
    frames: list[tuple[int, str]]
    """Frame and the `counts` of its compressed COCO RLE; a frame that is absent has no mask."""


class MaskFile(BaseModel):
    """`masks/<video>.json`."""

    model_config = ConfigDict(extra="forbid")

    size: tuple[Count, Count] | None
    """Height and width; null if there are no tracks."""
    tracks: list[MaskTrack]
