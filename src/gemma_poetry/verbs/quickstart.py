"""`gemma-poetry quickstart`: the whole job on embedded data and the embedded model, in a few minutes.

In: a recipe. Out: `OUT/data` (DATA), `OUT/run` (RUN with `curve.png` and `eval/results.json`), `OUT/poems.txt`.

Read from top to bottom, it is the story of the project.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.config import Recipe
from gemma_poetry.errors import OutputError

# One wish for each regulated form; titles of the sample's own kind.
WISHES = (("五言绝句", "夜班"), ("七言绝句", "高铁过江"), ("五言律诗", "望空间站"), ("七言律诗", "秋日视频寄友"))
_WRITTEN = {"data", "run", "poems.txt"}


def quickstart(out: Path, recipe: Recipe) -> None:
    """Prepares, trains, evaluates, and writes poems.

    Args:
        out: The folder to write; an older quickstart is replaced, anything else refused.
        recipe: The recipe, `quickstart` unless the person chose another.

    Raises:
        OutputError: `out` holds something that no quickstart wrote, or cannot be written.
        GemmaPoetryError: Whatever the four verbs raise.
    """
    from rich.console import Console

    from gemma_poetry.evaluation.table import terminal_tables
    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.model.loading import DEFAULT_MODEL, load_model, load_tokenizer
    from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate
    from gemma_poetry.verbs.generate import plain_poem
    from gemma_poetry.verbs.prepare import prepare
    from gemma_poetry.verbs.train import train

    console = Console()
    _clear(out)
    data, run = out / "data", out / "run"

    console.rule("1 prepare: the embedded sample becomes DATA")
    stats = prepare("sample", data, recipe.prepare, load_tokenizer(DEFAULT_MODEL), DEFAULT_MODEL)
    console.print(f"{stats['kept']} poems, split without leaks: {stats['splits']}")

    console.rule(f"2 train: LoRA on {DEFAULT_MODEL}")
    manifest = train(data, DEFAULT_MODEL, run, recipe, recipe_name="quickstart")
    console.print(f"{manifest['steps']} steps in {manifest['wall_seconds']:.0f} s; the curve is {run / 'curve.png'}")

    console.rule("3 evaluate: base and tuned on poems that neither has seen")
    results = evaluate(EvaluateOptions(str(run), data, settings=recipe.evaluate, sampling=recipe.generate))
    for table in terminal_tables(results):
        console.print(table)

    console.rule("4 generate: form, tones and rhyme by construction")
    loaded = load_model(str(run))
    wishes = [PoemRequest(form=form, title=title) for form, title in WISHES]
    poems = [plain_poem(poem) for poem in PoemGenerator(loaded.model, loaded.tokenizer, recipe.generate).write(wishes)]
    write_text(out / "poems.txt", "\n\n".join(poems) + "\n")
    console.print("\n\n".join(poems))
    console.rule(f"all of it lies in {out}")


def _clear(out: Path) -> None:
    """Removes an older quickstart; refuses to remove anything else."""
    if not out.exists():
        return
    if not out.is_dir() or {path.name for path in out.iterdir()} - _WRITTEN:
        raise OutputError(
            "there is something here that quickstart did not write",
            where=out,
            expected="a new folder, or one of an older quickstart (it is replaced)",
            action="name another folder as --out",
        )
    shutil.rmtree(out)
