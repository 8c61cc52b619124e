"""What unlabelled footage is worth: `e2e` against `supervised`, the same 10 % of the labels.

    python benchmarks/label_efficiency.py [--seeds 0 1 2] [--work runs/label_efficiency]

Toy footage, `videocapsnet-s`, the same optimiser steps and labelled clips for both. A seed changes
the
labelled tenth, the weights and the clips, not the footage. Resumable: a finished run is not run
again,
and one that was stopped goes on. Writes `results/label_efficiency.json`.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from recording import record
from training_runs import finished_scores

from vadsdk.data.toy import generate_toy_dataset
from vadsdk.training.recipes import recipe
from vadsdk.training.settings import RunConfig, merged

METHODS = ("supervised", "e2e")


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("runs/label_efficiency"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--num-clips", type=int, default=400)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=METHODS)
    options = parser.parse_args()
    data = options.work / "toy"
    if not (data / "dataset.json").is_file():
        generate_toy_dataset(data, num_clips=options.num_clips, seed=0)
    rows = []
    for seed in options.seeds:
        for method in METHODS if options.only is None else [options.only]:
            config = run_config(data, method, seed, options.steps, options.threads)
            scores = finished_scores(config, options.work / f"{method}-{seed}")
            rows.append({"method": method, "seed": seed, **scores})
            print(f"{method} seed {seed}: video mAP@0.5 {100 * scores['video_map_50']:.1f}")
    if options.only is None:
        write_table(rows, options.steps, options.num_clips)


def run_config(data: Path, method: str, seed: int, steps: int, threads: int | None) -> RunConfig:
    """Return the run of one method and seed."""
    return merged(
        recipe(f"toy-{method}"),
        {},
        {
            "data": {"root": str(data), "labelled_fraction": 0.1, "labelled_seed": seed},
            "train": {"max_steps": steps, "seed": seed, "num_threads": threads},
        },
    )


def write_table(rows: list[dict[str, object]], steps: int, num_clips: int) -> None:
    """Write means, spread and the paired differences."""
    by_method = {
        method: [float(str(row["video_map_50"])) for row in rows if row["method"] == method]
        for method in METHODS
    }
    differences = [b - a for a, b in zip(*by_method.values(), strict=True)]
    summary = {
        method: {
            "mean_video_map_50": statistics.mean(values),
            "stdev_video_map_50": statistics.stdev(values) if len(values) > 1 else 0.0,
        }
        for method, values in by_method.items()
    }
    record(
        "label_efficiency",
        {
            "model": "videocapsnet-s",
            "labelled_fraction": 0.1,
            "steps": steps,
            "num_clips": num_clips,
            "summary": summary,
            "mean_gain": statistics.mean(differences),
            "smallest_gain": min(differences),
            "runs": rows,
        },
    )


if __name__ == "__main__":
    main()
