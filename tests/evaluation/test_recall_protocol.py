from __future__ import annotations

import numpy as np
import pytest

from vadsdk.errors import ConfigError
from vadsdk.evaluation import MaskOverlap, measure_masks, recall_protocol

LABELS = ("wave", "kick", "jump")


def overlap(label: str, pairs: list[tuple[int, int]], weight: float = 1.0) -> MaskOverlap:
    values = np.array(pairs, np.int64).reshape(-1, 2)
    return MaskOverlap(label=label, intersections=values[:, 0], unions=values[:, 1], weight=weight)


def test_frames_are_counted_one_by_one_and_videos_by_their_pixel_sums() -> None:
    # wave: frame IoUs 0.6, 0.1; 0.5. Video IoUs (6 + 10) / (10 + 100) = 0.145 and 0.5.
    # kick: frame IoUs 0.3, 0.2. Video IoU 5 / 20 = 0.25. jump does not occur.
    videos = [
        overlap("wave", [(6, 10), (10, 100)]),
        overlap("wave", [(5, 10)]),
        overlap("kick", [(3, 10), (2, 10)]),
    ]
    recall = recall_protocol(videos, LABELS)
    np.testing.assert_allclose(recall.frame_recalls, [[2 / 3, 1, np.nan], [2 / 3, 0, np.nan]])
    np.testing.assert_allclose(recall.video_recalls, [[1 / 2, 1, np.nan], [1 / 2, 0, np.nan]])
    assert recall.mean_frame_recalls == pytest.approx([5 / 6, 1 / 3])
    assert recall.mean_video_recalls == pytest.approx([3 / 4, 1 / 4])


def test_masks_are_compared_in_annotated_frames_only() -> None:
    true = np.zeros((3, 4, 4), np.bool_)
    predicted = np.ones((3, 4, 4), np.bool_)
    true[1, :2] = True  # 8 of 16 pixels; frames 0 and 2 are not annotated
    found = measure_masks("wave", predicted, true)
    assert (found.intersections.tolist(), found.unions.tolist()) == ([8], [16])


def test_a_video_without_annotated_frames_counts_nowhere() -> None:
    empty = measure_masks("wave", np.ones((2, 4, 4), np.bool_), np.zeros((2, 4, 4), np.bool_))
    recall = recall_protocol([empty, overlap("kick", [(1, 1)])], LABELS)
    assert np.isnan(recall.frame_recalls[0, 0])
    assert recall.mean_video_recalls.tolist() == [1, 1]


def test_actors_of_one_video_share_its_weight() -> None:
    videos = [
        overlap("wave", [(1, 1)], weight=0.5),
        overlap("wave", [(0, 1)], weight=0.5),
        overlap("wave", [(1, 1)]),
    ]
    assert recall_protocol(videos, LABELS).video_recalls[0, 0] == 0.75


def test_nothing_to_measure_is_unknown() -> None:
    assert np.isnan(recall_protocol([], LABELS).mean_frame_recalls).all()


def test_masks_of_two_sizes_and_unknown_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both masks are \(F, H, W\)"):
        measure_masks("wave", np.ones((2, 4, 4), np.bool_), np.ones((2, 4, 5), np.bool_))
    with pytest.raises(ConfigError, match="unknown label 'waves'"):
        recall_protocol([overlap("waves", [(1, 1)])], LABELS)
