"""Perplexity before and after, and conformity of form, for every domain, on its embedded sample.

In: nothing, or domains by name. Out: a Markdown table on standard output. Run from the repository's root:

    python -m benchmarks.domains [DOMAIN ...] [--steps 60] [--texts 8]

The base is a random Gemma 3 of two layers and hidden size 128 over a multilingual BPE of 3,000 pieces, trained on the
samples themselves: the figures tell that the job works in every language, not how good a published Gemma would be.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from gemma_poetry.config import load_recipe
from gemma_poetry.domains.registry import load_domain
from gemma_poetry.evaluation.table import estimate_text
from gemma_poetry.model.base import load_tokenizer
from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate
from gemma_poetry.verbs.prepare import prepare
from gemma_poetry.verbs.train import train
from tests.multilingual import sample_texts, save_multilingual_gemma

DOMAINS = ["modern-chinese-poetry", "prose", "english-verse", "japanese-haiku"]
SETTINGS = [
    "prepare.validation_share=0.1",
    "prepare.test_share=0.2",
    "train.batch_size=8",
    "train.learning_rate=0.01",
    "train.warmup_steps=5",
    "lora.rank=16",
    "lora.targets=[q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]",
    "evaluate.bootstrap_samples=1000",
]


def main() -> None:
    """Prints one row a domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domains", nargs="*", default=DOMAINS)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--texts", type=int, default=8)
    arguments = parser.parse_args()
    recipe = load_recipe(
        None, [*SETTINGS, f"train.max_steps={arguments.steps}", f"evaluate.generation_poems={arguments.texts}"]
    )
    heads = ["domain", "texts (train/val/test)", "unit", "ppl_token base", "tuned", "ppl a unit base", "tuned"]
    rows = [f"| {' | '.join([*heads, 'form kept by tuned', 'by held-out texts', 'time'])} |", "|---|---|---|" + "--:|" * 7]
    with tempfile.TemporaryDirectory() as folder:
        base = save_multilingual_gemma(Path(folder) / "base", sample_texts(DOMAINS), hidden=128)
        for name in arguments.domains:
            domain = load_domain(name)
            data, run = Path(folder) / name / "data", Path(folder) / name / "run"
            began = time.monotonic()
            stats = prepare("sample", data, recipe.prepare, load_tokenizer(str(base)), str(base), domain)
            train(data, str(base), run, recipe)
            systems = evaluate(EvaluateOptions(str(run), data, recipe.evaluate, recipe.generate)).systems
            unit = f"ppl_{domain.unit}"
            cells = [
                name,
                "/".join(str(count) for count in stats["splits"].values()),
                domain.unit,
                *(
                    estimate_text(metric, systems[system][metric])
                    for metric in ("ppl_token", unit)
                    for system in ("base", "tuned")
                ),
                *(estimate_text("conforms", systems[system].get("conforms")) for system in ("tuned", "human")),
            ]
            cells.append(f"{time.monotonic() - began:.0f} s")
            rows.append(f"| {' | '.join(cells)} |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
