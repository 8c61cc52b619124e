"""`benchmarks/training.py`: what it writes, whatever fails and whenever it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module, which writes to `tmp_path` and measures no ceilings."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import recording
    import training

    monkeypatch.setattr(recording, "RESULTS", tmp_path)
    ceilings = {"copy_bytes_per_second": 1.0, "bf16_flops_per_second": 1e9}
    monkeypatch.setattr(training, "measure_ceilings", lambda device: ceilings)
    return training


def ran(training: Any, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["training.py", "--device", "cpu", *options])
    training.main()


def written(folder: Path, name: str = "training_cpu") -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return values


def cases(monkeypatch: pytest.MonkeyPatch, **runs: Any) -> None:
    """Let nothing but these be the kernels; one more is for comparison alone."""
    import kernel_numbers
    from kernel_cases import Case

    made = [Case(name=name, run=run, num_bytes=8) for name, run in runs.items()]
    made.append(Case(name="other", run=lambda: None, num_bytes=8, is_as_trained=False))
    monkeypatch.setattr(kernel_numbers, "view_cases", lambda device, shape: made)
    for name in ("routing_cases", "loss_cases"):
        monkeypatch.setattr(kernel_numbers, name, lambda device, shape: [])


def test_a_kernel_that_fails_stops_no_other(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases(monkeypatch, broken=lambda: 1 / 0, sound=lambda: None)
    with pytest.raises(SystemExit, match="kernels broken"):
        ran(training, monkeypatch, "--no-step")
    found = written(tmp_path)
    broken, sound = found["kernels"]["broken"], found["kernels"]["sound"]
    assert broken["failed"] == "ZeroDivisionError: division by zero"
    assert "seconds" not in broken
    assert sound["bytes"] == 8
    assert sound["bytes_per_second"] == pytest.approx(8 / sound["seconds"])
    assert sound["share_of_copy"] == pytest.approx(8 / sound["seconds"])  # of a byte a second
    assert sound["peak_bytes"] >= 0
    assert found["kernels_of_other_types"].keys() == {"other"}


def test_a_record_of_the_same_commit_can_be_added_to(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import recording

    now = {"commit": "abc"}
    monkeypatch.setattr(recording, "provenance", lambda: now)
    recording.record("sample", {"kernels": {"view": 1}})
    assert [file.name for file in tmp_path.iterdir()] == ["sample.json"]
    assert recording.kept_parts("sample") == {"kernels": {"view": 1}}
    assert recording.kept_parts("another") == {}
    now["commit"] = "def"
    assert recording.kept_parts("sample") == {}


def test_what_the_time_limit_leaves_out_is_named(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases(monkeypatch, sound=lambda: None)
    (tmp_path / "training_cpu.json").write_text("not read without --keep")
    ran(training, monkeypatch, "--no-step", "--limit", "0")
    ran(training, monkeypatch, "--no-step", "--no-kernels", "--keep")
    found = written(tmp_path)["kernels"]["sound"]
    assert found["left_out"] == "the time limit came first"
    assert found["is_memory_bound"]
    assert "seconds" not in found


def test_a_form_of_the_step_that_fails_leaves_the_others_and_what_follows_from_them(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import step_numbers

    def measure(name: str, sources: dict[str, Any], *_: Any) -> dict[str, Any]:
        assert list(sources) == ["from_device", "from_host"][: 2 if name == "eager" else 1]
        if name == "plain":
            raise RuntimeError("no memory")
        return {"seconds": 2.0 if name == "eager" else 8.0, "first_seconds": 3.0}

    monkeypatch.setattr(step_numbers, "measure_form", measure)
    with pytest.raises(SystemExit, match="step plain"):
        ran(training, monkeypatch, "--no-kernels", "--forms", "plain,plain_tf32,eager")
    found = written(tmp_path)
    bank, step = found["bank"], found["step"]
    assert step["plain"] == {"failed": "RuntimeError: no memory"}
    assert step["eager"]["clips_per_second"] == 2.0
    assert step["eager"]["flops_per_second"] == step["flops"] / 2
    assert step["eager"]["share_of_copy"] == step["bytes"] / 2
    assert step["share_of_bf16_product"] == step["flops"] / 2 / 1e9
    assert "speedup" not in step
    assert step["speedup_over_tf32"] == 4.0
    assert bank["frames"] == 256
    assert min(bank[f"batch_seconds_from_{place}"] for place in ("device", "host")) > 0


def test_a_whole_run_takes_all_steps_and_keeps_the_other_record(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import step_forms

    few = replace(step_forms.SETTINGS["cpu"], run_steps=3, num_labelled=1, num_unlabelled=1)
    monkeypatch.setitem(step_forms.SETTINGS, "cpu", few)
    ran(training, monkeypatch, "--whole-run")
    assert [file.name for file in tmp_path.iterdir()] == ["training_cpu_whole_run.json"]
    found = written(tmp_path, "training_cpu_whole_run")["whole_run"]
    assert found["steps"] == 3
    assert found["minutes"] == pytest.approx(found["seconds_so_far"] / 60)
    assert found["seconds_so_far"] > found["reading_seconds"] > 0


def test_a_form_that_there_is_not_is_refused(
    training: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        ran(training, monkeypatch, "--forms", "eager,faster")
    assert "no form 'faster'; there are eager, graph" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("NVIDIA H200", "training_h200"),
        ("NVIDIA H100 80GB HBM3", "training_h100_80gb_hbm3"),
        ("Tesla V100-SXM2-16GB", "training_tesla_v100_sxm2_16gb"),
    ],
)
def test_each_card_has_a_record_of_its_own(
    training: Any, card: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: card)
    assert training.record_name(torch.device("cuda")) == name
