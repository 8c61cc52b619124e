"""The command `vadsdk`: one verb a file; errors become messages and exit codes here alone.

Exit codes: 0 done, 1 a `VadsdkError` or a missing extra (a message is printed), 2 wrong usage,
130 Ctrl-C, 143 asked to end (SIGTERM), 129 the terminal was closed (SIGHUP); a live stream that any
of these ends is done.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import vadsdk
from vadsdk.cli import console
from vadsdk.cli.data import data_app
from vadsdk.cli.demo import demo
from vadsdk.cli.doctor import doctor
from vadsdk.cli.doctor_checks import TRAINING_PACKAGES
from vadsdk.cli.ending import ENDING_SIGNALS, leave_readers
from vadsdk.cli.evaluate import evaluate
from vadsdk.cli.export import export
from vadsdk.cli.predict import predict
from vadsdk.cli.recipes import recipes
from vadsdk.cli.train import train
from vadsdk.errors import VadsdkError


class ErrorsAsMessages(TyperGroup):
    """Turns what a verb raises on purpose into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # click's Context, which typer brings its own copy of
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except VadsdkError as error:
            console.print_error(str(error))
            raise typer.Exit(1) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            console.print_error(f"{where}{error.strerror or error}")
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            if error.name not in ("torch", *TRAINING_PACKAGES):
                raise
            console.print_error(
                f'this needs {error.name}; install it with: pip install "vadsdk[train]"'
            )
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            console.print_error("stopped by Ctrl-C")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=ErrorsAsMessages,
    help="Detect who does what, where, from when to when: fine-tune, export, stream.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# In the order in which a user meets them. No verb's module imports torch before the verb runs.
app.command()(demo)
app.add_typer(data_app, name="data")
app.command()(recipes)
app.command()(train)
app.command()(evaluate)
app.command()(predict)
app.command()(export)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.stdout.print(vadsdk.__version__, highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Detect who does what, where, from when to when: fine-tune, export, stream."""


def _end(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def main() -> None:
    """Run the command line and exit."""
    console.spell_out_unprintable()
    for number in ENDING_SIGNALS:  # else nothing that is half-written would be removed
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _end)
    try:
        app()
    except SystemExit as end:
        leave_readers(end.code)
        raise
