"""Enough of pytest to run the tests marked `gpu` on a machine that has torch and nothing else.

`gpu.sh` puts this folder on the path where the real one is missing; nothing else ever does. It
knows `-m gpu`, `-W default` (no warning ever fails a test), parametrize, fixtures (also autouse),
monkeypatch.setattr and syspath_prepend, raises, approx and skip. A test that wants more fails with
an AttributeError, and so does the run.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import math
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

FLAGS = {"-q", "--noconftest"}
VALUED = {"-p": "no:cacheprovider", "-W": "default", "-m": "gpu"}


class Skipped(Exception):
    """Raised by `skip`."""


def skip(reason: str = "") -> None:
    raise Skipped(reason)


@contextmanager
def raises(kind: type[BaseException], match: str | None = None) -> Iterator[SimpleNamespace]:
    found = SimpleNamespace(value=None)
    try:
        yield found
    except kind as error:
        found.value = error
        if match is not None and re.search(match, str(error)) is None:
            raise AssertionError(f"{error!r} does not match {match!r}") from error
        return
    raise AssertionError(f"no {kind.__name__} was raised")


class approx:
    def __init__(self, expected: Any, rel: float | None = None, abs: float | None = None) -> None:
        self._expected, self._rel, self._abs = expected, rel, abs

    def __eq__(self, actual: object) -> bool:
        if isinstance(self._expected, Mapping):
            assert isinstance(actual, Mapping)
            if actual.keys() != self._expected.keys():
                return False
            given = [actual[name] for name in self._expected]
            return given == approx(list(self._expected.values()), rel=self._rel, abs=self._abs)
        if isinstance(self._expected, Sequence):
            assert isinstance(actual, Sequence)
            pairs = zip(actual, self._expected, strict=True)
            return all(a == approx(e, rel=self._rel, abs=self._abs) for a, e in pairs)
        relative = (1e-6 if self._abs is None else 0.0) if self._rel is None else self._rel
        absolute = 1e-12 if self._abs is None else self._abs
        given, wanted = float(actual), float(self._expected)  # type: ignore[arg-type]
        return math.isclose(given, wanted, rel_tol=relative, abs_tol=absolute)

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"


class _Mark:
    """`mark.gpu` and `mark.parametrize(names, values, ids=)`; other marks name themselves."""

    def __getattr__(self, name: str) -> Any:
        if name == "parametrize":
            return _parametrize
        return _Named(name)


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *values: Any, **options: Any) -> Any:
        if values and callable(values[0]):
            values[0].marks = [*getattr(values[0], "marks", []), self.name]
            return values[0]
        skipped = self.name == "skipif" and bool(values[0])
        return _Named("skip" if skipped else self.name)


def _parametrize(names: str | Sequence[str], values: Any, ids: Any = None) -> Any:
    listed = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
    rows = [value if len(listed) > 1 else (value,) for value in values]

    def decorate(function: Any) -> Any:
        function.tables = [*getattr(function, "tables", []), (listed, rows)]
        return function

    return decorate


mark = _Mark()


def fixture(function: Any = None, *, scope: str = "function", autouse: bool = False) -> Any:
    def decorate(inner: Any) -> Any:
        inner.fixture_scope, inner.autouse = scope, autouse
        return inner

    return decorate if function is None else decorate(function)


def main(arguments: Sequence[str]) -> int:
    """Run the tests of the named files and return 0, 1 (failures) or 2 (bad arguments)."""
    files, rest = [], iter(arguments)
    for argument in rest:
        if argument in VALUED:
            if next(rest, None) != VALUED[argument]:
                print(f"this stand-in knows {argument} {VALUED[argument]} alone", file=sys.stderr)
                return 2
        elif argument not in FLAGS:
            files.append(Path(argument).resolve())
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for file in files:
        for folder in (file.parent, file.parents[1], file.parents[1] / "methods"):
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        try:
            module = _imported(file)
        except Exception:
            traceback.print_exc()
            counts["failed"] += 1
            continue
        for title, run in _tests_of(module, file.name):
            counts[_outcome(title, run)] += 1
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] + counts["skipped"] else 0


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def _tests_of(module: ModuleType, file_name: str) -> Iterator[tuple[str, Callable[[], None]]]:
    fixtures = {n: f for n, f in vars(module).items() if hasattr(f, "fixture_scope")}
    kept: dict[str, Any] = {}
    whole = getattr(module, "pytestmark", [])
    of_module = [m.name for m in (whole if isinstance(whole, list) else [whole])]
    for name, function in list(vars(module).items()):
        marks = [*of_module, *getattr(function, "marks", [])]
        if not name.startswith("test") or "gpu" not in marks or "skip" in marks:
            continue
        tables = getattr(function, "tables", [])
        for number, rows in enumerate(itertools.product(*(rows for _, rows in tables))):
            given: dict[str, Any] = {}
            for (names, _), row in zip(tables, rows, strict=True):
                given.update(zip(names, row, strict=True))

            def run(function: Any = function, given: dict[str, Any] = given) -> None:
                with ExitStack() as stack:
                    make = _Maker(given, fixtures, kept, stack)
                    for name, known in fixtures.items():
                        if known.autouse:
                            make.value(name)
                    function(**make.arguments(function))

            yield f"{file_name}::{name}[{number}]", run


class _Maker:
    """Makes the arguments of one test."""

    def __init__(
        self,
        given: dict[str, Any],
        fixtures: dict[str, Any],
        kept: dict[str, Any],
        stack: ExitStack,
    ) -> None:
        self._given, self._fixtures, self._kept, self._stack = dict(given), fixtures, kept, stack

    def arguments(self, function: Any) -> dict[str, Any]:
        return {name: self.value(name) for name in inspect.signature(function).parameters}

    def value(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        if name in self._kept:
            return self._kept[name]
        if name == "tmp_path":
            value: Any = Path(tempfile.mkdtemp())
        elif name == "monkeypatch":
            value = _MonkeyPatch(self._stack)
        elif name in self._fixtures:
            value = self._made(self._fixtures[name])
        else:
            raise AttributeError(f"the stand-in of pytest has no fixture {name!r}")
        lasting = getattr(self._fixtures.get(name), "fixture_scope", "function") != "function"
        (self._kept if lasting else self._given)[name] = value
        return value

    def _made(self, function: Any) -> Any:
        made = function(**self.arguments(function))
        if not inspect.isgenerator(made):
            return made
        if function.fixture_scope == "function":
            self._stack.callback(next, made, None)
        return next(made)


class _MonkeyPatch:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def setattr(self, target: Any, name: str, value: Any) -> None:
        self._stack.callback(setattr, target, name, getattr(target, name))
        setattr(target, name, value)

    def syspath_prepend(self, path: str) -> None:
        self._stack.callback(sys.path.remove, path)
        sys.path.insert(0, path)


def _outcome(title: str, run: Callable[[], None]) -> str:
    try:
        run()
    except Skipped as reason:
        print(f"SKIPPED {title}: {reason}")
        return "skipped"
    except Exception:
        print(f"FAILED {title}")
        traceback.print_exc()
        return "failed"
    return "passed"


if __name__ == "__main__":  # of two modules, tests know the one by name
    import pytest

    sys.exit(pytest.main(sys.argv[1:]))
