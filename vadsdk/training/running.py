"""Run a config in a folder, from its data to its report: what `vadsdk train` calls."""

from __future__ import annotations

from pathlib import Path

from vadsdk.data.held_out import TEST_SPLIT
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.ranks import rank
from vadsdk.runtime.checkpoint import TorchModel
from vadsdk.training import run_folder
from vadsdk.training.pictures import example_pictures
from vadsdk.training.report import write_report
from vadsdk.training.session import RunResult, Session
from vadsdk.training.settings import RunConfig
from vadsdk.training.stopping import StopRequest
from vadsdk.training.watcher import Watcher


def run_training(
    config: RunConfig,
    folder: Path,
    *,
    device: str = "cpu",
    watcher: Watcher | None = None,
    stop: StopRequest | None = None,
) -> RunResult:
    """Train, score and report; goes on from the folder's resume point if there is one.

    Of several ranks, all train and score, and the first one writes.

    Args:
        config: what to do, as the folder's own config says.
        folder: a run folder from `run_folder.start_run`.
        device: "cpu", "cuda" or "cuda:N".
        watcher: shows the run.
        stop: by which it may be asked to end.

    Raises:
        VadsdkError: whatever does not fit; a run that was stopped can be resumed.
    """
    session = Session(config, folder, device, watcher, stop)
    result = session.run()
    if rank():
        return result
    records = [r for r in session.dataset.records if r.split == TEST_SPLIT]
    network, spec = load_checkpoint(folder / run_folder.BEST)
    pictures = example_pictures(TorchModel(network, spec, device), records)
    write_report(
        folder,
        config,
        result.scores,
        pictures,
        seconds=result.seconds,
        labelled_fraction=result.labelled_fraction,
    )
    return result
