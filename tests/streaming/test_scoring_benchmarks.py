"""What AVA, DAVIS and YouTube-VOS measure, of a model that sees what is bright."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_benchmarks import LabelledSquares, ava, davis, youtube_vos

from vadsdk.evaluation.ava_map import AvaConventions, ava_conventions
from vadsdk.streaming.scoring import ScoredVideos, ScoringSettings, score_videos
from vadsdk.streaming.scoring_ava import AvaScorer, AvaSettings
from vadsdk.structures import Detections, FrameResult, VideoResult


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def scored_on(dataset, split: str, **settings) -> ScoredVideos:
    model = LabelledSquares(dataset.labels)
    return score_videos(model, dataset, dataset.split(split), settings=ScoringSettings(**settings))


def test_each_object_of_davis_2017_gets_its_track_and_void_does_not_count(tmp_path: Path) -> None:
    found = scored_on(davis(tmp_path / "davis", 2017), "val").objects
    assert found is not None
    quality = found.sequences["two"]
    assert quality.object_ids.tolist() == [1, 2]
    assert quality.regions[0] == pytest.approx(np.ones(9))
    beside = 2 * 4 / (6 * 4)  # 4 x 4 pixels, moved by 2
    assert quality.regions[1] == pytest.approx(np.r_[1, np.full(7, beside), 1])
    assert found.all_frames.region.mean == pytest.approx((1 + (2 + 7 * beside) / 9) / 2)
    assert found.without_ends is not None
    assert found.without_ends.region.mean == pytest.approx((1 + beside) / 2)
    assert found.youtube_vos is None


def test_in_davis_2016_all_detections_are_one_foreground(tmp_path: Path) -> None:
    found = scored_on(davis(tmp_path / "davis", 2016), "val").objects
    assert found is not None
    quality = found.sequences["two"]
    assert quality.object_ids.tolist() == [1]
    assert quality.regions[0, 4] == pytest.approx((16 + 8) / (16 + 24))
    assert quality.regions[0, 0] == 1.0


def test_masks_that_are_not_asked_for_are_not_compared(tmp_path: Path) -> None:
    dataset = davis(tmp_path / "davis", 2017)
    assert scored_on(dataset, "val", benchmarks=False).objects is None


def test_seen_are_the_categories_of_the_training_set(tmp_path: Path) -> None:
    found = scored_on(youtube_vos(tmp_path / "vos", "zebra"), "valid").objects
    assert found is not None
    assert found.youtube_vos is not None
    assert found.youtube_vos.region_seen == 1.0
    assert found.youtube_vos.region_unseen == pytest.approx(1 / 3)


def test_without_all_categories_seen_and_unseen_are_not_told_apart(tmp_path: Path) -> None:
    found = scored_on(youtube_vos(tmp_path / "vos", None), "valid").objects
    assert found is not None
    assert found.youtube_vos is None
    assert found.all_frames.region.mean == pytest.approx((1 + 1 / 3) / 2)


def test_ava_frame_map_is_that_of_the_key_frames_alone(tmp_path: Path) -> None:
    # three detections, each as "sit" and as "stand", of equal scores within a class
    found = scored_on(ava(tmp_path / "ava"), "val").ava
    assert found is not None
    assert (found.labels, found.num_answers.tolist()) == (("sit", "stand"), [3, 3])
    assert found.num_ground_truth.tolist() == [3, 1]
    assert found.average_precisions == pytest.approx([2 / 3 * 2 / 3, 1 / 3])


def test_excluded_key_frames_count_only_if_asked_for(tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava", excluded="movie,0001\n")
    found = scored_on(dataset, "val").ava
    assert found is not None
    assert found.num_ground_truth.tolist() == [1, 1]
    assert found.average_precisions == pytest.approx([1 / 2, 1 / 2])
    settings = AvaSettings(use_exclusions=False)
    everything = scored_on(dataset, "val", ava=settings).ava
    assert everything is not None
    assert everything.average_precisions == pytest.approx([2 / 3 * 2 / 3, 1 / 3])
    mmaction2 = AvaSettings(conventions=ava_conventions("mmaction2"))
    too_low = scored_on(dataset, "val", ava=mmaction2).ava
    assert too_low is not None
    assert too_low.num_ground_truth.tolist() == [3, 1]
    assert too_low.average_precisions == pytest.approx([1 / 3 * 1 / 2, 1 / 2])


def test_the_limit_and_the_label_map_are_heard(tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava")
    one = AvaSettings(conventions=AvaConventions(max_detections=1))
    found = scored_on(dataset, "val", ava=one).ava
    assert found is not None
    assert found.num_answers.tolist() == [3, 0]  # "sit" scores more everywhere
    label_map = tmp_path / "one.pbtxt"
    label_map.write_text('item { name: "stand" id: 12 }', encoding="utf-8")
    found = scored_on(dataset, "val", ava_label_map=label_map).ava
    assert found is not None
    assert (found.labels, found.mean) == (("stand",), pytest.approx(1 / 3))


def test_the_list_of_the_evaluated_classes_is_taken_where_it_is_there(tmp_path: Path) -> None:
    dataset = ava(tmp_path / "ava")
    listed = tmp_path / "ava" / "ava_action_list_v2.2_for_activitynet_2019.pbtxt"
    listed.write_text('item { name: "sit" id: 11 }', encoding="utf-8")
    found = scored_on(dataset, "val").ava
    assert found is not None
    assert found.labels == ("sit",)


def test_a_model_that_finds_nobody_on_annotated_key_frames_scores_0(tmp_path: Path) -> None:
    """It is not taken for detections of other videos, which have other names or times."""
    dataset = ava(tmp_path / "ava")
    benchmark = dataset.benchmark("val")
    scorer = AvaScorer(benchmark, dataset.records, AvaSettings())
    (record,) = dataset.records
    box = np.array([[2, 8, 6, 12]], np.float32)
    seen = Detections(
        boxes_xyxy=box,
        class_scores=np.array([[0.9, 0.8]], np.float32),
        track_ids=np.zeros(1, np.int64),
    )
    frames = [FrameResult(index=5, pts_seconds=0.5, detections=seen, labels=dataset.labels)]
    scorer.add(record, VideoResult(frames=frames, tubes=[], labels=dataset.labels))
    assert scorer.scores().mean == 0.0
    frames = [FrameResult(index=9020, pts_seconds=902, detections=seen, labels=dataset.labels)]
    long = replace(record, num_frames=10_000)
    scorer.add(long, VideoResult(frames=frames, tubes=[], labels=dataset.labels))
    assert scorer.scores().mean == 0.0
    assert scorer.scores().num_answers.tolist() == [0, 0]
