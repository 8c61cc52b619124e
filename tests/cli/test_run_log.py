from __future__ import annotations

import io

import pytest

from vadsdk.cli import console
from vadsdk.cli.run_display import RunDisplay, run_display
from vadsdk.cli.run_log import RunLog
from vadsdk.training.loop import StepReport
from vadsdk.training.settings import RunConfig, with_overrides


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(console, "stderr", console.new_console(file=written))
    return written


def report(step: int) -> StepReport:
    return StepReport(step=step, learning_rate=0.0015, losses={"cls": 0.5, "total": 1 / step})


def test_a_log_has_a_line_now_and_then_with_losses_rate_and_time_left(out: io.StringIO) -> None:
    clock = [0.0]
    log = RunLog(with_overrides(RunConfig(), ["train.max_steps=100"]), lambda: clock[0])
    with log:
        for step in range(1, 101):
            clock[0] += 20.0 if step == 1 else 2.0  # the first one compiles
            log.step(report(step))
    first, second, *_, last = out.getvalue().splitlines()
    assert first == "training e2e 1/100  cls 0.500  total 1.000  learning rate 0.0015"
    assert second == (
        "training e2e 16/100  cls 0.500  total 0.062  learning rate 0.0015  2 s/step  ETA 0:02:48"
    )
    assert last == ("training e2e 100/100  cls 0.500  total 0.010  learning rate 0.0015  2 s/step")
    assert len(out.getvalue().splitlines()) == 8  # seven half minutes, and the first step


def test_the_time_of_an_evaluation_is_not_that_of_steps(out: io.StringIO) -> None:
    clock = [0.0]
    log = RunLog(with_overrides(RunConfig(), ["train.max_steps=1000"]), lambda: clock[0])
    for step in range(1, 132):
        clock[0] += 1.0
        log.step(report(step))
        if step == 100:
            show = log.stage("validating", 4)
            for done in range(1, 5):
                clock[0] += 75.0
                show(done, 4)
            log.note("validated at step 100")
    *_, note, last = out.getvalue().splitlines()
    assert note == "validated at step 100"
    assert last.startswith("training e2e 130/1000  ")
    assert last.endswith("  1 s/step  ETA 0:14:30")


def test_a_log_says_where_training_stands_before_each_evaluation(out: io.StringIO) -> None:
    log = RunLog(RunConfig(), lambda: 0.0)
    for step in (1, 2, 3):
        log.step(report(step))
    show = log.stage("validating", 4)
    for done in range(5):
        show(done, 4)
    show(4, 4)
    log.note("validated at step 3: video_map_50 0.250")
    starts = [line.split("  ")[0] for line in out.getvalue().splitlines()]
    note = "validated at step 3: video_map_50 0.250"
    assert starts == ["training e2e 1/2000", "training e2e 3/2000", "validating 4/4", note]


def test_a_run_that_ends_early_leaves_its_last_step_in_the_log(out: io.StringIO) -> None:
    with RunLog(RunConfig(), lambda: 0.0) as log:
        for step in (1, 2, 3):
            log.step(report(step))
        log.note("stopped at step 3 of 2000")
        log.step(report(4))
    *_, before, note, last = out.getvalue().splitlines()
    assert before.startswith("training e2e 3/2000  ")
    assert note == "stopped at step 3 of 2000"
    assert last.startswith("training e2e 4/2000  ")


def test_a_terminal_has_bars_and_a_pipe_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for is_terminal in (True, False):
        target = console.new_console(file=io.StringIO(), force_terminal=is_terminal)
        monkeypatch.setattr(console, "stderr", target)
        found.append(type(run_display(RunConfig())))
    assert found == [RunDisplay, RunLog]
