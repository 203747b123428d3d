"""Asks for words in every form, and counts what comes of it: granted and obeyed, or refused at once with the reason.

    python benchmarks/words.py [--model MODEL] [-n 500] [--seed 1]

In: a model with the list of its known lines. Out: how many requests with one to four words that must stand in the poem were
granted, how many of these hold every word and keep their form under every reading, how many were refused and why, and how
long refusals took. Words are drawn from those that poets use, from the list of modern life, and, one in twenty, from
characters that hardly any poem has; forms from all that can be asked for by name.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.script import convert
from gemma_poetry.data.words import compounds, modern_company
from gemma_poetry.errors import GenerationError, UsageError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.poem_generator import GeneratedPoem, PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.model.loading import load_model
from gemma_poetry.progress import track
from gemma_poetry.prosody.forms import FIXED_SHAPES
from gemma_poetry.prosody.lexicon import lexicon
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.tunes import shipped_tunes

BATCH = 25
OPEN = ("四言诗", "五言古诗", "六言诗", "七言古诗", "五言排律", "七言排律")


def draw_request(draw: random.Random) -> PoemRequest:
    """A request of a form drawn at random, tunes as often as all other forms, with one to four words."""
    common, modern = sorted(compounds()), sorted({word for company in modern_company().values() for word in company})
    rare = sorted(char for char in lexicon().rhymes if ord(char) <= 0xFFFF)
    words: dict[str, None] = {}
    for _ in range(draw.randint(1, 4)):
        kind = draw.random()
        word = draw.choice(rare if kind < 0.05 else modern if kind < 0.3 else common)
        words[draw.choice(word) if kind > 0.8 else word] = None
    form = draw.choice(sorted(shipped_tunes().judged)) if draw.random() < 0.5 else draw.choice([*FIXED_SHAPES, *OPEN])
    return PoemRequest(form, title=draw.choice(["", "秋夜", "高铁", "山中"]), must=tuple(words))


def write_all(
    generator: PoemGenerator, requests: Sequence[PoemRequest], seed: int
) -> Iterator[tuple[PoemRequest, GeneratedPoem | None]]:
    """Each request with its poem; `None` where it met dead ends only. A batch that has such a one is written one by one."""
    bar = track(range(0, len(requests), BATCH), "Writing", math.ceil(len(requests) / BATCH))
    for begin in bar:
        batch = requests[begin : begin + BATCH]
        try:
            yield from zip(batch, list(generator.write(batch, seed=seed)))
        except GenerationError:
            for request in batch:
                try:
                    yield request, next(iter(generator.write([request], seed=seed)))
                except GenerationError:
                    yield request, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="mini")
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--effort", type=int, default=1)
    options = parser.parse_args()
    loaded = load_model(options.model)
    settings = GenerateSettings(effort=options.effort)
    generator = PoemGenerator(loaded.model, loaded.tokenizer, settings, guards=find_guards(options.model))
    draw = random.Random(options.seed)
    granted: list[PoemRequest] = []
    refused: Counter[str] = Counter()
    longest, examples = 0.0, {}
    for request in track((draw_request(draw) for _ in range(options.n)), "Placing words", options.n):
        begun = time.process_time()
        try:
            granted.append(generator.planner.place(request, 1)[0])
        except UsageError as refusal:
            longest = max(longest, time.process_time() - begun)
            reason = refusal.found.translate({ord(word): "字" for word in "".join(request.must)})
            refused[" ".join(reason.split()[-6:])] += 1
            examples.setdefault(refusal.found, request)
    obeyed, failures = 0, []
    for request, one in write_all(generator, granted, options.seed):
        if one is None:
            failures.append((request, "a dead end"))
            continue
        lines = one.poem.lines
        judged = one.poem.tune or one.poem.form in FIXED_SHAPES or one.poem.form.endswith("排律")
        kept = not judged or (scan(lines, one.poem.kind).verdict == "strict" and scan(lines, one.poem.kind).every_reading)
        # Rare words are drawn in traditional characters; the poem is in simplified ones.
        words = convert(request.must, "simplified")
        if kept and all(any(word in line for line in convert(lines, "simplified")) for word in words):
            obeyed += 1
        else:
            failures.append((request, "".join(lines)))
    print(f"{options.n} requests: {len(granted)} granted, {obeyed} of them obeyed; {sum(refused.values())} refused")
    print(f"the longest refusal took {longest:.2f} s of processor time")
    for found in list(examples)[:12]:
        print(f"  refused: {found}")
    for request, failure in failures:
        print(f"  NOT OBEYED: {request.form} {request.must} {request.placed}: {failure}")


if __name__ == "__main__":
    main()
