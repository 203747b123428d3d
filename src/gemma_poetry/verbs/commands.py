"""Every verb under its name, as `gemma-poetry --help` lists them.

In: the commands in `verbs/NAME_command.py`. Out: the application that the console script runs.

Nothing heavy is imported at the top, here or in the commands: `--help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gemma_poetry.verbs.check_command import check
from gemma_poetry.verbs.doctor_command import doctor
from gemma_poetry.verbs.domains_command import domains
from gemma_poetry.verbs.evaluate_command import evaluate
from gemma_poetry.verbs.export_command import export
from gemma_poetry.verbs.generate_command import generate
from gemma_poetry.verbs.models_command import models
from gemma_poetry.verbs.prepare_command import prepare
from gemma_poetry.verbs.pretrain_command import pretrain
from gemma_poetry.verbs.quickstart_command import quickstart
from gemma_poetry.verbs.rate_command import rate
from gemma_poetry.verbs.studio_command import studio
from gemma_poetry.verbs.train_command import train
from gemma_poetry.verbs.tunes_command import tunes

app = typer.Typer(
    name="gemma-poetry",
    help="Fine-tune Gemma to write classical Chinese poetry: prepare, train, evaluate, generate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
    app.command()(_command)
app.add_typer(rate, name="rate")
app.add_typer(tunes, name="tunes")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"gemma-poetry {version('gemma-poetry')}")
        raise typer.Exit


@app.callback()
def _before_any_verb(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass
