"""The files that `vadsdk predict` is told to write, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vadsdk.cli.sinks import Job
from vadsdk.errors import ConfigError


def check_outputs(jobs: Sequence[Job], model: Path) -> None:
    """Refuse outputs that would destroy the model, a source or each other, or that are no files.

    Several may be `os.devnull`, which throws away what it is given.

    Args:
        jobs: all that will be run.
        model: the file or run folder that is loaded.

    Raises:
        ConfigError: such an output.
        ModelFileError: there is no such model.
    """
    from vadsdk.runtime.loading import model_file

    read = {_identity(model_file(model)): "the model"}
    for job in jobs:
        read.update((_identity(path), "the source") for path in _files_of(job.source))
    nowhere = _identity(Path(os.devnull))
    written: dict[object, str] = {}
    for job in jobs:
        for option, path in job.outputs.items():
            named = f"{option} {path}"
            _require_file(named, path)
            identity = _identity(path)
            if identity in read:
                raise ConfigError(f"{named} would overwrite {read[identity]}; give another name")
            if identity in written and identity != nowhere:
                raise ConfigError(f"{written[identity]} and {named} are one file; give two")
            written[identity] = named


def check_folders(videos: Sequence[Path], outputs: dict[str, Path | None]) -> None:
    """Refuse outputs that are no folders for the results of a folder of videos.

    Args:
        videos: in that folder, at least one.
        outputs: what each option names.

    Raises:
        ConfigError: such an output, or videos whose results would have one name.
    """
    source = videos[0].parent
    for option, path in outputs.items():
        if path is None or path.is_dir():
            continue
        if path.suffix or path.exists() or str(path) == "-":
            raise ConfigError(
                f"{source} is a folder of {len(videos)} videos, so {option} must name a folder, "
                f"not {path.name!r}; each video's file there is named after it"
            )
    if len({video.stem for video in videos}) < len(videos) and any(outputs.values()):
        raise ConfigError(
            f"two videos in {source} differ in their suffix alone, so their results would have one "
            "name; rename one of them"
        )
    save = outputs["--save"]
    if save is not None and _identity(save) == _identity(source):
        raise ConfigError(f"--save {save} would overwrite the source; give another folder")


def _require_file(named: str, path: Path) -> None:
    if str(path) == "-":
        raise ConfigError(
            f"{named}: results go to files; to read them as they come, give a pipe that mkfifo made"
        )
    if path.is_dir():
        raise ConfigError(f"{named} is a folder, expected a file; name one in it")


def _files_of(source: object) -> list[Path]:
    """Return the files that a source reads; none of what is no path."""
    from vadsdk.video import image_files

    if not isinstance(source, str | Path) or not os.path.exists(source):  # an address may be long
        return []
    path = Path(source)
    return image_files(path) if path.is_dir() else [path]


def _identity(path: Path) -> object:
    """Return what two names of one file share."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
