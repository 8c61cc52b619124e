from __future__ import annotations

import numpy as np
import pytest

from vadsdk.errors import DatasetError
from vadsdk.evaluation.object_segmentation import (
    NO_PROPOSAL,
    MaskQuality,
    davis_scores,
    semi_supervised,
    unsupervised,
    youtube_vos_scores,
)


def maps(num_frames: int = 4) -> np.ndarray:
    """Return (F, 24, 32) label maps: object 3 left, object 7 right from frame 1 on."""
    true = np.zeros((num_frames, 24, 32), np.uint8)
    true[:, 4:20, 2:12] = 3
    true[1:, 6:18, 18:30] = 7
    return true


def quality(
    regions: list[list[float]], boundaries: list[list[float]], first: int = 0
) -> MaskQuality:
    return MaskQuality(
        object_ids=np.arange(1, len(regions) + 1),
        regions=np.array(regions),
        boundaries=np.array(boundaries),
        first_frames=np.full(len(regions), first),
        proposals=np.arange(1, len(regions) + 1),
    )


def test_the_annotation_against_itself_is_perfect() -> None:
    found = semi_supervised(maps(), maps())
    assert found.object_ids.tolist() == [3, 7]
    assert found.first_frames.tolist() == [0, 1]
    assert (found.regions == 1).all()
    assert (found.boundaries == 1).all()


def test_objects_are_told_by_their_ids() -> None:
    swapped = np.choose(np.searchsorted([0, 3, 7], maps()), [0, 7, 3])
    found = semi_supervised(swapped, maps())
    assert found.regions.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0]]


def test_an_id_of_void_pixels_is_no_object() -> None:
    true = maps()
    true[:, :, 14:16] = 255
    found = semi_supervised(maps(), true, true == 255)
    assert found.object_ids.tolist() == [3, 7]
    assert (found.regions == 1).all()


def test_proposals_may_come_in_any_order() -> None:
    true = maps()
    proposals = np.stack([true == 7, np.zeros(true.shape, bool), true == 3])
    found = unsupervised(proposals, true)
    assert found.proposals.tolist() == [2, 0]
    assert (found.regions == 1).all()


def test_the_assignment_is_best_for_all_objects_together() -> None:
    true = maps(2)
    both, left = true > 0, true == 3
    left[:, 4:12] = False  # half of object 3; `both` overlaps it more, but is all that 7 has
    found = unsupervised(np.stack([both, left]), true)
    assert found.proposals.tolist() == [1, 0]


def test_an_object_that_no_proposal_is_left_for_is_measured_against_empty_masks() -> None:
    true = maps()
    found = unsupervised((true == 3)[None], true)
    assert found.proposals.tolist() == [0, NO_PROPOSAL]
    assert found.regions.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]


def test_the_first_and_last_frame_can_be_left_out() -> None:
    found = quality([[0, 0.5, 0.7, 0]], [[0, 0.1, 0.3, 0]], first=2).without_ends()
    assert found.regions.tolist() == [[0.5, 0.7]]
    assert found.boundaries.tolist() == [[0.1, 0.3]]
    assert found.first_frames.tolist() == [1]


def test_two_frames_have_nothing_between_their_ends() -> None:
    with pytest.raises(
        DatasetError, match="a sequence of 2 frames has none but its first and last"
    ):
        quality([[1, 1]], [[1, 1]]).without_ends()


def test_objects_count_alike_whatever_sequence_they_are_of() -> None:
    first = quality([[0.9] * 4], [[0.7] * 4])
    second = quality([[0.3] * 4, [0.6] * 4], [[0.1] * 4, [0.4] * 4])
    scores = davis_scores([first, second])
    assert scores.region.mean == pytest.approx(0.6)
    assert scores.region.recall == pytest.approx(2 / 3)
    assert scores.boundary.mean == pytest.approx(0.4)
    assert scores.mean == pytest.approx(0.5)


def test_an_object_counts_from_its_first_annotated_frame_on_for_youtube_vos() -> None:
    sequence = quality(
        [[0.0, 0.5, 0.7], [0.0, 0.1, 0.3]], [[0.0, 0.2, 0.4], [0.0, 0.6, 0.8]], first=1
    )
    scores = youtube_vos_scores([sequence], [[True, False]])
    assert scores.region_seen == pytest.approx(0.6)
    assert scores.boundary_seen == pytest.approx(0.3)
    assert scores.region_unseen == pytest.approx(0.2)
    assert scores.boundary_unseen == pytest.approx(0.7)
    assert scores.overall == pytest.approx(0.45)


def test_without_unseen_objects_the_overall_score_is_unknown() -> None:
    scores = youtube_vos_scores([quality([[0.5, 0.7]], [[0.2, 0.4]])], [[True]])
    assert scores.region_seen == pytest.approx(0.6)
    assert np.isnan([scores.region_unseen, scores.overall]).all()


def test_every_object_needs_a_flag() -> None:
    with pytest.raises(DatasetError, match=r"have \[1\] objects, but is_seen speaks of \[2\]"):
        youtube_vos_scores([quality([[1.0]], [[1.0]])], [[True, False]])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda true: {"predicted_maps": true[:2]}, r"what is predicted has \(2, 24, 32\)"),
        (lambda true: {"void": np.zeros((4, 2, 2), bool)}, r"what is void has \(4, 2, 2\)"),
        (lambda true: {"true_maps": true[0]}, r"label maps are \(F, H, W\).*not \(24, 32\)"),
        (lambda true: {"true_maps": true * 0}, "the annotation has no object"),
        (lambda true: {"void": true * 0}, "void is a mask of bool.*not of uint8"),
    ],
)
def test_what_does_not_fit_is_refused(change: object, text: str) -> None:
    arguments = {"predicted_maps": maps(), "true_maps": maps()} | change(maps())  # type: ignore[operator]
    with pytest.raises(DatasetError, match=text):
        semi_supervised(**arguments)


def test_no_sequences_have_no_scores() -> None:
    with pytest.raises(DatasetError, match="no objects to average over"):
        davis_scores([])
