"""The console script `gemma-poetry`: every verb under its name.

In: the command line. Out: a call of the command in `cli/commands/NAME.py`, its result on standard output, progress and
messages on standard error, and the exit status: 0 done, 1 a verdict is negative, 2 usage or input error, 141 the reader of
the output left.

Nothing heavy is imported at the top, here or in the commands: `--help` answers at once.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

from gemma_poetry.cli.commands.check import check
from gemma_poetry.cli.commands.doctor import doctor
from gemma_poetry.cli.commands.domains import domains
from gemma_poetry.cli.commands.evaluate import evaluate
from gemma_poetry.cli.commands.export import export
from gemma_poetry.cli.commands.generate import generate
from gemma_poetry.cli.commands.models import models
from gemma_poetry.cli.commands.prepare import prepare
from gemma_poetry.cli.commands.pretrain import pretrain
from gemma_poetry.cli.commands.quickstart import quickstart
from gemma_poetry.cli.commands.rate import rate
from gemma_poetry.cli.commands.studio import studio
from gemma_poetry.cli.commands.train import train
from gemma_poetry.cli.commands.tunes import tunes
from gemma_poetry.cli.printing import end_with_reader
from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.extras import naming_extras, require_extra

app = typer.Typer(
    name="gemma-poetry",
    help="Fine-tune Gemma to write classical Chinese poetry: prepare, train, evaluate, generate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The extra that a verb needs as a whole; the others say what they lack when they come to it.
EXTRA_OF = {
    **dict.fromkeys(("prepare", "pretrain", "train", "evaluate", "quickstart"), "train"),
    **dict.fromkeys(("generate", "export", "doctor", "models"), "write"),
    "studio": "studio",
}


def needing(extra: str, command: Callable[..., None]) -> Callable[..., None]:
    """The command, which first looks whether its extra is installed; `--help` never asks."""

    @functools.wraps(command)
    def checked(*arguments: Any, **options: Any) -> None:
        require_extra(extra)
        command(*arguments, **options)

    return checked


# In the order in which `--help` names them; groups come last.
for _command in (
    prepare,
    pretrain,
    train,
    evaluate,
    generate,
    studio,
    export,
    doctor,
    models,
    check,
    domains,
    quickstart,
):
    app.command()(needing(EXTRA_OF.get(_command.__name__, ""), _command))
app.add_typer(rate, name="rate")
app.add_typer(tunes, name="tunes")


def main() -> None:
    """Runs the console script; our own errors end it with their text and exit status, never a stack trace."""
    # Notices between libraries (a renamed argument, a bar for reading weights) say nothing to the person at the terminal.
    warnings.simplefilter("ignore", FutureWarning)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # Importing torch makes millions of objects that live on; looking through them again and again for cycles takes a
    # sixth of the time to the first poem.
    gc.set_threshold(100_000, 50, 100)
    end_with_reader()
    try:
        with naming_extras():
            app()
    except GemmaPoetryError as error:
        print(f"gemma-poetry: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
