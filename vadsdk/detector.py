"""The face that applications use: load a model file, then ask for the actions in a video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.linking import LinkingSpec
from vadsdk.runtime import load_model, with_min_score
from vadsdk.streaming import detect_stream, detect_video, file_batch_size, pts_gap_seconds
from vadsdk.structures import ClipModel, Frame, FrameResult, ModelSpec, Tube, VideoResult
from vadsdk.video import Source, open_source

VideoLike = str | Path | int | Source | Iterable[Frame] | Iterable[NDArray[np.uint8]]
"""A file, a folder of images, a camera (0 or "0"), an RTSP address, what `vadsdk.video.open_source`
made of any, Frames, or (H, W, 3) uint8 RGB images.

Frames keep their indices and times, which must grow. Images are numbered from 0 and, like those of
a folder, are `fps` a second; 25 if that is not given. For anything else `fps` is an error.
"""
Progress = Callable[[int, int | None], None]
"""Called with the frames done and, where it is known, their number."""


class Detector:
    """Who does what, where, from when to when.

    Args:
        model: what runs a clip; `Detector.load` makes it from a file.
        min_score: drops detections and tubes that score less, in [0, 1]; None is what the model
            says of detections, and drops only tubes that are noise.

    Raises:
        ConfigError: a score out of range.
    """

    def __init__(self, model: ClipModel, *, min_score: float | None = None) -> None:
        self._model = with_min_score(model, min_score)
        self._linking = _linking(min_score)

    @classmethod
    def load(
        cls, path: str | Path, device: str = "cpu", *, min_score: float | None = None
    ) -> Detector:
        """Load an `.onnx` file, a `.safetensors` checkpoint or a run folder.

        Args:
            path: the model file or run folder.
            device: "cpu", "cuda" or "cuda:N"; that device or an error.
            min_score: see `Detector`.

        Raises:
            ModelFileError: the file or the device cannot be used.
            ConfigError: a device name that means nothing, or a score out of range.
        """
        return cls(load_model(path, device), min_score=min_score)

    def __repr__(self) -> str:
        spec = self.spec
        return f"Detector({spec.model!r}, {spec.kind}, labels: {', '.join(spec.labels)})"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the scores."""
        return self._model.spec.labels

    @property
    def spec(self) -> ModelSpec:
        """What the model detects and how it wants to be fed."""
        return self._model.spec

    def predict(
        self,
        source: VideoLike,
        *,
        hop: int | None = None,
        fps: float | None = None,
        progress: Progress | None = None,
    ) -> VideoResult:
        """Run over a whole video and keep everything, masks included; see `stream` for long ones.

        Args:
            source: what to watch; it must end.
            hop: source frames from one window to the next; None is half a window, or for a box
                model 1.
            fps: images a second; see `VideoLike`.
            progress: told of every frame that was watched.

        Raises:
            VideoError: the source cannot be read, or never ends.
            ConfigError: a hop or a frame rate that cannot be.
        """
        opened = _open_ending(source, fps)
        frames = opened if progress is None else _reported(opened, opened.num_frames, progress)
        return detect_video(
            self._model,
            frames,
            hop=hop,
            linking=self._linking,
            max_pts_gap_seconds=pts_gap_seconds(opened),
        )

    def stream(
        self,
        source: VideoLike,
        *,
        hop: int | None = None,
        fps: float | None = None,
        batch_size: int = 1,
    ) -> Iterator[FrameResult]:
        """Yield one result a frame, in order, while the source runs; memory stays bounded.

        A result comes once the windows over its frame are done, so up to a window late, or in box
        models once the next key frame is. A finished tube is in the `events` of the frame at which
        it was known to be over. Before an error of the source come the results, and the tubes, of
        all that it gave.

        Args:
            source: what to watch.
            hop: source frames from one window to the next; None is half a window, or for a box
                model 1.
            fps: images a second; see `VideoLike`.
            batch_size: windows that the model sees at once; more than 1 is for files, as it delays.

        Raises:
            VideoError: the source cannot be read.
            ConfigError: a hop, frame rate or batch size that cannot be.
        """
        return detect_stream(
            self._model,
            open_source(source, fps=fps),
            hop=hop,
            linking=self._linking,
            batch_size=batch_size,
        )


def detect_actions(
    video: VideoLike,
    model: str | Path,
    *,
    device: str = "cpu",
    min_score: float | None = None,
    fps: float | None = None,
) -> list[Tube]:
    """Return the action tubes of a video, best score first; nothing else is kept in memory.

    Args:
        video: what to watch; it must end.
        model: an `.onnx` file, a `.safetensors` checkpoint or a run folder.
        device: "cpu", "cuda" or "cuda:N"; that device or an error.
        min_score: see `Detector`.
        fps: images a second; see `VideoLike`.

    Raises:
        VideoError: the video cannot be read, or never ends.
        ModelFileError: the model cannot be used.
        ConfigError: a device name that means nothing, or a score or frame rate that cannot be.
    """
    opened = _open_ending(video, fps)
    detector = Detector.load(model, device, min_score=min_score)
    results = detector.stream(opened, batch_size=file_batch_size(detector.spec))
    tubes = [event.tube for result in results for event in result.events if event.tube is not None]
    return sorted(tubes, key=lambda tube: -tube.score)


def _linking(min_score: float | None) -> LinkingSpec:
    noise = LinkingSpec()
    return replace(noise, min_tube_score=max(noise.min_tube_score, min_score or 0.0))


def _open_ending(source: VideoLike, fps: float | None) -> Source:
    opened = open_source(source, fps=fps)
    if opened.is_live:
        raise VideoError(f"{opened.name} is a live stream and never ends; use Detector.stream")
    return opened


def _reported(
    frames: Iterable[Frame], num_frames: int | None, progress: Progress
) -> Iterator[Frame]:
    for done, frame in enumerate(frames, start=1):
        yield frame
        progress(done, num_frames)
