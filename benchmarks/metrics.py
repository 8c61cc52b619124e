"""Every metric over JHMDB-21's whole test split: seconds, on one core.

    python benchmarks/metrics.py [--data ../shared/data/jhmdb21]

The annotation stands in for a detector: each box moved at random, one false tube a video, scores of
all 21 classes, a mask a detection. Timed is what `vadsdk evaluate` does after the model has run:
frame mAP, video mAP at every threshold, the recall protocol, stream measures, and 1,000 bootstrap
draws.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from recording import record

from vadsdk.data.dataset import VideoRecord, open_dataset
from vadsdk.evaluation import Evaluator
from vadsdk.evaluation.comparison import judge_tubes
from vadsdk.evaluation.resampled_precision import map_intervals
from vadsdk.evaluation.streaming_measures import measure_stream, summarise_streams
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
    judged = judge_tubes({r.name: r.tubes for r in records}, tubes, dataset.labels, THRESHOLDS)
    map_intervals(judged, 1000)
    seconds = time.process_time() - started
    values = {
        "videos": len(records),
        "frames": sum(r.num_frames for r in records),
        "cpu_seconds": round(seconds, 2),
        "cpu_seconds_without_bootstrap": round(scored, 2),
        "video_map_50": round(report.video_map_50, 4),
    }
    print(values)
    record("metrics", values)


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
