"""Every verb under its name, as `gemma-poetry --help` lists them.

In: the commands in `cli/commands/NAME.py`. Out: the application that the console script runs.

Nothing heavy is imported at the top, here or in the commands: `--help` answers at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from gemma_poetry import __version__
from gemma_poetry.cli.commands.check import check
from gemma_poetry.cli.commands.doctor import doctor
from gemma_poetry.cli.commands.domains import domains
from gemma_poetry.cli.commands.evaluate import evaluate
from gemma_poetry.cli.commands.export import export
from gemma_poetry.cli.commands.generate import generate
from gemma_poetry.cli.commands.models import models
from gemma_poetry.cli.commands.polish import polish
from gemma_poetry.cli.commands.prepare import prepare
from gemma_poetry.cli.commands.pretrain import pretrain
from gemma_poetry.cli.commands.quickstart import quickstart
from gemma_poetry.cli.commands.rate import rate
from gemma_poetry.cli.commands.serve import serve
from gemma_poetry.cli.commands.studio import studio
from gemma_poetry.cli.commands.train import train
from gemma_poetry.cli.commands.tune import tune
from gemma_poetry.cli.commands.tunes import tunes
from gemma_poetry.cli.language import OPTION, speak
from gemma_poetry.extras import require_extra
from gemma_poetry.languages import _, localized

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
    **dict.fromkeys(("prepare", "pretrain", "train", "tune", "evaluate", "quickstart"), "train"),
    **dict.fromkeys(("generate", "polish", "export", "doctor", "models"), "write"),
    "serve": "serve",
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
_VERBS = (
    prepare, pretrain, train, tune, evaluate, generate, polish, studio, serve, export, doctor, models, check, domains,
    quickstart,
)  # fmt: skip
for _command in _VERBS:
    app.command()(needing(EXTRA_OF.get(_command.__name__, ""), _command))
app.add_typer(rate, name="rate")
app.add_typer(tunes, name="tunes")


def _print_version(asked: bool) -> None:
    if asked:
        print(localized(_("gemma-poetry {version}", version=__version__)))
        raise typer.Exit


def _speak(language: Literal["zh", "en"] | None) -> None:
    if language:
        speak(language)


@app.callback()
def _before_any_verb(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    _language: Annotated[
        Literal["zh", "en"] | None,
        typer.Option(
            OPTION, callback=_speak, is_eager=True, expose_value=False, help="Language of help and messages; else as LANG says."
        ),
    ] = None,
) -> None:
    pass
