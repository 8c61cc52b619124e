"""Paper 1's training step against what the device can do, each kernel against its reference.

    python benchmarks/training.py [--device cuda] [--steps 20] [--forms eager,plain]
                                  [--no-kernels] [--no-step] [--keep] [--limit SECONDS]
    python benchmarks/training.py --whole-run           all 5,900 steps of paper 1 on JHMDB-21

On a card: `videocapsnet`, 4 labelled and 4 unlabelled clips of 8 x 224 x 224 in two views, from a
bank file of noise as large as JHMDB-21 (`noise_bank.py`; less where the disk is small or slow),
read from the disk, then uploaded. A step is taken in each form of `step_forms.py`;
"compiled_graph" is what `vadsdk train` does there (bfloat16, kernels, compiled, captured as a
graph), and takes its steps from a bank on the host, too, as sets do that do not fit. "plain" is the
same network in eager float32 with the reference operations, "plain_tf32" the same with convolutions
as cuDNN takes them by default, their factors rounded to TF32. The target is one over "plain".

On a CPU: `videocapsnet-n`, 2 + 2 clips and a small bank; kernels are the references there, so each
is timed once, and the two forms differ in precision and layout alone. Targets are those of a card.

Ceilings are measured first: a large copy, and a large product in bfloat16. What a step calculates
and moves at least is in `step_costs.py` (77 GFLOP a clip forward, as merged layers of the decoder
count as merged; the paper's layers one by one take 121). Frames are noise: a step's time does not
depend on them. Needs torch, numpy and, on a card, triton; writes `results/training_<card>.json`
after each part, and `training_<card>_whole_run.json` of a whole run. A part that fails stops no
other: its error stands in its place, and the exit status is 1. Last come the verdicts: which
targets are met, missed or not measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from bench_run import BenchRun, record_name, say
from kernel_numbers import measure_kernels, measure_other_kernels
from recording import GrowingRecord, kept_parts
from step_forms import FORMS, SETTINGS
from step_numbers import measure_steps
from timing import copy_bytes_per_second, product_flops_per_second
from verdicts import verdict_lines, verdicts
from whole_run import measure_whole_run

KERNEL_PARTS = ("kernels", "kernels_of_other_types", "kernels_of_both_views")
STEP_PARTS = ("bank", "step")
"""Of a record: what `--no-kernels` and `--no-step` leave out, and `--keep` may keep."""


def main() -> None:
    """Measure what was asked for, print and write it."""
    options = parsed_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    run = begun(options)
    with tempfile.TemporaryDirectory() as folder:
        if options.whole_run:
            measure_whole_run(run, Path(folder))
        else:
            measure_parts(run, options, Path(folder))
    if run.on_card:
        report_verdicts(run)
    run.report.end()


def parsed_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=SETTINGS)
    parser.add_argument("--steps", type=int, default=20, help="that count, of each form")
    parser.add_argument("--forms", type=form_names, help=f"of {', '.join(FORMS)}; with commas")
    parser.add_argument("--no-kernels", action="store_true")
    parser.add_argument("--no-step", action="store_true")
    parser.add_argument("--keep", action="store_true", help="add to what this commit's record has")
    parser.add_argument("--whole-run", action="store_true", help="nothing but all steps of a run")
    parser.add_argument("--limit", type=float, default=float("inf"), help="no part begins later")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def form_names(text: str) -> tuple[str, ...]:
    """Return the forms that an option names."""
    names = tuple(text.split(","))
    for name in names:
        if name not in FORMS:
            raise argparse.ArgumentTypeError(f"no form {name!r}; there are {', '.join(FORMS)}")
    return names


def begun(options: argparse.Namespace) -> BenchRun:
    """Return a run whose record has the card in it, and what is kept and not measured again."""
    device = torch.device(options.device)
    name = record_name(device) + ("_whole_run" if options.whole_run else "")
    measured = () if options.no_kernels else KERNEL_PARTS
    measured += () if options.no_step else STEP_PARTS
    kept = kept_parts(name) if options.keep else {}
    values = {part: numbers for part, numbers in kept.items() if part not in measured}
    if device.type == "cuda":
        values["card"] = torch.cuda.get_device_name(device)
    return BenchRun(
        report=GrowingRecord(name, values),
        device=device,
        deadline=time.monotonic() + options.limit,
    )


def measure_parts(run: BenchRun, options: argparse.Namespace, folder: Path) -> None:
    """Measure ceilings, kernels and steps; what no target asks for comes last."""
    with run.report.part("ceilings") as ceilings:
        if "copy_bytes_per_second" not in ceilings:
            ceilings |= measure_ceilings(run.device)
        run.ceilings.update(ceilings)
    if not options.no_kernels:
        measure_kernels(run)
    if not options.no_step:
        measure_steps(run, folder, options.steps, options.forms)
    if not options.no_kernels:
        measure_other_kernels(run)


def measure_ceilings(device: torch.device) -> dict[str, float]:
    """Return what the device can do at most."""
    ceilings = {
        "copy_bytes_per_second": copy_bytes_per_second(device),
        "bf16_flops_per_second": product_flops_per_second(device, torch.bfloat16),
        "fp32_flops_per_second": product_flops_per_second(device, torch.float32),
    }
    say("ceilings", ceilings)
    return ceilings


def report_verdicts(run: BenchRun) -> None:
    """Write and print which targets are met."""
    with run.report.part("verdicts") as judged:
        judged |= verdicts(run.report.values)
        print("\n".join(verdict_lines(judged)), flush=True)


if __name__ == "__main__":
    main()
