"""The clip bank against decoding: time to the first batch of a run, and batches a second.

    python benchmarks/clip_bank.py [--classes 3] [--seconds 10]

Some classes of JHMDB-21's training videos (VADSDK_DATA, default ../shared/data), stored at 256 x
256 for a network of 224, as paper 1 learns from them: 4 labelled and 4 unlabelled clips of 8 frames
a batch. One process, as many decoders as there are cores. Each number once, in one run, one after
another: the bank is built, then used as a second run would; without a bank everything is decoded
into memory first; "by clips" is what a set too large for memory does. The page cache holds the
files in all cases.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recording import record

from vadsdk.data.bank_batches import BankBatches
from vadsdk.data.bank_building import build_bank
from vadsdk.data.bank_on_device import BankOnDevice
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.dataset import open_dataset
from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.prefetching import BatchSource
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.sampling import ClipSampler
from vadsdk.data.splits import apply_split, choose_labelled

SIZE = (256, 256)
WORKERS = len(os.sched_getaffinity(0))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    whole = open_dataset(Path(os.environ.get("VADSDK_DATA") or shared) / "jhmdb21")
    learned = [r for r in whole.split("train") if r.tubes]
    kept = sorted({r.tubes[0].label for r in learned})[: options.classes]
    annotated = [r for r in learned if r.tubes[0].label in kept]
    dataset = apply_split(whole, choose_labelled(annotated, 0.2, 0))
    names = {r.name for r in annotated}
    records = [r for r in dataset.split("train") if r.name in names]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clips.bank"
        started = time.perf_counter()
        build_bank(whole, annotated, path, store_size=SIZE, num_workers=WORKERS)
        building = time.perf_counter() - started
        values = {
            "videos": len(records),
            "frames": sum(r.num_frames for r in records),
            "store_size": SIZE,
            "clips_a_batch": 8,
            "decoders": WORKERS,
            "load_average": round(os.getloadavg()[0], 1),
            "bank_megabytes": round(path.stat().st_size / 2**20, 1),
            "seconds_to_build_the_bank": round(building, 2),
            **measured(dataset, records, path, options.seconds),
        }
    print(values)
    record("clip_bank", values)


def measured(
    dataset: ActionDataset, records: Sequence[VideoRecord], path: Path, seconds: float
) -> dict[str, Any]:
    """Return the time to the first batch and batches a second of each way, and the ratios."""

    def from_bank() -> BatchSource[Any]:
        bank = ClipBank.open(path).only(records)
        return BankBatches(sampler(dataset, bank), BankOnDevice(bank, "cpu"))

    def from_memory() -> BatchSource[Any]:
        return sampler(dataset, decoded(dataset, records, 1 << 40))

    def by_clips() -> BatchSource[Any]:
        return sampler(dataset, decoded(dataset, records, 1))

    ways = {"bank": from_bank, "memory": from_memory, "by_clips": by_clips}
    results = {name: first_and_rate(way, seconds) for name, way in ways.items()}
    bank = results["bank"]
    return {
        "seconds_to_the_first_batch": {n: round(first, 3) for n, (first, _) in results.items()},
        "batches_a_second": {n: round(rate, 2) for n, (_, rate) in results.items()},
        "start_faster_than_decoding_into_memory": round(results["memory"][0] / bank[0], 1),
        "batches_faster_than_by_clips": round(bank[1] / results["by_clips"][1], 1),
    }


def decoded(
    dataset: ActionDataset, records: Sequence[VideoRecord], byte_budget: int
) -> DecodedVideos:
    """Return the videos without a bank."""
    return DecodedVideos(
        dataset, records, store_size=SIZE, byte_budget=byte_budget, num_workers=WORKERS
    )


def sampler(dataset: ActionDataset, videos: DecodedVideos | ClipBank) -> ClipSampler:
    """Return a sampler of paper 1's batches."""
    return ClipSampler(
        videos,
        dataset.labels,
        clip_length=8,
        frame_stride=2,
        num_labelled=4,
        num_unlabelled=4,
        seed=0,
    )


def first_and_rate(make: Callable[[], BatchSource[Any]], seconds: float) -> tuple[float, float]:
    """Return the seconds to the first batch, and the batches a second after a second one."""
    started = time.perf_counter()
    source = make()
    source.batch(0)
    first = time.perf_counter() - started
    source.batch(1)
    started = time.perf_counter()
    for step in itertools.count(2):
        source.batch(step)
        if (passed := time.perf_counter() - started) > seconds:
            return first, (step - 1) / passed
    raise AssertionError("itertools.count ended")


if __name__ == "__main__":
    main()
