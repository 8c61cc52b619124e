"""What flows between the parts of vadsdk: plain, checked, immutable records over numpy arrays."""

from vadsdk.structures.clip_model import ClipModel, RawOutputs
from vadsdk.structures.detections import Detections
from vadsdk.structures.frames import Clip, Frame
from vadsdk.structures.model_spec import DecodingSpec, ModelSpec
from vadsdk.structures.results import FrameResult, TubeEvent, VideoResult
from vadsdk.structures.tubes import Tube

__all__ = [
    "Clip",
    "ClipModel",
    "DecodingSpec",
    "Detections",
    "Frame",
    "FrameResult",
    "ModelSpec",
    "RawOutputs",
    "Tube",
    "TubeEvent",
    "VideoResult",
]
