"""`benchmarks/gpu.sh` on a machine without pydantic, pytest or an installed package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vadsdk.methods import METHODS
from vadsdk.models import MODELS

ROOT = Path(__file__).parents[1]
BARE = ROOT / "benchmarks" / "bare"
SETTINGS = """
import json, pydantic, vadsdk.methods, vadsdk.models
from vadsdk.training.settings import TrainSettings
entries = {**vadsdk.methods.METHODS, **vadsdk.models.MODELS}
kinds = {name: entry.settings for name, entry in entries.items()}
dumps = {name: kind().model_dump(mode="json") for name, kind in kinds.items()}
dumps["train"] = TrainSettings().model_dump(mode="json")
print(json.dumps({"pydantic": pydantic.__file__, "defaults": dumps}))
"""
SAMPLE = """
import pytest
pytestmark = pytest.mark.gpu
@pytest.fixture(scope="module")
def base():
    return 2
SEEN = []
@pytest.fixture(autouse=True)
def watched(base):
    SEEN.append("begun")
    yield
    SEEN.append("ended")
@pytest.mark.parametrize("more", [0, 1, {last}])
@pytest.mark.parametrize(("a", "b"), [(1, 1.0), (2, 2.0)], ids=["one", "two"])
def test_numbers(base, a, b, more, tmp_path):
    assert a == pytest.approx(b, rel=1e-3) and base + more < 5 and tmp_path.is_dir()
def test_errors(monkeypatch):
    monkeypatch.setattr(pytest, "main", None)
    assert pytest.main is None
    assert SEEN == ["begun", "ended"] * (len(SEEN) // 2) + ["begun"]
    assert {"a": [1.0, 2.0]} == pytest.approx({"a": [1.0, 2.0 + 1e-9]})
    with pytest.raises(ValueError, match="liter"):
        int("x")
def test_later():
    pytest.skip("no time")
"""


def bare_python(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the stand-ins before all that is installed."""
    path = os.pathsep.join([str(ROOT), str(BARE / "pydantic"), str(BARE / "pytest")])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **more},
    )


WITHOUT = """
import importlib.abc, runpy, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
script, sys.argv = sys.argv[2], sys.argv[2:]
sys.path.insert(0, script.rpartition("/")[0])
runpy.run_path(script, run_name="__main__")
"""


def test_the_benchmark_learns_from_a_bank_file_without_what_makes_one(tmp_path: Path) -> None:
    missing = "av,cv2,scipy,pycocotools,safetensors,tensorboard,matplotlib,PIL,rich,typer"
    options = "--device cpu --no-kernels --forms plain --steps 4 --threads 1".split()
    script = str(ROOT / "benchmarks" / "training.py")
    done = bare_python("-c", WITHOUT, missing, script, *options, VADSDK_RESULTS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "training_cpu.json").read_text("utf-8"))
    assert found["bank"]["upload_seconds"] > 0
    assert found["step"]["plain"]["seconds"] > 0


def test_settings_have_the_same_defaults_without_pydantic() -> None:
    done = bare_python("-c", SETTINGS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["pydantic"]).is_relative_to(BARE)
    from vadsdk.training.settings import TrainSettings

    for name, entry in {**METHODS, **MODELS}.items():
        assert found["defaults"][name] == entry.settings().model_dump(mode="json"), name
    assert found["defaults"]["train"] == TrainSettings().model_dump(mode="json")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from vadsdk.models import build_model; build_model('yowo-n', 3, {'nothing': 1})", "noth"),
        ("from vadsdk.methods.e2e_settings import E2ESettings; E2ESettings(window=4)", "odd"),
    ],
)
def test_settings_that_do_not_fit_are_refused_without_pydantic(code: str, message: str) -> None:
    done = bare_python("-c", code)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("last", "code", "counts"),
    [(2, 0, "7 passed, 0 failed, 1 skipped"), (3, 1, "5 passed, 2 failed, 1 skipped")],
)
def test_gpu_tests_run_without_pytest(tmp_path: Path, last: int, code: int, counts: str) -> None:
    file = tmp_path / "tests" / "test_sample.py"
    file.parent.mkdir()
    file.write_text(SAMPLE.replace("{last}", str(last)), encoding="utf-8")
    flags = "-m pytest -q --noconftest -p no:cacheprovider -W default -m gpu".split()
    done = bare_python(*flags, str(file))
    assert done.stdout.splitlines()[-1] == counts, done.stdout + done.stderr
    assert done.returncode == code


def test_a_run_without_any_test_fails(tmp_path: Path) -> None:
    assert bare_python("-m", "pytest", "-m", "gpu", str(tmp_path)).returncode == 1


def gpu_files() -> list[Path]:
    """Return the files with tests for a card that need no videos."""
    files = [
        file
        for file in ROOT.glob("tests/**/test_*.py")
        if any(word in file.read_text("utf-8") for word in ("mark.gpu", "card_or_interpreter"))
    ]
    return sorted({*files} - {Path(__file__), ROOT / "tests" / "data" / "test_bank_batches.py"})


def test_every_gpu_test_can_be_collected_without_pytest() -> None:
    code = (
        "import pytest, sys, torch; from pathlib import Path\n"
        "torch.cuda.is_available = lambda: True\n"
        "for name in sys.argv[1:]:\n"
        "    file = Path(name); tests = file.parents[1]\n"
        "    sys.path[:0] = [str(file.parent), str(tests), str(tests / 'methods')]\n"
        "    assert list(pytest._tests_of(pytest._imported(file), file.name)), name\n"
    )
    done = bare_python("-c", code, *map(str, gpu_files()))
    assert done.returncode == 0, done.stderr


PYTHON_WITH_A_CARD = """#!/usr/bin/env bash
case "$*" in
  - ) cat > /dev/null;;  # the look for a card
  "-c import av"* ) exit 1;;
  *test_mask_losses_gpu.py ) echo "of the test"; exit {of_test};;
  *benchmarks/training.py* ) echo "of the benchmark"; exit {of_benchmark};;
esac
"""


@pytest.mark.parametrize(("of_benchmark", "of_test"), [(0, 0), (1, 0), (0, 1)])
def test_gpu_sh_fails_where_any_of_its_parts_does_and_goes_on(
    of_benchmark: int, of_test: int, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(PYTHON_WITH_A_CARD.format(of_benchmark=of_benchmark, of_test=of_test))
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu.sh"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHON": str(python)},
    )
    assert done.returncode == (of_benchmark or of_test), done.stderr
    expected = {f"{file.stem}.log" for file in gpu_files()}
    logs = tmp_path / "out" / "logs"
    assert {log.name for log in logs.iterdir()} == expected
    assert "of the test" in (logs / "test_mask_losses_gpu.log").read_text("utf-8")
    for part in ("kernel benchmark", "step benchmark"):
        assert f"== {part}: exit {of_benchmark}" in done.stdout
    assert f"== tests/kernels/test_mask_losses_gpu.py: exit {of_test}" in done.stdout


@pytest.mark.parametrize("of_benchmark", [0, 1])
def test_gpu_sh_takes_a_whole_run_and_nothing_else(of_benchmark: int, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(PYTHON_WITH_A_CARD.format(of_benchmark=of_benchmark, of_test=0))
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu.sh"), "--whole-run", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHON": str(python)},
    )
    assert done.returncode == of_benchmark
    assert done.stdout.splitlines()[0] == "== whole run"
    assert done.stdout.splitlines()[-1].startswith(f"== whole run: exit {of_benchmark}")
    assert not list((tmp_path / "out" / "logs").iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_gpu_sh_says_that_it_needs_a_card() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu.sh")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHON": sys.executable},
    )
    assert done.returncode == 1
    assert "needs a CUDA card" in done.stderr
