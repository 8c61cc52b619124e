"""Score a running recogniser on videos of one class each.

    video     0 1 2 3 4 5 6 7 8 9 a b      clip_length 3, frame_stride 2, num_clips 3
    clips     x . x . x                    evenly spaced from the first frame to the last;
                    x . x . x              the class scores of a video are the means of its clips'
                              x . x . x

Legend: V videos, K classes, F frames of a video, T frames of a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.records import VideoRecord
from vadsdk.errors import ConfigError, DatasetError, ModelFileError
from vadsdk.evaluation import recognition
from vadsdk.evaluation.recognition import RecognitionScores
from vadsdk.streaming.windows import shrink
from vadsdk.structures import ClipModel, ModelSpec
from vadsdk.structures.clip_model import MaskOutputs, RecognitionOutputs
from vadsdk.video import open_source

NUM_CLIPS = 10
"""Of each video, as the field tests recognisers (paper 3's release among them, three crops each;
here a clip is the whole frame)."""
_BATCH = 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoredRecognition:
    """What a recogniser says of videos, and what that is worth."""

    scores: RecognitionScores
    """Top-1, top-5 and confusions over V videos."""
    videos: tuple[str, ...]
    """V names."""
    class_scores: NDArray[np.float64]
    """(V, K) means over the clips of each video."""
    num_left_out: int
    """Annotated videos without a class of their own: no action, or several."""


def class_of_video(record: VideoRecord) -> str | None:
    """Return the one class of a video, by its label or by its tubes; None if there is not one."""
    if record.video_label is not None:
        return record.video_label
    labels = {tube.label for tube in record.tubes}
    return labels.pop() if len(labels) == 1 else None


def score_recognition(
    model: ClipModel,
    labels: Sequence[str],
    records: Sequence[VideoRecord],
    *,
    num_clips: int = NUM_CLIPS,
    progress: Callable[[int, int], None] | None = None,
    results: Mapping[str, NDArray[np.float64]] | None = None,
) -> ScoredRecognition:
    """Run a recogniser, or a mask model for its class scores, and compare with the true classes.

    Args:
        model: knows the labels of the data set.
        labels: names of the K classes of the data set.
        records: annotated videos; those without one class are left out and counted.
        num_clips: of each video; a short one has as many as differ.
        progress: called with the videos done and their number.
        results: `video_scores` of each video, by name, where they are known already.

    Raises:
        VideoError: a video cannot be read.
        DatasetError: the model's labels are not those of the data set, or no video has one class.
        ConfigError: a model of boxes, or `num_clips` below 1.
        ModelFileError: the model gives scores that are not finite.
    """
    labels = tuple(labels)
    _check(model.spec, labels, num_clips)
    classes = {record.name: class_of_video(record) for record in records}
    kept = [record for record in records if classes[record.name] is not None]
    if not kept:
        raise DatasetError(
            f"none of {len(records)} videos has one class, by a label of its own or by tubes of "
            "one class; top-1 and top-5 need such videos"
        )
    rows = []
    for done, record in enumerate(kept, start=1):
        known = None if results is None else results.get(record.name)
        rows.append(video_scores(model, record, num_clips) if known is None else known)
        if progress:
            progress(done, len(kept))
    class_scores = np.stack(rows)
    true_classes = np.array([labels.index(str(classes[record.name])) for record in kept])
    return ScoredRecognition(
        scores=recognition.score_recognition(class_scores, true_classes, labels),
        videos=tuple(record.name for record in kept),
        class_scores=class_scores,
        num_left_out=len(records) - len(kept),
    )


def clip_frames(num_frames: int, spec: ModelSpec, num_clips: int) -> NDArray[np.int64]:
    """Return (at most `num_clips`, T) frames of the clips of a video, no clip twice.

    A video that is shorter than a clip repeats its last frame.
    """
    offsets = np.arange(spec.clip_length, dtype=np.int64) * spec.frame_stride
    last_start = max(0, num_frames - 1 - int(offsets[-1]))
    starts = np.unique(np.rint(np.linspace(0, last_start, num_clips)).astype(np.int64))
    if num_clips == 1:
        starts = np.array([last_start // 2])
    return (starts[:, None] + offsets).clip(max=num_frames - 1)


def _check(spec: ModelSpec, labels: tuple[str, ...], num_clips: int) -> None:
    if spec.kind == "box":
        raise ConfigError(
            "a model of kind 'box' has no class scores of a whole clip; give a recogniser or a "
            "mask model, or annotation with boxes"
        )
    if num_clips < 1:
        raise ConfigError(f"num_clips is 1 or more, not {num_clips}")
    if spec.labels != labels:
        raise DatasetError(
            f"the model knows {', '.join(spec.labels)}, but the data set has {', '.join(labels)}; "
            "evaluate it on data of its own labels"
        )


def video_scores(model: ClipModel, record: VideoRecord, num_clips: int) -> NDArray[np.float64]:
    """Return the (K,) mean class scores of a video's clips.

    Raises:
        VideoError: the video cannot be read.
        ModelFileError: the model gives scores that are not finite.
    """
    spec = model.spec
    size = spec.input_height, spec.input_width
    images = np.stack([shrink(frame.image, *size) for frame in open_source(record.path)])  # (F, ..)
    frames = clip_frames(len(images), spec, num_clips)
    found = []
    for start in range(0, len(frames), _BATCH):
        outputs = model.infer(images[frames[start : start + _BATCH]])
        assert isinstance(outputs, RecognitionOutputs | MaskOutputs)  # by its kind
        found.append(outputs.class_scores.astype(np.float64))
    class_scores = np.concatenate(found)
    if not np.isfinite(class_scores).all():
        raise ModelFileError(
            f"{record.name}: the model gave NaN or infinite scores: its weights are damaged or its "
            "precision is too low; train it again, or export it with --precision fp32"
        )
    means: NDArray[np.float64] = class_scores.mean(axis=0)
    return means
