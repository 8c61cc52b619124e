"""Decoding for training against a plain OpenCV loop: frames a second over the same files.

    python benchmarks/decoding.py [--data ../shared/data] [--repeats 3]

Both read every frame of every file and resize it to 128 x 128 RGB: OpenCV one file after another,
as most training scripts do, and the decoding workers that `vadsdk train` uses, two at a time. They
take turns, so that a busy machine slows both; the ratio of the medians is what counts.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
from recording import record

from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.video.folders import VIDEO_SUFFIXES

SIZE = (128, 128)
NUM_WORKERS = 2


def main() -> None:
    """Measure both and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--files", type=int, default=120)
    options = parser.parse_args()
    rows = {}
    for name in ("jhmdb21", "footage"):
        paths = _files(options.data / name, options.files)
        rows[name] = _compare(paths, options.repeats)
        print(name, rows[name])
    record("decoding", {"size": SIZE, "workers": NUM_WORKERS, "repeats": options.repeats, **rows})


def _compare(paths: list[Path], repeats: int) -> dict[str, float]:
    plain, workers_rates = [], []
    with DecodeWorkers(NUM_WORKERS) as workers:
        num_frames = _with_workers(workers, paths)  # starts the processes; warms the disk's cache
        for _ in range(repeats):
            started = time.perf_counter()
            found = _with_opencv(paths)
            plain.append(found / (time.perf_counter() - started))
            started = time.perf_counter()
            assert _with_workers(workers, paths) == num_frames
            workers_rates.append(num_frames / (time.perf_counter() - started))
    opencv, vadsdk = statistics.median(plain), statistics.median(workers_rates)
    return {
        "files": len(paths),
        "frames": num_frames,
        "opencv_frames_per_second": round(opencv, 1),
        "vadsdk_frames_per_second": round(vadsdk, 1),
        "ratio": round(vadsdk / opencv, 2),
    }


def _with_opencv(paths: list[Path]) -> int:
    num_frames = 0
    for path in paths:
        capture = cv2.VideoCapture(str(path))
        while True:
            found, image = capture.read()
            if not found:
                break
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
            num_frames += 1
        capture.release()
    return num_frames


def _with_workers(workers: DecodeWorkers, paths: list[Path]) -> int:
    requests = [DecodeRequest(path=str(path), size=SIZE) for path in paths]
    with ThreadPoolExecutor(NUM_WORKERS) as pool:
        return sum(len(frames) for frames in pool.map(workers.decode, requests))


def _files(folder: Path, count: int) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return random.Random(0).sample(paths, min(count, len(paths)))


if __name__ == "__main__":
    main()
