"""`gemma-poetry quickstart`: the whole job on embedded data, with the embedded model or another, in minutes.

In: a recipe. Out: `OUT/data` (DATA), `OUT/run` (RUN with `curve.png` and `eval/results.json`), `OUT/poems.txt`, and a
manifest that names all of it.

Read from top to bottom, it is the story of the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gemma_poetry as gp
from gemma_poetry.artifacts import write_text
from gemma_poetry.config import Recipe, recipe_with
from gemma_poetry.languages import _, localized
from gemma_poetry.manifests import growing_folder

# One wish for each regulated form; titles of the sample's own kind.
WISHES = (("五言绝句", "夜班"), ("七言绝句", "高铁过江"), ("五言律诗", "望空间站"), ("七言律诗", "秋日视频寄友"))
KIND = "quickstart"
DATA, RUN, POEMS = "data", "run", "poems.txt"


def quickstart(
    out: Path, recipe: str | Path | Recipe = "quickstart", model: str = "mini", settings: Sequence[str] = ()
) -> None:
    """Prepares, trains, evaluates, and writes poems.

    Args:
        out: The folder to write; an older quickstart is replaced, anything else refused.
        recipe: The recipe, `quickstart` unless the person chose another.
        model: The base model.
        settings: Changes to the recipe.

    Raises:
        OutputError: `out` holds something that no quickstart wrote, or cannot be written.
        GemmaPoetryError: Whatever the four verbs raise.
    """
    recipe_with(recipe, settings)  # a wrong one is told before anything is begun
    with growing_folder(out, KIND, (DATA, RUN, POEMS)):
        _whole_job(out, recipe, model, settings)


def _whole_job(out: Path, recipe: str | Path | Recipe, model: str, settings: Sequence[str]) -> None:
    from rich.console import Console

    from gemma_poetry.evaluation.table import terminal_tables

    console = Console()

    console.rule(localized(_("1 prepare: the embedded sample becomes DATA")))
    data = gp.prepare("sample", out / DATA, model=model, recipe=recipe, settings=settings, progress=True)
    console.print(
        localized(_("{kept} poems, split without leaks: {splits}", kept=data.stats["kept"], splits=data.stats["splits"]))
    )

    console.rule(localized(_("2 train: LoRA on {model}", model=model)))
    run = gp.train(data, model, out / RUN, recipe=recipe, settings=settings, progress=True)
    manifest = run.manifest
    console.print(
        localized(
            _(
                "{steps} steps in {wall_seconds:.0f} s; the curve is {folder}",
                steps=manifest["steps"],
                wall_seconds=manifest["wall_seconds"],
                folder=run.folder / "curve.png",
            )
        )
    )

    console.rule(localized(_("3 evaluate: base and tuned on poems that neither has seen")))
    results = gp.evaluate(run, data, recipe=recipe, settings=settings, progress=True)
    for table in terminal_tables(results):
        console.print(table)

    console.rule(localized(_("4 generate: form, tones and rhyme by construction")))
    poet = gp.load(run, recipe=recipe, settings=settings, progress=True)
    poems = poet.write([gp.PoemRequest(form=form, title=title) for form, title in WISHES])
    write_text(out / POEMS, f"{poems}\n")
    console.print(str(poems))
    console.rule(localized(_("all of it lies in {out}", out=out)))
