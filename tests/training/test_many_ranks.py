"""Two processes train as one with the double batch would, and go on when one is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rank_steps
import torch
from test_every_pair import SMALLEST

from vadsdk.data.toy import generate_toy_dataset
from vadsdk.errors import ConfigError
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.models.rank_batch_norm import RankBatchNorm, with_statistics_of_all_ranks
from vadsdk.training import launching, run_folder
from vadsdk.training.settings import TrainSettings

HERE = Path(__file__).parent
PATHS = [str(HERE), str(HERE.parent), str(HERE.parent / "methods")]


def torchrun(*arguments: str, **variables: str) -> None:
    """Run two processes and return when they are done."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS), "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(
        [*command, "--nproc-per-node", "2", *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-6000:]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "toy"
    generate_toy_dataset(folder, num_clips=10, seed=3, num_workers=1)
    return folder


@pytest.fixture(scope="module")
def folder(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where both processes wrote what they found, each alone and both together."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun(str(HERE / "rank_steps.py"), str(folder), str(toy))
    return folder


@pytest.fixture(scope="module")
def of_two(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def of_one(folder: Path) -> dict[str, Any]:
    halves = [torch.load(folder / f"alone{half}.pt", weights_only=True) for half in range(2)]
    return halves[0] | halves[1]


EACH_CASE = pytest.mark.parametrize("case", rank_steps.CASES)


@EACH_CASE
def test_two_ranks_take_the_steps_of_one_process_with_the_double_batch(
    of_one: dict[str, Any], of_two: list[dict[str, Any]], case: str
) -> None:
    """In float64: in float32 a ReLU's input near zero makes later steps differ by far more."""
    whole = of_one[f"float64 {case}"]
    assert whole["losses"].dtype == whole["norms"].dtype == torch.float64
    for part in of_two:
        torch.testing.assert_close(part[f"float64 {case}"], whole, rtol=1e-9, atol=1e-9)


@EACH_CASE
def test_two_ranks_have_the_losses_of_one_process_in_float32(
    of_one: dict[str, Any], of_two: list[dict[str, Any]], case: str
) -> None:
    whole = of_one[f"float32 {case}"]["losses"]
    assert whole.dtype == torch.float32
    for part in of_two:
        found = part[f"float32 {case}"]["losses"]
        torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", SMALLEST)
def test_two_ranks_share_the_videos_out_and_come_to_the_scores_of_one_process(
    of_one: dict[str, Any], of_two: list[dict[str, Any]], model: str
) -> None:
    whole, parts = of_one[model], [part[model] for part in of_two]
    assert [part["scores"] for part in parts] == [whole["scores"]] * 2
    assert sum(part["num_clips"] for part in parts) == whole["num_clips"]
    assert all(part["num_clips"] for part in parts)


@pytest.mark.parametrize("form", ["reference", "triton"])
def test_shares_of_the_mask_losses_sum_up_to_those_of_the_whole_batch(
    of_two: list[dict[str, Any]], form: str
) -> None:
    whole = rank_steps.mask_losses_of("reference")
    gradients = [part[form]["gradient"].split(2) for part in of_two]
    for part in of_two:
        torch.testing.assert_close(part[form]["losses"], whole["losses"])
    joined = torch.cat([gradients[rank][kind] for kind in range(2) for rank in range(2)])
    torch.testing.assert_close(joined, whole["gradient"])


def test_a_clip_is_told_from_those_of_all_ranks(of_two: list[dict[str, Any]]) -> None:
    whole = rank_steps.contrast()
    for part in of_two:
        torch.testing.assert_close(part["contrast"]["losses"], whole["losses"])
    joined = torch.cat([part["contrast"]["gradient"] for part in of_two])
    torch.testing.assert_close(joined, whole["gradient"])


def test_batch_norms_keep_their_weights_and_names_when_they_are_exchanged() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    clips = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    before, names = network(clips), list(network.state_dict())
    exchanged = with_statistics_of_all_ranks(network)
    assert isinstance(exchanged[1], RankBatchNorm)
    assert list(exchanged.state_dict()) == names
    assert torch.equal(exchanged(clips), before)


def test_alone_a_rank_batch_norm_is_a_batch_norm() -> None:
    clips = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.BatchNorm2d(3)
    ours = RankBatchNorm.like(torch.nn.BatchNorm2d(3))
    torch.testing.assert_close(ours(clips), theirs(clips))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


# One of the run's processes kills itself when it is to make the batch of a step, once.
KILLED = """
import os, signal
from vadsdk.data.sampling import ClipSampler

make = ClipSampler.batch

def batch(sampler, step):
    first_time = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if step == 5 and first_time and os.environ["RANK"] == "1" and "KILLED" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return make(sampler, step)

ClipSampler.batch = batch
from vadsdk.cli.app import main
main()
"""


def test_a_run_of_which_a_rank_was_killed_ends_with_the_weights_of_one_that_was_left_alone(
    toy: Path, tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    settings = {
        "train.max_steps": 6,
        "train.save_every": 2,
        "train.log_every": 1,
        "train.batch_labelled": 2,
        "train.batch_unlabelled": 0,
        "train.precision": "fp32",
        "model_settings.input_size": 80,
        "data.store_size": 80,
        "data.bank": "off",
    }
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    for name, killed in (("whole", {}), ("killed", {"KILLED": "1"})):
        out = tmp_path / name
        torchrun(
            *("--max-restarts", "1", str(script), "train", "--data", str(toy)),
            *("--out", str(out), "--model", "videocapsnet-n", "--method", "supervised", *options),
            **killed,
        )
        rows = run_folder.read_metrics(out)
        assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
        assert (out / run_folder.SCORES).is_file()
    ends = [load_checkpoint(tmp_path / name / run_folder.LAST)[0] for name in ("whole", "killed")]
    whole, killed_weights = (network.state_dict() for network in ends)
    assert all(torch.equal(whole[name], killed_weights[name]) for name in whole)


# Each process tells of which videos it reads clips.
TELLING = """
import os
from pathlib import Path
from vadsdk.data.sampling import ClipSampler

draw = ClipSampler.places

def places(sampler, step):
    found = draw(sampler, step)
    with Path(f"rank{os.environ['RANK']}.txt").open("a") as file:
        file.writelines(f"{place.record.name}\\n" for place in found)
    return found

ClipSampler.places = places
from vadsdk.cli.app import main
main()
"""


def test_processes_that_share_out_the_bank_draw_from_different_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, script = tmp_path / "toy", tmp_path / "telling.py"
    generate_toy_dataset(data, num_clips=30, seed=3, num_workers=1)
    script.write_text(TELLING)
    monkeypatch.chdir(tmp_path)
    settings = {
        "train.max_steps": 16,
        "train.batch_labelled": 2,
        "train.batch_unlabelled": 2,
        "train.precision": "fp32",
        "model_settings.input_size": 80,
        "data.store_size": 80,
        "data.labelled_fraction": 0.5,
        "data.shard_bank": "true",
    }
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    torchrun(
        *(str(script), "train", "--data", str(data), "--out", str(tmp_path / "run")),
        *("--model", "videocapsnet-n", "--method", "e2e", *options),
        VADSDK_BANKS=str(tmp_path / "banks"),
    )
    read = [(tmp_path / f"rank{rank}.txt").read_text().split() for rank in range(2)]
    assert all(len(names) >= 16 * 2 for names in read)  # a clip of each kind a step
    assert all(len(set(names)) < len(names) for names in read)  # each went round more than once
    assert not set(read[0]) & set(read[1])
    assert (tmp_path / "run" / run_folder.SCORES).is_file()


def test_a_batch_that_ranks_cannot_share_equally_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launching, "num_ranks", lambda: 3)
    with pytest.raises(ConfigError, match=r"batch_labelled=4 clips cannot be shared equally by 3"):
        launching.require_equal_parts(TrainSettings(batch_labelled=4, batch_unlabelled=3))
