"""How good results are: frame mAP, video mAP, and paper 1's recall protocol under its own name."""

from vadsdk.boxes import box_iou, nms, soft_nms
from vadsdk.evaluation.average_precision import ClassScores, PrecisionRecall, precision_recall
from vadsdk.evaluation.conventions import CONVENTIONS, Convention, FrameRules, TubeRules
from vadsdk.evaluation.evaluator import Evaluator, evaluate_results
from vadsdk.evaluation.frame_map import (
    FrameBoxes,
    boxes_of_frames,
    frame_average_precisions,
    frame_map,
)
from vadsdk.evaluation.overlaps import tube_iou, tube_ious
from vadsdk.evaluation.recall_protocol import (
    MaskOverlap,
    RecallProtocol,
    measure_masks,
    recall_protocol,
)
from vadsdk.evaluation.report import ClassRow, EvaluationReport
from vadsdk.evaluation.result_masks import TrueMasks
from vadsdk.evaluation.video_map import (
    STRICT_THRESHOLDS,
    tube_average_precisions,
    video_map,
    video_maps,
)

__all__ = [
    "CONVENTIONS",
    "STRICT_THRESHOLDS",
    "ClassRow",
    "ClassScores",
    "Convention",
    "EvaluationReport",
    "Evaluator",
    "FrameBoxes",
    "FrameRules",
    "MaskOverlap",
    "PrecisionRecall",
    "RecallProtocol",
    "TrueMasks",
    "TubeRules",
    "box_iou",
    "boxes_of_frames",
    "evaluate_results",
    "frame_average_precisions",
    "frame_map",
    "measure_masks",
    "nms",
    "precision_recall",
    "recall_protocol",
    "soft_nms",
    "tube_average_precisions",
    "tube_iou",
    "tube_ious",
    "video_map",
    "video_maps",
]
