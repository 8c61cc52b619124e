"""Real footage: `supervised` and `e2e` on JHMDB-21 split 1 with 30 % of the labels, from scratch.

    python benchmarks/jhmdb.py [--data ../shared/data/jhmdb21] [--work runs/jhmdb]

`videocapsnet-s`, all 21 classes, 660 training and 268 test clips. Resumable: a finished run is not
run
again, and one that was stopped (Ctrl-C) goes on. Writes `results/jhmdb.json`, with the from-scratch
rows of paper 2 (Table 3, upper half: YOWO, another network and 30 % of the labels too) beside ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recording import record
from training_runs import finished_scores

from vadsdk.training.recipes import recipe
from vadsdk.training.settings import merged

METHODS = ("supervised", "e2e")
PAPER2 = {
    "supervised": {"video_map_20": 0.087, "video_map_50": 0.018},
    "dual guidance": {"video_map_20": 0.098, "video_map_50": 0.066},
}


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/jhmdb21"))
    parser.add_argument("--work", type=Path, default=Path("runs/jhmdb"))
    parser.add_argument("--only", choices=METHODS)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    rows = {}
    for method in METHODS if options.only is None else [options.only]:
        sections = {
            "data": {"root": str(options.data)},
            "train": {"num_threads": options.threads},
        }
        config = merged(recipe(f"jhmdb21-{method}"), {}, sections)
        scores = finished_scores(config, options.work / method)
        rows[method] = {"steps": config.train.max_steps, **scores}
        print(
            f"{method}: video mAP@0.5 {100 * scores['video_map_50']:.1f}, "
            f"@0.2 {100 * scores['video_map_20']:.1f}, class accuracy "
            f"{100 * scores['class_accuracy']:.1f}"
        )
    if options.only is None:
        settings = {"model": "videocapsnet-s", "labelled_fraction": 0.3, "split": 1}
        record("jhmdb", {**settings, "ours": rows, "paper 2, YOWO from scratch": PAPER2})


if __name__ == "__main__":
    main()
