"""Everything a run can be told, checked at the border: config files, `--set`, recipes."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from vadsdk.data.splits import UnlabelledPart
from vadsdk.data.stored_video import MAX_STORE_SIZE
from vadsdk.errors import ConfigError


class _Section(BaseModel):
    """Unknown keys are errors, so that a typing mistake is never a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    """What is learned from."""

    root: str = ""
    """Folder of the data set."""
    format: str | None = None
    """One of the data set formats; None finds it out."""
    split_index: int | None = None
    """Which official split, from 1, where the format has several."""
    labelled_percent: int | None = Field(default=None, ge=1, le=100)
    """Which list of labelled videos, where the format has several (lists)."""
    unlabelled: tuple[str, ...] = ()
    """Folders of footage without annotation."""
    labelled_fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of each class whose annotation is used; the rest is learned from without it."""
    labelled_seed: int = Field(default=0, ge=0)
    """Which share that is."""
    labelled_list: str | None = None
    """A file that `vadsdk data split` wrote; takes the place of fraction and seed, and says which
    videos are held out as test split, if any are."""
    unlabelled_part: UnlabelledPart = "whole"
    """Of each video whose annotation is hidden: all of it, or ("actions") only the stretches in
    which an action is annotated, as if it had been trimmed to each of them. That is a use of its
    annotation: not of what is done and where, but of when; the papers' trimmed setting (paper 1,
    Table 4; paper 2, Table 5) does the same. Footage of `unlabelled` has none and stays whole."""
    unlabelled_fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the unlabelled videos, those of `unlabelled` among them, that is learned from, by
    name and `labelled_seed` (paper 1, fig. 5); a larger one contains every smaller one."""
    store_size: int | None = Field(default=None, ge=16, le=MAX_STORE_SIZE)
    """Rows and columns of the decoded frames in memory; None: the model's input and an eighth."""
    frame_stride: int | None = Field(default=None, ge=1)
    """Source frames from one clip frame to the next; None: the model's own."""
    memory_gigabytes: float = Field(default=2.0, gt=0)
    """Decoded video kept in memory; what exceeds it is read from its files clip by clip."""
    bank: str = Field(default="auto", min_length=1)
    """File of the clip bank, which holds the decoded videos from run to run and is made where it is
    missing or stale; "off": none. "auto": one in the user's cache (`VADSDK_BANKS`), on a GPU always
    and else where all videos fit `memory_gigabytes`."""
    shard_bank: Literal["auto"] | bool = "auto"
    """Whether each of several processes draws from a share of the bank's videos; "auto": on GPUs
    that the whole bank does not fit and a share of it does. Else all draw from all of it."""
    num_decoders: int | None = Field(default=None, ge=1)
    """Processes that decode; None: as many as there are cores, from 2 to 8."""


class TrainSettings(_Section):
    """How it is learned."""

    max_steps: int = Field(default=2000, ge=1)
    """Optimiser steps."""
    batch_labelled: int = Field(default=8, ge=1)
    """Labelled clips a batch, over all processes."""
    batch_unlabelled: int = Field(default=8, ge=0)
    """Unlabelled clips a batch; methods that do not use them take 0."""
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    """Paper 1 uses Adam (section 4), paper 3 stochastic gradient descent."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of "sgd"; paper 3's."""
    learning_rate: float = Field(default=1.5e-3, gt=0)
    """Peak rate; 1e-4 in paper 1, which starts from a pretrained backbone."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    """Of the others; 1e-6 in paper 1's released code."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of weights with two or more dimensions; biases and norms are left alone. Papers 2 and 3
    name no such exception from their 5e-4 and 1e-4."""
    schedule: Literal["cosine", "plateau", "steps", "constant"] = "cosine"
    """"plateau" is paper 1's: x0.1 when the loss has not improved for `plateau_patience` steps."""
    decay_steps: tuple[int, ...] = ()
    """With "steps": after so many the rate is multiplied by `decay_factor` (paper 2, YOWO)."""
    decay_factor: float = Field(default=0.5, gt=0, le=1)
    """With "steps"; paper 2, section 4.2."""
    warmup_steps: int = Field(default=100, ge=0)
    """Linear rise to the peak rate."""
    plateau_patience: int = Field(default=600, ge=1)
    """Steps without a better smoothed loss; paper 1: five epochs, 118 steps each on JHMDB-21."""
    clip_norm: float | None = Field(default=5.0, gt=0)
    """Gradients of a larger norm are scaled down to it; None: none are, as in papers 1 and 2."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose losses and gradients are averaged to one step."""
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    """Weights that are saved and evaluated are this moving average; 0 saves the raw ones."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Autocast; "auto" is bf16 where the device computes it natively, else fp32."""
    compile: Literal["auto"] | bool = "auto"
    """Whether torch compiles the networks, and on a CPU temporal coherence; "auto": on a GPU. On a
    CPU the first steps take a minute or more, and others gain little: measure it first."""
    cuda_graph: Literal["auto"] | bool = "auto"
    """Whether whole steps are captured and replayed as one; "auto": on a GPU, where the method
    does the same work in each step."""
    seed: int = Field(default=0, ge=0)
    """Of weights, clips, augmentation and dropout."""
    num_threads: int | None = Field(default=None, ge=1)
    """CPU threads of torch; None: as many as there are cores."""
    log_every: int = Field(default=20, ge=1)
    """Steps between lines of `metrics.jsonl`."""
    save_every: int = Field(default=250, ge=1)
    """Steps between resume points."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between evaluations on the validation split; None: at the end only."""


class RunConfig(_Section):
    """One run, complete: `config.json` of a run folder holds exactly this."""

    model: str = "videocapsnet-s"
    """Name of the network."""
    model_settings: dict[str, Any] = Field(default_factory=dict)
    """Options of the network; each network checks its own."""
    method: str = "e2e"
    """Name of the method."""
    method_settings: dict[str, Any] = Field(default_factory=dict)
    """Options of the method; each method checks its own."""
    weights: tuple[str, ...] = ()
    """Files of weights to start from: public ones of the network or its backbones, or a checkpoint.
    Each fills a part of its own. One may be given as plain text, as older `config.json` hold it."""
    data: DataSettings = Field(default_factory=DataSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)

    @field_validator("weights", mode="before")
    @classmethod
    def _as_files(cls, value: object) -> object:
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else value


def read_config(path: Path) -> RunConfig:
    """Read a JSON config file.

    Raises:
        ConfigError: it cannot be read, is not JSON, or has an unknown or impossible value.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"the config {path} is not JSON: {error}") from None
    return checked_config(values, str(path))


def checked_config(values: object, source: str) -> RunConfig:
    """Return the run that plain values describe; a ConfigError names each field that is wrong."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, entry['loc'])) or 'config'}: {_what_is_wrong(entry)}"
            for entry in error.errors()
        ]
        raise ConfigError(f"{source} does not describe a run:\n" + "\n".join(lines)) from None


def _what_is_wrong(entry: ErrorDetails) -> str:
    if entry["type"] != "extra_forbidden":
        return entry["msg"]
    sections: dict[str, type[BaseModel]] = {"data": DataSettings, "train": TrainSettings}
    owner = sections.get(str(entry["loc"][0]), RunConfig) if len(entry["loc"]) > 1 else RunConfig
    known = sorted(owner.model_fields)
    closest = difflib.get_close_matches(str(entry["loc"][-1]), known, n=1)
    hint = f"did you mean {closest[0]!r}? " if closest else ""
    return f"there is no such setting; {hint}there are {', '.join(known)}"


def with_overrides(config: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """Apply `--set a.b=value`, values in JSON where they parse as such, else as text.

    Raises:
        ConfigError: no "=", or an unknown or impossible value.
    """
    values = config.model_dump(mode="json")
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override!r} has no '='; write --set train.max_steps=200")
        _put(values, name.strip().split("."), _parsed(text), override)
    return checked_config(values, "--set " + " --set ".join(overrides) if overrides else "config")


def merged(
    config: RunConfig,
    fields: Mapping[str, object],
    sections: Mapping[str, Mapping[str, object]],
) -> RunConfig:
    """Return the config with some fields replaced; None leaves a field as it is.

    Args:
        config: what is changed.
        fields: of the config itself.
        sections: fields of its sections, by section.
    """
    values = config.model_dump(mode="json")
    values.update({name: value for name, value in fields.items() if value is not None})
    for section, inner in sections.items():
        values[section].update({k: v for k, v in inner.items() if v is not None})
    return checked_config(values, "the command line")


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """Return the config with paths that mean the same from whatever folder it is run again."""
    data = config.data
    moved = {
        "root": _absolute(data.root),
        "unlabelled": tuple(map(_absolute, data.unlabelled)),
        "labelled_list": data.labelled_list and _absolute(data.labelled_list),
        "bank": data.bank if data.bank in ("auto", "off") else _absolute(data.bank),
    }
    weights = tuple(map(_absolute, config.weights))
    return config.model_copy(update={"weights": weights, "data": data.model_copy(update=moved)})


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(values: dict[str, Any], path: Sequence[str], value: object, override: str) -> None:
    *sections, field = path
    for depth, section in enumerate(sections):
        if depth and sections[0] in ("method_settings", "model_settings"):
            values.setdefault(section, {})  # whoever they are of checks them
        inner = values.get(section)
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {override!r}: there is no section {section!r}; "
                f"sections are {', '.join(k for k, v in values.items() if isinstance(v, dict))}"
            )
        values = inner
    values[field] = value
