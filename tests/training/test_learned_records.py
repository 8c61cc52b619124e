from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_session import Notes, StopAt, tiny_run, train, weights
from tiny_data import LABELS, add_video, make_tube, write_video

from vadsdk.data.native_writer import write_dataset
from vadsdk.data.records import VideoRecord
from vadsdk.errors import ConfigError, DatasetError, TrainingError
from vadsdk.training.labelled_data import labelled_dataset
from vadsdk.training.learned_records import learned_records, require_readable_choice
from vadsdk.training.session import Session

ACTIONS = "data.unlabelled_part=actions"


def records_of(folder: Path, *overrides: str) -> tuple[set[str], set[str], list[str]]:
    """Return the names of labelled and unlabelled videos, and what was noted."""
    config, watcher = tiny_run(folder, *overrides), Notes()
    found = learned_records(labelled_dataset(config.data, watcher), config, watcher.note)
    names = [{r.name for r in found if r.labelled is known} for known in (True, False)]
    return names[0], names[1], watcher.notes


def acting_and_bare(folder: Path, *, num_acting: int) -> Path:
    """Write videos of each class, and one in which nothing is done, which no half of them holds."""
    videos = [
        add_video(folder, f"{label}{index}", (make_tube(label, 4, 16),))
        for label in LABELS
        for index in range(num_acting)
    ]
    write_dataset(folder, LABELS, [*videos, add_video(folder, "bare")])
    write_video(folder / "footage" / "x.mp4", 8)
    return folder


def test_a_share_of_the_unlabelled_videos_is_part_of_every_larger_one(tmp_path: Path) -> None:
    folder = acting_and_bare(tmp_path, num_acting=8)
    labelled, every, _ = records_of(folder)
    previous: set[str] = set()
    for fraction in (0.25, 0.5, 0.75, 1.0):
        known, chosen, notes = records_of(folder, f"data.unlabelled_fraction={fraction}")
        assert known == labelled
        assert len(chosen) == round(fraction * len(every))
        assert previous < chosen <= every
        assert not notes
        previous = chosen


def test_footage_counts_among_the_unlabelled_videos_of_which_a_share_is_taken(
    tmp_path: Path,
) -> None:
    folder = acting_and_bare(tmp_path, num_acting=2)
    footage = f'data.unlabelled=["{folder / "footage"}"]'
    _, every, _ = records_of(folder, footage)
    assert len(every) == 4  # two of a class, the bare one, and footage
    taken = set()
    for seed in range(16):
        share = ("data.unlabelled_fraction=0.25", f"data.labelled_seed={seed}")
        _, chosen, _ = records_of(folder, footage, *share)
        assert len(chosen) == 1
        taken |= chosen
    assert any(name.endswith("footage/x.mp4") for name in taken)
    assert len(taken) > 1


def test_a_share_of_footage_does_not_depend_on_how_its_folder_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = acting_and_bare(tmp_path, num_acting=1)
    for index in range(9):
        write_video(folder / "footage" / f"{index}.mp4", 8)
    monkeypatch.chdir(folder)
    chosen = []
    for name in ("footage", "./footage/../footage", str(folder / "footage")):
        given = (f'data.unlabelled=["{name}"]', "data.unlabelled_fraction=0.3")
        chosen.append({Path(name).name for name in records_of(folder, *given)[1]})
    assert len(chosen[0]) == 3
    assert chosen[0] == chosen[1] == chosen[2]


def test_footage_that_cannot_be_read_takes_no_part_in_a_share(tmp_path: Path) -> None:
    folder = acting_and_bare(tmp_path, num_acting=2)
    for index in range(20):
        (folder / "footage" / f"broken{index}.mp4").write_text("not a video")
    given = (f'data.unlabelled=["{folder / "footage"}"]', "data.unlabelled_fraction=0.5")
    _, chosen, notes = records_of(folder, *given)
    assert len(chosen) == 2  # of four that can be read
    assert not any("broken" in name for name in chosen)
    assert len(notes) == 1
    assert notes[0].startswith("20 files without annotation cannot be read and are no part of the")
    assert notes[0].endswith("broken0.mp4")


def test_a_choice_of_which_nothing_can_be_read_is_named() -> None:
    sizes = {"num_frames": 1, "width": 8, "height": 8, "fps": 25.0}
    labelled = [VideoRecord(name="a", path=Path("a"), split="train", **sizes)]
    config = tiny_run(Path("x"), "data.unlabelled_fraction=0.25")
    with pytest.raises(DatasetError, match=r"data\.unlabelled_fraction=0\.25 chose can be read"):
        require_readable_choice(labelled, config.data)
    require_readable_choice(labelled, tiny_run(Path("x")).data)


def test_videos_that_say_what_and_not_when_have_no_actions_to_keep_to(tmp_path: Path) -> None:
    folder = acting_and_bare(tmp_path, num_acting=2)
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    for video in document["videos"]:
        label = LABELS["1" in video["path"]]
        video |= {"video_label": label, "tubes": [], "masks": None}
    (folder / "dataset.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DatasetError, match="say what happens and not when; leave it out"):
        records_of(folder, ACTIONS)


def test_hidden_videos_without_an_action_are_left_out_of_trimmed_ones_and_told(
    tmp_path: Path,
) -> None:
    folder = acting_and_bare(tmp_path, num_acting=2)
    assert "videos/bare.mp4" in records_of(folder)[1]
    _, chosen, notes = records_of(folder, ACTIONS)
    assert len(chosen) == 2
    assert "videos/bare.mp4" not in chosen
    assert notes == [
        "1 unlabelled videos have no annotated action and are left out, as data.unlabelled_part "
        "is actions"
    ]


def test_trimmed_videos_without_any_action_are_an_error_whose_advice_works(tmp_path: Path) -> None:
    folder = acting_and_bare(tmp_path, num_acting=1)
    with pytest.raises(DatasetError, match="none of the 1 unlabelled videos has an annotated act"):
        records_of(folder, ACTIONS)
    assert records_of(folder, "data.unlabelled_part=whole")[1] == {"videos/bare.mp4"}
    (footage,) = records_of(folder, ACTIONS, f'data.unlabelled=["{folder / "footage"}"]')[1]
    assert footage.endswith("x.mp4")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ((ACTIONS,), r"^data.unlabelled_part=actions: with train.batch_unlabelled=0 nothing is"),
        (("data.unlabelled_fraction=0.5",), r"^data.unlabelled_fraction=0.5: with train.batch_un"),
        ((ACTIONS, "data.unlabelled_fraction=0.5"), r"actions and data.unlabelled_fraction=0.5: "),
        (
            (ACTIONS, "train.batch_unlabelled=1", "data.labelled_fraction=1.0"),
            r"of videos whose annotation is hidden, and none is; give a --labelled-fraction below",
        ),
    ],
)
def test_what_is_said_of_unlabelled_videos_must_have_a_use(
    tmp_path: Path, overrides: tuple[str, ...], text: str
) -> None:
    config = tiny_run(tmp_path, "train.batch_unlabelled=0", *overrides)
    with pytest.raises(ConfigError, match=text):
        Session(config, tmp_path / "run")


def test_a_run_on_a_share_of_trimmed_videos_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path,
) -> None:
    folder = acting_and_bare(tmp_path / "data", num_acting=4)
    small = ["model=videocapsnet-n", "model_settings.input_size=80", "train.batch_unlabelled=2"]
    config = tiny_run(folder, *small, ACTIONS, "data.unlabelled_fraction=0.5", "data.bank=off")
    train(config, tmp_path / "whole")
    with pytest.raises(TrainingError, match="stopped at step 3 of 4"):
        train(config, tmp_path / "stopped", StopAt(3))
    train(config, tmp_path / "stopped")
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    sampler = Session(config, tmp_path / "stopped")._sampler()
    places = [place for step in range(20) for place in sampler.places(step)[2:]]
    shown = {tuple(place.frame_indices.tolist()) for place in places}
    assert shown == {(4, 6, 8, 10, 12, 14, 15, 15)}  # all of an action of twelve frames
    assert len({place.record.name for place in places}) == 2  # half of four
