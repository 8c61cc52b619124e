from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_data import HEIGHT, WIDTH, make_tube

from vadsdk.data.dataset import open_dataset
from vadsdk.data.records import VideoRecord
from vadsdk.data.splits import (
    LabelledSplit,
    apply_split,
    choose_key_frames,
    choose_labelled,
    choose_unlabelled,
    labelled_split,
    main_label,
    read_split,
    share_of_labels,
    split_file_name,
    write_split,
)
from vadsdk.errors import ConfigError, DatasetError


def make_record(name: str, *labels: str, labelled: bool = True) -> VideoRecord:
    """The tubes get 10, 9, 8... frames, so the first label is the main one."""
    return VideoRecord(
        name=name,
        path=Path(name),
        split="train",
        num_frames=20,
        width=WIDTH,
        height=HEIGHT,
        fps=10,
        tubes=tuple(make_tube(label, 0, 10 - i, id=i) for i, label in enumerate(labels)),
        labelled=labelled,
    )


LABELS = "abcd"
some_records = st.lists(
    st.lists(st.sampled_from(LABELS), max_size=3, unique=True), min_size=1, max_size=12
).map(lambda videos: [make_record(f"v{i}", *labels) for i, labels in enumerate(videos)])
with_an_action = some_records.filter(lambda records: any(record.tubes for record in records))
fractions = st.floats(0.001, 1)
seeds = st.integers(0, 5)


@settings(max_examples=50)
@given(with_an_action, fractions, fractions, seeds)
def test_a_larger_fraction_contains_the_smaller(
    records: list[VideoRecord], first: float, second: float, seed: int
) -> None:
    small, large = sorted((first, second))
    assert choose_labelled(records, small, seed) <= choose_labelled(records, large, seed)


@settings(max_examples=50)
@given(with_an_action, fractions, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(
    records: list[VideoRecord], fraction: float, seed: int, shuffler: random.Random
) -> None:
    shuffled = list(records)
    shuffler.shuffle(shuffled)
    assert choose_labelled(records, fraction, seed) == choose_labelled(shuffled, fraction, seed)


@settings(max_examples=50)
@given(with_an_action, fractions, seeds)
def test_every_class_that_is_there_is_labelled_at_least_once(
    records: list[VideoRecord], fraction: float, seed: int
) -> None:
    chosen = choose_labelled(records, fraction, seed)
    shown = {tube.label for record in records for tube in record.tubes}
    labelled = {t.label for record in records if record.name in chosen for t in record.tubes}
    assert labelled == shown


@settings(max_examples=50)
@given(with_an_action, seeds)
def test_a_fraction_of_one_is_everything(records: list[VideoRecord], seed: int) -> None:
    assert choose_labelled(records, 1, seed) == {record.name for record in records}


def test_each_class_gets_its_share() -> None:
    records = [make_record(f"{label}{i}", label) for label in "ac" for i in range(20)]
    records += [make_record(f"background{i}") for i in range(10)]
    chosen = choose_labelled(records, 0.3, seed=0)
    counts = {kind: sum(name.startswith(kind) for name in chosen) for kind in "acb"}
    assert counts == {"a": 6, "c": 6, "b": 3}


def test_the_choice_of_a_seed_never_changes() -> None:
    """The first three of `printf 0/v$i | sha256sum`: results name a seed, so they must stay."""
    records = [make_record(f"v{i}", "a") for i in range(10)]
    assert choose_labelled(records, 0.3, seed=0) == {"v6", "v7", "v9"}
    assert choose_labelled(records, 0.3, seed=1) != choose_labelled(records, 0.3, seed=0)


def test_unlabelled_records_cannot_be_chosen() -> None:
    records = [make_record("v0", "a"), make_record("v1", labelled=False)]
    assert choose_labelled(records, 1, seed=0) == {"v0"}


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, 30, float("nan")])
def test_a_fraction_outside_its_range_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"is in \(0, 1\], such as 0\.1 for 10 %, not"):
        choose_labelled([make_record("v0", "a")], fraction, seed=0)


def test_videos_without_any_action_cannot_be_split() -> None:
    with pytest.raises(DatasetError, match="annotate at least one video of each class"):
        choose_labelled([make_record("v0")], 0.5, seed=0)


def test_the_main_label_fills_most_frames_and_ties_go_by_name() -> None:
    assert main_label(make_record("v", "b", "a")) == "b"
    assert main_label(make_record("v")) is None
    tied = (make_tube("b", 0, 5), make_tube("a", 5, 10, id=1))
    record = VideoRecord(
        name="v", path=Path("v"), split="train", num_frames=10, width=64, height=48, fps=10,
        tubes=tied,
    )  # fmt: skip
    assert main_label(record) == "a"


def test_apply_split_forgets_the_other_training_labels(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    partly = apply_split(dataset, {"videos/jump0.mp4", "videos/wave2.mp4"})
    known = {record.name for record in partly.records if record.labelled}
    assert known == {
        "videos/jump0.mp4",
        "videos/wave2.mp4",
        "videos/jump3.mp4",  # for testing
        "videos/wave3.mp4",
    }
    assert not any(record.tubes for record in partly.records if not record.labelled)
    hidden = next(record for record in dataset.records if record.name == "videos/jump1.mp4")
    with pytest.raises(ValueError, match="not labelled: it has no masks to learn from"):
        partly.actor_masks(hidden, [5])
    shown = next(record for record in partly.records if record.name == "videos/jump0.mp4")
    assert partly.actor_masks(shown, [5]).any()


def test_of_the_actions_of_hidden_videos_only_the_time_is_kept(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    partly = apply_split(dataset, {"videos/jump0.mp4"}, unlabelled_part="actions")
    hidden = [record for record in partly.records if not record.labelled]
    assert len(hidden) == 5
    assert {record.drawn_ranges for record in hidden} == {((4, 16),)}
    assert not any(record.tubes or record.annotated_frames for record in hidden)
    assert {r.drawn_ranges for r in partly.records if r.labelled} == {None}
    whole = apply_split(dataset, {"videos/jump0.mp4"})
    assert {record.drawn_ranges for record in whole.records} == {None}
    names = {record.name for record in dataset.split("train")}
    sparse = apply_split(dataset, names, {name: [5, 9] for name in names})
    again = apply_split(sparse, {"videos/jump0.mp4"}, unlabelled_part="actions")
    hidden = [record for record in again.records if not record.labelled]
    assert len(hidden) == 5
    assert {record.drawn_ranges for record in hidden} == {((5, 10),)}
    assert {record.annotated_frames for record in hidden} == {None}


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(0, 5), st.lists(st.floats(0.01, 1), min_size=2, max_size=2))
def test_a_larger_share_of_the_unlabelled_videos_contains_the_smaller(
    count: int, seed: int, fractions: list[float]
) -> None:
    records = [make_record("l", "a"), *(make_record(f"v{i}", labelled=False) for i in range(count))]
    small, large = (choose_unlabelled(records, fraction, seed) for fraction in sorted(fractions))
    assert [record for record in large if record in small] == small
    assert small[0].name == "l"
    assert len(small) - 1 == max(round(min(fractions) * count), 1)
    other_order = choose_unlabelled(records[::-1], sorted(fractions)[0], seed)
    assert {record.name for record in other_order} == {record.name for record in small}
    assert choose_unlabelled(records, 1.0, seed) == records


def test_the_unlabelled_choice_of_a_seed_never_changes() -> None:
    records = [make_record(f"v{i}", labelled=False) for i in range(10)]
    assert [r.name for r in choose_unlabelled(records, 0.3, 0)] == ["v6", "v7", "v9"]
    assert [r.name for r in choose_unlabelled(records, 0.3, 1)] != ["v6", "v7", "v9"]


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_an_unlabelled_fraction_outside_its_range_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"unlabelled fraction is in \(0, 1\], such as 0\.25"):
        choose_unlabelled([make_record("v", labelled=False)], fraction, 0)


def test_a_split_of_another_data_set_is_refused(native_folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"1 of the 2 labelled videos .* such as 'b\.mp4'"):
        apply_split(open_dataset(native_folder), {"videos/jump0.mp4", "b.mp4"})


def test_a_name_that_is_not_utf8_is_chosen_but_not_written() -> None:
    named = make_record("caf\udce9.mp4", "wave")
    chosen = choose_labelled([named], 1, 0)
    assert chosen == {"caf\udce9.mp4"}
    with pytest.raises(DatasetError, match=r"name 'caf\\udce9\.mp4' is not UTF-8 text, so"):
        labelled_split(1, 0, chosen)


def test_a_split_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / split_file_name(0.3, 7)
    write_split(path, LabelledSplit(fraction=0.3, seed=7, labelled=["b", "a"]))
    assert path.name == "labelled_30_seed7.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == {"fraction": 0.3, "seed": 7, "labelled": ["a", "b"]}
    assert read_split(path).labelled == ["a", "b"]


def test_a_malformed_split_file_is_refused_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"fraction": 30, "seed": 0, "labelled": ["a"]}', encoding="utf-8")
    with pytest.raises(
        DatasetError,
        match=r"s\.json is no list of .* \(fraction: Input should be less than or equal",
    ):
        read_split(path)
    path.write_text('{"version": 1, "labels": [], "videos": []}', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"no list of .*; make one with: vadsdk data split$"):
        read_split(path)
    with pytest.raises(DatasetError, match=r"nowhere\.json does not exist"):
        read_split(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [(1, [10]), (2, [7, 13]), (3, [6, 10, 14]), (50, list(range(4, 16)))],
)
def test_key_frames_are_spread_over_the_action(num_frames: int, expected: list[int]) -> None:
    record = replace(make_record("a"), tubes=(make_tube("jump", 4, 16),))
    assert choose_key_frames(record, num_frames) == expected


def test_a_share_that_became_larger_is_explained_and_no_other() -> None:
    explained = share_of_labels(8, 16, 0.1)
    assert explained is not None
    assert explained.startswith("8 of 16 training videos are labelled, 50% and not 10%: each class")
    assert share_of_labels(2, 16, 0.1) is None  # the next whole video
    assert share_of_labels(462, 2293, 0.2) is None  # by rounding, 20% still
    assert share_of_labels(1, 16, 0.1) is None


def test_key_frames_of_a_video_without_action_are_spread_over_it() -> None:
    assert choose_key_frames(make_record("a"), 2) == [5, 15]
    with pytest.raises(ConfigError, match="needs 1 key frame or more, not 0"):
        choose_key_frames(make_record("a"), 0)


def test_other_frames_than_key_frames_are_forgotten(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    sparse = apply_split(dataset, {"videos/jump0.mp4"}, {"videos/jump0.mp4": [2, 5, 9]})
    by_name = {record.name: record for record in sparse.records}
    known = by_name["videos/jump0.mp4"]
    assert known.annotated_frames == (2, 5, 9)
    assert known.tubes[0].frame_indices.tolist() == [5, 9]
    assert by_name["videos/jump1.mp4"].annotated_frames is None
    assert not by_name["videos/jump1.mp4"].labelled
    test = next(record for record in sparse.records if record.split == "test")
    assert len(test.tubes[0]) == 12
    with pytest.raises(DatasetError, match="no key frames for 1 of its videos"):
        apply_split(dataset, {"videos/jump0.mp4"}, {})


def test_a_split_with_key_frames_is_read_as_it_was_written(tmp_path: Path) -> None:
    split = LabelledSplit(fraction=0.5, seed=1, labelled=["a"], key_frames={"a": [3, 8]})
    path = tmp_path / split_file_name(0.5, 1, 2)
    write_split(path, split)
    assert path.name == "labelled_50_seed1_2frames.json"
    assert read_split(path) == split
