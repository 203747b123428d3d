"""The console script `gemma-poetry`: one thin handler a verb.

In: the command line. Out: a call of the module of the same name in `verbs/`, its result on standard output, progress and
messages on standard error, and the exit status: 0 done, 1 a verdict is negative, 2 usage or input error.

Nothing heavy is imported at the top: `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gemma_poetry.errors import GemmaPoetryError

app = typer.Typer(
    name="gemma-poetry",
    help="Fine-tune Gemma to write classical Chinese poetry: prepare, train, evaluate, generate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeOption = Annotated[str | None, typer.Option("--recipe", help="A packaged recipe, or a YAML file.", metavar="NAME|FILE")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override one setting; may be repeated.", metavar="SECTION.KEY=VALUE")
]
ModelOption = Annotated[str, typer.Option("--model", help="mini, a RUN or model folder, or a Hub id.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of every random draw.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the newest complete checkpoint.")]


def _recipe(recipe: str | None, overrides: list[str] | None, **settings: Any) -> Any:
    """The recipe with `--set` and the verb's own options (`section__key=value`, `None` left out) on top."""
    from gemma_poetry.config import load_recipe, override

    named = [override(name.replace("__", "."), value) for name, value in settings.items() if value is not None]
    return load_recipe(recipe, [*(overrides or []), *named])


def _print_rows(title: str, rows: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows:
        table.add_row(name, value)
    Console().print(table)


@app.command()
def pretrain(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    out: Annotated[Path, typer.Option("--out", help="The MODEL folder to write.")],
    preset: Annotated[str | None, typer.Option("--preset", help="mini or 350m.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a Gemma 3 model from scratch on a prepared collection."""
    from gemma_poetry.training.pretraining import pretrain as run

    manifest = run(data, out, _recipe(recipe, overrides, pretrain__preset=preset).pretrain, resume=resume)
    if manifest:
        rows = [("parameters", f"{manifest['parameters']:,}"), ("steps", f"{manifest['steps']:,}")]
        _print_rows(str(out), [*rows, *((name, f"{value:.1f}") for name, value in manifest["validation"].items())])


@app.command()
def train(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    out: Annotated[Path, typer.Option("--out", help="The RUN folder to write.")],
    model: ModelOption = "mini",
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Fine-tune a model with LoRA on a prepared collection."""
    from gemma_poetry.verbs.train import summary
    from gemma_poetry.verbs.train import train as run

    manifest = run(data, model, out, _recipe(recipe, overrides), resume=resume, recipe_name=recipe or "")
    if manifest:
        _print_rows(str(out), summary(manifest))


def main() -> None:
    """Runs the console script; our own errors end it with their text and exit status, never a stack trace."""
    try:
        app()
    except GemmaPoetryError as error:
        print(f"gemma-poetry: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader of a pipe left; what it wanted it has.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
