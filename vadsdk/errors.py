"""Every error that vadsdk raises on purpose.

    VadsdkError
    ├── VideoError          a video, folder or stream that cannot be read or written
    ├── DatasetError        an annotation, split or data set that is malformed or does not fit
    ├── ModelFileError      a checkpoint, engine or weights file that cannot be used as asked
    ├── ExportError         an export that failed, or whose parity with the original did not hold
    ├── TrainingError       a run that cannot start, go on or be resumed
    └── ConfigError         an option, name or configuration value that is not understood

Each message says what came, what was expected and what to do. The command line prints the message
alone; a traceback there means a defect of vadsdk.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VadsdkError(Exception):
    """Base of all errors that vadsdk raises on purpose."""


class VideoError(VadsdkError):
    """A video, folder or stream that cannot be read or written."""


class DatasetError(VadsdkError):
    """An annotation, split or data set that is malformed or does not fit."""


class ModelFileError(VadsdkError):
    """A checkpoint, engine or weights file that cannot be used as asked."""


class ExportError(VadsdkError):
    """An export that failed, or whose parity with the original did not hold."""


class TrainingError(VadsdkError):
    """A run that cannot start, go on or be resumed."""


class ConfigError(VadsdkError):
    """An option, name or configuration value that is not understood."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> ConfigError:
    """Return the error for a name that is not among `choices`; it lists them and the closest match.

    Args:
        kind: what the name stands for, as in "model" or "method".
        name: what came.
        choices: the names that exist.
    """
    known = sorted(choices)
    closest = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {closest[0]!r}?" if closest else ""
    return ConfigError(f"unknown {kind} {name!r}.{hint} Choose one of: {', '.join(known)}.")
