"""What the wheel will hold, read from pyproject.toml; `.ci/run` builds one and looks inside."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
FOLDERS = {folder: package for package, folder in SETUPTOOLS["package-dir"].items()}


def packages_on_disk() -> dict[str, Path]:
    """Return the folder of each package under its installed name."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("__init__.py"):
            inside = path.parent.relative_to(ROOT / folder).parts
            found[".".join((package, *inside))] = path.parent
    return found


def named_requirements(lines: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ]", line)[0].lower() for line in lines}


def test_export_and_serving_are_installed_inside_vadsdk() -> None:
    assert FOLDERS == {
        "vadsdk": "vadsdk",
        "export": "vadsdk.export",
        "serving": "vadsdk.serving",
    }


def test_the_wheel_names_every_package_and_nothing_else() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages_on_disk())


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert folders == set(packages_on_disk().values())


def test_the_wheel_takes_every_file_that_is_not_code_along() -> None:
    patterns = SETUPTOOLS.get("package-data", {})
    left_out = [
        str(path.relative_to(ROOT))
        for name, folder in packages_on_disk().items()
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".py", ".pyc"}
        if not any(path in folder.glob(pattern) for pattern in patterns.get(name, []))
    ]
    assert not left_out, f"name them under [tool.setuptools.package-data]: {left_out}"


def test_type_checkers_of_applications_may_trust_the_annotations() -> None:
    assert (ROOT / "vadsdk" / "py.typed").is_file()
    assert "py.typed" in SETUPTOOLS["package-data"]["vadsdk"]


def test_what_runs_on_an_edge_box_requires_no_torch() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert "torch" in named_requirements(extras["train"])
    assert "torch" not in named_requirements(
        [*PYPROJECT["project"]["dependencies"], *extras["cpu"]]
    )


def test_constraints_pin_every_direct_dependency_of_ci() -> None:
    project = PYPROJECT["project"]
    wanted = list(project["dependencies"])
    for extra in ("cpu", "train", "dev"):
        wanted += project["optional-dependencies"][extra]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in pins)
    assert named_requirements(pins) == named_requirements(wanted)


@pytest.mark.parametrize("name", ["runs/x", ".venv/x", "dist/x.whl", "vadsdk/__pycache__/x.pyc"])
def test_git_ignores_what_the_goals_of_the_makefile_write(name: str) -> None:
    command = ["git", "-C", str(ROOT), "check-ignore", "--quiet", "--no-index", name]
    assert subprocess.run(command, check=False).returncode == 0


def test_make_bench_runs_every_benchmark() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^BENCHMARKS := (.*)$", makefile, flags=re.MULTILINE)
    scripts = (ROOT / "benchmarks").glob("*.py")
    runnable = {path.stem for path in scripts if "__main__" in path.read_text(encoding="utf-8")}
    assert set(listed.split()) == runnable - {
        "card_at_hand"
    }  # `gpu.sh` runs it, and measures nothing
