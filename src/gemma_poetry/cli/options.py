"""Options that several verbs have, and how their values are read.

In: words of the command line. Out: the annotated types that typer makes options of, a checked `Recipe`, lists of names and
numbers.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from gemma_poetry.errors import UsageError
from gemma_poetry.folders import MODELS
from gemma_poetry.languages import _

RecipeOption = Annotated[str | None, typer.Option("--recipe", help="A packaged recipe, or a YAML file.", metavar="NAME|FILE")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override one setting; may be repeated.", metavar="SECTION.KEY=VALUE")
]
ModelOption = Annotated[str, typer.Option("--model", help=f"{MODELS}.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of every random draw.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
BookOption = Annotated[
    str,
    typer.Option("--book", help="Rhyme book: pingshui, cilin, xinyun or tongyun; else as the form has."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace files of these names that exist.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the newest complete checkpoint.")]


_COMMAS = "[,，、]"


def chosen_settings(overrides: list[str] | None, **settings: Any) -> list[str]:
    """Changes to a recipe: `--set`, and the verb's own options (`section__key=value`, `None` left out) on top."""
    from gemma_poetry.config import override

    named = [override(name.replace("__", "."), value) for name, value in settings.items() if value is not None]
    return [*(overrides or []), *named]


def chosen_recipe(recipe: str | None, overrides: list[str] | None, **settings: Any) -> Any:
    """The recipe with its changes."""
    from gemma_poetry.config import load_recipe

    return load_recipe(recipe, chosen_settings(overrides, **settings))


def names_in(listed: str | None) -> list[str] | None:
    """The names of an option that takes several, with a comma (Chinese or not) or 、 between them."""
    return None if listed is None else [name.strip() for name in re.split(_COMMAS, listed) if name.strip()]


def numbers_in(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas (Chinese or not) or 、 between them.

    Raises:
        UsageError: One of them is no whole number.
    """
    try:
        return tuple(int(part) for part in re.split(_COMMAS, text))
    except ValueError as error:
        raise UsageError(
            _("{option} cannot be {text!r}", option=option, text=text), expected=_("whole numbers with commas between them")
        ) from error
