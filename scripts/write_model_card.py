"""Writes the README.md of a pretrained model from what its training and evaluation left behind.

    python scripts/write_model_card.py MODEL EVALUATION

In: a MODEL folder (manifest, curve) and the folder that `gemma-poetry evaluate --run MODEL --data DATA --out EVALUATION`
wrote. Out: `MODEL/README.md`: data and split hashes, recipe, curve, perplexities by form, and poems with fixed seeds as
they came, none left out.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import gemma_poetry as gp
from gemma_poetry.artifacts import read_json, write_text
from gemma_poetry.evaluation.curves import read_curve, series
from gemma_poetry.evaluation.records import LIKELIHOODS, Likelihood, read_records

# Twenty wishes: four regulated forms and four tunes. The titles are common ones; the seed of each is its number.
WISHES = [
    *[("五言绝句", title) for title in ("春晓", "夜雨", "山寺")],
    *[("七言绝句", title) for title in ("秋夜", "江行", "梅花")],
    *[("五言律诗", title) for title in ("送友人", "登高", "月夜")],
    *[("七言律诗", title) for title in ("春望", "怀古", "雪中寄友")],
    *[("菩萨蛮", title) for title in ("", "")],
    *[("浣溪沙", title) for title in ("", "")],
    *[("西江月", title) for title in ("", "")],
    *[("如梦令", title) for title in ("", "")],
]


def main(model: Path, evaluation: Path) -> None:
    """Writes the card."""
    manifest = read_json(model / "manifest.json")
    likelihoods = read_records(evaluation / LIKELIHOODS, Likelihood)
    sections = [
        _front(manifest),
        _data(manifest),
        _curve(model),
        _perplexities(likelihoods),
        _poems(model),
        _limits(),
    ]
    write_text(model / "README.md", "\n".join(sections))


def _front(manifest: dict) -> str:
    return f"""# {manifest["preset"]}

A Gemma 3 text model of {manifest["parameters"]:,} parameters with a character tokenizer of
{manifest["tokenizer"]["pieces"]:,} pieces (bytes for all other text), trained from scratch for classical Chinese poems in
simplified characters. The prompt names 体裁 (form or 词牌), and may name 题目, 作者 and 意象 (words to write about). Weights:
safetensors, bfloat16.
"""


def _data(manifest: dict) -> str:
    data, recipe = manifest["data"], manifest["recipe"]["pretrain"]
    hashes = "\n".join(f"| {name} | `{value}` |" for name, value in data["splits"].items())
    settings = "\n".join(f"| {name} | {value} |" for name, value in recipe.items())
    return f"""## Data

chinese-poetry (MIT) at commit `{data["source"]["commit"]}`: 全唐诗, 全宋诗, 宋词 and the smaller collections beside
them, as `gemma-poetry prepare` leaves them. Only `train.jsonl` was read for training; near-duplicates of validation and
test poems stand in their own splits. sha256 of the splits:

| file | sha256 |
|---|---|
{hashes}

## Training

{manifest["steps"]:,} steps, {manifest["tokens_seen"]:,} tokens.
{_beginning(manifest)}{_remarks(manifest)}
| setting | value |
|---|---|
{settings}
"""


def _beginning(manifest: dict) -> str:
    """What the run began with, as a sentence; nothing where it was random weights."""
    earlier = manifest.get("began_with")
    if not earlier:
        return ""
    grown = f" of {earlier['parameters']:,} parameters, from which it grew" if "parameters" in earlier else ""
    return (
        f"It began with the weights of an earlier run{grown}: {earlier['steps']:,} steps and {earlier['tokens_seen']:,} tokens "
        f"on the same training poems (`ppl_char` {earlier['validation']['ppl_char']:.1f} in validation), "
        "at a rate raised again.\n"
        + ("" if "began_with" not in earlier else _beginning(earlier).replace("It began", "That one began"))
    )


def _remarks(manifest: dict) -> str:
    """What the manifest says of interruptions and labels, as sentences."""
    return "".join(f"{manifest[name]}.\n" for name in ("machine", "sessions", "labels") if name in manifest)


def _curve(model: Path) -> str:
    points = read_curve(model / "curve.jsonl")
    steps, values = series(points, "ppl_char")
    rows = "\n".join(f"| {step:.0f} | {value:.1f} |" for step, value in dict(zip(steps, values)).items())
    return f"""## Curve

Perplexity a character on the first poems of the validation split, while training:

| step | ppl_char |
|---|---|
{rows}
"""


def _perplexities(likelihoods: list[Likelihood]) -> str:
    groups: dict[str, list[Likelihood]] = defaultdict(list)
    known = {
        "五言绝句",
        "七言绝句",
        "五言律诗",
        "七言律诗",
        "五言排律",
        "七言排律",
        "五言古诗",
        "七言古诗",
        "四言诗",
        "六言诗",
        "杂言诗",
        "曲",
    }
    for likelihood in likelihoods:
        groups["all forms"].append(likelihood)
        groups[likelihood.form if likelihood.form in known else "词"].append(likelihood)
    rows = "\n".join(
        f"| {form} | {len(group):,} | {_perplexity(group, 'tokens'):.1f} | {_perplexity(group, 'characters'):.1f} |"
        for form, group in sorted(groups.items(), key=lambda item: -len(item[1]))
    )
    return f"""## Perplexity on the test split

No poem of it, nor a near-duplicate of one, was in training. `ppl_token` counts terminators and punctuation, `ppl_char` spreads
all likelihood over the Han characters.

| form | poems | ppl_token | ppl_char |
|---|---|---|---|
{rows}
"""


def _perplexity(group: list[Likelihood], unit: str) -> float:
    return math.exp(sum(item.nll for item in group) / sum(getattr(item, unit) for item in group))


def _poems(model: Path) -> str:
    return "\n".join(
        [
            "## Poems as they came\n",
            "Twenty wishes, one poem each, seeds 1 to 20, default sampling; none was left out or mended.\n",
            *_written(model),
        ]
    )


def _written(model: Path) -> Iterator[str]:
    poet = gp.load(model)
    for seed, (form, title) in enumerate(WISHES, 1):
        (poem,) = poet.write(form, title=title, seed=seed)
        yield f"{seed}. {form}\n\n" + "\n".join("   " + line for line in poem.text().splitlines()) + "\n"


def _limits() -> str:
    return """## Limits

A small model: it keeps form, tones and rhyme because generation leaves it no choice, and it has learnt the diction of
the old poets, but it does not reason. Its poems drift from their titles, repeat stock images, and may not make sense as
a whole. It knows no modern words beyond what fine-tuning gives it. It reflects the views of its sources.
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
