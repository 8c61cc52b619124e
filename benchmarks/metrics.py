"""Every metric over JHMDB-21's whole test split: seconds, on one core.

    python benchmarks/metrics.py [--data ../shared/data/jhmdb21]

The annotation stands in for a detector: each box moved at random, one false tube a video, scores of
all 21 classes, a mask a detection. Timed is what `vadsdk evaluate` does after the model has run:
frame mAP, video mAP at every threshold, localisation and classification recall, the recall
protocol, stream measures, and 1,000 bootstrap draws (`cpu_seconds`); apart from it top-1 and top-5,
every other convention together, and each offline linking.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from recording import record

from vadsdk.data.dataset import ActionDataset, VideoRecord, open_dataset
from vadsdk.evaluation import (
    CONVENTIONS,
    Evaluator,
    boxes_of_frames,
    frame_average_precisions,
    tube_average_precisions,
)
from vadsdk.evaluation.bootstrap import bootstrap_interval
from vadsdk.evaluation.comparison import judge_tubes
from vadsdk.evaluation.recognition import score_recognition
from vadsdk.evaluation.resampled_precision import map_intervals
from vadsdk.evaluation.streaming_measures import measure_stream, summarise_streams
from vadsdk.streaming.scoring_linking import LINKINGS, link_result
from vadsdk.structures import Detections, FrameResult, Tube, VideoResult

THRESHOLDS = (0.1, 0.2, 0.5, 0.75)


def main() -> None:
    """Time the metrics and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/jhmdb21"))
    options = parser.parse_args()
    dataset = open_dataset(options.data, format="jhmdb21")
    records = dataset.split("test")
    rng = np.random.default_rng(0)
    results = {r.name: _said(r, dataset.labels, rng) for r in records}
    truth = {r.name: dataset.actor_masks(r, np.arange(r.num_frames)) for r in records}

    values: dict[str, object] = {
        "videos": len(records),
        "frames": sum(r.num_frames for r in records),
        **_time_all(dataset, records, results, truth),
    }
    for linking in LINKINGS[1:]:
        values[f"cpu_seconds_linking_{linking}"] = _time_linking(records, results, linking)
    print(values)
    record("metrics", values)


def _time_all(
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    results: dict[str, VideoResult],
    truth: dict[str, np.ndarray],
) -> dict[str, float]:
    """Return the CPU seconds of all metrics, under our convention and under all others too."""
    started = time.process_time()
    evaluator = Evaluator(dataset.labels, true_masks=lambda name, frames: truth[name][frames])
    streams = []
    for one in records:
        evaluator.add(one.name, one.tubes, results[one.name])
        streams.append(measure_stream(one.tubes, results[one.name].frames))
    report = evaluator.report()
    summarise_streams(streams)
    scored = time.process_time() - started
    tubes = {name: result.tubes for name, result in results.items()}
    annotated = {r.name: r.tubes for r in records}
    map_intervals(judge_tubes(annotated, tubes, dataset.labels, THRESHOLDS), 1000)
    seconds = time.process_time() - started
    started = time.process_time()
    scores = np.stack([result.tubes[0].class_scores for result in results.values()])
    classes = np.array([dataset.labels.index(r.tubes[0].label) for r in records])
    ranks = score_recognition(scores, classes, dataset.labels).ranks
    bootstrap_interval(lambda rows: float((ranks[rows] < 1).mean()), len(ranks), 1000)
    recognised = time.process_time() - started
    started = time.process_time()
    boxes = {n: boxes_of_frames(r.frames, len(dataset.labels)) for n, r in results.items()}
    for name in sorted(set(CONVENTIONS) - {"vadsdk"}):
        tube_average_precisions(annotated, tubes, dataset.labels, THRESHOLDS, convention=name)
        if CONVENTIONS[name].frames is not None:
            frame_average_precisions(annotated, boxes, dataset.labels, (0.5,), convention=name)
    return {
        "cpu_seconds": round(seconds, 2),
        "cpu_seconds_without_bootstrap": round(scored, 2),
        "cpu_seconds_recognition": round(recognised, 2),
        "cpu_seconds_other_conventions": round(time.process_time() - started, 2),
        "video_map_50": round(report.video_map_50, 4),
    }


def _time_linking(
    records: Sequence[VideoRecord], results: dict[str, VideoResult], linking: str
) -> float:
    """Return the CPU seconds of one offline linking of all videos and classes."""
    started = time.process_time()
    for one in records:
        link_result(results[one.name], linking, one.fps)
    return round(time.process_time() - started, 2)


def _said(one: VideoRecord, labels: Sequence[str], rng: np.random.Generator) -> VideoResult:
    """Return a made-up result: the annotated tube, moved, and a false one."""
    tubes = [_moved(tube, labels, index, rng) for index, tube in enumerate((*one.tubes,) * 2)]
    frames = []
    for frame in range(one.num_frames):
        shown = [(tube, np.flatnonzero(tube.frame_indices == frame)) for tube in tubes]
        shown = [(tube, rows[0]) for tube, rows in shown if len(rows)]
        boxes = np.array([tube.boxes_xyxy[row] for tube, row in shown], np.float32).reshape(-1, 4)
        masks = np.zeros((len(shown), one.height, one.width), np.bool_)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int).clip(0), strict=True):
            mask[y1:y2, x1:x2] = True
        scores = [tube.class_scores for tube, _ in shown]
        frames.append(
            FrameResult(
                index=frame,
                pts_seconds=frame / one.fps,
                detections=Detections(
                    boxes_xyxy=boxes,
                    class_scores=np.array(scores, np.float32).reshape(-1, len(labels)),
                    track_ids=np.array([tube.id for tube, _ in shown], np.int64),
                    masks=masks,
                ),
                labels=tuple(labels),
            )
        )
    return VideoResult(frames=frames, tubes=tubes, labels=tuple(labels))


def _moved(tube: Tube, labels: Sequence[str], index: int, rng: np.random.Generator) -> Tube:
    scores = rng.random(len(labels)).astype(np.float32)
    shift = rng.normal(0, 5 if index == 0 else 80, 2)
    return replace(
        tube,
        id=index + 1,
        label=labels[int(scores.argmax())],
        score=float(scores.max()),
        boxes_xyxy=(tube.boxes_xyxy + np.tile(shift, 2)).astype(np.float32),
        class_scores=scores,
    )


if __name__ == "__main__":
    main()
