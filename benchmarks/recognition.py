"""What temporal gradients are worth: `temporal_gradient` against `supervised`, 15 % of the labels.

    python benchmarks/recognition.py [--seeds 0 1 2] [--work runs/recognition]

Toy footage, `r3d-n` at 64 pixels, the same optimiser steps and labelled clips for both. A seed
changes the labelled share, the weights and the clips, not the footage. Resumable, as
`label_efficiency.py`. Writes `results/recognition.json`.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from recording import record
from training_runs import RECOGNITION_SCORES, finished_scores

from vadsdk.data.toy import generate_toy_dataset
from vadsdk.training.recipes import recipe
from vadsdk.training.settings import RunConfig, merged

RECIPES = {"supervised": "toy-recognition", "temporal_gradient": "toy-temporal-gradient"}


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("runs/recognition"))
    parser.add_argument("--num-clips", type=int, default=160)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    data = options.work / "toy"
    if not (data / "dataset.json").is_file():
        generate_toy_dataset(data, num_clips=options.num_clips, seed=0)
    rows = []
    for seed in options.seeds:
        for method in RECIPES:
            config = run_config(data, method, seed, options.threads)
            folder = options.work / f"{method}-{seed}"
            scores = finished_scores(config, folder, RECOGNITION_SCORES)
            rows.append({"method": method, "seed": seed, **scores})
            print(f"{method} seed {seed}: top-1 {100 * scores['top_1']:.1f}")
    write_table(rows, options.num_clips)


def run_config(data: Path, method: str, seed: int, threads: int | None) -> RunConfig:
    """Return the run of one method and seed."""
    return merged(
        recipe(RECIPES[method]),
        {},
        {
            "data": {"root": str(data), "labelled_seed": seed},
            "train": {"seed": seed, "num_threads": threads},
        },
    )


def write_table(rows: list[dict[str, object]], num_clips: int) -> None:
    """Write means, spread and the paired differences."""
    by_method = {
        method: [float(str(row["top_1"])) for row in rows if row["method"] == method]
        for method in RECIPES
    }
    differences = [b - a for a, b in zip(*by_method.values(), strict=True)]
    config = recipe(RECIPES["supervised"])
    record(
        "recognition",
        {
            "model": config.model,
            "model_settings": config.model_settings,
            "labelled_fraction": config.data.labelled_fraction,
            "steps": config.train.max_steps,
            "num_clips": num_clips,
            "summary": {
                method: {
                    "mean_top_1": statistics.mean(values),
                    "stdev_top_1": statistics.stdev(values) if len(values) > 1 else 0.0,
                }
                for method, values in by_method.items()
            },
            "mean_gain": statistics.mean(differences),
            "smallest_gain": min(differences),
            "runs": rows,
        },
    )


if __name__ == "__main__":
    main()
