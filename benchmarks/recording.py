"""Writes a benchmark's numbers to `benchmarks/results/` with the commit, device and versions."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(os.environ.get("VADSDK_RESULTS", Path(__file__).parent / "results"))
_PACKAGES = ("torch", "triton", "onnxruntime", "numpy", "av", "opencv-python-headless")


def record(name: str, values: dict[str, Any]) -> Path:
    """Write `results/NAME.json` and return its path.

    Args:
        name: of the benchmark.
        values: its numbers and settings; plain JSON.
    """
    target = RESULTS / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    content = {"benchmark": name, **provenance(), **values}
    temporary = target.with_suffix(".writing")  # whoever is ended meanwhile leaves what there was
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(target)
    print(f"written: {target}")
    return target


class GrowingRecord:
    """A record that is written after each part, so that a later one that fails loses nothing.

    Args:
        name: of the benchmark.
        values: what is known before the first part; plain JSON.
    """

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self._name = name
        self._values = dict(values)
        self._failed: list[str] = []

    @property
    def values(self) -> Mapping[str, Any]:
        """What is known so far."""
        return self._values

    @contextmanager
    def part(self, *path: str) -> Iterator[dict[str, Any]]:
        """Yield the numbers of a part, to be filled within; one that raises is reported and left.

        Args:
            path: keys of the part, from the outermost.
        """
        numbers = self._values
        for key in path:
            numbers = numbers.setdefault(key, {})
        try:
            yield numbers
        except Exception as error:
            traceback.print_exc()
            self._failed.append(" ".join(path))
            numbers["failed"] = f"{type(error).__name__}: {error}"
        gc.collect()
        record(self._name, self._values)

    def end(self) -> None:
        """Exit with an error if a part failed."""
        if self._failed:
            sys.exit(f"failed, and the rest was measured: {', '.join(dict.fromkeys(self._failed))}")


def kept_parts(name: str) -> dict[str, Any]:
    """Return the parts that a record of this commit has already; none if there is no such record.

    Args:
        name: of the benchmark.
    """
    target = RESULTS / f"{name}.json"
    if not target.is_file():
        return {}
    content: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    now = provenance()
    if content["commit"] != now["commit"]:
        print(f"not kept, as it may be of another commit: {target}")
        return {}
    return {key: part for key, part in content.items() if key not in ("benchmark", *now)}


def provenance() -> dict[str, Any]:
    """Return commit (with "+" if the tree was changed beside results), time, device, versions.

    A copy of the tree without git is told its commit by VADSDK_COMMIT.
    """
    changed = _git("status", "-s", "--", ":/", ":(top,exclude)benchmarks/results")
    commit = _git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    return {
        "commit": os.environ.get("VADSDK_COMMIT") or commit or "unknown",
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": {
            "cpu": _cpu_name(),
            "cores": len(os.sched_getaffinity(0)),
            "machine": platform.machine(),
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a copy of the tree, without git
        return ""
    return done.stdout.strip()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
