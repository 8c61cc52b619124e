from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation import ClassScores
from vadsdk.evaluation.ava_map import AVA_CONVENTIONS, AvaConventions, ava_conventions, ava_map
from vadsdk.structures.ava import NO_PERSON, AvaRows

LABELS = {1: "bend", 12: "stand"}
BOX, SHIFTED, FAR = (0.1, 0.1, 0.3, 0.5), (0.1, 0.1, 0.3, 0.52), (0.6, 0.6, 0.9, 0.9)
TURNED = (0.3, 0.1, 0.1, 0.5)
Row = tuple[str, float, tuple[float, float, float, float], int, float]


def rows(*written: Row, empty: frozenset[tuple[str, float]] = frozenset()) -> AvaRows:
    """Return rows written as (video, seconds, box, class id, score)."""
    return AvaRows(
        videos=np.array([row[0] for row in written], np.str_),
        timestamps=np.array([row[1] for row in written], np.float64),
        boxes01=np.array([row[2] for row in written], np.float64).reshape(-1, 4),
        class_ids=np.array([row[3] for row in written], np.int64),
        person_ids=np.full(len(written), NO_PERSON),
        scores=np.array([row[4] for row in written], np.float64),
        empty_key_frames=empty,
    )


TRUTH = rows(("a", 902, BOX, 1, 1), ("a", 902, FAR, 1, 1), ("a", 903, BOX, 12, 1))


def bend(*detections: Row, truth: AvaRows = TRUTH, **settings: object) -> float:
    """Return the average precision of class 1."""
    found = ava_map(truth, rows(*detections), LABELS, **settings)  # type: ignore[arg-type]
    return float(found.average_precisions[0])


def test_boxes_are_found_class_by_class_and_key_frame_by_key_frame() -> None:
    found = ava_map(
        TRUTH,
        rows(
            ("a", 902, BOX, 1, 0.9),
            ("a", 903, FAR, 1, 0.8),
            ("a", 902, FAR, 1, 0.7),
            ("a", 902, BOX, 12, 0.9),
            ("a", 903, SHIFTED, 12, 0.5),
        ),
        LABELS,
    )
    assert found.labels == ("bend", "stand")
    assert found.average_precisions == pytest.approx([(1 + 2 / 3) / 2, 0.5])
    assert found.mean == pytest.approx((5 / 6 + 0.5) / 2)
    assert found.num_ground_truth.tolist() == [2, 1]
    assert found.num_answers.tolist() == [3, 2]


def test_a_second_detection_of_a_box_is_wrong_and_not_offered_another() -> None:
    truth = rows(("a", 902, BOX, 1, 1), ("a", 902, (0.1, 0.1, 0.3, 0.6), 1, 1))  # IoU 0.8
    assert bend(("a", 902, BOX, 1, 0.9), ("a", 902, BOX, 1, 0.8), truth=truth) == 0.5


@pytest.mark.parametrize(("iou_threshold", "expected"), [(0.5, 1.0), (0.51, 0.0)])
def test_an_overlap_of_exactly_the_threshold_is_enough(
    iou_threshold: float, expected: float
) -> None:
    truth = rows(("a", 902, (0, 0, 0.25, 0.5), 1, 1))
    half = ("a", 902.0, (0, 0, 0.25, 0.25), 1, 0.9)
    assert bend(half, truth=truth, iou_threshold=iou_threshold) == expected


def test_excluded_key_frames_count_on_neither_side() -> None:
    found = ("a", 902, BOX, 1, 0.9)
    assert bend(found, ("a", 903, BOX, 1, 0.95), excluded=[("a", 903.0)]) == 0.5
    truth = rows(("a", 902, BOX, 1, 1), ("a", 904, BOX, 1, 1))
    assert bend(found, truth=truth) == 0.5
    assert bend(found, truth=truth, excluded=[("a", 904)]) == 1.0
    assert bend(found, truth=truth, excluded=[("b", 904), ("a", 905)]) == 0.5
    as_mmaction2 = AvaConventions(count_excluded=True)
    assert bend(found, truth=truth, excluded=[("a", 904)], conventions=as_mmaction2) == 0.5


def test_detections_on_key_frames_that_nobody_annotated_are_ignored_unless_asked() -> None:
    truth = rows(("a", 902, BOX, 1, 1))
    detections = (("a", 999, BOX, 1, 0.95), ("b", 902, BOX, 1, 0.95), ("a", 902, BOX, 1, 0.9))
    counting = AvaConventions(count_unannotated=True)
    assert bend(*detections, truth=truth) == 1.0
    assert bend(*detections, truth=truth, conventions=counting) == pytest.approx(1 / 3)


def test_detections_on_key_frames_annotated_as_empty_are_wrong() -> None:
    truth = rows(("a", 902, BOX, 1, 1), empty=frozenset({("a", 903.0)}))
    assert bend(("a", 903, BOX, 1, 0.95), ("a", 902, BOX, 1, 0.9), truth=truth) == 0.5


def test_boxes_of_classes_that_are_not_evaluated_annotate_their_key_frame() -> None:
    truth = rows(("a", 902, BOX, 1, 1), ("a", 903, BOX, 79, 1))
    assert bend(("a", 903, BOX, 1, 0.95), ("a", 902, BOX, 1, 0.9), truth=truth) == 0.5


def test_classes_that_are_not_evaluated_take_no_place_among_the_best() -> None:
    limited = AvaConventions(max_detections=1)
    detections = (("a", 902, BOX, 99, 0.95), ("a", 902, BOX, 1, 0.9))
    assert bend(*detections, conventions=limited) == 0.5


def test_only_the_best_detections_of_a_key_frame_count_where_they_are_limited() -> None:
    limited = AvaConventions(max_detections=2)
    detections = [("a", 902, BOX, 12, 0.9), ("a", 902, FAR, 1, 0.8), ("a", 902, BOX, 1, 0.7)]
    assert bend(*detections) == 1.0
    assert bend(*detections, conventions=limited) == 0.5
    elsewhere = ("a", 903.0, BOX, 12, 0.99)
    assert bend(*detections, elsewhere, conventions=limited) == 0.5


def test_the_limit_comes_before_boxes_without_area_go() -> None:
    limited = AvaConventions(max_detections=1)
    turned = ("a", 902.0, TURNED, 1, 0.9)
    assert bend(turned, ("a", 902, BOX, 1, 0.8)) == 0.5
    assert bend(turned, ("a", 902, BOX, 1, 0.8), conventions=limited) == 0.0


@pytest.mark.parametrize("box", [TURNED, (0.1, 0.5, 0.3, 0.1), (0.1, 0.1, 0.1, 0.5)])
def test_boxes_without_area_do_not_count(box: tuple[float, float, float, float]) -> None:
    found = ava_map(TRUTH, rows(("a", 902, box, 1, 0.9)), LABELS)
    assert found.num_answers.tolist() == [0, 0]


def test_in_file_order_an_earlier_row_takes_the_box_from_a_better_one() -> None:
    truth = rows(("a", 902, BOX, 1, 1))
    detections = (("a", 902, BOX, 1, 0.5), ("a", 902, BOX, 1, 0.9))
    assert bend(*detections, truth=truth) == 1.0
    in_order = AvaConventions(in_file_order=True)
    assert bend(*detections, truth=truth, conventions=in_order) == 0.5


def test_a_class_that_nobody_detected_counts_as_0_unless_it_is_left_out() -> None:
    detections = rows(("a", 902, BOX, 1, 0.9))
    assert ava_map(TRUTH, detections, LABELS).mean == 0.25
    left_out = AvaConventions(leave_out_undetected=True)
    found = ava_map(TRUTH, detections, LABELS, conventions=left_out)
    assert found.mean == 0.5
    assert np.isnan(found.average_precisions[1])
    assert found.num_ground_truth.tolist() == [2, 1]


def test_a_class_without_boxes_is_left_out_of_the_mean() -> None:
    truth = rows(("a", 902, BOX, 1, 1))
    found = ava_map(truth, rows(("a", 902, BOX, 1, 1), ("a", 902, BOX, 12, 1)), LABELS)
    assert found.mean == 1.0
    assert np.isnan(found.average_precisions[1])


def test_without_detections_everything_is_missed() -> None:
    assert ava_map(TRUTH, rows(), LABELS).average_precisions.tolist() == [0, 0]


def random_rows(rng: np.random.Generator, count: int) -> list[Row]:
    """Return rows whose boxes and scores often repeat."""
    return [
        (
            "ab"[rng.integers(0, 2)],
            900.0 + rng.integers(0, 2),
            (x := rng.integers(0, 3) / 10, 0.1, x + 0.3, 0.1 + rng.integers(1, 3) / 5),
            int(rng.choice([1, 12])),
            rng.integers(1, 6) / 5,
        )
        for _ in range(count)
    ]


def slow_map(truth: list[Row], detections: list[Row]) -> list[float]:
    """The rule read aloud, row by row; equal scores enter together."""
    averages = []
    for class_id in LABELS:
        boxes = [row for row in truth if row[3] == class_id]
        mine = sorted((row for row in detections if row[3] == class_id), key=lambda row: -row[4])
        taken: set[int] = set()
        points: dict[float, tuple[int, int]] = {}
        for number, (video, seconds, box, _, score) in enumerate(mine, start=1):
            here = [
                (slow_iou(box, other[2]), -index)
                for index, other in enumerate(boxes)
                if other[:2] == (video, seconds)
            ]
            overlap, index = max(here, default=(0.0, 1))
            if overlap >= 0.5:
                taken.add(index)
            points[score] = (len(taken), number)
        averages.append(slow_area(list(points.values()), len(boxes)))
    return averages


def slow_iou(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    both = max(width, 0) * max(height, 0)
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (box, other)]
    return both / (sum(areas) - both)


def slow_area(points: list[tuple[int, int]], num_boxes: int) -> float:
    if not num_boxes:
        return float("nan")
    area, before = 0.0, 0
    for index, (right, _) in enumerate(points):
        best = max(found / number for found, number in points[index:])
        area += (right - before) / num_boxes * best
        before = right
    return area


def averages(truth: list[Row], detections: list[Row]) -> np.ndarray:
    annotated = frozenset((v, 900.0 + t) for v in "ab" for t in range(2))
    empty = annotated - {row[:2] for row in truth}
    found: ClassScores = ava_map(rows(*truth, empty=empty), rows(*detections), LABELS)
    return found.average_precisions


@given(st.integers(0, 100_000))
def test_it_is_what_the_rule_read_aloud_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, detections = random_rows(rng, 10), random_rows(rng, 30)
    expected = np.array(slow_map(truth, detections))
    assert averages(truth, detections) == pytest.approx(expected, nan_ok=True)


@given(st.integers(0, 100_000))
def test_the_order_of_the_detections_decides_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, detections = random_rows(rng, 10), random_rows(rng, 30)
    turned = [detections[index] for index in rng.permutation(30)]
    found = [averages(truth, written) for written in (detections, turned)]
    assert np.array_equal(*found, equal_nan=True)


def test_of_equal_scores_at_the_limit_the_same_ones_stay_in_any_order() -> None:
    limited = AvaConventions(max_detections=1)
    detections = [("a", 902, FAR, 12, 0.5), ("a", 902, BOX, 1, 0.5), ("a", 902, FAR, 1, 0.5)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        written = rows(*(detections[index] for index in order))
        found = ava_map(TRUTH, written, LABELS, conventions=limited)
        assert found.num_answers.tolist() == [1, 0]
        assert found.average_precisions.tolist() == [0.5, 0]


@pytest.mark.parametrize("name", AVA_CONVENTIONS)
def test_conventions_have_names(name: str) -> None:
    assert ava_conventions(name) is AVA_CONVENTIONS[name]
    assert (name == "recommended") == (ava_conventions(name) == AvaConventions())


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown AVA convention 'slow_fast'.*'slowfast'"):
        ava_conventions("slow_fast")


def test_names_written_in_two_ways_are_told() -> None:
    with pytest.raises(DatasetError, match=r"none of 1 detections.*'A', 902.0.*'a', 902.0"):
        bend(("A", 902, BOX, 1, 0.9))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"iou_threshold must lie in \(0, 1\], not 0"):
        bend(iou_threshold=0)
    with pytest.raises(ConfigError, match="labels is empty"):
        ava_map(TRUTH, rows(), {})
    with pytest.raises(
        ConfigError, match="max_detections must be 1 or more, or None for all, not 0"
    ):
        AvaConventions(max_detections=0)
