from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_data import HEIGHT, LABELS, WIDTH, add_video, make_tube

from vadsdk.data.dataset import open_dataset
from vadsdk.data.held_out import choose_held_out, hold_out
from vadsdk.data.native_writer import write_dataset
from vadsdk.data.records import VideoRecord
from vadsdk.data.splits import LabelledSplit, apply_split, choose_labelled, read_split, write_split
from vadsdk.errors import ConfigError, DatasetError


def make_record(name: str, *labels: str) -> VideoRecord:
    return VideoRecord(
        name=name,
        path=Path(name),
        split="train",
        num_frames=20,
        width=WIDTH,
        height=HEIGHT,
        fps=10,
        tubes=tuple(make_tube(label, 0, 10 - i, id=i) for i, label in enumerate(labels)),
    )


def classes_of(records: list[VideoRecord]) -> set[str]:
    return {tube.label for record in records for tube in record.tubes}


some_records = st.lists(
    st.lists(st.sampled_from("abc"), max_size=2, unique=True), min_size=2, max_size=12
).map(lambda videos: [make_record(f"v{i}", *labels) for i, labels in enumerate(videos)])


@settings(max_examples=80)
@given(some_records, st.floats(0.01, 0.99), st.integers(0, 5))
def test_every_class_stays_in_what_is_learned_from_and_a_larger_share_contains_a_smaller(
    records: list[VideoRecord], share: float, seed: int
) -> None:
    try:
        held = choose_held_out(records, share, seed)
    except DatasetError:
        return  # each class has one video; see below
    learned = [record for record in records if record.name not in held]
    assert classes_of(learned) == classes_of(records)
    assert classes_of([record for record in records if record.name in held])
    assert held <= choose_held_out(records, min(1.3 * share, 0.99), seed)
    assert held == choose_held_out(records[::-1], share, seed)


def test_each_class_gives_its_share() -> None:
    records = [make_record(f"{label}{i}", label) for label in "ab" for i in range(10)]
    records += [make_record(f"rare{i}", "rare") for i in range(2)]
    records += [make_record(f"nothing{i}") for i in range(10)]
    held = choose_held_out(records, 0.2, seed=1)
    assert sorted(name.rstrip("0123456789") for name in held) == [
        *("a", "a", "b", "b", "nothing", "nothing", "rare")
    ]
    assert held != choose_held_out(records, 0.2, seed=2)


def test_a_few_labels_are_the_same_whether_videos_are_held_out_or_not() -> None:
    records = [make_record(f"{label}{i}", label) for label in "ab" for i in range(10)]
    held = choose_held_out(records, 0.3, seed=0)
    learned = [record for record in records if record.name not in held]
    assert choose_labelled(learned, 0.2, 0) == choose_labelled(records, 0.14, 0)  # one of 7, of 10


def test_nothing_can_be_held_out_of_one_video_a_class() -> None:
    with pytest.raises(DatasetError, match="each class needs one to learn from and another one"):
        choose_held_out([make_record("a", "a"), make_record("b", "b")], 0.5, 0)
    with pytest.raises(ConfigError, match=r"the test share is in \(0, 1\), such as .* not 1"):
        choose_held_out([make_record("a", "a")], 1, 0)


def test_held_out_videos_are_the_test_split_with_their_masks(tmp_path: Path) -> None:
    videos = [
        add_video(tmp_path, f"{label}{number}", (make_tube(label, 4, 16),), masks=number == 1)
        for label in LABELS
        for number in range(2)
    ]
    write_dataset(tmp_path, LABELS, videos)
    dataset = open_dataset(tmp_path)
    held = hold_out(dataset, ["videos/jump1.mp4"])
    assert type(held) is type(dataset)
    assert [record.name for record in held.split("test")] == ["videos/jump1.mp4"]
    assert len(held.split("train")) == 3
    assert len(dataset.split("train")) == 4  # it is as it was
    assert held.actor_masks(held.split("test")[0], [5]).any()
    sparse = apply_split(held, {"videos/jump0.mp4"})
    assert [record.labelled for record in sparse.records] == [True, True, False, False]
    with pytest.raises(DatasetError, match=r"1 of the 1 test videos .* such as 'other.mp4'; was"):
        hold_out(dataset, ["other.mp4"])
    with pytest.raises(DatasetError, match="has a test split already"):
        hold_out(held, ["videos/jump0.mp4"])


def test_a_split_file_says_what_is_held_out(tmp_path: Path) -> None:
    split = LabelledSplit(fraction=1, seed=0, labelled=["a"], test=["b"])
    write_split(tmp_path / "s.json", split)
    assert read_split(tmp_path / "s.json") == split
