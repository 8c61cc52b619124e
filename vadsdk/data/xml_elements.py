"""Read XML that nobody vouches for, piece by piece, each piece with its line.

What can make a small file large or lead out of it is refused: a DOCTYPE, with which every entity
expansion and every external entity begins, and elements nested deeper than annotation is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from xml.parsers import expat

from vadsdk.data.problems import Problem

MAX_DEPTH = 32
"""Elements within each other; CVAT's project exports reach 8, Pascal VOC's files 5."""
_CHUNK_BYTES = 1 << 16
_MAX_LOOKED_AT = 1000
"""Files: a folder of a million foreign ones is told from a data set at once."""
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"\d{1,10}", re.ASCII)


@dataclass(slots=True, eq=False)
class XmlElement:
    """One element and everything in it."""

    tag: str
    """Such as "track"."""
    attributes: dict[str, str]
    """As they stand in the file, without the spaces around them."""
    line: int
    """Of the file, from 1."""
    text: str = ""
    """The characters directly in it, without the spaces around them."""
    children: list[XmlElement] = field(default_factory=list)
    """In the order of the file."""

    def child(self, tag: str) -> XmlElement | None:
        """Return the first child with a tag, or None."""
        return next((child for child in self.children if child.tag == tag), None)

    def children_named(self, tag: str) -> list[XmlElement]:
        """Return the children with a tag."""
        return [child for child in self.children if child.tag == tag]

    def child_text(self, tag: str) -> str:
        """Return the text of the first child with a tag; empty if there is none."""
        child = self.child(tag)
        return "" if child is None else child.text


class XmlFile:
    """An XML file, read once and in pieces, so that its size does not matter.

    Args:
        path: of the file.
        root_tag: which element the file must begin with.
        expected: what such a file is, for error texts.
    """

    def __init__(self, path: Path, root_tag: str, expected: str) -> None:
        self.problems: list[Problem] = []
        """What stopped the reading; empty if the file was read to its end."""
        self._path = path
        self._root_tag = root_tag
        self._expected = expected

    def elements(self) -> Iterator[XmlElement]:
        """Yield the children of the root; ends early, with a problem, where the file is broken."""
        builder = _Builder(self._root_tag, self._expected)
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    builder.feed(chunk, is_last=False)
                    yield from builder.take()
            builder.feed(b"", is_last=True)
        except _RefusedError as refused:
            self._add(builder.line, builder.column, str(refused))
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            message = f"this is not XML ({reason}); mend the file there, or export it again"
            self._add(error.lineno, error.offset, message)
        except (LookupError, ValueError) as error:  # an encoding that does not exist or fit
            message = f"the encoding is not understood ({error}); save the file as UTF-8"
            self._add(builder.line, builder.column, message)
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}; check the file and its rights"
            self.problems.append(Problem(str(self._path), "", message))

    def _add(self, line: int, column: int, message: str) -> None:
        place = f"line {line}, column {column + 1}"
        self.problems.append(Problem(str(self._path), place, message))


def root_tag_of(path: Path) -> str | None:
    """Return the tag that an XML file begins with, or None if it is no such file; reads little."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: found.append(tag)
    try:
        with path.open("rb") as file:
            parser.Parse(file.read(_CHUNK_BYTES), False)
    except (expat.ExpatError, LookupError, ValueError, OSError):
        pass  # what came before the fault counts
    return found[0] if found else None


def any_begins_with(tag: str, paths: Iterable[Path]) -> bool:
    """Return whether one of the first XML files begins with a tag, so that a foreign one is told.

    Files without a first tag, empty or broken ones, count as such files only if none has another.
    """
    found: set[str | None] = set()
    for path in islice(paths, _MAX_LOOKED_AT):
        found.add(root_tag_of(path))
        if tag in found:
            return True
    return found == {None}


def parse_float(text: str | None) -> float | None:
    """Return a finite decimal number, or None if the text is anything else."""
    if text is None or not _FLOAT.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def parse_count(text: str | None) -> int | None:
    """Return a whole number of at most ten digits, or None if the text is anything else."""
    return int(text) if text is not None and _COUNT.fullmatch(text) else None


def shown(text: str | None) -> str:
    """Return a text as messages show it: quoted, cut if it is long, "nothing" if it is absent."""
    if text is None:
        return "nothing"
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


class _RefusedError(Exception):
    """Well-formed XML that is not read."""


class _Builder:
    """Makes elements of what expat calls, and hands over each child of the root once it ends."""

    def __init__(self, root_tag: str, expected: str) -> None:
        self._root_tag = root_tag
        self._expected = expected
        self._open: list[tuple[XmlElement, list[str]]] = []
        self._finished: list[XmlElement] = []
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add_text

    @property
    def line(self) -> int:
        """Where the parser is, from 1."""
        return self._parser.CurrentLineNumber

    @property
    def column(self) -> int:
        """Where the parser is, from 0."""
        return self._parser.CurrentColumnNumber

    def feed(self, chunk: bytes, *, is_last: bool) -> None:
        self._parser.Parse(chunk, is_last)

    def take(self) -> list[XmlElement]:
        finished, self._finished = self._finished, []
        return finished

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise _RefusedError(
            f"the DOCTYPE of {name!r} is refused, because entities can blow a file up or pull in "
            "others; no annotation tool needs it, so delete it"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag != self._root_tag:
            raise _RefusedError(
                f"the file begins with <{tag}>, expected <{self._root_tag}>: {self._expected}"
            )
        if len(self._open) == MAX_DEPTH:
            raise _RefusedError(
                f"<{tag}> is nested more than {MAX_DEPTH} elements deep, which no annotation is; "
                "export the file again"
            )
        stripped = {name: value.strip() for name, value in attributes.items()}
        self._open.append((XmlElement(tag, stripped, self.line), []))

    def _add_text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def _end(self, tag: str) -> None:
        element, texts = self._open.pop()
        element.text = "".join(texts).strip()
        if len(self._open) == 1:
            self._finished.append(element)
        elif self._open:
            self._open[-1][0].children.append(element)
