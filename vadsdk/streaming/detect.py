"""The loop over a source's frames: results one by one, or all of a video's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vadsdk.errors import VideoError
from vadsdk.linking import LinkingSpec
from vadsdk.streaming.detector import MAX_PTS_GAP_SECONDS, StreamingDetector
from vadsdk.streaming.kinds import file_batch_size
from vadsdk.structures import ClipModel, Detections, Frame, FrameResult, Tube, VideoResult
from vadsdk.video import Source


def detect_stream(
    model: ClipModel,
    frames: Iterable[Frame],
    *,
    hop: int | None = None,
    linking: LinkingSpec | None = None,
    batch_size: int = 1,
    max_pts_gap_seconds: float | None = None,
) -> Iterator[FrameResult]:
    """Yield the result of each frame as soon as it is final; before an error of the source, too.

    Arguments are those of `StreamingDetector`, but without `max_pts_gap_seconds` a source tells how
    long a gap is a jump (`pts_gap_seconds`).
    """
    if max_pts_gap_seconds is None:
        max_pts_gap_seconds = pts_gap_seconds(frames)
    detector = StreamingDetector(
        model,
        hop=hop,
        linking=linking,
        batch_size=batch_size,
        max_pts_gap_seconds=max_pts_gap_seconds,
    )
    return _results(detector, frames)


def detect_video(
    model: ClipModel,
    frames: Iterable[Frame],
    *,
    hop: int | None = None,
    linking: LinkingSpec | None = None,
    batch_size: int | None = None,
    keep_masks: bool = True,
    max_pts_gap_seconds: float | None = None,
) -> VideoResult:
    """Return the results of a whole video, which all stay in memory: for files, not for streams.

    Args:
        model: see `StreamingDetector`.
        frames: the video's frames in order.
        hop: see `StreamingDetector`.
        linking: see `StreamingDetector`.
        batch_size: see `StreamingDetector`; None is what suits files (`file_batch_size`).
        keep_masks: masks take H * W bytes a detection; without them a long video fits.
        max_pts_gap_seconds: see `detect_stream`.
    """
    if batch_size is None:
        batch_size = file_batch_size(model.spec, hop)
    results: list[FrameResult] = []
    tubes: list[Tube] = []
    stream = detect_stream(
        model,
        frames,
        hop=hop,
        linking=linking,
        batch_size=batch_size,
        max_pts_gap_seconds=max_pts_gap_seconds,
    )
    for result in stream:
        tubes += [event.tube for event in result.events if event.tube is not None]
        results.append(result if keep_masks else without_masks(result))
    tubes.sort(key=lambda tube: -tube.score)
    return VideoResult(frames=results, tubes=tubes, labels=model.spec.labels)


def pts_gap_seconds(frames: Iterable[Frame]) -> float:
    """Return the longest silence that is no jump: 2 s, or two frames of a source with fewer."""
    fps = frames.fps if isinstance(frames, Source) else None
    return max(MAX_PTS_GAP_SECONDS, 2 / fps) if fps else MAX_PTS_GAP_SECONDS


def without_masks(result: FrameResult) -> FrameResult:
    """Return the same result with boxes only."""
    detections = Detections(
        boxes_xyxy=result.detections.boxes_xyxy,
        class_scores=result.detections.class_scores,
        track_ids=result.detections.track_ids,
    )
    return replace(result, detections=detections)


def _results(detector: StreamingDetector, frames: Iterable[Frame]) -> Iterator[FrameResult]:
    try:
        for frame in frames:
            yield from detector.push(frame)
    except VideoError:  # the source broke or was lost: what it gave is worth as much as ever
        yield from detector.flush()
        raise
    yield from detector.flush()
