"""The borders of the house: who may import whom, what is public, and how large a part may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import vadsdk

ROOT = Path(__file__).resolve().parents[1]

# Bottom up. A room imports from floors below its own, never from its own floor or above.
FLOORS = (
    ("errors",),
    ("checked_settings", "ranks", "whole_file"),
    ("boxes", "structures"),
    ("evaluation", "decoding"),
    ("kernels",),
    ("video",),  # a floor of its own below `data`, which decodes its videos with it
    ("models", "losses", "data", "linking"),
    ("methods", "streaming", "runtime"),
    ("training", "export", "detector"),
    ("serving",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

TORCH_FREE = (
    "vadsdk",
    "vadsdk.cli.app",
    "vadsdk.cli.evaluate",
    "vadsdk.cli.predict",
    "vadsdk.cli.run_display",
    "vadsdk.data.dataset",
    "vadsdk.decoding",
    "vadsdk.detector",
    "vadsdk.evaluation",
    "vadsdk.linking",
    "vadsdk.runtime",
    "vadsdk.serving",
    "vadsdk.streaming",
    "vadsdk.streaming.scoring",
    "vadsdk.structures",
    "vadsdk.video",
)
EMPTY_NAMES = {"utils", "util", "misc", "common", "helpers", "core", "base", "manager"}
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_of(path: Path) -> str:
    """Return the installed name of a source: `export/onnx.py` is `vadsdk.export.onnx`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "vadsdk" else ("vadsdk", *parts)
    return ".".join(parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return `linking` for `vadsdk.linking.online`, and "" for `vadsdk` itself."""
    return (*module.split("."), "")[1]


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of every import, those within functions too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute in this project"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(module_of(path)) for path in sources("vadsdk", "export", "serving")}
    assert rooms - {""} == set(FLOOR_OF)


def test_imports_point_down_only() -> None:
    wrong = []
    for path in sources("vadsdk", "export", "serving"):
        room = room_of(module_of(path))
        if not room:  # the package's face may name every room
            continue
        for line, name in imported_modules(path):
            other = room_of(name) if name.split(".")[0] == "vadsdk" else room
            if other in FLOOR_OF and other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
                wrong.append(f"{place(path, line)}: {room} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_no_room_but_the_command_line_knows_export_or_serving() -> None:
    wrong = [
        f"{place(path, line)}: {name}"
        for path in sources("vadsdk")
        for line, name in imported_modules(path)
        if name.startswith(("vadsdk.export", "vadsdk.serving"))
        if room_of(module_of(path)) != "cli"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_folders_beside_the_package_are_imported_by_their_installed_names() -> None:
    wrong = [
        f"{place(path, line)}: {name}"
        for path in sources("vadsdk", "export", "serving", "tests", "benchmarks")
        for line, name in imported_modules(path)
        if name.split(".")[0] in {"export", "serving"}
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", TORCH_FREE)
def test_what_runs_on_an_edge_box_never_imports_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr or f"import {module} brings torch in"


def test_the_public_names_are_these() -> None:
    assert sorted(vadsdk.__all__) == ["Detector", "VadsdkError", "__version__", "detect_actions"]
    for name in vadsdk.__all__:
        assert getattr(vadsdk, name) is not None


def test_exported_names_exist_and_are_sorted_once_each() -> None:
    wrong = []
    for path in sources("vadsdk", "export", "serving"):
        bound = {node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)}
        for node in tree_of(path).body:
            if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != "__all__":
                continue
            names = ast.literal_eval(node.value)
            if len(set(names)) != len(names):
                wrong.append(f"{place(path, node.lineno)}: a name twice")
            imported = {name.split(".")[-1] for _, name in imported_modules(path)}
            defined = {getattr(entry, "name", "") for entry in tree_of(path).body} | bound
            wrong += [
                f"{place(path, node.lineno)}: {name} is not there"
                for name in names
                if name not in imported | defined
            ]
    assert not wrong, "\n".join(wrong)


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources("vadsdk", "export", "serving", "tests", "benchmarks")
        if EMPTY_NAMES & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    ]
    assert not wrong, "\n".join(wrong)


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines below the signature and the docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_functions_and_files_stay_small_enough_to_read() -> None:
    wrong = []
    for path in sources("vadsdk", "export", "serving", "benchmarks", ".ci"):
        num_lines = len(path.read_text(encoding="utf-8").splitlines())
        if num_lines > MAX_FILE_LINES:
            wrong.append(f"{place(path, 1)}: {num_lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = body_lines(node)
                if length > MAX_FUNCTION_LINES:
                    wrong.append(f"{place(path, node.lineno)}: {node.name} has {length} lines")
    assert not wrong, "\n".join(wrong)
