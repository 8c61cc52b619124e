"""Benchmarks that write what they have measured before they end or die."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import recording

    monkeypatch.setattr(recording, "RESULTS", tmp_path)
    return tmp_path


def written(folder: Path, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return values


def test_each_part_is_written_before_the_next_and_a_failed_one_stops_none(results: Path) -> None:
    from recording import GrowingRecord

    report = GrowingRecord("sample", {"card": "none"})
    with report.part("first") as numbers:
        numbers["seconds"] = 1.0
    assert written(results, "sample")["first"] == {"seconds": 1.0}
    with report.part("outer", "second") as numbers:
        numbers["seconds"] = 2.0
        raise MemoryError("too large")
    with report.part("outer") as numbers:
        numbers["total"] = 3.0
    found = written(results, "sample")
    assert found["card"] == "none"
    assert found["outer"] == {
        "second": {"seconds": 2.0, "failed": "MemoryError: too large"},
        "total": 3.0,
    }
    with pytest.raises(SystemExit, match="outer second"):
        report.end()


def test_the_training_benchmark_outlives_a_kernel_that_fails(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import training
    from kernel_cases import Case

    cases = [
        Case(name="broken", run=lambda: 1 / 0, num_bytes=None),
        Case(name="sound", run=lambda: None, num_bytes=8),
    ]
    monkeypatch.setattr(training, "kernel_cases", lambda device, shape: cases)
    monkeypatch.setattr(training, "measure_ceilings", lambda device: {"copy_bytes_per_second": 1.0})
    monkeypatch.setattr("sys.argv", ["training.py", "--device", "cpu", "--no-step"])
    with pytest.raises(SystemExit, match="kernels broken"):
        training.main()
    kernels = written(results, "training_cpu")["kernels"]
    assert kernels["broken"] == {"failed": "ZeroDivisionError: division by zero"}
    assert kernels["sound"]["bytes"] == 8
    assert kernels["sound"]["seconds"] > 0


def test_a_form_of_the_step_that_fails_leaves_the_others_and_what_follows_from_them(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import training

    def measure(name: str, *_: Any) -> dict[str, Any]:
        if name == "plain":
            raise RuntimeError("no memory")
        return {"seconds": 2.0, "first_seconds": 3.0}

    monkeypatch.setattr(training, "measure_form", measure)
    monkeypatch.setattr(training, "measure_ceilings", lambda device: {"bf16_flops_per_second": 1e9})
    monkeypatch.setattr("sys.argv", ["training.py", "--device", "cpu", "--no-kernels"])
    with pytest.raises(SystemExit, match="step plain"):
        training.main()
    step = written(results, "training_cpu")["step"]
    assert step["plain"] == {"failed": "RuntimeError: no memory"}
    assert step["ours"]["seconds"] == 2.0
    assert step["clips_per_second"] == 2.0
    assert "speedup" not in step


def test_convolutions_are_exact_within_and_as_they_were_behind(results: Path) -> None:
    import torch
    from reference_kernels import exact_convolutions

    before = torch.backends.cudnn.conv.fp32_precision
    with exact_convolutions():
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
    assert torch.backends.cudnn.conv.fp32_precision == before == "tf32"
    assert torch.backends.cudnn.allow_tf32  # which raises if the two ways of saying it disagree
