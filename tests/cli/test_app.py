from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tiny_data import make_dataset
from typer.testing import CliRunner

import vadsdk
from vadsdk.cli.app import ErrorsAsMessages, app
from vadsdk.errors import ModelFileError


def verb_that_raises(error: BaseException) -> typer.Typer:
    other = typer.Typer(cls=ErrorsAsMessages, pretty_exceptions_enable=False)

    @other.command()
    def fail() -> None:
        raise error

    @other.callback()
    def options() -> None:
        pass

    return other


def test_an_error_of_ours_is_a_message_as_it_is_and_exit_1() -> None:
    message = 'install it with: pip install "vadsdk[cpu]"' + " and more" * 20
    result = CliRunner().invoke(verb_that_raises(ModelFileError(message)), ["fail"])
    assert result.exit_code == 1
    assert result.stderr == message + "\n"
    assert result.stdout == ""


def test_ctrl_c_is_a_short_line_and_exit_130() -> None:
    result = CliRunner().invoke(verb_that_raises(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stderr) == (130, "stopped by Ctrl-C\n")


def test_a_defect_keeps_its_traceback() -> None:
    result = CliRunner().invoke(verb_that_raises(ZeroDivisionError()), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_wrong_usage_is_exit_2() -> None:
    assert CliRunner().invoke(app, ["predict"]).exit_code == 2
    assert CliRunner().invoke(app, ["no-such-verb"]).exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_asked_to_end_removes_what_is_half_written(
    tmp_path: Path, number: signal.Signals
) -> None:
    make_dataset(tmp_path / "set")
    script = (
        "import os, signal, sys\n"
        "from vadsdk.cli import app\n"
        "from vadsdk.data import measuring\n"
        f"measuring.probe = lambda path: os.kill(os.getpid(), {number.value})\n"
        f"sys.argv = ['vadsdk', 'data', 'import', 'auto', {str(tmp_path / 'set')!r},"
        f" '--out', {str(tmp_path / 'out')!r}]\n"
        "app.main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ended.returncode == 128 + number, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_program_under_nohup_outlives_its_terminal() -> None:
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from vadsdk.cli import app\n"
        "app.app = lambda: (os.kill(os.getpid(), signal.SIGHUP), print('done'))\n"
        "app.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "vadsdk", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{vadsdk.__version__}\n"


def test_the_version_is_the_package_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"{vadsdk.__version__}\n"


@pytest.mark.parametrize(
    "verb", ["demo", "data", "recipes", "train", "evaluate", "predict", "export", "doctor"]
)
def test_every_verb_has_a_help_text(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['vadsdk', '--help']\n"
        "from vadsdk.cli.app import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "doctor" in result.stdout


@pytest.mark.parametrize("verb", [["train", "--data", "here"], ["demo", "--out", "there"]])
def test_a_verb_that_needs_torch_says_what_to_install(verb: list[str], tmp_path: Path) -> None:
    without_torch = (
        "import sys; sys.modules['torch'] = None; from vadsdk.cli.app import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", without_torch, *verb], capture_output=True, text=True, cwd=tmp_path
    )
    assert finished.returncode == 1
    assert finished.stderr == 'this needs torch; install it with: pip install "vadsdk[train]"\n'


def test_a_name_that_is_not_utf_8_is_printed_with_escapes(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    command = [sys.executable, "-c", "from vadsdk.cli.app import main; main()"]
    done = subprocess.run([*command, "data", "check", name], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"caf\\udce9" in done.stderr
