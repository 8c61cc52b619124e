"""How good results are: frame mAP, video mAP, and paper 1's recall protocol under its own name."""

from vadsdk.evaluation.average_precision import ClassScores, PrecisionRecall, precision_recall
from vadsdk.evaluation.evaluator import Evaluator, evaluate_results
from vadsdk.evaluation.frame_map import FrameBoxes, boxes_of_frames, frame_map
from vadsdk.evaluation.overlaps import box_iou, tube_iou, tube_ious
from vadsdk.evaluation.recall_protocol import (
    MaskOverlap,
    RecallProtocol,
    measure_masks,
    recall_protocol,
)
from vadsdk.evaluation.report import ClassRow, EvaluationReport
from vadsdk.evaluation.result_masks import TrueMasks
from vadsdk.evaluation.video_map import STRICT_THRESHOLDS, video_map, video_maps

__all__ = [
    "STRICT_THRESHOLDS",
    "ClassRow",
    "ClassScores",
    "EvaluationReport",
    "Evaluator",
    "FrameBoxes",
    "MaskOverlap",
    "PrecisionRecall",
    "RecallProtocol",
    "TrueMasks",
    "box_iou",
    "boxes_of_frames",
    "evaluate_results",
    "frame_map",
    "measure_masks",
    "precision_recall",
    "recall_protocol",
    "tube_iou",
    "tube_ious",
    "video_map",
    "video_maps",
]
