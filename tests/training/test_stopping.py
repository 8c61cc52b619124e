"""A run that is asked to end saves whole steps alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_session import tiny_run

from vadsdk.errors import TrainingError
from vadsdk.methods.mean_teacher import MeanTeacher
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.training import run_folder
from vadsdk.training.session import Session
from vadsdk.training.settings import RunConfig
from vadsdk.training.stopping import StopRequest

WITHIN_STEP = 3


@pytest.fixture(scope="module")
def config(toy_folder: Path) -> RunConfig:
    small = ("model=videocapsnet-n", "model_settings.input_size=80", "data.store_size=80")
    return tiny_run(toy_folder, *small, "method=mean_teacher", "data.bank=off")


@pytest.fixture(scope="module")
def whole(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Return the weights of a run that nobody stops."""
    return go(config, tmp_path_factory.mktemp("whole"), StopRequest())


def go(config: RunConfig, folder: Path, stop: StopRequest) -> dict[str, torch.Tensor]:
    resume = (folder / run_folder.CONFIG).is_file()
    chosen = run_folder.start_run(folder, config, resume=resume)
    Session(chosen, folder, stop=stop).run()
    return load_checkpoint(folder / run_folder.BEST)[0].state_dict()


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return what has something happen in a step, after its weights and before its teacher."""

    def happen(event: Callable[[], None]) -> None:
        follow, steps = MeanTeacher.after_step, iter(range(1, 100))

        def after_step(method: MeanTeacher) -> None:
            if next(steps) == WITHIN_STEP:
                event()
            follow(method)

        monkeypatch.setattr(MeanTeacher, "after_step", after_step)

    return happen


def require_equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


@pytest.mark.parametrize("ending", [SystemExit(143), KeyboardInterrupt()])
def test_a_run_that_is_asked_to_end_within_a_step_ends_after_it_and_goes_on_exactly(
    config: RunConfig,
    whole: dict[str, torch.Tensor],
    within: Callable[[Callable[[], None]], None],
    tmp_path: Path,
    ending: KeyboardInterrupt | SystemExit,
) -> None:
    stop = StopRequest()
    within(lambda: stop.make(ending))
    with pytest.raises((SystemExit, TrainingError)) as ended:
        go(config, tmp_path, stop)
    if isinstance(ending, KeyboardInterrupt):
        assert "stopped at step 3 of 4; everything is saved" in str(ended.value)
    else:
        assert ended.value is ending
    state = run_folder.read_resume_point(tmp_path)
    assert state is not None
    assert state["trainer"]["step"] == WITHIN_STEP
    require_equal(go(config, tmp_path, StopRequest()), whole)


@pytest.mark.parametrize("num_requests", [0, 2], ids=["unasked", "asked-twice"])
def test_a_run_that_ends_within_a_step_saves_nothing_of_it(
    config: RunConfig,
    whole: dict[str, torch.Tensor],
    within: Callable[[Callable[[], None]], None],
    tmp_path: Path,
    num_requests: int,
) -> None:
    def end() -> None:
        for _ in range(num_requests):
            stop.make(KeyboardInterrupt())
        raise KeyboardInterrupt

    stop = StopRequest()
    within(end)
    with pytest.raises(TrainingError, match="stopped at step 2 of 4; everything is saved"):
        go(config, tmp_path, stop)
    require_equal(go(config, tmp_path, StopRequest()), whole)


def test_a_run_that_is_asked_to_end_in_its_last_step_has_only_its_scores_left_to_do(
    config: RunConfig, within: Callable[[Callable[[], None]], None], tmp_path: Path
) -> None:
    last = config.model_copy(update={"train": config.train.model_copy(update={"max_steps": 3})})
    stop = StopRequest()
    within(lambda: stop.make(SystemExit(143)))
    with pytest.raises(SystemExit):
        go(last, tmp_path, stop)
    assert (tmp_path / run_folder.BEST).is_file()
    assert not (tmp_path / run_folder.SCORES).exists()
    go(last, tmp_path, StopRequest())
    assert (tmp_path / run_folder.SCORES).is_file()


def test_where_there_is_nothing_to_wait_for_a_request_is_raised_at_once() -> None:
    stop = StopRequest()
    with pytest.raises(SystemExit):
        stop.make(SystemExit(143))
    with stop.put_off():
        stop.make(SystemExit(143))
        with pytest.raises(KeyboardInterrupt):
            stop.make(KeyboardInterrupt())
    with pytest.raises(SystemExit):
        stop.heed()


def test_a_run_that_ended_before_its_best_weights_were_known_keeps_its_last_ones(
    config: RunConfig, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    go(config, tmp_path, StopRequest())
    (tmp_path / run_folder.BEST).unlink()  # as after a stop in the only validation
    (tmp_path / run_folder.SCORES).unlink()
    require_equal(go(config, tmp_path, StopRequest()), whole)
    assert (tmp_path / run_folder.SCORES).is_file()
