"""Every method against `supervised`: the same labels, clips and steps, from scratch.

    python benchmarks/methods.py [--suite toy-masks toy-boxes jhmdb21] [--seeds 0 1 2]
                                 [--methods e2e ...] [--work runs/methods] [--threads 1]

toy-masks   `videocapsnet-n`, toy footage, 400 clips of 8 actions, 10 % of the labels
toy-boxes   `yowo-n`, the same footage and labels
jhmdb21     `videocapsnet-n`, seven classes of JHMDB-21 (split 1), 30 % of the labels

A seed changes the labelled share, the weights and the clips, not the footage. Resumable: a finished
run is not run again, one that was stopped goes on. After each run the table so far is written to
`results/methods.json` and drawn in `results/methods.png`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
from pathlib import Path
from typing import Any

from recording import RESULTS, provenance, record
from training_runs import DETECTION_SCORES, finished_scores

from vadsdk.data.toy import generate_toy_dataset
from vadsdk.training.recipes.toy import BOX_METHODS, MASK_METHODS, toy_boxes, toy_masks
from vadsdk.training.settings import RunConfig, merged

JHMDB_CLASSES = ("brush_hair", "catch", "clap", "golf", "pullup", "swing_baseball", "walk")
JHMDB_TERMS = {"classification": "cross_entropy", "own_class_share": 0.5}
SUITES = {
    "toy-masks": (tuple(MASK_METHODS), toy_masks),
    "toy-boxes": (tuple(BOX_METHODS), toy_boxes),
    "jhmdb21": (tuple(MASK_METHODS), toy_masks),
}
FEW_BOXES = (
    "in a short run from scratch few boxes are sure of place and action, so most of the unlabelled "
    "clips teach none; leaving unsure places untaught, or teaching places without their actions, "
    "changed nothing on the seeds that it was tried on"
)
NOT_TUNED = "a single seed, with weights and thresholds found on toy footage; not looked into"
REASONS = {
    ("toy-masks", "mixmatch"): (
        "actions are told by how figures move, and of two clips mixed into one the motion of "
        "neither is seen clearly, even where the shares are uneven (Beta of 0.1; of 0.75: worse)"
    ),
    ("toy-masks", "fixmatch"): (
        "as good as the baseline in the mean, better on some seeds and worse on others: in a short "
        "run from scratch sure answers are few, and on some seeds the sure ones are wrong"
    ),
    ("toy-masks", "pseudo_label"): (
        "as good as the baseline in the mean: labels that a network with so few labelled clips "
        "gives are often wrong, and each round learns its own mistakes"
    ),
    ("toy-masks", "stable_mean_teacher"): (
        "it agrees on masks alone, as published; on this footage every method finds four places of "
        "five, and what is missing are actions; views with a geometry of their own "
        "(`shared_geometry=False`, three seeds) gain no more"
    ),
    **{("toy-boxes", name): FEW_BOXES for name in ("dual_guidance", "fixmatch", "mean_teacher")},
    ("toy-boxes", "co_ssd"): (
        "a clip and its mirror image agree before long: the consistency losses are some hundredths "
        "of the supervised ones"
    ),
    ("jhmdb21", "mixmatch"): (
        "a guessed mask is the mean of two unsure ones; taught by L2, with a weight found on toy "
        "footage, such masks make all masks fainter than the threshold of 1/2"
    ),
    **{("jhmdb21", name): NOT_TUNED for name in ("co_ssd", "mean_teacher", "pseudo_label")},
}
"""Why a method does not beat `supervised` clearly, as far as it is known."""
CLEAR_GAIN = 0.02
"""Mean gain in video mAP@0.5 below which a method gets its reason."""
Rows = list[dict[str, Any]]


def main() -> None:
    """Run what is missing, one seed of all methods after another, and write the table."""
    options = read_options()
    for seed in options.seeds:
        for suite in options.suite:
            methods, _ = SUITES[suite]
            for method in methods:
                if options.methods and method not in options.methods:
                    continue
                run(suite, method, seed, options)
                write_table(options.work)


def read_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices={**MASK_METHODS, **BOX_METHODS})
    parser.add_argument("--work", type=Path, default=Path("runs/methods"))
    parser.add_argument("--jhmdb", type=Path, default=Path("../shared/data/jhmdb21"))
    parser.add_argument("--num-clips", type=int, default=400)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def run(suite: str, method: str, seed: int, options: argparse.Namespace) -> None:
    """Bring one run to its end and keep its scores beside it."""
    config = run_config(suite, method, seed, options)
    folder = options.work / suite / f"{method}-{seed}"
    commit = provenance()["commit"]
    scores = finished_scores(config, folder, DETECTION_SCORES)
    row = {"suite": suite, "method": method, "seed": seed, "steps": config.train.max_steps}
    if not (folder / "row.json").is_file():
        row |= {"commit": commit, **scores}
        (folder / "row.json").write_text(json.dumps(row), encoding="utf-8")
    print(f"{suite} {method} seed {seed}: video mAP@0.5 {100 * scores['video_map_50']:.1f}")


def run_config(suite: str, method: str, seed: int, options: argparse.Namespace) -> RunConfig:
    """Return the run of one method and seed."""
    config = SUITES[suite][1](method)
    data: dict[str, Any] = {"labelled_seed": seed}
    settings = dict(config.method_settings)
    if suite == "jhmdb21":
        data |= {"root": str(jhmdb_subset(options)), "labelled_fraction": 0.3}
        settings["terms"] = JHMDB_TERMS
    else:
        data["root"] = str(toy_footage(options))
    train = {"seed": seed, "num_threads": options.threads}
    return merged(config, {"method_settings": settings}, {"data": data, "train": train})


def toy_footage(options: argparse.Namespace) -> Path:
    """Return the toy data set, made once."""
    data: Path = options.work / "toy"
    if not (data / "dataset.json").is_file():
        generate_toy_dataset(data, num_clips=options.num_clips, seed=0)
    return data


def jhmdb_subset(options: argparse.Namespace) -> Path:
    """Return a copy of some classes of JHMDB-21 in its own layout, made once."""
    target: Path = options.work / "jhmdb21-subset"
    if target.is_dir():
        return target
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in JHMDB_CLASSES:
        for part in ("ReCompress_Videos", "puppet_mask"):
            shutil.copytree(options.jhmdb / part / name, partial / part / name)
    (partial / "splits").mkdir()
    for path in sorted((options.jhmdb / "splits").iterdir()):
        if path.name.split("_test_split")[0] in JHMDB_CLASSES:
            shutil.copy(path, partial / "splits" / path.name)
    os.replace(partial, target)
    return target


def write_table(work: Path) -> None:
    """Write all finished runs with means, spread and gains over the baseline; draw them."""
    paths = sorted(path for suite in SUITES for path in (work / suite).glob("*/row.json"))
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    tables = {suite: table(suite, rows) for suite in SUITES}
    tables = {suite: entries for suite, entries in tables.items() if entries}
    models = {"toy-masks": "videocapsnet-n", "toy-boxes": "yowo-n", "jhmdb21": "videocapsnet-n"}
    record("methods", {"models": models, "tables": tables, "runs": rows})
    draw(tables)


def table(suite: str, rows: Rows) -> dict[str, Any]:
    """Return mean, spread and paired gain of each method, the best first."""
    by_method: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["suite"] == suite:
            by_method.setdefault(row["method"], {})[row["seed"]] = row["video_map_50"]
    baseline = by_method.get("supervised", {})
    entries = {}
    for method in sorted(by_method, key=lambda m: -statistics.mean(by_method[m].values())):
        values = by_method[method]
        gains = [value - baseline[seed] for seed, value in values.items() if seed in baseline]
        entries[method] = {
            "seeds": sorted(values),
            "mean_video_map_50": statistics.mean(values.values()),
            "stdev_video_map_50": statistics.stdev(values.values()) if len(values) > 1 else 0.0,
            "mean_gain": statistics.mean(gains) if gains else None,
            "smallest_gain": min(gains) if gains else None,
        }
        if gains and statistics.mean(gains) < CLEAR_GAIN and (suite, method) in REASONS:
            entries[method]["reason"] = REASONS[suite, method]
    return entries


def draw(tables: dict[str, Any]) -> None:
    """Draw a bar for each method, with its spread over the seeds and their number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * max(len(tables), 1), 4), layout="constrained")
    for axes, (suite, entries) in zip(
        figure.subplots(1, max(len(tables), 1), squeeze=False)[0], tables.items(), strict=True
    ):
        names = list(entries)[::-1]
        means = [100 * entries[name]["mean_video_map_50"] for name in names]
        spreads = [100 * entries[name]["stdev_video_map_50"] for name in names]
        colours = ["0.6" if name == "supervised" else "tab:blue" for name in names]
        bars = [f"{name} ({len(entries[name]['seeds'])})" for name in names]
        axes.barh(bars, means, xerr=spreads, color=colours)
        axes.set_title(suite)
        axes.set_xlabel("video mAP@0.5, %")
    figure.savefig(RESULTS / "methods.png", dpi=100)


if __name__ == "__main__":
    main()
