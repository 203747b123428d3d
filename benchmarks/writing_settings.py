"""Which ways of writing make the poems that a model itself, and the tables of usage, find best?

    python benchmarks/writing_settings.py write --data DATA [--model MODEL] [--ways WAY ...] [--forms FORM ...] --out FILE
    python benchmarks/writing_settings.py tell FILE ... [--against WAY]

In: a model, and the DATA whose test poems lend their titles and forms. `write` adds a JSON line to FILE for each poem of each
way, those of the poets among them. Out of `tell`: a Markdown table for each form: means, and differences to one of the ways on
the same titles with bootstrap intervals of 95%:

    ppl_char   perplexity a character of the poem under the model, no mask (geometric mean; difference of its logarithm)
    closeness  nats a character that title and words make a poem likelier
    coherence  nats a character that the lines before make a line likelier
    usage      feet with a pair of characters that no poet uses
    own title  poems whose own title makes them likelier than each of nine others does; and the mean reciprocal rank
    parallel   couplets 2 and 3 of 律诗 that count as parallel by the table of counterparts
    changed    lines that polishing changed
    seconds    of the processor
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_samples
from gemma_poetry.generation import particles
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.drafts import Draft
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.reranking import Candidate, Reranker
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.progress import track
from gemma_poetry.prosody.parallelism import parallelism

POETS = "the poets"


@dataclass(frozen=True)
class Way:
    """A way to write."""

    settings: GenerateSettings
    best_of: int | None = None
    wish: PoemRequest = field(default_factory=PoemRequest)
    resample: bool = True
    rounds: int = 0


def _particles(count: int, **settings: Any) -> Way:
    return Way(GenerateSettings(**{"temperature": 0.65, "batch_size": count} | settings), best_of=count)


WAYS = {
    "once, shape alone": Way(GenerateSettings(effort=1), wish=PoemRequest(metre="free", novel=False)),
    "once, 0.8, any character twice": Way(GenerateSettings(temperature=0.8, effort=1), wish=PoemRequest(distinct=False)),
    "once, 0.65": Way(GenerateSettings(temperature=0.65, effort=1)),
    "best of 16, 0.65": replace(_particles(16), resample=False),
    "16 particles, 0.65": _particles(16),
    "16 particles, 0.65, nucleus 0.9": _particles(16, top_p=0.9),
    "16 particles, 0.8": _particles(16, temperature=0.8),
    "16 particles, 1.0, nucleus 0.9": _particles(16, temperature=1.0, top_p=0.9),
    "48 particles, 0.65": _particles(48),
    "16 particles, 0.65, polished": replace(_particles(16), rounds=6),
}


def measured(loaded: Any, poem: Poem, titles: Sequence[str]) -> dict[str, float]:
    """The measures of a poem whose title stands first among these."""
    candidate = Candidate(Conditions(poem.kind, poem.title), poem.form, poem.lines, poem.text)
    merits = Reranker(loaded.model, loaded.tokenizer).assess([candidate])[0]
    samples = encode_samples(loaded.tokenizer, ((Conditions(poem.kind, title), poem.text) for title in titles))
    own, *others = [score.nll for score in score_completions(loaded.model, list(samples))]
    rank = 1 + sum(other < own for other in others)
    found = {
        "ppl_char": -merits.fluency,
        "closeness": merits.closeness,
        "coherence": merits.coherence,
        "usage": -merits.usage,
        "own title": float(rank == 1),
        "reciprocal rank": 1 / rank,
    }
    if len(poem.lines) == 8:
        found["parallel"] = sum(parallelism(*poem.lines[first : first + 2]).parallel for first in (2, 4)) / 2
    return found


def written(generator: PoemGenerator, way: Way, form: str, title: str, seed: int) -> tuple[Poem, dict[str, float]]:
    """A poem, what it cost, and what polishing changed of it."""
    begun = time.process_time()
    (one,) = generator.write([replace(way.wish, form=form, title=title)], seed=seed, best_of=way.best_of)
    poem, told = one.poem, {}
    if way.rounds:
        draft = Draft(poem.lines, one.form, one.request, one.prescription)
        polished = generator.polisher.polish(draft, rounds=way.rounds, seed=seed)
        poem, told = replace(poem, lines=polished.lines), {"changed": float(len(polished.changes))}
    return poem, told | {"seconds": time.process_time() - begun}


def write(options: argparse.Namespace) -> None:
    loaded, guards = load_model(options.model), find_guards(options.model)
    poems = load_poems(options.data, "test")
    fitting = [p for p in poems if p.form in options.forms and 2 <= len(p.title) <= options.longest_title]
    humans = random.Random(options.seed).sample(fitting, min(options.n, len(fitting)))
    everyone = sorted({poem.title for poem in fitting})
    resampling = particles.ParticleDecoder._draw_again
    with open(options.out, "a", encoding="utf-8") as stream:
        for name in (POETS, *options.ways):
            way = WAYS.get(name, Way(GenerateSettings()))
            generator = PoemGenerator(loaded.model, loaded.tokenizer, way.settings, guards=guards)
            if not way.resample:
                particles.ParticleDecoder._draw_again = staticmethod(lambda *_: None)  # type: ignore[method-assign]
            for number, human in enumerate(track(humans, name)):
                poem, told = (human, {}) if name == POETS else written(generator, way, human.form, human.title, number)
                others = random.Random(number).sample([title for title in everyone if title != human.title], 9)
                measures = measured(loaded, poem, [human.title, *others]) | told
                record = {"way": name, "form": human.form, "title": human.title, "text": poem.text, "measures": measures}
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                stream.flush()
            particles.ParticleDecoder._draw_again = staticmethod(resampling)  # type: ignore[method-assign]


def tell(options: argparse.Namespace) -> None:
    from gemma_poetry.artifacts import read_jsonl
    from gemma_poetry.evaluation.statistics import Bootstrap, mean

    records = [record for path in options.files for record in read_jsonl(path)]
    for form in dict.fromkeys(record["form"] for record in records):
        found: dict[str, dict[tuple[str, int], dict[str, float]]] = {}
        for record in records:
            if record["form"] == form:
                poems = found.setdefault(record["way"], {})
                # Several poems have one title; each way writes to them in the same order.
                times = sum(title == record["title"] for title, _ in poems)
                poems[record["title"], times] = record["measures"]
        print(f"\n{form}\n\n| way to write | n | measure | mean | less {options.against} |\n|---|---|---|---|---|")
        for way, poems in found.items():
            for name in next(iter(poems.values())):
                value, apart = sum(one[name] for one in poems.values()) / len(poems), ""
                rivals = found.get(options.against, {})
                shared = [place for place in poems if name in rivals.get(place, {})]
                if shared and way != options.against:
                    rows = ([(of[place][name], 1) for place in shared] for of in (poems, rivals))
                    gap = Bootstrap([title for title, _ in shared], samples=2000, seed=1).difference(*rows, mean)
                    apart = f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
                print(f"| {way} | {len(poems)} | {name} | {math.exp(value) if name == 'ppl_char' else value:.3f} | {apart} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write")
    writing.add_argument("--model", default="mini")
    writing.add_argument("--data", type=Path, required=True)
    writing.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY", help=", ".join(WAYS))
    writing.add_argument("--forms", nargs="+", default=["七言绝句", "五言律诗"], metavar="FORM")
    writing.add_argument("-n", type=int, default=12, help="Titles; all that the test split has where these are fewer.")
    writing.add_argument("--longest-title", type=int, default=5, help="Characters of a title at most.")
    writing.add_argument("--seed", type=int, default=1)
    writing.add_argument("--out", type=Path, required=True)
    writing.set_defaults(run=write)
    telling = commands.add_parser("tell")
    telling.add_argument("files", type=Path, nargs="+")
    telling.add_argument("--against", default="16 particles, 0.65")
    telling.set_defaults(run=tell)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
