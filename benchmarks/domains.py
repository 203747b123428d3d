"""Perplexity before and after, and conformity of form, for every domain, on its embedded sample.

In: nothing, or domains by name, a base, a backend. Out: a Markdown table on standard output, a row as soon as it is measured.
Run from the repository's root:

    python -m benchmarks.domains [DOMAIN ...] [--model MODEL | --tokenizer FOLDER] [--steps 200] [--texts 4] [--backend keras]

Without `--model` the base is a random Gemma 3 of two layers and hidden size 128: over the tokenizer of a folder (that of a
published Gemma, say), or over a multilingual BPE of 3,000 pieces trained on the samples themselves. The figures tell that the
job works in every language, not how good a published Gemma would be. With `--model` (mini) it is a real one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gemma_poetry.config import Recipe, load_recipe
from gemma_poetry.domains.domain import Domain
from gemma_poetry.domains.registry import domain_names, load_domain
from gemma_poetry.evaluation.references import HUMAN
from gemma_poetry.evaluation.statistics import Estimate
from gemma_poetry.evaluation.table import estimate_text
from gemma_poetry.model.loading import load_tokenizer
from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate
from gemma_poetry.verbs.prepare import prepare
from tests.multilingual import sample_texts, save_multilingual_gemma, save_random_gemma

DOMAINS = domain_names()[:5]
SAMPLED = [name for name in DOMAINS if load_domain(name).sample() is not None]
SETTINGS = [
    "prepare.validation_share=0.1",
    "prepare.test_share=0.2",
    "train.batch_size=8",
    "train.warmup_steps=5",
    "train.evaluation_steps=1000",
    "lora.rank=16",
    "lora.targets=[q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]",
    "evaluate.perplexity_poems=200",
    "evaluate.bootstrap_samples=1000",
]
HEADS = ["domain", "base", "backend", "texts (train/val/test)", "ppl_token base", "tuned", "unit", "ppl a unit base", "tuned"]
HEADS += ["form kept by base", "by tuned", "by held-out texts", "time"]


def main() -> None:
    """Prints one row a domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domains", nargs="*", help="default: all, or those whose samples a random base over them knows")
    parser.add_argument("--model", help="the base; default: a random one")
    parser.add_argument("--tokenizer", type=Path, help="a folder with the tokenizer of the random base")
    parser.add_argument("--backend", choices=("transformers", "keras"), default="transformers")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--texts", type=int, default=4)
    parser.add_argument(
        "--learning-rate", type=float, default=None, help="default: 0.01 of a random base, 0.0005 of a real one"
    )
    arguments = parser.parse_args()
    rate = arguments.learning_rate or (5e-4 if arguments.model else 0.01)
    changes = [
        f"train.max_steps={arguments.steps}",
        f"train.learning_rate={rate}",
        f"evaluate.generation_poems={arguments.texts}",
    ]
    recipe = load_recipe(None, [*SETTINGS, *changes])
    print(f"| {' | '.join(HEADS)} |\n|---|---|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        base = arguments.model or str(_random_base(Path(folder) / "base", arguments.tokenizer))
        shown = arguments.model or ("random, " + (arguments.tokenizer.name if arguments.tokenizer else "3,000 pieces"))
        for name in arguments.domains or (DOMAINS if arguments.model or arguments.tokenizer else SAMPLED):
            cells = _measure(load_domain(name), base, Path(folder) / name, recipe, arguments.backend)
            print(f"| {' | '.join([name, shown, arguments.backend, *cells])} |", flush=True)


def _random_base(folder: Path, tokenizer: Path | None) -> Path:
    if tokenizer is not None:
        return save_random_gemma(folder, load_tokenizer(str(tokenizer)), hidden=128, spread=0.1)
    return save_multilingual_gemma(folder, sample_texts(SAMPLED), hidden=128)


def _measure(domain: Domain, base: str, folder: Path, recipe: Recipe, backend: str) -> list[str]:
    data, run = folder / "data", folder / "run"
    began = time.monotonic()
    stats = prepare("sample", data, recipe.prepare, load_tokenizer(base), base, domain)
    if backend == "keras":
        from gemma_poetry.verbs.train_keras import train_with_keras

        train_with_keras(data, base, run, recipe)
        # What KerasHub trained leaves as a folder of Hugging Face, so that one judge sees both.
        options = EvaluateOptions(
            str(run / "merged"), data, recipe.evaluate, recipe.generate, out=folder / "eval", others=(base,)
        )
    else:
        from gemma_poetry.verbs.train import train

        train(data, base, run, recipe)
        options = EvaluateOptions(str(run), data, recipe.evaluate, recipe.generate)
    systems = evaluate(options).systems
    if backend == "keras":
        after, before = (name for name in systems if name != HUMAN)
    else:
        before, after = "base", "tuned"
    unit = f"ppl_{domain.unit}"
    return [
        "/".join(str(count) for count in stats["splits"].values()),
        *(estimate_text("ppl_token", systems[system]["ppl_token"]) for system in (before, after)),
        domain.unit,
        *(estimate_text(unit, systems[system][unit]) for system in (before, after)),
        *(_kept(systems.get(system, {})) for system in (before, after, HUMAN)),
        f"{time.monotonic() - began:.0f} s",
    ]


def _kept(figures: Mapping[str, Estimate]) -> str:
    """The share of texts that keep their form; of poems under tones all rules of it, which evaluation leaves to the model."""
    found: Any = figures.get("conforms") or figures.get("metre_any")
    return f"{estimate_text('conforms', found)} (n {found.n})" if found else "not judged"


if __name__ == "__main__":
    main()
