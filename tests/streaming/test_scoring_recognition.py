from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright_square import make_spec
from numpy.typing import NDArray

from vadsdk.data.records import VideoRecord
from vadsdk.errors import ConfigError, DatasetError, ModelFileError
from vadsdk.streaming.scoring_recognition import clip_frames, score_recognition
from vadsdk.structures import ModelSpec, RecognitionOutputs, Tube
from vadsdk.video import VideoWriter

LABELS = ("dark", "grey", "light")
SPEC = replace(make_spec(clip_length=3, stride=2, kind="recognition"), labels=LABELS)


class Brightness:
    """A clip's class scores are 1 less the distance of its mean brightness to 0, 0.5 and 1."""

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        self.spec = spec
        self.clips: list[NDArray[np.uint8]] = []

    def infer(self, clips: NDArray[np.uint8]) -> RecognitionOutputs:
        self.clips += list(clips)
        means = clips.mean(axis=(1, 2, 3, 4)) / 255
        scores = 1 - np.abs(means[:, None] - np.array([0, 0.5, 1]))
        return RecognitionOutputs(class_scores=scores.astype(np.float32))


def a_video(folder: Path, name: str, levels: list[int], label: str | None) -> VideoRecord:
    """A video whose frame i is grey of the i-th level all over."""
    path = folder / f"{name}.mp4"
    with VideoWriter(path, fps=10, crf=5) as writer:
        for level in levels:
            writer.write(np.full((24, 32, 3), level, np.uint8))
    return VideoRecord(
        name=name,
        path=path,
        split="test",
        num_frames=0,
        width=0,
        height=0,
        fps=0,
        video_label=label,
    )


def test_top_1_and_confusions_are_those_of_the_mean_over_clips(tmp_path: Path) -> None:
    records = [
        a_video(tmp_path, "a", [0] * 12, "dark"),
        a_video(tmp_path, "b", [0] * 12 + [255] * 4, "light"),  # one clip of three is light
        a_video(tmp_path, "c", [0, 255] * 6, "grey"),
    ]
    model = Brightness()
    shown = []
    found = score_recognition(
        model, LABELS, records, num_clips=3, progress=lambda done, total: shown.append(done)
    )
    assert (found.videos, found.num_left_out, shown) == (("a", "b", "c"), 0, [1, 2, 3])
    # Clips begin at 0, 6 and 11 in b; at 0, 4 and 7 in c, where they see one level each.
    expected = [[1, 0.5, 0], [7 / 9, 11 / 18, 2 / 9], [2 / 3, 0.5, 1 / 3]]
    assert found.class_scores == pytest.approx(np.array(expected), abs=0.02)
    assert found.scores.confusions.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert found.scores.ranks.tolist() == [0, 2, 1]
    assert len(model.clips) == 9


def test_clips_lie_evenly_from_the_first_frame_to_the_last() -> None:
    assert clip_frames(12, SPEC, 3).tolist() == [[0, 2, 4], [4, 6, 8], [7, 9, 11]]
    assert clip_frames(12, SPEC, 1).tolist() == [[3, 5, 7]]
    assert clip_frames(6, SPEC, 10).tolist() == [[0, 2, 4], [1, 3, 5]]  # no clip twice
    assert clip_frames(3, SPEC, 10).tolist() == [[0, 2, 2]]
    assert clip_frames(1, SPEC, 2).tolist() == [[0, 0, 0]]


def test_a_video_with_tubes_of_one_class_has_that_class(tmp_path: Path) -> None:
    def tube(label: str) -> Tube:
        boxes = np.array([[0, 0, 8, 8]], np.float32)
        return Tube(id=0, label=label, score=1.0, frame_indices=np.array([3]), boxes_xyxy=boxes)

    record = a_video(tmp_path, "a", [250] * 6, None)
    records = [
        replace(record, name="one", tubes=(tube("light"), tube("light"))),
        replace(record, name="two", tubes=(tube("light"), tube("dark"))),
        replace(record, name="none"),
    ]
    found = score_recognition(Brightness(), LABELS, records)
    assert (found.videos, found.num_left_out, found.scores.top_1) == (("one",), 2, 1.0)
    with pytest.raises(DatasetError, match="none of 1 videos has one class"):
        score_recognition(Brightness(), LABELS, records[2:])


def test_what_does_not_fit_is_refused_before_any_video_is_read(tmp_path: Path) -> None:
    record = a_video(tmp_path, "a", [0], "dark")
    missing = replace(record, path=tmp_path / "missing.mp4")
    box = Brightness(replace(make_spec(kind="box"), labels=LABELS))
    with pytest.raises(ConfigError, match="a model of kind 'box' has no class scores"):
        score_recognition(box, LABELS, [missing])
    with pytest.raises(DatasetError, match="knows dark, grey, light, but the data set has dark"):
        score_recognition(Brightness(), ("dark",), [missing])
    with pytest.raises(ConfigError, match="num_clips is 1 or more, not 0"):
        score_recognition(Brightness(), LABELS, [missing], num_clips=0)


def test_scores_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    class Broken(Brightness):
        def infer(self, clips: NDArray[np.uint8]) -> RecognitionOutputs:
            scores = super().infer(clips).class_scores
            return RecognitionOutputs(class_scores=scores * np.nan)

    with pytest.raises(ModelFileError, match="a: the model gave NaN or infinite scores"):
        score_recognition(Broken(), LABELS, [a_video(tmp_path, "a", [0], "dark")])
