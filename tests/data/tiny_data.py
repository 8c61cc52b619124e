"""Tiny videos and data sets, written for real."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from vadsdk.data.native_writer import NativeVideo, write_dataset, write_masks
from vadsdk.structures import Tube

HEIGHT, WIDTH, FPS = 48, 64, 10
GREY_STEP = 8
LABELS = ("jump", "wave")


def write_video(path: Path, num_frames: int, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Frame i is grey with the value 8 * (i % 32), which survives the encoder to +-3."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(num_frames):
            image = np.full((height, width, 3), GREY_STEP * (index % 32), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def frame_number(image: np.ndarray) -> int:
    """Which frame of `write_video` this is, modulo 32."""
    return round(float(image.mean()) / GREY_STEP)


def make_tube(label: str, first: int, stop: int, id: int = 0, left: float = 8.0) -> Tube:
    """A 16 x 24 box that stays at (left, 12)."""
    frames = np.arange(first, stop)
    box = np.array([left, 12, left + 16, 36], np.float32)
    return Tube(
        id=id,
        label=label,
        score=1.0,
        frame_indices=frames,
        boxes_xyxy=np.tile(box, (len(frames), 1)),
        start_seconds=first / FPS,
        end_seconds=stop / FPS,
    )


def box_masks(tube: Tube) -> np.ndarray:
    masks = np.zeros((len(tube), HEIGHT, WIDTH), np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks, tube.boxes_xyxy.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


def add_video(
    folder: Path,
    name: str,
    tubes: tuple[Tube, ...] = (),
    *,
    split: str = "train",
    num_frames: int = 20,
    masks: bool = False,
    labelled: bool = True,
) -> NativeVideo:
    write_video(folder / "videos" / f"{name}.mp4", num_frames)
    masks_path = f"masks/{name}.json" if masks else None
    if masks_path:
        write_masks(folder, masks_path, tubes, {tube.id: box_masks(tube) for tube in tubes})
    return NativeVideo(
        path=f"videos/{name}.mp4",
        split=split,
        num_frames=num_frames,
        fps=FPS,
        width=WIDTH,
        height=HEIGHT,
        tubes=tubes,
        masks_path=masks_path,
        labelled=labelled,
    )


def make_dataset(folder: Path) -> Path:
    """Three training videos a class and one for testing; the action is in the frames 4 to 15."""
    videos = [
        add_video(folder, f"{label}{number}", (make_tube(label, 4, 16),), split=split, masks=True)
        for label in LABELS
        for number, split in enumerate(("train", "train", "train", "test"))
    ]
    write_dataset(folder, LABELS, videos)
    return folder
