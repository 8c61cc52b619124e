from __future__ import annotations

import json

import numpy as np
import pytest
from boxes_and_tubes import a_result, still

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation import Evaluator, evaluate_results

LABELS = ("wave", "kick")
BOX, SHIFTED, FAR = (0, 0, 10, 10), (2, 0, 12, 10), (20, 4, 30, 14)  # SHIFTED: IoU 2/3 with BOX
SIZE = (16, 32)


def test_a_perfect_result_scores_one_everywhere() -> None:
    truth = {"v": [still("wave", BOX, range(4))], "w": [still("kick", FAR, range(2, 5))]}
    results = {name: a_result(LABELS, tubes, 6) for name, tubes in truth.items()}
    report = evaluate_results(truth, results, LABELS)
    assert (
        report.frame_map_50,
        report.video_map_10,
        report.video_map_20,
        report.video_map_50,
        report.video_map_75,
        report.video_map_50_95,
        report.class_accuracy,
        report.localised_50,
        report.correct_and_localised_50,
        report.mean_best_iou,
    ) == (1.0,) * 10
    assert report.recall_protocol is None


def test_a_written_out_evaluation() -> None:
    truth = {
        "right": [still("wave", BOX, range(4))],
        "wrong class": [still("kick", BOX, range(4))],
        "missed": [still("kick", BOX, range(4))],
        "background": [],
    }
    results = {
        "right": a_result(LABELS, [still("wave", SHIFTED, range(4), score=0.6)], 4),
        "wrong class": a_result(LABELS, [still("wave", BOX, range(4), score=0.4)], 4),
        "background": a_result(LABELS, [still("wave", BOX, range(2), score=0.9)], 4),
    }
    report = evaluate_results(truth, results, LABELS)
    wave, kick = report.per_class
    assert (wave.label, wave.num_tubes, kick.num_tubes) == ("wave", 1, 2)
    assert wave.video_ap_50 == 0.5  # after the background's 0.9
    assert wave.video_ap_50_95 == pytest.approx(0.5 * 4 / 10)  # IoU 2/3 passes 0.5, 0.55, 0.6, 0.65
    assert wave.frame_ap_50 == pytest.approx(4 / 10)  # frame scores are all 1: 4 right of 10
    assert (kick.frame_ap_50, kick.video_ap_20) == (0.0, 0.0)
    assert report.video_map_50 == 0.25
    assert report.class_accuracy == pytest.approx(1 / 3)
    assert report.localised_50 == pytest.approx(2 / 3)
    assert report.correct_and_localised_50 == pytest.approx(1 / 3)
    assert report.mean_best_iou == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert (report.num_videos, report.num_videos_without_result) == (4, 1)
    assert report.num_predicted_tubes == 3


def test_the_report_has_video_ap_at_every_usual_threshold() -> None:
    truth = {name: [still("wave", BOX, range(20))] for name in "abcd"}
    results = {  # temporal IoUs 0.1, 0.2, 0.5, 0.75
        name: a_result(LABELS, [still("wave", BOX, range(length), score=score)], 20)
        for name, length, score in zip("abcd", (2, 4, 10, 15), (0.6, 0.7, 0.8, 0.9), strict=True)
    }
    report = evaluate_results(truth, results, LABELS)
    assert report.video_map_10 == 1.0
    assert report.video_map_20 == 0.75
    assert report.video_map_50 == 0.5
    assert report.video_map_75 == 0.25
    assert report.video_map_50_95 == pytest.approx((0.5 + 5 * 0.25) / 10)
    assert report.video_scores_at(0.6).mean == 0.25
    values = report.to_json()
    for percent, expected in ((10, 1.0), (20, 0.75), (50, 0.5), (75, 0.25)):
        assert values[f"video_map_{percent}"] == expected
        assert values["per_class"]["wave"][f"video_ap_{percent}"] == expected
    with pytest.raises(ConfigError, match=r"no video AP at IoU 0.3, only at 0.1, 0.2, 0.5, 0.55"):
        report.video_scores_at(0.3)


def test_the_best_scored_tube_speaks_for_its_video() -> None:
    truth = {"v": [still("wave", BOX, range(4))]}
    tubes = [still("wave", BOX, range(4), score=0.3), still("kick", FAR, range(4), score=0.7)]
    report = evaluate_results(truth, {"v": a_result(LABELS, tubes, 4)}, LABELS)
    assert (report.class_accuracy, report.localised_50, report.mean_best_iou) == (0.0, 0.0, 1.0)


def test_masks_bring_the_recall_protocol_with_filled_boxes_as_truth() -> None:
    truth = {"v": [still("wave", BOX, range(2))], "background": []}
    masks = np.zeros((3, *SIZE), np.bool_)
    masks[0, :10, :6] = True  # 60 of the box's 100 pixels
    masks[1, :10, :3] = True  # 30
    masks[2] = True  # not annotated: costs nothing
    tubes = [still("kick", BOX, range(3), score=0.9)]  # the wrong class: nothing either
    results = {
        "v": a_result(LABELS, tubes, 3, masks),
        "background": a_result(LABELS, tubes, 3, masks),
    }
    recall = evaluate_results(truth, results, LABELS).to_json()["recall_protocol"]
    assert recall == {
        "frame_recall_20": 1.0,
        "frame_recall_50": 0.5,
        "video_recall_20": 1.0,
        "video_recall_50": 0.0,  # 90 of 200
    }


def test_true_masks_replace_the_filled_boxes() -> None:
    truth = {"v": [still("wave", BOX, range(1, 3))]}
    masks = np.zeros((3, *SIZE), np.bool_)
    masks[:, :10, :6] = True

    def true_masks(name: str, frame_indices: np.ndarray) -> np.ndarray:
        assert (name, frame_indices.tolist()) == ("v", [1, 2])
        return masks[frame_indices]

    results = {"v": a_result(LABELS, truth["v"], 3, masks)}
    report = evaluate_results(truth, results, LABELS, true_masks=true_masks)
    assert report.recall_protocol.frame_recalls[:, 0].tolist() == [1.0, 1.0]


def test_two_actors_of_one_video_weigh_as_much_as_one_of_another() -> None:
    truth = {
        "two": [still("wave", BOX, range(2)), still("wave", FAR, range(2))],
        "one": [still("wave", BOX, range(2))],
    }
    masks = np.zeros((2, *SIZE), np.bool_)
    masks[:, :10, :10] = True  # finds BOX, not FAR
    results = {name: a_result(LABELS, truth["one"], 2, masks) for name in truth}
    recall = evaluate_results(truth, results, LABELS).recall_protocol
    assert recall.video_recalls[:, 0].tolist() == [0.75, 0.75]


def test_frames_without_a_result_have_no_pixels() -> None:
    truth = {"v": [still("wave", BOX, range(4))]}
    masks = np.zeros((2, *SIZE), np.bool_)
    masks[:, :10, :10] = True
    tubes = [still("wave", BOX, range(2))]
    report = evaluate_results(truth, {"v": a_result(LABELS, tubes, 2, masks)}, LABELS)
    assert report.recall_protocol.frame_recalls[1, 0] == 0.5


def test_the_report_is_strict_json_with_null_for_what_is_unknown() -> None:
    truth = {"v": [still("wave", BOX, range(4))]}
    report = evaluate_results(truth, {"v": a_result(LABELS, truth["v"], 4)}, LABELS)
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert values["video_map_50"] == 1.0
    assert values["per_class"]["kick"]["video_ap_50"] is None
    assert values["num_true_tubes"] == 1


def test_the_table_shows_every_class_and_the_means_in_percent() -> None:
    truth = {"v": [still("wave", BOX, range(4))]}
    report = evaluate_results(truth, {"v": a_result(LABELS, truth["v"], 4)}, LABELS)
    header, wave, kick, mean = report.table()
    assert header[:3] == ("class", "tubes", "frame AP@0.5")
    assert wave == ("wave", "1", "100.0", "100.0", "100.0", "100.0")
    assert kick == ("kick", "0", "-", "-", "-", "-")
    assert mean == ("mean", "1", "100.0", "100.0", "100.0", "100.0")


def test_what_does_not_belong_together_is_refused() -> None:
    truth = {"v": [still("wave", BOX, range(4))]}
    other = a_result(("kick", "wave"), [], 4)
    with pytest.raises(DatasetError, match="v: the model detects kick, wave, but the data set has"):
        evaluate_results(truth, {"v": other}, LABELS)
    with pytest.raises(DatasetError, match="does not list, such as 'w'"):
        evaluate_results(truth, {"w": a_result(LABELS, [], 4)}, LABELS)
    evaluator = Evaluator(LABELS)
    evaluator.add("v", truth["v"], None)
    with pytest.raises(DatasetError, match="'v' came twice"):
        evaluator.add("v", truth["v"], None)


def test_frame_and_video_ap_are_those_of_the_convention() -> None:
    truth = {"v": [still("wave", (0, 0, 2, 2), range(4))]}
    results = {"v": a_result(LABELS, [still("wave", (1, 0, 3, 2), range(4))], 4)}
    ours = evaluate_results(truth, results, LABELS)
    yowo = evaluate_results(truth, results, LABELS, convention="yowo")
    assert (ours.convention, ours.frame_map_50, ours.video_map_50) == ("vadsdk", 0.0, 0.0)
    assert (yowo.convention, yowo.frame_map_50) == ("yowo", 1.0)  # 6 of 12 pixels instead of 2 of 6
    assert yowo.video_map_50 == pytest.approx(1 - 1e-5, abs=1e-7)
    assert yowo.to_json()["convention"] == "yowo"


def test_a_convention_without_frame_ap_gives_none() -> None:
    truth = {"v": [still("wave", BOX, range(4))]}
    report = evaluate_results(
        truth, {"v": a_result(LABELS, truth["v"], 4)}, LABELS, convention="road"
    )
    assert np.isnan(report.frame_map_50)
    assert np.isnan(report.per_class[0].frame_ap_50)
    assert report.video_map_20 == 1.0


def test_an_unknown_convention_fails_before_anything_is_added() -> None:
    with pytest.raises(ConfigError, match=r"unknown convention 'yolo'\. Did you mean 'yowo'"):
        Evaluator(LABELS, convention="yolo")


def test_localisation_and_classification_recall_are_in_the_report() -> None:
    truth = {"v": [still("wave", BOX, range(4))], "w": [still("kick", BOX, range(4))]}
    results = {name: a_result(LABELS, [still("wave", BOX, range(3))], 4) for name in truth}
    values = evaluate_results(truth, results, LABELS).to_json()
    assert values["localisation_recall_50"] == 6 / 8
    assert values["classification_recall_50"] == 3 / 8
