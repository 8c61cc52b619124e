"""The toy data set: figures whose actions differ by motion, with exact masks, boxes and tubes.

    toy/
      dataset.json              native format, written last
      videos/jump_00003.mp4     320x240, 25 frames a second, H.264
      masks/jump_00003.json

Clip i depends on the seed and on i alone: a larger data set of the same seed starts with the
smaller one.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import av
import cv2

from vadsdk.data.native_writer import NativeVideo, write_dataset, write_masks
from vadsdk.data.toy_render import FPS, TOY_LABELS, render_clip
from vadsdk.data.toy_scenery import HEIGHT, WIDTH, Image
from vadsdk.errors import ConfigError, DatasetError

MAX_WORKERS = 16


def generate_toy_dataset(
    out: Path,
    *,
    num_clips: int = 100,
    seed: int = 0,
    num_workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a toy data set; it appears under `out` complete or not at all.

    30 % of the clips are for testing. From two rounds through the actions on (16 clips), both
    splits hold every action.

    Args:
        out: the new folder; it may exist if it is empty.
        num_clips: 1 or more.
        seed: 0 or more; the same seed gives the same frames and annotations.
        num_workers: processes; 1 works in this one, None takes a process for each CPU core.
        progress: called with the finished and the total number of clips.

    Raises:
        ConfigError: a number is out of range.
        DatasetError: `out` holds something already, or cannot be written.
    """
    if num_clips < 1 or seed < 0 or (num_workers is not None and num_workers < 1):
        raise ConfigError(
            "a toy data set needs num_clips and num_workers of 1 or more and a seed of 0 or more, "
            f"not num_clips={num_clips}, num_workers={num_workers}, seed={seed}"
        )
    workers = min(num_workers or os.cpu_count() or 1, MAX_WORKERS, num_clips)
    with _folder_complete_or_absent(out) as folder:
        videos: dict[int, NativeVideo] = {}
        for index, video in _clips(folder, num_clips, seed, workers):
            videos[index] = video
            if progress is not None:
                progress(len(videos), num_clips)
        write_dataset(folder, TOY_LABELS, [videos[index] for index in range(num_clips)])


@contextmanager
def _folder_complete_or_absent(out: Path) -> Iterator[Path]:
    """Give a temporary folder, renamed to `out` when the block ends without error, else removed."""
    out = Path(out).resolve()
    temporary = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DatasetError(
                f"{out} exists and is not an empty folder; a toy data set needs a new one. "
                "Choose another folder, or delete this one first."
            )
        temporary.mkdir(parents=True)
        (temporary / "videos").mkdir()
        (temporary / "masks").mkdir()
        yield temporary
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        raise DatasetError(
            f"cannot write a data set to {out}: {error.strerror or error}. "
            "Free some space or choose another folder, then run again; nothing is half-written."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _clips(
    folder: Path, num_clips: int, seed: int, workers: int
) -> Iterator[tuple[int, NativeVideo]]:
    """Write all clips; yield the index and description of each, in the order of finishing."""
    if workers == 1:
        yield from ((index, _write_clip(folder, seed, index)) for index in range(num_clips))
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        jobs = {pool.submit(_write_clip, folder, seed, index): index for index in range(num_clips)}
        for job in as_completed(jobs):
            yield jobs[job], job.result()
    except BrokenProcessPool as error:
        raise DatasetError(
            "a process that makes toy clips died: it ran out of memory, or the calling script has "
            'no `if __name__ == "__main__":` around its code. Mend that, or use num_workers=1.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and the cores to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _write_clip(folder: Path, seed: int, index: int) -> NativeVideo:
    """Render one clip and write its video and masks."""
    clip = render_clip(seed, index)
    path, masks_path = f"videos/{clip.name}.mp4", f"masks/{clip.name}.json"
    _encode(folder / path, clip.images)
    visible = {tube.id: clip.masks[tube.id, tube.frame_indices] for tube in clip.tubes}
    write_masks(folder, masks_path, clip.tubes, visible)
    return NativeVideo(
        path=path,
        split=clip.split,
        num_frames=len(clip.images),
        fps=FPS,
        width=WIDTH,
        height=HEIGHT,
        tubes=clip.tubes,
        masks_path=masks_path,
    )


def _encode(path: Path, images: Image) -> None:
    """Write (F, H, W, 3) RGB frames as H.264: the same frames, the same file.

    Hence one thread, and no macroblock tree: with it x264 now and then encodes the same frames
    differently (seen with the x264 of PyAV 18).
    """
    options = {"preset": "veryfast", "crf": "23", "bf": "0", "x264-params": "threads=1:mbtree=0"}
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
