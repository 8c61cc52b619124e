"""What differs between the kinds of models when they run on a stream: windows, fusion and delay."""

from __future__ import annotations

from vadsdk.linking import LinkingSpec
from vadsdk.streaming.fusion import Fusion, MaskFusion, RecognitionFusion
from vadsdk.streaming.key_frames import KeyFrameFusion
from vadsdk.streaming.windows import ClipWindows, KeyFrameWindows, Windows
from vadsdk.structures import ModelSpec
from vadsdk.structures.model_spec import ModelKind

WINDOWS: dict[ModelKind, type[ClipWindows] | type[KeyFrameWindows]] = {
    "mask": ClipWindows,
    "box": KeyFrameWindows,
    "recognition": ClipWindows,
}
"""Kind -> how frames become clips."""


def default_hop(spec: ModelSpec) -> int:
    """Return half the span; for box models 1, as YOWO runs: every frame is a key frame."""
    return 1 if spec.kind == "box" else max(1, spec.span // 2)


def file_batch_size(spec: ModelSpec, hop: int | None = None) -> int:
    """Return how many clips of a file to run at once: those that begin within a span, at most 4.

    Files have no latency to lose, and a GPU is idle at a clip a time; more takes memory.
    """
    hop = default_hop(spec) if hop is None else max(1, hop)
    return max(1, min(4, spec.span // hop))


def delay_frames(spec: ModelSpec, hop: int, batch_size: int) -> int:
    """Return how many frames after its own a frame is final, at the latest.

    A frame waits for the last clip frame of the window that begins with it, or in box models, if it
    is the first after a key frame, for the next one; and for the batch to be full.
    """
    reach = hop - 1 if spec.kind == "box" else (spec.clip_length - 1) * spec.frame_stride
    return reach + (batch_size - 1) * hop


def make_windows(spec: ModelSpec, hop: int) -> Windows:
    """Return what cuts a segment's frames into clips."""
    return WINDOWS[spec.kind](spec, hop)


def make_fusion(
    spec: ModelSpec, hop: int, frame_size: tuple[int, int], linking: LinkingSpec
) -> Fusion:
    """Return what makes detections of frames out of the answers to clips.

    Args:
        spec: of the model.
        hop: frames from one window to the next.
        frame_size: height and width of the source.
        linking: who is who on neighbouring key frames.
    """
    if spec.kind == "box":
        return KeyFrameFusion(spec, frame_size, linking)
    means = MaskFusion if spec.kind == "mask" else RecognitionFusion
    return means(spec, hop, frame_size)
