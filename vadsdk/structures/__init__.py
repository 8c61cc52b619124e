"""What flows between the parts of vadsdk: plain, checked, immutable records over numpy arrays."""

from vadsdk.structures.clip_model import (
    OUTPUTS_OF_KIND,
    BoxOutputs,
    ClipModel,
    MaskOutputs,
    RawOutputs,
    RecognitionOutputs,
    output_names,
)
from vadsdk.structures.detections import Detections
from vadsdk.structures.frames import Clip, Frame
from vadsdk.structures.model_spec import DecodingSpec, ModelKind, ModelSpec
from vadsdk.structures.results import FrameResult, TubeEvent, VideoResult
from vadsdk.structures.tubes import Tube

__all__ = [
    "OUTPUTS_OF_KIND",
    "BoxOutputs",
    "Clip",
    "ClipModel",
    "DecodingSpec",
    "Detections",
    "Frame",
    "FrameResult",
    "MaskOutputs",
    "ModelKind",
    "ModelSpec",
    "RawOutputs",
    "RecognitionOutputs",
    "Tube",
    "TubeEvent",
    "VideoResult",
    "output_names",
]
