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
from vadsdk.structures.decoding_spec import (
    BoxDecodingSpec,
    DecodingSpec,
    MaskDecodingSpec,
    RecognitionDecodingSpec,
)
from vadsdk.structures.detections import Detections
from vadsdk.structures.frames import Clip, Frame
from vadsdk.structures.model_spec import ModelKind, ModelSpec
from vadsdk.structures.results import FrameResult, TubeEvent, VideoResult
from vadsdk.structures.tubes import Tube

__all__ = [
    "OUTPUTS_OF_KIND",
    "BoxDecodingSpec",
    "BoxOutputs",
    "Clip",
    "ClipModel",
    "DecodingSpec",
    "Detections",
    "Frame",
    "FrameResult",
    "MaskDecodingSpec",
    "MaskOutputs",
    "ModelKind",
    "ModelSpec",
    "RawOutputs",
    "RecognitionDecodingSpec",
    "RecognitionOutputs",
    "Tube",
    "TubeEvent",
    "VideoResult",
    "output_names",
]
