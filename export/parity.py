"""Is the exported file the same detector as the network? Measured through the users' backends.

Legend: B clips, T frames, h and w of the model's input, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from vadsdk.decoding import decode_frame
from vadsdk.errors import ExportError
from vadsdk.runtime import load_model
from vadsdk.runtime.checkpoint import TorchModel
from vadsdk.structures import ClipModel, Detections, MaskOutputs, ModelSpec

MATCH_IOU = 0.9
"""Two detections are the same from this overlap of their boxes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How far an fp32 file may be from its network.

    Both sum the same products in other orders; over our depth that is 1e-6 to 1e-5, and capsule
    routing, which is iterated, multiplies it by about 10.
    """

    class_scores: float = 1e-3
    """Greatest absolute difference of a class score in [0, 1]."""
    mask_probabilities: float = 5e-3
    """Greatest absolute difference of a pixel's probability."""
    unmatched_detections: float = 0.02
    """Share of detections without a counterpart: one pixel at the threshold may join two actors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParityReport:
    """What the comparison measured."""

    num_clips: int
    """Clips compared, each alone and all in one batch."""
    class_scores_max_abs_error: float
    """Over all clips and batches."""
    mask_probabilities_max_abs_error: float
    """Over all pixels, clips and batches."""
    num_detections: int
    """Detections of the network over all frames and batches."""
    unmatched_detections: int
    """Detections of either side without a counterpart on the other."""
    detection_scores_max_abs_error: float
    """Over the matched detections."""

    @property
    def max_abs_error(self) -> float:
        """The larger of the errors of class scores and mask probabilities."""
        return max(self.class_scores_max_abs_error, self.mask_probabilities_max_abs_error)


def check_parity(
    network: nn.Module,
    spec: ModelSpec,
    path: Path,
    clips: NDArray[np.uint8],
    tolerance: Tolerance,
) -> ParityReport:
    """Compare an exported file with its network, clip by clip and in one batch.

    Args:
        network: the original; put into eval mode.
        spec: of the network.
        path: the exported file; loaded as an application would.
        clips: (N, T, h, w, 3), N of 2 or more.
        tolerance: what is allowed.

    Raises:
        ExportError: a difference is larger than allowed or not a number; with the numbers.
    """
    require_clips(clips)
    device = next((str(tensor.device) for tensor in network.parameters()), "cpu")
    original: ClipModel = TorchModel(network, spec, device)
    exported = load_model(path)
    batches = [clips[index : index + 1] for index in range(len(clips))] + [clips]
    pairs = [(_masks(original, batch), _masks(exported, batch)) for batch in batches]
    report = _measure(pairs, spec, len(clips))
    _judge(report, tolerance, path)
    return report


def require_clips(clips: NDArray[np.uint8]) -> None:
    """Refuse too few clips; to be called before an export that takes minutes.

    Raises:
        ExportError: fewer than two.
    """
    if len(clips) < 2:
        raise ExportError(
            f"the parity check compares batches of 1 and of more, so it wants 2 clips or more, not "
            f"{len(clips)}; give more footage, or none for made-up clips"
        )


def _masks(model: ClipModel, clips: NDArray[np.uint8]) -> MaskOutputs:
    outputs = model.infer(clips)
    if not isinstance(outputs, MaskOutputs):
        raise ExportError(f"{model.spec.model!r} is no mask model; export writes those so far")
    return outputs


def _measure(
    pairs: list[tuple[MaskOutputs, MaskOutputs]], spec: ModelSpec, num_clips: int
) -> ParityReport:
    score_error = mask_error = detection_error = 0.0
    num_detections = unmatched = 0
    for original, exported in pairs:
        _require_same_shapes(original, exported)
        score_error = _larger(score_error, original.class_scores, exported.class_scores)
        mask_error = _larger(
            mask_error, _sigmoid(original.mask_logits), _sigmoid(exported.mask_logits)
        )
        if not np.isfinite([score_error, mask_error]).all():
            raise ExportError(
                "the exported file or the network gives values that are not numbers (NaN or "
                "infinite) on the parity clips; nothing was written. Look for NaN in the training."
            )
        for ours, theirs in zip(_decode(original, spec), _decode(exported, spec), strict=True):
            matches = _matches(ours, theirs)
            num_detections += len(ours)
            unmatched += len(ours) + len(theirs) - 2 * len(matches)
            for row, column in matches:
                detection_error = _larger(
                    detection_error, ours.class_scores[row], theirs.class_scores[column]
                )
    return ParityReport(
        num_clips=num_clips,
        class_scores_max_abs_error=score_error,
        mask_probabilities_max_abs_error=mask_error,
        num_detections=num_detections,
        unmatched_detections=unmatched,
        detection_scores_max_abs_error=detection_error,
    )


def _require_same_shapes(original: MaskOutputs, exported: MaskOutputs) -> None:
    for name in ("class_scores", "mask_logits"):
        wanted, came = getattr(original, name).shape, getattr(exported, name).shape
        if wanted != came:
            raise ExportError(f"the exported {name} have shape {came}, the network's {wanted}")


def _judge(report: ParityReport, tolerance: Tolerance, path: Path) -> None:
    """Fail closed: what is not shown to be within the tolerance is an error."""
    allowed_unmatched = tolerance.unmatched_detections * report.num_detections
    if (
        report.class_scores_max_abs_error <= tolerance.class_scores
        and report.mask_probabilities_max_abs_error <= tolerance.mask_probabilities
        and report.unmatched_detections <= allowed_unmatched
    ):
        return
    raise ExportError(
        f"the exported {path.suffix[1:]} file differs from the network on {report.num_clips} "
        f"clips: class scores by {report.class_scores_max_abs_error:.2e} "
        f"(allowed {tolerance.class_scores:.0e}), "
        f"mask probabilities by {report.mask_probabilities_max_abs_error:.2e} "
        f"(allowed {tolerance.mask_probabilities:.0e}), {report.unmatched_detections} of "
        f"{report.num_detections} detections without a counterpart (allowed "
        f"{allowed_unmatched:.1f}). Nothing was written; please report this with the run folder."
    )


def _larger(error: float, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the larger error so far; NaN wins and stays."""
    return float(np.maximum(error, np.abs(ours - theirs).max(initial=0.0)))


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)


def _decode(outputs: MaskOutputs, spec: ModelSpec) -> list[Detections]:
    """Return the detections of every frame of every clip, at the size of the model's input.

    All scores count, as a little trained network would otherwise be compared on no detections.
    """
    decoding = replace(spec.decoding, min_score=0.0)
    return [
        decode_frame(
            scores,
            probabilities,
            height=spec.input_height,
            width=spec.input_width,
            spec=decoding,
        )
        for scores, clip in zip(outputs.class_scores, _sigmoid(outputs.mask_logits), strict=True)
        for probabilities in clip
    ]


def _matches(ours: Detections, theirs: Detections) -> list[tuple[int, int]]:
    """Pair boxes that overlap by `MATCH_IOU`; from 0.5 on, a box has at most one partner."""
    top_left = np.maximum(ours.boxes_xyxy[:, None, :2], theirs.boxes_xyxy[None, :, :2])
    bottom_right = np.minimum(ours.boxes_xyxy[:, None, 2:], theirs.boxes_xyxy[None, :, 2:])
    overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=2)  # (ours, theirs)
    our_areas, their_areas = (
        (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (ours.boxes_xyxy, theirs.boxes_xyxy)
    )
    iou = overlap / (our_areas[:, None] + their_areas[None, :] - overlap)
    return [(int(row), int(column)) for row, column in np.argwhere(iou >= MATCH_IOU)]
