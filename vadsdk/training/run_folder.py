"""A run folder: config, metrics, checkpoints and the point from which to resume.

RUN/config.json        the RunConfig
    best.safetensors   weights to use, with their ModelSpec
    last.safetensors   weights of the last save, with their ModelSpec
    resume.pt          everything to go on exactly; tensors only, read with weights_only=True
    metrics.jsonl      a line each `log_every` steps
    report.html        curves, scores and example pictures
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from vadsdk.errors import ConfigError, TrainingError
from vadsdk.models.checkpoint_file import read_spec
from vadsdk.training.settings import RunConfig, read_config, with_absolute_paths
from vadsdk.whole_file import whole_file

CONFIG, METRICS, RESUME = "config.json", "metrics.jsonl", "resume.pt"
BEST, LAST, REPORT, SCORES = "best.safetensors", "last.safetensors", "report.html", "scores.json"


MAY_CHANGE = (
    "train.learning_rate",
    "train.precision",
    "train.clip_norm",
    "train.compile",
    "train.cuda_graph",
    "train.num_threads",
    "train.log_every",
    "train.save_every",
    "train.evaluate_every",
    "data.bank",
    "data.memory_gigabytes",
    "data.num_decoders",
)
"""Settings that a resumed run may have others of: what helps a run that diverged, and how fast or
how often something is done. All else would make it another run."""
MAY_MOVE = ("data.root", "data.unlabelled", "data.labelled_list")
"""Settings that say where the data lies, which may be elsewhere when a run is resumed."""


def start_run(
    folder: Path, config: RunConfig, *, resume: bool, note: Callable[[str], None] | None = None
) -> RunConfig:
    """Check that a run may start or go on in a folder; nothing is written yet.

    Args:
        folder: the run folder.
        config: what was asked for.
        resume: whether to go on with the run in the folder, which must be this one; settings of
            `MAY_CHANGE` may be others, and the data may have moved.
        note: told of each such setting.

    Returns:
        The config to run, its paths absolute.

    Raises:
        ConfigError: fraction and list both choose the labelled videos.
        TrainingError: the folder holds a run and `resume` is not set, holds none and it is, holds
            a run with other settings, or holds something else.
    """
    config = with_absolute_paths(config)
    if not resume:
        _require_fresh(folder)
        _require_one_choice(config)
        return config
    stored = _with_a_list_alone(with_absolute_paths(resumed_config(folder)), config)
    differing = _differences(stored.model_dump(mode="json"), config.model_dump(mode="json"))
    fixed = {
        name: values
        for name, values in differing.items()
        if name not in MAY_CHANGE and not (name in MAY_MOVE and _may_be_moved(*values))
    }
    if fixed:
        texts = (
            f"{name} is {ours!r} there, not {asked!r}" for name, (ours, asked) in fixed.items()
        )
        raise TrainingError(
            f"{folder} was started with other settings: {'; '.join(texts)}. Resume it with the "
            "same command, or with nothing but --out and --resume. With --set may change: "
            f"{', '.join(MAY_CHANGE)}; and where the data lies: {', '.join(MAY_MOVE)}"
        )
    for name, (ours, asked) in differing.items():
        if note is not None:
            note(f"{name} was {ours!r} so far and is {asked!r} in the steps that are left")
    return config


def with_settings_of_run(config: RunConfig, stored: RunConfig, named: Collection[str]) -> RunConfig:
    """Return what was asked for, with the run's own settings of `MAY_CHANGE` unless they are named.

    The data is where it was unless something else is asked for.

    So that the command that started a run does not undo what was changed since.

    Args:
        config: what was asked for.
        stored: the run's own.
        named: settings that were named, as in "train.precision" or "train".
    """
    own, values = stored.model_dump(mode="json"), config.model_dump(mode="json")
    for name in MAY_CHANGE:
        section, _, field = name.partition(".")
        if not {name, section} & set(named):
            values[section][field] = own[section][field]
    for name in MAY_MOVE:
        section, _, field = name.partition(".")
        values[section][field] = values[section][field] or own[section][field]
    return RunConfig.model_validate(values)


def resumed_config(folder: Path) -> RunConfig:
    """Return the config of the run in a folder; a TrainingError says if there is none."""
    if not (folder / CONFIG).is_file():
        raise TrainingError(f"{folder} holds no run to resume; leave --resume out to start one")
    return read_config(folder / CONFIG)


def write_config(folder: Path, config: RunConfig) -> None:
    """Make the folder a run, once data and network are known to fit."""
    write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")


def forget_run(folder: Path) -> None:
    """Leave the folder as it was before a run that has taken no step."""
    for path in (folder / CONFIG, folder / METRICS, *folder.glob("events.out.tfevents.*")):
        path.unlink(missing_ok=True)


def _require_fresh(folder: Path) -> None:
    if (folder / CONFIG).is_file():
        raise TrainingError(
            f"{folder} already holds a run; give --resume to go on with it, or another --out"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TrainingError(f"{folder} is not an empty folder, nor a run; give another --out")


def _require_one_choice(config: RunConfig) -> None:
    data = config.data
    if data.labelled_list is not None and data.labelled_fraction != 1:
        raise ConfigError(
            f"data.labelled_list={data.labelled_list} and data.labelled_fraction="
            f"{data.labelled_fraction:g} both choose the labelled videos; give one of them"
        )


def _with_a_list_alone(stored: RunConfig, asked: RunConfig) -> RunConfig:
    """Return a stored config with the asked fraction where lists choose the labelled videos.

    Earlier versions kept the fraction of a recipe beside a list, where it has no say.
    """
    if stored.data.labelled_list is None or asked.data.labelled_fraction != 1:
        return stored
    alone = stored.data.model_copy(update={"labelled_fraction": 1.0})
    return stored.model_copy(update={"data": alone})


def _may_be_moved(ours: str | list[str] | None, asked: str | list[str] | None) -> bool:
    """Return whether two values may name the same files in two places."""
    if isinstance(ours, list) and isinstance(asked, list):
        return len(ours) == len(asked)
    return bool(ours) and bool(asked)


def _differences(
    stored: Mapping[str, Any], asked: Mapping[str, Any], path: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Return what is stored and what is asked for, by the name of each setting that differs."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys([*stored, *asked]):
        ours, theirs = stored.get(name), asked.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            found |= _differences(ours, theirs, f"{path}{name}.")
        elif ours != theirs:
            found[path + name] = ours, theirs
    return found


def write_text(path: Path, text: str) -> None:
    """Write a file of a run folder, whole or not at all; a TrainingError names what went wrong."""
    try:
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TrainingError(
            f"cannot write {path}: {error.strerror or error}; see that the folder may be written "
            "to and has space left"
        ) from None


def write_resume_point(folder: Path, state: Mapping[str, Any]) -> None:
    """Write nested dictionaries of tensors and numbers, whole or not at all.

    Raises:
        TrainingError: it cannot be written; the previous point is untouched.
    """
    try:
        with whole_file(folder / RESUME) as temporary:
            torch.save(dict(state), temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise TrainingError(
            f"cannot write {folder / RESUME}: {error}. Free some space and use --resume; "
            "the previous resume point is untouched"
        ) from error


def read_resume_point(folder: Path) -> dict[str, Any] | None:
    """Return what `write_resume_point` wrote, None if nothing was written yet.

    Raises:
        TrainingError: the file is damaged.
    """
    path = folder / RESUME
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file
        raise TrainingError(
            f"{path} is damaged ({type(error).__name__}); remove it to start the run anew "
            f"from step 0, or use {BEST} as it is"
        ) from error
    if not isinstance(state, dict):
        raise TrainingError(f"{path} is no resume point; remove it to start the run anew")
    return state


def require_labels(folder: Path, labels: Sequence[str]) -> None:
    """Raise a TrainingError unless the run in a folder was of these labels, where it says so.

    Its data may have moved, and another data set may be where it was.
    """
    if not (folder / LAST).is_file():
        return
    stored = read_spec(folder / LAST).labels
    if stored != tuple(labels):
        raise TrainingError(
            f"{folder} learned other labels ({', '.join(stored)}) than this data set has "
            f"({', '.join(labels)}); name the one that it was started with: --data DIR"
        )


class MetricsLog:
    """Writes `metrics.jsonl` and TensorBoard events; lines after the resumed step are dropped.

    Args:
        folder: the run folder.
        first_step: step from which the run goes on.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        kept = [row for row in read_metrics(folder) if row["step"] <= first_step]
        write_text(folder / METRICS, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = (folder / METRICS).open("a", encoding="utf-8", buffering=1)
        self._board: Any = SummaryWriter(str(folder), purge_step=first_step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step."""
        row = {"step": step, **{name: round(value, 6) for name, value in values.items()}}
        self._file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._board.close()


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """Return the rows of `metrics.jsonl`, without a last line that was cut short."""
    path = folder / METRICS
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def rng_state() -> Tensor:
    """Return torch's CPU generator, which dropout draws from."""
    return torch.get_rng_state()
