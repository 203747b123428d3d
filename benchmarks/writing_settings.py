"""Which settings write the poems that read best?

    python benchmarks/writing_settings.py --model MODEL --data DATA [-n 12] [--poems FILE]

In: a model, and the DATA whose test poems lend their titles and forms. Out: a Markdown table, a row for each way to write and
one for the poets themselves:

    ppl_char   perplexity a character of the poem under the model, no mask
    coherence  nats a character that the lines before make a line likelier
    usage      feet with a pair of characters that no poet uses
    own title  poems whose own title makes them likelier than each of nine others does
    seconds    of the processor, for a poem

`--poems` also writes all of them, for reading.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import TokenizedPoem, encode_completion, encode_prompt
from gemma_poetry.generation import particles
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.reranking import Candidate, Reranker
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.progress import track


@dataclass(frozen=True)
class Way:
    """A way to write."""

    name: str
    settings: GenerateSettings
    distinct: bool = True
    resample: bool = True
    best_of: int | None = None


WAYS = [
    Way("once, 0.8, any character twice", GenerateSettings(temperature=0.8, effort=1), distinct=False),
    Way("once, 0.65", GenerateSettings(temperature=0.65, effort=1)),
    Way("best of 16, 0.65", GenerateSettings(temperature=0.65, batch_size=16), resample=False, best_of=16),
    Way("16 particles, 0.65", GenerateSettings(temperature=0.65, batch_size=16), best_of=16),
    Way("16 particles, 0.65, nucleus 0.9", GenerateSettings(temperature=0.65, top_p=0.9, batch_size=16), best_of=16),
    Way("16 particles, 0.8", GenerateSettings(temperature=0.8, batch_size=16), best_of=16),
    Way("16 particles, 1.0, nucleus 0.9", GenerateSettings(temperature=1.0, top_p=0.9, batch_size=16), best_of=16),
    Way("48 particles, 0.65", GenerateSettings(temperature=0.65, batch_size=48), best_of=48),
]


def own_titles(loaded: Any, poems: Sequence[Poem], titles: Sequence[str], seed: int) -> float:
    """The share of poems that their own title makes likelier than each of nine others."""
    first = 0
    draw = random.Random(seed)
    for poem in poems:
        others = draw.sample([title for title in titles if title != poem.title], min(9, len(set(titles)) - 1))
        samples = [
            TokenizedPoem(
                tuple(encode_prompt(loaded.tokenizer, Conditions(poem.kind, title))),
                tuple(encode_completion(loaded.tokenizer, poem.text)),
            )
            for title in [poem.title, *others]
        ]
        nats = [score.nll for score in score_completions(loaded.model, samples)]
        first += nats[0] == min(nats)
    return first / len(poems)


def row(loaded: Any, name: str, poems: Sequence[Poem], titles: Sequence[str], seconds: str) -> str:
    reranker = Reranker(loaded.model, loaded.tokenizer)
    merits = reranker.assess([Candidate(Conditions(poem.kind, poem.title), poem.form, poem.lines, poem.text) for poem in poems])
    means = [
        f"{statistics.mean(one.ppl_char for one in merits):.1f}",
        f"{statistics.mean(one.coherence for one in merits):.2f}",
        f"{-statistics.mean(one.usage for one in merits):.1%}",
        f"{own_titles(loaded, poems, titles, 1):.0%}",
        seconds,
    ]
    return f"| {name} | " + " | ".join(means) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-n", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--poems", type=Path)
    options = parser.parse_args()
    loaded = load_model(options.model)
    guards = find_guards(options.model)
    fitting = [p for p in load_poems(options.data, "test") if p.form in ("七言绝句", "五言律诗") and 2 <= len(p.title) <= 5]
    humans = random.Random(options.seed).sample(fitting, options.n)
    titles = [poem.title for poem in humans]
    print("| way to write | ppl_char | coherence | usage | own title | seconds |\n|---|---|---|---|---|---|")
    print(row(loaded, "the poets", humans, titles, ""), flush=True)
    written: list[dict[str, Any]] = []
    resampling = particles.ParticleDecoder._draw_again
    for way in WAYS:
        if not way.resample:
            particles.ParticleDecoder._draw_again = staticmethod(lambda *_: None)  # type: ignore[method-assign]
        generator = PoemGenerator(loaded.model, loaded.tokenizer, way.settings, guards=guards)
        requests = [PoemRequest(poem.form, poem.title, distinct=way.distinct) for poem in humans]
        begun = time.process_time()
        drafts = generator.write(requests, seed=options.seed, best_of=way.best_of)
        poems = [one.poem for one in track(drafts, way.name, len(requests))]
        seconds = (time.process_time() - begun) / len(poems)
        particles.ParticleDecoder._draw_again = staticmethod(resampling)  # type: ignore[method-assign]
        print(row(loaded, way.name, poems, titles, f"{seconds:.2f}"), flush=True)
        written += [{"way": way.name, "title": poem.title, "text": poem.text} for poem in poems]
    written += [{"way": "the poets", "title": poem.title, "text": poem.text} for poem in humans]
    if options.poems:
        options.poems.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in written), encoding="utf-8")


if __name__ == "__main__":
    main()
