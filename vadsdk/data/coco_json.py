"""Read a JSON file that may come from anywhere, strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from vadsdk.data.coco_schema import CocoFile
from vadsdk.data.problems import Problem
from vadsdk.errors import DatasetError

MAX_FILE_BYTES = 2 << 30


def read_coco_file(path: Path) -> tuple[CocoFile | None, list[Problem]]:
    """Return a COCO file, None if its structure is wrong, and what is wrong with it.

    Raises:
        DatasetError: the file cannot be read, is too large, or is no JSON; keys that come twice,
            NaN and Infinity are none.
    """
    content = read_json(path)
    if isinstance(content, dict) and "videos" not in content:
        message = (
            "it has no `videos`; if it is about single pictures, move it out of the data set, "
            "else list its videos"
        )
        return None, [Problem(str(path), "", message)]
    try:
        return CocoFile.model_validate(content), []
    except ValidationError as error:
        return None, [
            Problem(
                str(path), json_path(detail["loc"]), f"{detail['msg']}, not {detail['input']!r:.60}"
            )
            for detail in error.errors(include_url=False)
        ]


def read_json(path: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        DatasetError: as `read_coco_file`.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DatasetError(f"{path} is larger than {MAX_FILE_BYTES} bytes; split it")
        content: object = json.loads(
            path.read_text(encoding="utf-8-sig"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path}, line {error.lineno}, column {error.colno}: this is not JSON ({error.msg}); "
            "mend the file there, or write it again"
        ) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    except RecursionError as error:
        raise DatasetError(f"{path} nests too deeply to be a COCO file") from error
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error
    return content


def json_path(location: tuple[int | str, ...]) -> str:
    """`("annotations", 3, "bbox")` -> `annotations[3].bbox`; the tags of unions are left out."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(part for part in parts if not part.startswith(".<")).lstrip(".")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r:.60} comes twice in one object; keep one of them")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has the number {name}, which JSON does not know; remove what has it")
