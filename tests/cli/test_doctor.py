from __future__ import annotations

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from vadsdk.cli import console, doctor_checks
from vadsdk.cli.app import app
from vadsdk.cli.doctor import examine
from vadsdk.cli.doctor_checks import BACKENDS, BASICS, OPTIONAL, TWICE_ONNX, Check


def test_it_names_every_part_and_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.stdout, "width", 200)  # or the table breaks the names
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    for check in (*BASICS, *BACKENDS, *OPTIONAL):
        assert check.name in result.stdout


@pytest.mark.parametrize("check", [*BASICS, *BACKENDS], ids=lambda check: check.name)
def test_the_running_basics_work_here(check: Check) -> None:
    finding = examine(check)
    assert finding.state == "works", finding


def test_the_written_out_model_is_twice_its_input() -> None:
    model = onnx.load_from_string(TWICE_ONNX)
    onnx.checker.check_model(model, full_check=True)
    (came,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": np.float32([3, 5])})
    np.testing.assert_array_equal(came, [6, 10])


def failing(error: Exception) -> Check:
    def run() -> str:
        raise error

    return Check(name="part", run=run, advice='pip install "vadsdk[cpu]"')


def test_a_missing_package_is_told_with_what_to_install() -> None:
    finding = examine(failing(ModuleNotFoundError("No module named 'av'")))
    assert (finding.state, finding.advice) == ("missing", 'pip install "vadsdk[cpu]"')


def test_a_part_that_fails_is_broken_and_told_why() -> None:
    finding = examine(failing(RuntimeError("no encoder")))
    assert (finding.state, finding.detail) == ("broken", "RuntimeError: no encoder")


def test_a_broken_basic_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks, "BASICS", (failing(RuntimeError("no encoder")),))
    monkeypatch.setattr(console.stdout, "width", 200)  # or the table breaks the lines
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "no encoder" in result.stdout
    assert 'pip install "vadsdk[cpu]"' in result.stdout


def test_one_backend_is_enough_and_none_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    missing, works = (
        failing(ModuleNotFoundError("gone")),
        Check(name="ok", run=lambda: "", advice=""),
    )
    monkeypatch.setattr(doctor_checks, "BACKENDS", (missing, works))
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0
    monkeypatch.setattr(doctor_checks, "BACKENDS", (missing, missing))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "no backend runs models" in result.stderr
