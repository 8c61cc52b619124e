from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_data import make_tube

from vadsdk.data.records import VideoRecord
from vadsdk.data.video_parts import action_ranges, drawn_parts
from vadsdk.structures import Tube


def record_of(*tubes: Tube, num_frames: int = 20, **fields: object) -> VideoRecord:
    plain = {"name": "v", "path": Path("v"), "split": "train", "width": 64, "height": 48, "fps": 10}
    return VideoRecord(**plain | {"num_frames": num_frames, "tubes": tubes} | fields)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(4, 16)], ((4, 16),)),
        ([(0, 20)], ((0, 20),)),
        ([(2, 5), (9, 10)], ((2, 5), (9, 10))),
        ([(2, 7), (5, 12)], ((2, 12),)),  # two actors at once
        ([(2, 5), (5, 8)], ((2, 8),)),
        ([], ()),
    ],
)
def test_actions_last_while_anybody_acts(
    spans: list[tuple[int, int]], expected: tuple[tuple[int, int], ...]
) -> None:
    tubes = [make_tube("wave", *span, id=index) for index, span in enumerate(spans)]
    assert action_ranges(record_of(*tubes)) == expected


@pytest.mark.parametrize(
    ("acting", "expected"),
    [
        ([0, 5, 10], ((0, 11),)),  # frames between two that show it
        ([5], ((5, 6),)),
        ([0, 10], ((0, 1), (10, 11))),  # in frame 5 nobody acts
        ([10, 15], ((10, 16),)),
    ],
)
def test_of_sparse_annotation_what_lies_between_two_acting_frames_is_in_it(
    acting: list[int], expected: tuple[tuple[int, int], ...]
) -> None:
    whole = make_tube("wave", 0, 16)
    tube = replace(
        whole, frame_indices=whole.frame_indices[acting], boxes_xyxy=whole.boxes_xyxy[acting]
    )
    assert action_ranges(record_of(tube, annotated_frames=(0, 5, 10, 15))) == expected


def test_where_nothing_is_annotated_by_time_there_are_no_ranges() -> None:
    assert action_ranges(record_of(labelled=False)) is None
    assert action_ranges(record_of(video_label="wave")) is None


def test_actions_of_a_video_of_unknown_length_are_found() -> None:
    assert action_ranges(record_of(make_tube("wave", 3, 6), num_frames=0)) == ((3, 6),)


def test_parts_lie_within_the_video_as_it_decodes() -> None:
    hidden = record_of(labelled=False, drawn_ranges=((2, 5), (8, 14), (17, 20)))
    spans = [(part.first, part.stop) for part in drawn_parts(hidden, 12)]
    assert spans == [(2, 5), (8, 12), (11, 12)]
    (whole,) = drawn_parts(record_of(labelled=False), 12)
    assert (whole.record.name, whole.first, whole.stop) == ("v", 0, 12)
    assert not drawn_parts(record_of(labelled=False, drawn_ranges=()), 12)


def test_a_labelled_video_has_no_ranges_to_draw_from() -> None:
    with pytest.raises(ValueError, match="v is labelled: its clips are placed by its annotation"):
        record_of(make_tube("wave", 3, 6), drawn_ranges=((3, 6),))
