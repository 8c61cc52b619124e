"""Whether the benchmark's targets are met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
VIEW = {"is_memory_bound": True, "share_of_copy": 0.8, "speedup": 2.0, "memory_ratio": 1.0}
ROUTING = {"is_memory_bound": False, "share_of_copy": 0.1, "speedup": 12.0, "memory_ratio": 0.09}
STEP = {"speedup": 5.0, "share_of_bf16_product": 0.31, "jhmdb21_minutes": 5.9}


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import verdicts

    return verdicts


def found(verdicts: Any, **values: Any) -> dict[str, str]:
    return {name: answer["verdict"] for name, answer in verdicts.verdicts(values).items()}


def test_all_targets_can_be_met_and_each_can_be_missed(verdicts: Any) -> None:
    good = {"kernels": {"view": VIEW, "routing": ROUTING}, "step": STEP}
    assert set(found(verdicts, **good).values()) == {"met"}
    for target, section, key, bad in (
        ("kernel_share_of_copy", VIEW, "share_of_copy", 0.69),
        ("routing_speedup", ROUTING, "speedup", 9.9),
        ("routing_memory_ratio", ROUTING, "memory_ratio", 0.11),
        ("step_speedup", STEP, "speedup", 4.9),
        ("step_share_of_product", STEP, "share_of_bf16_product", 0.29),
        ("jhmdb21_minutes", STEP, "jhmdb21_minutes", 6.1),
    ):
        changed = {**section, key: bad}
        values = {
            "kernels": {
                "view": changed if section is VIEW else VIEW,
                "routing": changed if section is ROUTING else ROUTING,
            },
            "step": changed if section is STEP else STEP,
        }
        missed = {name for name, verdict in found(verdicts, **values).items() if verdict != "met"}
        assert missed == {target}
        assert found(verdicts, **values)[target] == "missed"


def test_what_is_not_known_is_not_met(verdicts: Any) -> None:
    assert set(found(verdicts).values()) == {"unmeasured"}
    failed = {"is_memory_bound": True, "failed": "RuntimeError: no"}
    judged = verdicts.verdicts({"kernels": {"view": VIEW, "masks": failed}})
    answer = judged["kernel_share_of_copy"]
    assert answer["verdict"] == "unmeasured"
    assert answer["unmeasured"] == ["masks"]
    assert (answer["worst"], answer["of"]) == (0.8, "view")
    kernels = {"view": VIEW, "failed": "RuntimeError: no case could be made"}
    assert found(verdicts, kernels=kernels)["kernel_share_of_copy"] == "unmeasured"
    slow = {**VIEW, "share_of_copy": 0.5}
    answer = verdicts.verdicts({"kernels": {"view": slow, "masks": failed}})["kernel_share_of_copy"]
    assert answer["verdict"] == "missed"
    assert answer["missed_by"] == {"view": 0.5}


def test_a_whole_run_counts_when_it_has_ended(verdicts: Any) -> None:
    assert found(verdicts, whole_run={"steps": 590}) == {"jhmdb21_minutes": "unmeasured"}
    assert found(verdicts, whole_run={"minutes": 5.0}) == {"jhmdb21_minutes": "met"}
    assert found(verdicts, whole_run={"minutes": 7.0}) == {"jhmdb21_minutes": "missed"}


def test_verdicts_are_printed_with_the_worst_and_all_that_are_missed(verdicts: Any) -> None:
    kernels = {name: {**VIEW, "share_of_copy": share} for name, share in (("a", 0.5), ("b", 0.6))}
    lines = verdicts.verdict_lines(verdicts.verdicts({"kernels": kernels, "step": STEP}))
    assert lines[0] == "missed     kernel_share_of_copy >= 0.7: 0.5 (a); a 0.5, b 0.6"
    assert lines[2] == "unmeasured routing_memory_ratio <= 0.1"
    assert lines[-1] == "met        jhmdb21_minutes <= 6: 5.9 (step)"
