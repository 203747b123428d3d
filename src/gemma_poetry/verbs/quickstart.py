"""`gemma-poetry quickstart`: the whole job on embedded data, with the embedded model or another, in minutes.

In: a recipe. Out: `OUT/data` (DATA), `OUT/run` (RUN with `curve.png` and `eval/results.json`), `OUT/poems.txt`, and a
manifest that names all of it.

Read from top to bottom, it is the story of the project.
"""

from __future__ import annotations

from pathlib import Path

from gemma_poetry.artifacts import growing_folder, write_text
from gemma_poetry.config import Recipe
from gemma_poetry.model.loading import DEFAULT_MODEL

# One wish for each regulated form; titles of the sample's own kind.
WISHES = (("五言绝句", "夜班"), ("七言绝句", "高铁过江"), ("五言律诗", "望空间站"), ("七言律诗", "秋日视频寄友"))
KIND = "quickstart"
DATA, RUN, POEMS = "data", "run", "poems.txt"


def quickstart(out: Path, recipe: Recipe, model: str = DEFAULT_MODEL, recipe_name: str = "quickstart") -> None:
    """Prepares, trains, evaluates, and writes poems.

    Args:
        out: The folder to write; an older quickstart is replaced, anything else refused.
        recipe: The recipe, `quickstart` unless the person chose another.
        model: The base model.
        recipe_name: The recipe's name, for the manifest.

    Raises:
        OutputError: `out` holds something that no quickstart wrote, or cannot be written.
        GemmaPoetryError: Whatever the four verbs raise.
    """
    with growing_folder(out, KIND, (DATA, RUN, POEMS)):
        _whole_job(out, recipe, model, recipe_name)


def _whole_job(out: Path, recipe: Recipe, model: str, recipe_name: str) -> None:
    from rich.console import Console

    from gemma_poetry.evaluation.table import terminal_tables
    from gemma_poetry.generation.carried_lines import find_guards
    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.model.loading import load_model, load_tokenizer
    from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate
    from gemma_poetry.verbs.generate import plain_poem
    from gemma_poetry.verbs.prepare import prepare
    from gemma_poetry.verbs.train import train

    console = Console()
    data, run = out / DATA, out / RUN

    console.rule("1 prepare: the embedded sample becomes DATA")
    stats = prepare("sample", data, recipe.prepare, load_tokenizer(model), model)
    console.print(f"{stats['kept']} poems, split without leaks: {stats['splits']}")

    console.rule(f"2 train: LoRA on {model}")
    manifest = train(data, model, run, recipe, recipe_name=recipe_name)
    console.print(f"{manifest['steps']} steps in {manifest['wall_seconds']:.0f} s; the curve is {run / 'curve.png'}")

    console.rule("3 evaluate: base and tuned on poems that neither has seen")
    results = evaluate(EvaluateOptions(str(run), data, settings=recipe.evaluate, sampling=recipe.generate))
    for table in terminal_tables(results):
        console.print(table)

    console.rule("4 generate: form, tones and rhyme by construction")
    loaded = load_model(str(run))
    wishes = [PoemRequest(form=form, title=title) for form, title in WISHES]
    generator = PoemGenerator(loaded.model, loaded.tokenizer, recipe.generate, guards=find_guards(str(run)))
    poems = [plain_poem(poem) for poem in generator.write(wishes)]
    write_text(out / POEMS, "\n\n".join(poems) + "\n")
    console.print("\n\n".join(poems))
    console.rule(f"all of it lies in {out}")
