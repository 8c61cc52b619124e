from __future__ import annotations

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest
from boxes_and_tubes import a_tube, scored_boxes, still
from hypothesis import given
from hypothesis import strategies as st
from naive_average_precision import Answer
from naive_conventions import naive_average, naive_overlap_of_boxes, naive_overlap_of_tubes
from random_scenes import LABELS, random_scene

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation import (
    CONVENTIONS,
    ClassScores,
    Convention,
    FrameRules,
    TubeRules,
    frame_average_precisions,
    frame_map,
    precision_recall,
    tube_average_precisions,
    tube_iou,
    video_maps,
)

BOX, NEAR, FAR = (0, 0, 10, 10), (1, 0, 11, 10), (60, 60, 70, 70)
WITH_FRAMES = sorted(name for name in CONVENTIONS if CONVENTIONS[name].frames is not None)
THRESHOLDS = (0.2, 0.5, 0.75)


def tube_average(truth: list, tubes: list, rules: TubeRules, threshold: float = 0.5) -> float:
    convention = Convention(frames=None, tubes=rules)
    found = tube_average_precisions(
        {"v": truth}, {"v": tubes}, LABELS, (threshold,), convention=convention
    )
    return float(found[0].average_precisions[0])


def frame_average(truth: list, boxes: list, rules: FrameRules, threshold: float = 0.5) -> float:
    convention = Convention(frames=rules, tubes=TubeRules())
    predictions = {"v": scored_boxes(*boxes)}
    found = frame_average_precisions(
        {"v": truth}, predictions, LABELS, (threshold,), convention=convention
    )
    return float(found[0].average_precisions[0])


def test_inclusive_pixels_make_small_boxes_agree_more() -> None:
    truth, boxes = [still("wave", (0, 0, 2, 2), range(1))], [(0, (1, 0, 3, 2), (0.9, 0))]
    # 2 of 6 pixels without the last ones, 6 of 12 with them
    assert frame_average(truth, boxes, FrameRules()) == 0.0
    assert frame_average(truth, boxes, FrameRules(inclusive_pixels=True)) == 1.0


def test_predicted_boxes_may_be_moved() -> None:
    truth, boxes = [still("wave", (2, 2, 13, 13), range(1))], [(0, (0, 0, 10, 10), (0.9, 0))]
    moved = FrameRules(predicted_offset=(2.0, 2.0, 3.0, 3.0))
    assert frame_average(truth, boxes, FrameRules(), 1.0) == 0.0
    assert frame_average(truth, boxes, moved, 1.0) == 1.0
    tubes = [still("wave", (0, 0, 10, 10), range(1))]
    assert tube_average(truth, tubes, TubeRules(predicted_offset=(2.0, 2.0, 3.0, 3.0)), 1.0) == 1.0


def test_without_rematch_an_answer_whose_best_is_taken_is_wrong() -> None:
    truth = [still("wave", BOX, range(1)), still("wave", NEAR, range(1))]
    boxes = [(0, BOX, (0.9, 0)), (0, (0, 0, 10, 11), (0.8, 0))]  # both are nearest to BOX
    assert frame_average(truth, boxes, FrameRules()) == 1.0
    assert frame_average(truth, boxes, FrameRules(rematch=False)) == 0.5


def test_a_strict_threshold_must_be_exceeded() -> None:
    truth, tubes = [still("wave", BOX, range(8))], [still("wave", BOX, range(4))]
    assert tube_average(truth, tubes, TubeRules()) == 1.0
    assert tube_average(truth, tubes, TubeRules(strict_threshold=True)) == 0.0
    assert tube_average(truth, tubes, TubeRules(strict_threshold=True), 0.49) == 1.0


def test_equal_scores_in_order_depend_on_the_order() -> None:
    truth, right, wrong = [still("wave", BOX, range(1))], (0, BOX, (0.5, 0)), (0, FAR, (0.5, 0))
    listed = FrameRules(equal_scores="in_order")
    assert frame_average(truth, [right, wrong], listed) == 1.0
    assert frame_average(truth, [wrong, right], listed) == 0.5
    assert frame_average(truth, [right, wrong], FrameRules()) == 0.5


def test_the_area_by_trapezoids_starts_at_precision_one_and_keeps_dips() -> None:
    scores, is_right = np.array([0.9, 0.8, 0.7]), np.array([False, True, True])
    rules = FrameRules(area="trapezoid")
    # recall 0, 0, 1/2, 1 with precision 1, 0, 1/2, 2/3
    expected = (0 + 1 / 2) / 2 / 2 + (1 / 2 + 2 / 3) / 2 / 2
    assert precision_recall(scores, is_right, 2, rules).average_precision == pytest.approx(expected)
    first = precision_recall(scores[:1], np.array([True]), 2, rules)
    assert first.average_precision == 0.5  # from recall 0, precision 1


def test_a_recall_epsilon_keeps_a_perfect_result_below_one() -> None:
    truth = [still("wave", BOX, range(8))]
    expected = pytest.approx(1 / (1 + 1e-5), abs=1e-12)
    assert tube_average(truth, truth, TubeRules(recall_epsilon=1e-5)) == expected


def test_single_precision_rounds_precision_and_recall() -> None:
    curve = precision_recall(
        np.array([0.9]), np.array([True]), 3, FrameRules(precision_dtype="float32")
    )
    assert curve.recalls[0] == float(np.float32(1 / 3)) != 1 / 3


@pytest.mark.parametrize(
    ("frames", "by_frames", "by_ends"),
    [
        (range(4, 12), 4 / 12, 3 / 11),
        (range(8), 1.0, 1.0),
        (range(7, 12), 1 / 12, 0.0),
        (range(9, 12), 0.0, 0.0),
    ],
)
def test_time_counts_in_frames_or_from_first_to_last(
    frames: range, by_frames: float, by_ends: float
) -> None:
    tube, other = still("wave", BOX, range(8)), still("wave", BOX, frames)
    assert tube_iou(tube, other) == by_frames
    assert tube_iou(tube, other, TubeRules(temporal_iou="last_minus_first")) == by_ends


def test_two_tubes_of_one_frame_have_no_time_from_first_to_last() -> None:
    tube = still("wave", BOX, range(3, 4))
    assert tube_iou(tube, tube, TubeRules(temporal_iou="last_minus_first")) == 0.0


def test_one_common_frame_may_count_for_nothing() -> None:
    tube, other = still("wave", BOX, range(3)), still("wave", BOX, range(2, 4))
    rules = TubeRules(one_common_frame_counts=False)
    assert (tube_iou(tube, other), tube_iou(tube, other, rules)) == (1 / 4, 0.0)
    assert tube_iou(tube, tube, rules) == 1.0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("mean", 60 * 61 / 2 / 60), ("mean_of_40_best", (21 + 60) / 2), ("maximum", 60.0)],
)
def test_scores_of_tubes(rule: str, expected: float) -> None:
    scores = np.random.default_rng(0).permutation(60) + 1.0
    assert TubeRules(tube_score=rule).score_tube(scores) == pytest.approx(expected)
    assert TubeRules(tube_score=rule).score_tube(np.array([0.25])) == 0.25


def test_a_tube_without_frames_has_no_score() -> None:
    with pytest.raises(ValueError, match=r"\(F,\) with F 1 or more, not \(0,\)"):
        TubeRules().score_tube(np.zeros(0))


def test_the_mean_overlap_is_that_of_right_answers() -> None:
    truth = {"v": [still("wave", BOX, range(8)), still("wave", FAR, range(8))]}
    tubes = {
        "v": [
            still("wave", BOX, range(6), score=0.9),
            still("wave", FAR, range(8), score=0.8),
            still("wave", BOX, range(7), score=0.7),  # a repeat
        ]
    }
    found = tube_average_precisions(truth, tubes, LABELS, (0.5,))[0]
    assert found.curves[0].mean_overlap == pytest.approx((0.75 + 1) / 2)
    assert np.isnan(found.curves[1].mean_overlap)


def assert_same(found: ClassScores, expected: ClassScores) -> None:
    np.testing.assert_array_equal(found.average_precisions, expected.average_precisions)
    np.testing.assert_array_equal(found.num_answers, expected.num_answers)
    for curve, other in zip(found.curves, expected.curves, strict=True):
        np.testing.assert_array_equal(curve.precisions, other.precisions)
        np.testing.assert_array_equal(curve.recalls, other.recalls)


@given(st.integers(0, 10_000), st.booleans())
def test_the_written_out_default_is_what_frame_map_and_video_map_measure(seed, ties) -> None:
    written = {
        "inclusive_pixels": False,
        "predicted_offset": (0.0, 0.0, 0.0, 0.0),
        "rematch": True,
        "strict_threshold": False,
        "equal_scores": "together",
        "area": "envelope",
        "recall_epsilon": 0.0,
        "precision_dtype": "float64",
    }
    ours = Convention(
        frames=FrameRules(**written),
        tubes=TubeRules(
            **written, temporal_iou="frames", one_common_frame_counts=True, tube_score="mean"
        ),
    )
    assert ours == CONVENTIONS["vadsdk"]
    scene = random_scene(seed, ties=ties)
    by_frame = frame_average_precisions(
        scene.truth, scene.boxes, LABELS, THRESHOLDS, convention=ours
    )
    for threshold, found in zip(THRESHOLDS, by_frame, strict=True):
        assert_same(found, frame_map(scene.truth, scene.boxes, LABELS, threshold))
    by_tube = tube_average_precisions(scene.truth, scene.tubes, LABELS, THRESHOLDS, convention=ours)
    expected = video_maps(scene.truth, scene.tubes, LABELS, THRESHOLDS)
    for found, other in zip(by_tube, expected, strict=True):
        assert_same(found, other)


def ordered(rules: FrameRules) -> bool:
    return rules.equal_scores == "in_order"


@pytest.mark.parametrize("name", WITH_FRAMES)
@pytest.mark.parametrize("seed", range(12))
def test_frames_of_every_convention_equal_the_plain_form(name: str, seed: int) -> None:
    rules = CONVENTIONS[name].frames
    scene = random_scene(seed, ties=ordered(rules))
    found = frame_average_precisions(scene.truth, scene.boxes, LABELS, THRESHOLDS, convention=name)
    for index, label in enumerate(LABELS):
        truths: dict = {}
        for video, tubes in scene.truth.items():
            for tube in (tube for tube in tubes if tube.label == label):
                for frame, box in zip(tube.frame_indices, tube.boxes_xyxy.tolist(), strict=True):
                    truths.setdefault((video, int(frame)), []).append(box)
        answers = [
            Answer((video, int(frame)), float(scores[index]), box)
            for video, boxes in scene.boxes.items()
            for frame, box, scores in zip(
                boxes.frame_indices, boxes.boxes_xyxy.tolist(), boxes.class_scores, strict=True
            )
        ]
        for scores in found:
            if not truths:
                assert np.isnan(scores.average_precisions[index])
                continue
            plain = naive_average(
                answers, truths, naive_overlap_of_boxes, scores.iou_threshold, rules
            )
            assert scores.average_precisions[index] == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize("name", sorted(CONVENTIONS))
@pytest.mark.parametrize("seed", range(12))
def test_tubes_of_every_convention_equal_the_plain_form(name: str, seed: int) -> None:
    rules = CONVENTIONS[name].tubes
    scene = random_scene(seed, ties=ordered(rules))
    found = tube_average_precisions(scene.truth, scene.tubes, LABELS, THRESHOLDS, convention=name)
    for index, label in enumerate(LABELS):
        truths = {
            video: [tube for tube in tubes if tube.label == label]
            for video, tubes in scene.truth.items()
        }
        answers = [
            Answer(video, float(tube.class_scores[index]), tube)
            for video, tubes in scene.tubes.items()
            for tube in tubes
        ]
        for scores in found:
            if not any(truths.values()):
                assert np.isnan(scores.average_precisions[index])
                continue
            plain = naive_average(
                answers, truths, naive_overlap_of_tubes, scores.iou_threshold, rules
            )
            assert scores.average_precisions[index] == pytest.approx(plain, abs=1e-6)


def test_conventions_do_differ_on_one_scene() -> None:
    means = set()
    for name in CONVENTIONS:
        scenes = [random_scene(seed) for seed in range(20)]
        averages = [
            tube_average_precisions(scene.truth, scene.tubes, LABELS, (0.5,), convention=name)[0]
            for scene in scenes
        ]
        means.add(round(float(np.nanmean([found.average_precisions for found in averages])), 7))
    assert len(means) == len({one.tubes for one in CONVENTIONS.values()}) == len(CONVENTIONS) - 1


def test_every_field_argues_our_default() -> None:
    for rules in (FrameRules, TubeRules):
        source = inspect.getsource(rules)
        own = [field.name for field in fields(rules) if f"    {field.name}:" in source]
        assert source.count("Ours: ") == len(own)


def test_names_and_values_that_do_not_exist_are_refused() -> None:
    truth = {"v": [still("wave", BOX, range(8))]}
    with pytest.raises(ConfigError, match=r"unknown convention 'yolo'\. Did you mean 'yowo'"):
        tube_average_precisions(truth, truth, LABELS, (0.5,), convention="yolo")
    with pytest.raises(ConfigError, match=r"convention 'road' has no frame mAP; choose one of: 3d"):
        frame_average_precisions(truth, {}, LABELS, (0.5,), convention="road")
    with pytest.raises(ConfigError, match="unknown area 'trapezium'"):
        FrameRules(area="trapezium")
    with pytest.raises(ConfigError, match="unknown tube_score 'median'"):
        TubeRules(tube_score="median")
    with pytest.raises(ConfigError, match="recall_epsilon must be 0 or a small positive"):
        FrameRules(recall_epsilon=float("nan"))
    with pytest.raises(ConfigError, match="predicted_offset is four finite numbers"):
        FrameRules(predicted_offset=(1.0, 2.0))
    with pytest.raises(DatasetError, match="list every evaluated video there"):
        tube_average_precisions(truth, {"other": []}, LABELS, (0.5,), convention="moc")
    with pytest.raises(ValueError, match=r"iou_threshold must lie in \(0, 1\], not 0"):
        tube_average_precisions(truth, truth, LABELS, (0.0,), convention="moc")


def test_a_convention_of_ones_own_changes_one_rule() -> None:
    truth = [still("wave", BOX, range(8))]
    tubes = [a_tube("wave", [BOX] * 4)]
    mine = replace(CONVENTIONS["moc"].tubes, strict_threshold=True)
    assert tube_average(truth, tubes, CONVENTIONS["moc"].tubes) == 1.0
    assert tube_average(truth, tubes, mine) == 0.0
