"""Clips read from an hour of footage that is not kept in memory: clips a second.

    python benchmarks/clip_reading.py [--minutes 60] [--clips 200]

The file is made first: H.264, 320 x 240, 25 frames a second, a picture that can be decoded alone
every 10 s, as encoders make it by default. A clip is 8 frames over 15, at a random place, resized
to 128 x 128: what an unlabelled row of a training batch takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch
from recording import record

from vadsdk.data.dataset import open_dataset
from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.footage import unlabelled_records
from vadsdk.data.sampling import ClipSampler
from vadsdk.data.toy import generate_toy_dataset

FPS, HEIGHT, WIDTH, KEY_FRAMES = 25, 240, 320, 250
BATCH = 8


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--clips", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "footage" / "long.mp4"
        write_footage(path, options.minutes * 60 * FPS)
        generate_toy_dataset(folder / "toy", num_clips=1)
        rates = {w: clips_a_second(folder, w, options.clips) for w in (1, 2)}
        values = {
            "minutes": options.minutes,
            "megabytes": round(path.stat().st_size / 2**20, 1),
            "clips": options.clips,
            **{f"clips_per_second_{w}_workers": round(rate, 1) for w, rate in rates.items()},
        }
    print(values)
    record("clip_reading", values)


def write_footage(path: Path, num_frames: int) -> None:
    """Write a picture that is shifted from frame to frame, with a square that moves over it."""
    tiles = np.random.default_rng(0).integers(0, 255, (15, 80, 3), np.uint8)
    wide = tiles.repeat(16, axis=0).repeat(16, axis=1)
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "30", "g": str(KEY_FRAMES)}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(num_frames):
            left, top = 2 * index % (wide.shape[1] - WIDTH), 3 * index % (HEIGHT - 32)
            image = np.ascontiguousarray(wide[:, left : left + WIDTH])
            image[top : top + 32, 40:72] = index % 256
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def clips_a_second(folder: Path, num_workers: int, num_clips: int) -> float:
    """Return how many clips a sampler reads in a second, after a batch to warm up."""
    decoded = DecodedVideos(
        open_dataset(folder / "toy"),
        unlabelled_records([folder / "footage"]),
        byte_budget=1,
        num_workers=num_workers,
    )
    sampler = ClipSampler(
        decoded,
        (),
        clip_length=8,
        frame_stride=2,
        num_labelled=0,
        num_unlabelled=BATCH,
        seed=0,
    )
    sampler.batch(0)
    num_batches = max(num_clips // BATCH, 1)
    started = time.perf_counter()
    for step in range(1, num_batches + 1):
        sampler.batch(step)
    return num_batches * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
