from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_session import tiny_run

from vadsdk.errors import ConfigError, TrainingError
from vadsdk.training import run_folder
from vadsdk.training.settings import RunConfig, with_overrides


def test_a_folder_with_a_run_is_not_written_over(toy_folder: Path, tmp_path: Path) -> None:
    config = tiny_run(toy_folder)
    run_folder.write_config(tmp_path / "run", config)
    with pytest.raises(TrainingError, match="already holds a run; give --resume"):
        run_folder.start_run(tmp_path / "run", config, resume=False)


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no run to resume"):
        run_folder.start_run(tmp_path, RunConfig(), resume=True)


def test_other_settings_are_not_silently_dropped_on_resume(tmp_path: Path) -> None:
    run_folder.write_config(tmp_path, with_overrides(RunConfig(), ["train.max_steps=7"]))
    with pytest.raises(TrainingError, match=r"train\.max_steps is 7 there, not 9"):
        run_folder.start_run(
            tmp_path, with_overrides(RunConfig(), ["train.max_steps=9"]), resume=True
        )


def test_settings_that_help_a_run_that_diverged_may_change_and_are_told(tmp_path: Path) -> None:
    run_folder.write_config(tmp_path, RunConfig())
    asked = with_overrides(RunConfig(), ["train.learning_rate=1e-5", "train.precision=fp32"])
    notes: list[str] = []
    assert run_folder.start_run(tmp_path, asked, resume=True, note=notes.append) == asked
    assert notes == [
        "train.learning_rate was 0.0015 so far and is 1e-05 in the steps that are left",
        "train.precision was 'auto' so far and is 'fp32' in the steps that are left",
    ]
    run_folder.start_run(tmp_path, RunConfig(), resume=True, note=notes.append)
    assert len(notes) == 2


def test_what_may_change_stays_as_it_was_changed_unless_it_is_named() -> None:
    changed = {f"{name}={value}" for name, value in OTHERS.items()}
    stored, asked = with_overrides(RunConfig(), sorted(changed)), RunConfig()
    assert set(OTHERS) == set(run_folder.MAY_CHANGE)
    assert run_folder.with_settings_of_run(asked, stored, ["data.root"]) == stored
    kept = run_folder.with_settings_of_run(asked, stored, ["train.precision", "data"])
    assert kept.train.precision == "auto"
    assert kept.data == asked.data
    assert kept.train.clip_norm is None


OTHERS = {
    "train.learning_rate": "1e-5",
    "train.precision": "fp32",
    "train.clip_norm": "null",
    "train.compile": "false",
    "train.cuda_graph": "false",
    "train.num_threads": "1",
    "train.log_every": "7",
    "train.save_every": "8",
    "train.evaluate_every": "9",
    "data.bank": "off",
    "data.memory_gigabytes": "0.5",
    "data.num_decoders": "3",
}


def test_other_weights_are_other_settings_and_one_file_may_stand_alone(tmp_path: Path) -> None:
    """As it does in the config.json of earlier versions."""
    started = with_overrides(RunConfig(), ['weights=["/a.pt"]'])
    values = json.loads(started.model_dump_json()) | {"weights": "/a.pt"}
    (tmp_path / run_folder.CONFIG).write_text(json.dumps(values))
    assert run_folder.start_run(tmp_path, started, resume=True) == started
    asked = with_overrides(RunConfig(), ['weights=["/a.pt", "/b.pt"]'])
    with pytest.raises(
        TrainingError, match=r"weights is \['/a.pt'\] there, not \['/a.pt', '/b.pt'\]"
    ):
        run_folder.start_run(tmp_path, asked, resume=True)


def test_a_run_goes_on_from_another_folder_and_where_its_data_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    paths = ["data.root=toy", 'data.unlabelled=["film"]', "data.bank=a.bank", 'weights=["w.pt"]']
    monkeypatch.chdir(here)
    config = run_folder.start_run(Path("run"), with_overrides(RunConfig(), paths), resume=False)
    run_folder.write_config(Path("run"), config)
    assert (config.data.root, config.weights) == (str(here / "toy"), (str(here / "w.pt"),))
    monkeypatch.chdir(there)
    stored = run_folder.resumed_config(here / "run")
    notes: list[str] = []
    assert run_folder.start_run(here / "run", stored, resume=True, note=notes.append) == config
    assert notes == []
    moved = with_overrides(stored, ["data.root=moved", 'data.unlabelled=["films"]'])
    changed = run_folder.start_run(here / "run", moved, resume=True, note=notes.append)
    assert (changed.data.root, changed.data.unlabelled) == (
        str(there / "moved"),
        (str(there / "films"),),
    )
    assert notes[0].startswith(f"data.root was '{here / 'toy'}' so far and is '{there / 'moved'}'")
    for other in ('data.unlabelled=["films", "more"]', "data.labelled_list=list.json"):
        with pytest.raises(TrainingError, match="was started with other settings: data"):
            run_folder.start_run(here / "run", with_overrides(stored, [other]), resume=True)


def test_one_thing_chooses_the_labelled_videos(tmp_path: Path) -> None:
    both = ["data.labelled_list=mine.json", "data.labelled_fraction=0.2"]
    with pytest.raises(
        ConfigError, match=r"labelled_list=.*mine\.json and data\.labelled_fraction"
    ):
        run_folder.start_run(tmp_path / "run", with_overrides(RunConfig(), both), resume=False)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="not an empty folder"):
        run_folder.start_run(tmp_path, RunConfig(), resume=False)


def test_a_damaged_resume_point_is_named(tmp_path: Path) -> None:
    (tmp_path / run_folder.RESUME).write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(TrainingError, match=r"resume\.pt is damaged"):
        run_folder.read_resume_point(tmp_path)


def test_a_run_of_an_earlier_version_goes_on_whose_recipe_s_fraction_had_no_say_beside_a_list(
    tmp_path: Path,
) -> None:
    both = ["data.labelled_list=/mine.json", "data.labelled_fraction=0.1"]
    stored = with_overrides(RunConfig(), both)
    run_folder.write_config(tmp_path, stored)
    asked = with_overrides(RunConfig(), both[:1])  # as `train` has it with a recipe and a list
    notes: list[str] = []
    assert run_folder.start_run(tmp_path, asked, resume=True, note=notes.append).data == asked.data
    assert run_folder.start_run(tmp_path, stored, resume=True, note=notes.append) == stored
    assert notes == []
    other = with_overrides(stored, ["data.labelled_fraction=0.2"])
    with pytest.raises(TrainingError, match=r"data\.labelled_fraction is 0\.1 there, not 0\.2"):
        run_folder.start_run(tmp_path, other, resume=True)
    run_folder.write_config(tmp_path, with_overrides(RunConfig(), both[1:]))
    with pytest.raises(TrainingError, match=r"data\.labelled_fraction is 0\.1 there, not 1\.0"):
        run_folder.start_run(tmp_path, RunConfig(), resume=True)  # no list: the fraction counts
