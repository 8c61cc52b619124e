"""AVA's list of actions, in the text form of protocol buffers.

item { name: "stand" id: 12 }                                 as the evaluation server has it
label { name: "stand" label_id: 12 label_type: PERSON_MOVEMENT }     as the data set has it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data.text_lines import read_text, shown
from vadsdk.errors import DatasetError

_BLOCKS = frozenset({"item", "label"})
_ID_KEYS = frozenset({"id", "label_id"})
_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*|[,;])
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[^\W\d]\w*)
      | (?P<number>[+-]?[0-9]{1,9}(?![\w.]))
      | (?P<mark>[{}:])""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str
    line: int


def read_label_map(path: Path) -> tuple[tuple[int, str], ...]:
    """Read the ids and names of the actions, in the order of the ids.

    Raises:
        DatasetError: the file is missing or malformed, or an id or name comes twice.
    """
    tokens = list(_tokens(path))
    names: dict[int, str] = {}
    position = 0
    while position < len(tokens):
        line = tokens[position].line
        label_id, name, position = _read_block(path, tokens, position)
        if label_id in names or name in names.values():
            raise DatasetError(
                f"{path}, line {line}: the id {label_id} or the name {shown(name)} comes twice; "
                "keep one"
            )
        names[label_id] = name
    if not names:
        raise DatasetError(
            f"{path} lists no action, expected blocks such as: item {{ name: 'stand' id: 12 }}"
        )
    return tuple(sorted(names.items()))


def _tokens(path: Path) -> Iterator[_Token]:
    text = read_text(path)
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise DatasetError(
                f"{path}, line {line}: {shown(text[position : position + 20])} is not understood; "
                "expected blocks such as: item { name: 'stand' id: 12 }"
            )
        if found.lastgroup != "skip":
            yield _Token(found.lastgroup or "", found.group(), line)
        line += found.group().count("\n")
        position = found.end()


def _read_block(path: Path, tokens: list[_Token], start: int) -> tuple[int, str, int]:
    """Return id, name and the position after the block that begins at `start`."""
    opening = tokens[start]
    if opening.value not in _BLOCKS or [t.value for t in tokens[start + 1 : start + 2]] != ["{"]:
        raise _malformed(path, opening, "expected `item {` or `label {`")
    label_id: int | None = None
    name = ""
    position = start + 2
    while position < len(tokens) and tokens[position].value != "}":
        entry = tokens[position : position + 3]
        key = entry[0]
        if len(entry) < 3 or key.kind != "word" or entry[1].value != ":" or entry[2].kind == "mark":
            raise _malformed(path, key, "expected `key: value` or `}`")
        value = entry[2]
        if key.value in _ID_KEYS:
            if value.kind != "number" or int(value.value) < 1:
                raise _malformed(path, value, f"`{key.value}` must be a whole number from 1 on")
            label_id = int(value.value)
        elif key.value == "name":
            if value.kind != "text" or len(value.value) == 2:
                raise _malformed(path, value, "`name` must be a text in quotes")
            name = re.sub(r"\\(.)", r"\1", value.value[1:-1])
        position += 3
    if position == len(tokens):
        raise _malformed(path, opening, "the block is not closed with `}`; the file is cut off")
    if label_id is None or not name:
        raise _malformed(path, opening, "the block needs a `name` and an `id` (or `label_id`)")
    return label_id, name, position + 1


def _malformed(path: Path, token: _Token, expected: str) -> DatasetError:
    return DatasetError(f"{path}, line {token.line}: {expected}, at {shown(token.value)}")
