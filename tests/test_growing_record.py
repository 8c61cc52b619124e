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


def test_convolutions_are_exact_within_and_as_they_were_behind(results: Path) -> None:
    import torch
    from reference_kernels import exact_convolutions

    before = torch.backends.cudnn.conv.fp32_precision
    with exact_convolutions():
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
    assert torch.backends.cudnn.conv.fp32_precision == before == "tf32"
    assert torch.backends.cudnn.allow_tf32  # which raises if the two ways of saying it disagree
