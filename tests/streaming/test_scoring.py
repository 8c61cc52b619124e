from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec

from vadsdk.data.native import NativeDataset
from vadsdk.data.native_writer import NativeVideo, write_dataset
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.confusion import match_tubes
from vadsdk.streaming.scoring import ScoredVideos, ScoringSettings, score_videos
from vadsdk.streaming.worst_tubes import draw_matches, worst_matches
from vadsdk.structures import Tube
from vadsdk.video import VideoWriter

NUM_FRAMES = 24
BOX = (8, 4, 20, 16)


def write_square(path: Path) -> None:
    """A red square that stands still on black: not blue, so the model says "rest"."""
    with VideoWriter(path, fps=10, crf=10) as writer:
        for _ in range(NUM_FRAMES):
            image = np.zeros((24, 32, 3), np.uint8)
            image[BOX[1] : BOX[3], BOX[0] : BOX[2], 0] = 255
            writer.write(image)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> NativeDataset:
    """The first video is annotated rightly, the second as another class, the third elsewhere."""
    folder = tmp_path_factory.mktemp("squares")
    (folder / "videos").mkdir()
    videos = []
    for name, label, shift in (("a", "rest", 0), ("b", "blue", 0), ("c", "rest", 10)):
        write_square(folder / "videos" / f"{name}.mp4")
        box = np.array([BOX], np.float32) + np.array([shift, 0, shift, 0], np.float32)
        tube = Tube(
            id=0,
            label=label,
            score=1.0,
            frame_indices=np.arange(NUM_FRAMES),
            boxes_xyxy=np.repeat(box, NUM_FRAMES, axis=0),
        )
        path = f"videos/{name}.mp4"
        videos.append(
            NativeVideo(
                path=path,
                split="test",
                num_frames=NUM_FRAMES,
                fps=10,
                width=32,
                height=24,
                tubes=(tube,),
            )
        )
    write_dataset(folder, ("blue", "rest"), videos)
    return NativeDataset(folder)


@pytest.fixture(scope="module")
def scored(dataset: NativeDataset) -> ScoredVideos:
    return score_videos(BrightSquareModel(make_spec()), dataset, dataset.records)


def test_scores_are_those_of_what_the_stream_said(scored: ScoredVideos) -> None:
    report = scored.report
    assert report.num_videos == 3
    assert report.class_accuracy == pytest.approx(2 / 3)
    assert report.localised_50 == pytest.approx(2 / 3)
    assert report.correct_and_localised_50 == pytest.approx(1 / 3)
    assert scored.stream.num_tubes == 3
    assert scored.stream.num_detected == 1
    assert scored.stream.median_delay_frames == 0
    assert scored.tubes.keys() == scored.ground_truth.keys() == {f"videos/{n}.mp4" for n in "abc"}


def test_of_sparse_annotation_only_the_annotated_frames_count(dataset: NativeDataset) -> None:
    def at(frames: tuple[int, ...], tube: Tube) -> Tube:
        kept = np.isin(tube.frame_indices, frames)
        boxes = tube.boxes_xyxy[kept]
        return replace(tube, frame_indices=tube.frame_indices[kept], boxes_xyxy=boxes)

    frames = (3, 11, 19)
    records = [
        replace(r, tubes=tuple(at(frames, t) for t in r.tubes), annotated_frames=frames)
        for r in dataset.records
    ]
    found = score_videos(BrightSquareModel(make_spec()), dataset, records)
    assert found.tubes["videos/a.mp4"][0].frame_indices.tolist() == list(frames)
    assert found.report.correct_and_localised_50 == pytest.approx(1 / 3)
    assert found.report.frame_scores_50.num_answers.tolist() != [0, 0]
    assert found.report.frame_scores_50.num_ground_truth.sum() == 9


def test_the_worst_tubes_are_drawn_missed_places_first(
    dataset: NativeDataset, scored: ScoredVideos
) -> None:
    matches = match_tubes(scored.ground_truth, scored.tubes)
    worst = worst_matches(matches, count=5)
    assert [match.video for match in worst] == ["videos/c.mp4", "videos/b.mp4"]
    assert worst_matches(matches, count=1) == worst[:1]
    picture = draw_matches(worst, {record.name: record for record in dataset.records})
    assert picture.shape[1] > picture.shape[0]
    greens = (picture[..., 1] > 180) & (picture[..., 0] < 120) & (picture[..., 2] < 120)
    left, right = np.array_split(greens, 2, axis=1)
    assert left.sum() > 100
    assert right.sum() > 100


def test_the_tubes_of_every_linking_are_scored_and_the_first_are_reported(
    dataset: NativeDataset, scored: ScoredVideos
) -> None:
    settings = ScoringSettings(linkings=("yowo", "online", "viterbi"))
    model = BrightSquareModel(make_spec())
    found = score_videos(model, dataset, dataset.records, settings=settings)
    assert list(found.linked) == ["yowo", "online", "viterbi"]
    assert found.tubes is found.linked["yowo"].tubes
    # Offline every class has tubes of its own; the stream has one tube an actor, of all classes.
    assert [tube.label for tube in found.tubes["videos/a.mp4"]] == ["rest", "blue"]
    assert [tube.class_scores for tube in found.tubes["videos/a.mp4"]] == [None, None]
    assert len(found.linked["online"].tubes["videos/a.mp4"]) == 1
    at_50 = {
        linking: next(s for s in one.video_scores if s.iou_threshold == 0.5)
        for linking, one in found.linked.items()
    }
    # "rest" is right in one of three videos, for one of two annotated; all tubes score alike.
    assert {name: round(s.average_precisions[1], 6) for name, s in at_50.items()} == dict.fromkeys(
        at_50, round(1 / 3 / 2, 6)
    )
    # "blue" scores next to nothing: the viterbi linker drops such tubes, YOWO's code does not.
    assert at_50["viterbi"].average_precisions[0] == 0.0
    assert at_50["yowo"].average_precisions[0] == pytest.approx(1 / 3)
    assert found.report.video_scores is found.linked["yowo"].video_scores
    assert found.stream.num_detected == scored.stream.num_detected
    np.testing.assert_array_equal(
        found.report.frame_scores_50.average_precisions,
        scored.report.frame_scores_50.average_precisions,
    )


def test_linkings_that_do_not_exist_or_come_twice_are_refused(dataset: NativeDataset) -> None:
    model = BrightSquareModel(make_spec())
    for linkings, text in (
        (("viterbo",), "unknown linking 'viterbo'. Did you mean 'viterbi'"),
        (("road", "road"), "one linking or more, each once, of online, greedy, .* not road, road"),
        ((), "not none"),
    ):
        settings = ScoringSettings(linkings=linkings)
        with pytest.raises(ConfigError, match=text):
            score_videos(model, dataset, dataset.records, settings=settings)


def test_videos_of_a_class_without_boxes_are_left_out_of_detection(
    dataset: NativeDataset, scored: ScoredVideos
) -> None:
    """Else all that is found there, rightly perhaps, would count as wrong."""
    first = dataset.records[0]
    trimmed = replace(first, name="trimmed", tubes=(), video_label="rest")
    model = BrightSquareModel(make_spec())
    found = score_videos(model, dataset, (*dataset.records, trimmed))
    assert (scored.num_left_out, found.num_left_out, found.report.num_videos) == (0, 1, 3)
    assert found.report.to_json() == scored.report.to_json()
    with pytest.raises(DatasetError, match="all 1 videos have one class each and no boxes"):
        score_videos(model, dataset, [trimmed])
