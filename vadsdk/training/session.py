"""A run from its config to its scores: data, network, method, loop, evaluation, report."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vadsdk.data.bank_batches import device_batches
from vadsdk.data.batches import ClipBatch
from vadsdk.data.dataset import VideoRecord
from vadsdk.data.held_out import TEST_SPLIT, has_test_split, why_no_scores
from vadsdk.data.sampling import ClipSampler, is_any_sparse
from vadsdk.data.splits import LEARNED_SPLIT
from vadsdk.errors import TrainingError
from vadsdk.methods import build_method
from vadsdk.models.checkpoint_file import load_checkpoint, save_checkpoint
from vadsdk.ranks import num_ranks, rank
from vadsdk.structures import ModelSpec
from vadsdk.training import run_folder
from vadsdk.training.advice import advice_on
from vadsdk.training.building import build_network, device_named, method_settings, spec_of
from vadsdk.training.labelled_data import (
    labelled_dataset,
    labelled_fraction,
    require_boxes,
)
from vadsdk.training.launching import (
    first_rank_first,
    for_all_ranks,
    require_equal_parts,
    seed_of_rank,
    wait_for_ranks,
)
from vadsdk.training.learned_records import (
    learned_records,
    require_readable_choice,
    require_unlabelled_use,
)
from vadsdk.training.learned_videos import learned_videos, share_of_rank
from vadsdk.training.loop import StepReport, Trainer, Watch
from vadsdk.training.memory import StepMemoryError, memory_of_a_step, smaller_steps
from vadsdk.training.readback import NotFiniteError
from vadsdk.training.run_folder import MetricsLog
from vadsdk.training.scoring import Scores, deciding_score, score_network
from vadsdk.training.settings import RunConfig
from vadsdk.training.stopping import StopRequest
from vadsdk.training.watcher import SilentWatcher, Watcher

VALIDATION_SPLIT = "val"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RunResult:
    """What a run left behind."""

    folder: Path
    """The run folder."""
    spec: ModelSpec
    """What its checkpoints detect."""
    scores: Scores | None
    """On the test split; None if the data set has none."""
    seconds: float
    """Wall-clock time of this call."""
    labelled_fraction: float
    """Share of each class that was labelled, in (0, 1], as it was when the data were opened."""


class Session:
    """One run in its folder.

    Args:
        config: what to do.
        folder: the run folder, as `run_folder.start_run` allowed it.
        device: "cpu", "cuda" or "cuda:N".
        watcher: shows the run.
        stop: by which it may be asked to end.

    Raises:
        VadsdkError: data, names or weights that do not fit.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        device: str = "cpu",
        watcher: Watcher | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        self.config = config
        self.folder = folder
        self.watcher: Watcher = watcher or SilentWatcher()
        self._stop = stop or StopRequest()
        self.device = device_named(device)
        if self.device.type == "cuda" and self.device.index is not None:
            torch.cuda.set_device(self.device)  # streams and events are made on the current card
        require_equal_parts(config.train)
        require_unlabelled_use(config)
        torch.manual_seed(config.train.seed)
        if config.train.num_threads:
            torch.set_num_threads(config.train.num_threads)
        self.dataset = labelled_dataset(config.data, self.watcher)
        self._labelled_fraction = labelled_fraction(config.data)
        if (folder / run_folder.RESUME).is_file():  # which has all weights
            config = config.model_copy(update={"weights": ()})
        network = build_network(config, self.dataset.labels, self.watcher)
        self.network = for_all_ranks(network.to(self.device))
        self.spec = spec_of(config, self.network, self.dataset.labels, self._labelled_fraction)
        method = build_method(config.method, self.network, method_settings(config))
        method.trained = for_all_ranks(method.trained.to(self.device))
        self.trainer = Trainer(self.network, method, config.train, self.device, self.watcher.note)
        seed_of_rank(config.train.seed)
        self._first_step = 0
        self._saved_step: int | None = None

    def run(self) -> RunResult:
        """Train from where the folder stands to the end, score, and write the report."""
        started = time.monotonic()
        state = run_folder.read_resume_point(self.folder)
        best = -1.0
        if state is not None:
            run_folder.require_labels(self.folder, self.spec.labels)
            self.trainer.load_state_dict(state["trainer"])
            best = float(state["best"])
            self._first_step = self._saved_step = self.trainer.step
            self.watcher.note(f"resuming at step {self.trainer.step}")
        if self.trainer.step < self.config.train.max_steps:
            self._train(best)
        else:
            self.watcher.note(
                "all steps are taken: it is only scored again. To learn more, start another run "
                f"from its weights: vadsdk train --out OTHER --weights {self.folder} ..."
            )
            if not (self.folder / run_folder.BEST).is_file():  # it ended in its only validation
                self._keep_last(-1.0)
        try:
            self._stop.heed()
            scores = self._score(TEST_SPLIT)
        except (KeyboardInterrupt, SystemExit):
            self.watcher.note(self._how_it_stopped())
            raise
        if scores is not None and not rank():
            text = json.dumps(scores.to_json(), indent=2) + "\n"
            run_folder.write_text(self.folder / run_folder.SCORES, text)
        seconds = time.monotonic() - started
        return RunResult(
            folder=self.folder,
            spec=self.spec,
            scores=scores,
            seconds=seconds,
            labelled_fraction=self._labelled_fraction,
        )

    def _train(self, best: float) -> None:
        train, sampler = self.config.train, self._sampler()
        if not rank():  # and not before all is known to fit
            run_folder.write_config(self.folder, self.config)

        def watch(report: StepReport) -> None:
            if log is None:
                return
            if report.step % train.log_every == 0 or report.step == train.max_steps:
                log.write(report.step, {"learning_rate": report.learning_rate, **report.losses})
            self.watcher.step(report)

        batches = self._batches(sampler)
        with self._memory_explained(), self._metrics() as log, closing(batches):
            try:
                for step in self._steps(batches, watch):
                    validates, saves = self._due(step)
                    if validates:
                        best = self._keep_best(log, step, best)
                    if saves:
                        self._save(best)
            except (KeyboardInterrupt, SystemExit) as stop:  # Ctrl-C; asked to end
                self._save_at_stop(best, watch)
                if num_ranks() > 1 or isinstance(stop, SystemExit):
                    self.watcher.note(self._how_it_stopped())
                    raise
                raise TrainingError(self._how_it_stopped()) from None
            except NotFiniteError as error:  # what was saved before is better than what is now
                raise TrainingError(f"{error}; {self._way_on()}") from None
        for name, (count, reason) in sampler.unreadable.items():
            self.watcher.note(f"{count} clips of {name} were replaced by others: {reason}")
        if not self._has_validation:
            self._keep_last(best)

    def _keep_last(self, best: float) -> None:
        """Keep the last weights: as they are, or if they validate better than the best so far."""
        if self._has_validation:
            self._keep_best(None, self.trainer.step, best)
        elif not rank():  # the test split is never used to choose
            save_checkpoint(self.folder / run_folder.BEST, self.trainer.average.network, self.spec)

    def _steps(self, batches: Iterator[ClipBatch], watch: Watch) -> Iterator[int]:
        """Take steps, settled where something is due after one, and yield how many are taken.

        Asked to end, a run does so after a step. After the last one, what is due comes first, and
        several ranks wait for each other within a step, so they save nothing and end at once.
        """
        steps = self.trainer.steps(batches, watch)
        while True:
            with memory_of_a_step(), self._stop.put_off() if num_ranks() == 1 else nullcontext():
                step = next(steps, None)
                if step is not None and any(self._due(step)):
                    self.trainer.settle(watch)
            if step is None:
                return
            if step < self.config.train.max_steps:
                self._stop.heed()
            yield step

    @contextmanager
    def _memory_explained(self) -> Iterator[None]:
        """Say what to do where a step does not fit; a run that took none leaves its folder free."""
        try:
            yield
        except StepMemoryError as error:
            reason = f"{smaller_steps(self.config.train)} ({error})"
            if self.trainer.step > 0:
                raise TrainingError(f"{reason}; {self._how_it_stopped()}") from error
            if not rank():
                run_folder.forget_run(self.folder)
            raise TrainingError(reason) from error

    def _metrics(self) -> AbstractContextManager[MetricsLog | None]:
        """Return the run's metrics; None on all ranks but the first."""
        return nullcontext() if rank() else MetricsLog(self.folder, self.trainer.step)

    @property
    def _has_validation(self) -> bool:
        return any(record.split == VALIDATION_SPLIT for record in self.dataset.records)

    def _due(self, step: int) -> tuple[bool, bool]:
        """Return whether the network is to be validated after a step, and the run to be saved."""
        train = self.config.train
        is_last = step == train.max_steps
        validates = is_last or bool(train.evaluate_every and step % train.evaluate_every == 0)
        return validates and self._has_validation, is_last or step % train.save_every == 0

    def _batches(self, sampler: ClipSampler) -> Generator[ClipBatch, None, None]:
        """Return the batches of the steps that are left, made ahead."""
        train = self.config.train
        first, last = self.trainer.step * train.accumulate, train.max_steps * train.accumulate
        return device_batches(sampler, self.device, first, last)

    def _sampler(self) -> ClipSampler:
        data, train = self.config.data, self.config.train
        require_boxes(self.dataset.split(LEARNED_SPLIT), self.config.model, self.spec.kind)
        learned = learned_records(self.dataset, self.config, self.watcher.note)
        uses_unlabelled = self.trainer.method.uses_unlabelled
        labels = self.dataset.labels
        for note in advice_on(self.config, learned, labels, uses_unlabelled=uses_unlabelled):
            self.watcher.note(note)
        if not has_test_split(self.dataset):  # known before hours of training
            self.watcher.note(why_no_scores(data.root))
        size = data.store_size or self.spec.input_height * 8 // 7
        with first_rank_first():  # it makes the clip bank, which the others map
            videos = learned_videos(
                self.dataset,
                learned,
                data,
                store_size=(size, size),
                device=self.device,
                watcher=self.watcher,
            )
        require_readable_choice(videos.records, data)
        share = share_of_rank(videos, data, self.device, self.watcher.note)
        parts = num_ranks() if share is None else 1  # of the batches that the sampler draws
        return ClipSampler(
            videos if share is None else share,
            self.dataset.labels,
            clip_length=self.spec.clip_length,
            frame_stride=self.spec.frame_stride,
            key_frame="last" if self.spec.kind == "box" else "any",
            num_labelled=train.batch_labelled * parts // num_ranks(),
            num_unlabelled=train.batch_unlabelled * parts // num_ranks(),
            seed=train.seed if share is None else train.seed * num_ranks() + rank(),
            with_successors=self.trainer.method.needs_successors,
            part=(rank() % parts, parts),
            is_sparse=is_any_sparse(videos.records),  # of all shares
        )

    def _score(self, split: str) -> Scores | None:
        records = [r for r in self.dataset.records if r.split == split and r.labelled]
        if not records:
            return None
        wait_for_ranks()  # for the first one to have written it
        network, spec = load_checkpoint(self.folder / run_folder.BEST)
        return self._score_network(network, spec, records, f"scoring the {split} split")

    def _score_network(
        self, network: nn.Module, spec: ModelSpec, records: list[VideoRecord], title: str
    ) -> Scores:
        show = self.watcher.stage(title, len(records))
        return score_network(
            network, spec, self.dataset, records, device=str(self.device), progress=show
        )

    def _keep_best(self, log: MetricsLog | None, step: int, best: float) -> float:
        """Score the moving average on the validation split and keep it if it is the best yet."""
        records = [r for r in self.dataset.records if r.split == VALIDATION_SPLIT]
        average = self.trainer.average.network
        scores = self._score_network(average, self.spec, records, "validating")
        name, value = deciding_score(scores)
        if log is not None:
            log.write(step, {f"val_{name}": value})
        is_best = ", the best so far" if value > best else ""
        self.watcher.note(f"validated at step {step}: {name} {value:.3f}{is_best}")
        if value > best and not rank():
            save_checkpoint(self.folder / run_folder.BEST, average, self.spec)
        return max(value, best)

    def _save_at_stop(self, best: float, watch: Watch) -> None:
        """Save what was learned until a stop, unless a step is half done or other ranks' may be."""
        if num_ranks() == 1 and self.trainer.is_whole:
            self.trainer.settle(watch)
            self._save(best)

    def _how_it_stopped(self) -> str:
        """Return where a stop left the run, and how it goes on."""
        step, saved = self.trainer.step, self._saved_step
        stopped = f"stopped at step {step} of {self.config.train.max_steps}"
        if saved is None:
            return f"{stopped}; nothing is saved yet (train.save_every): start anew"
        what = "everything is saved" if saved == step else f"step {saved} is saved"
        return f"{stopped}; {what}: go on with the same command and --resume"

    def _way_on(self) -> str:
        """Return what to do about a loss that is not finite."""
        remedy = "with a lower --set train.learning_rate=RATE, or with --set train.precision=fp32"
        if self._saved_step is None:
            every = self.config.train.save_every
            return (
                f"nothing is saved yet (train.save_every={every}): start anew in another --out, "
                f"{remedy}"
            )
        way = (
            f"the resume point and last.safetensors are of step {self._saved_step}. Go on from "
            f"there: vadsdk train --out {self.folder} --resume, {remedy}"
        )
        if self._first_step == self._saved_step:  # nothing was learned since it went on from there
            way += "; if that ends here again, these weights are spoilt already: start anew"
        return way

    def _save(self, best: float) -> None:
        state: dict[str, Any] = {"trainer": self.trainer.state_dict(), "best": best}
        if not rank():
            average = self.trainer.average.network
            run_folder.write_resume_point(self.folder, state)
            save_checkpoint(self.folder / run_folder.LAST, average, self.spec)
        self._saved_step = self.trainer.step
