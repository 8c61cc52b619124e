"""Is the exported file the same detector as the network? Measured through the users' backends.

Legend: B clips, T frames, h and w of the model's input, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from vadsdk.errors import ExportError
from vadsdk.export.parity_detections import comparable_values, decode_all, match_detections
from vadsdk.runtime import load_model
from vadsdk.runtime.checkpoint import TorchModel
from vadsdk.structures import ClipModel, ModelSpec, RawOutputs, output_names


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How far an fp32 file may be from its network; of these, those that its kind has.

    Both sum the same products in other orders; over our depth that is 1e-6 to 1e-5, and capsule
    routing, which is iterated, multiplies it by about 10.
    """

    class_scores: float = 1e-3
    """Greatest absolute difference of a class score in [0, 1]."""
    mask_probabilities: float = 5e-3
    """Greatest absolute difference of a pixel's probability."""
    objectness: float = 1e-3
    """Greatest absolute difference of a box's objectness in [0, 1]."""
    boxes01: float = 1e-3
    """Greatest difference of a side of a box: in shares of the frame, or beyond it of itself, as
    widths are exponentials."""
    unmatched_detections: float = 0.02
    """Share of detections without a counterpart: one pixel at the threshold may join two actors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputError:
    """How far one output of the file is from the network's."""

    name: str
    """As `Tolerance` names it."""
    max_abs_error: float
    """Over all values, clips and batches."""
    allowed: float
    """What the tolerance allows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParityReport:
    """What the comparison measured."""

    num_clips: int
    """Clips compared, each alone and all in one batch."""
    outputs: tuple[OutputError, ...]
    """One for each output of the model's kind."""
    num_detections: int
    """Detections of the network over all frames and batches."""
    unmatched_detections: int
    """Detections of either side without a counterpart on the other."""
    detection_scores_max_abs_error: float
    """Over the matched detections."""

    @property
    def max_abs_error(self) -> float:
        """The largest error of an output."""
        return max(output.max_abs_error for output in self.outputs)


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
    pairs = [(original.infer(batch), exported.infer(batch)) for batch in batches]
    report = _measure(pairs, spec, len(clips), tolerance)
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


def _measure(
    pairs: list[tuple[RawOutputs, RawOutputs]],
    spec: ModelSpec,
    num_clips: int,
    tolerance: Tolerance,
) -> ParityReport:
    errors = dict.fromkeys(comparable_values(pairs[0][0]), 0.0)
    detection_error = 0.0
    num_detections = unmatched = 0
    for original, exported in pairs:
        _require_same_shapes(original, exported, spec)
        known, came = comparable_values(original), comparable_values(exported)
        for name in errors:
            errors[name] = _larger(errors[name], known[name], came[name])
        if not np.isfinite(list(errors.values())).all():
            raise ExportError(
                "the exported file or the network gives values that are not numbers (NaN or "
                "infinite) on the parity clips; nothing was written. Look for NaN in the training."
            )
        for ours, theirs in zip(
            decode_all(original, spec), decode_all(exported, spec), strict=True
        ):
            matches = match_detections(ours, theirs)
            num_detections += len(ours)
            unmatched += len(ours) + len(theirs) - 2 * len(matches)
            for row, column in matches:
                detection_error = _larger(
                    detection_error, ours.class_scores[row], theirs.class_scores[column]
                )
    return ParityReport(
        num_clips=num_clips,
        outputs=tuple(
            OutputError(name=name, max_abs_error=error, allowed=getattr(tolerance, name))
            for name, error in errors.items()
        ),
        num_detections=num_detections,
        unmatched_detections=unmatched,
        detection_scores_max_abs_error=detection_error,
    )


def _require_same_shapes(original: RawOutputs, exported: RawOutputs, spec: ModelSpec) -> None:
    for name in output_names(spec.kind):
        wanted, came = getattr(original, name).shape, getattr(exported, name).shape
        if wanted != came:
            raise ExportError(f"the exported {name} have shape {came}, the network's {wanted}")


def _judge(report: ParityReport, tolerance: Tolerance, path: Path) -> None:
    """Fail closed: what is not shown to be within the tolerance is an error."""
    allowed_unmatched = tolerance.unmatched_detections * report.num_detections
    outputs_fit = all(output.max_abs_error <= output.allowed for output in report.outputs)
    if outputs_fit and report.unmatched_detections <= allowed_unmatched:
        return
    differences = ", ".join(
        f"{output.name.replace('_', ' ')} by {output.max_abs_error:.2e} "
        f"(allowed {output.allowed:.0e})"
        for output in report.outputs
    )
    raise ExportError(
        f"the exported {path.suffix[1:]} file differs from the network on {report.num_clips} "
        f"clips: {differences}, {report.unmatched_detections} of {report.num_detections} "
        f"detections without a counterpart (allowed {allowed_unmatched:.1f}). Nothing was written; "
        "please report this with the run folder."
    )


def _larger(error: float, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the larger error so far; beyond 1 it is relative. NaN wins and stays."""
    errors = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
    return float(np.maximum(error, errors.max(initial=0.0)))
