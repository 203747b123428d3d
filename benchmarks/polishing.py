"""Does polishing make poems better, by measures that it does not choose by as well as by those that it does?

    python benchmarks/polishing.py write --data DATA --form 七言绝句 --first 0 -n 25 --out FILE [--rounds 6] [--many 48]
    python benchmarks/polishing.py tell FILE ...

In: titles of the test split, drawn by one seed. `write` adds a JSON line for each to FILE: the poem that effort 3 writes, the
same polished, with `--many` also the best of so many particles, and the measures of each. `tell` puts files together. Out: a
Markdown table with means, differences to effort 3 of the same titles, and bootstrap intervals of 95%:

    ppl_char   perplexity a character of the poem under the model, no mask
    coherence  nats a character that the lines before make a line likelier
    usage      feet with a pair of characters that no poet uses
    own title  poems whose own title makes them likelier than each of nine others does; and the mean reciprocal rank
    parallel   couplets 2 and 3 of 律诗 that count as parallel by the table of counterparts
    seconds    of the processor
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import TokenizedPoem, encode_completion, encode_prompt
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.drafts import Draft
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.reranking import Candidate, Reranker
from gemma_poetry.generation.verification import form_kept
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.progress import track
from gemma_poetry.prosody.parallelism import parallelism

MEASURES = ("log_ppl", "closeness", "coherence", "usage", "first", "reciprocal", "parallel", "seconds")


def measured(loaded: Any, poem: Poem, titles: list[str], seconds: float) -> dict[str, Any]:
    """The measures of a poem whose title stands first among these."""
    merits = Reranker(loaded.model, loaded.tokenizer).assess(
        [Candidate(Conditions(poem.kind, poem.title), poem.form, poem.lines, poem.text)]
    )[0]
    completion = tuple(encode_completion(loaded.tokenizer, poem.text))
    samples = [TokenizedPoem(tuple(encode_prompt(loaded.tokenizer, Conditions(poem.kind, t))), completion) for t in titles]
    nats = [score.nll for score in score_completions(loaded.model, samples)]
    rank = 1 + sum(other < nats[0] for other in nats[1:])
    couplets = [parallelism(*poem.lines[first : first + 2]).parallel for first in (2, 4)] if len(poem.lines) == 8 else []
    return {
        "text": poem.text,
        "log_ppl": -merits.fluency,
        "closeness": merits.closeness,
        "coherence": merits.coherence,
        "usage": -merits.usage,
        "first": float(rank == 1),
        "reciprocal": 1 / rank,
        "parallel": sum(couplets) / len(couplets) if couplets else None,
        "seconds": seconds,
    }


def write(options: argparse.Namespace) -> None:
    loaded, guards = load_model(options.model), find_guards(options.model)
    generator = PoemGenerator(loaded.model, loaded.tokenizer, GenerateSettings(batch_size=options.many or 16), guards=guards)
    fitting = [p for p in load_poems(options.data, "test") if p.form == options.form and 2 <= len(p.title) <= 5]
    titles = list(dict.fromkeys(poem.title for poem in fitting))
    random.Random(1).shuffle(titles)
    with open(options.out, "a", encoding="utf-8") as stream:
        for number in track(range(options.first, options.first + options.n), options.form):
            title = titles[number]
            others = random.Random(number).sample([other for other in titles if other != title], 9)
            request = PoemRequest(options.form, title)
            found: dict[str, Any] = {"form": options.form, "title": title}
            begun = time.process_time()
            (one,) = generator.write([request], seed=number, best_of=16)
            taken = time.process_time() - begun
            found["effort 3"] = measured(loaded, one.poem, [title, *others], taken)
            begun = time.process_time()
            form = form_kept(one.poem.lines, one.request, one.prescription)
            draft = Draft(one.poem.lines, form, one.request, one.prescription)
            polished = generator.polisher.polish(draft, rounds=options.rounds, seed=number)
            taken += time.process_time() - begun
            poem = Poem(polished.lines, one.poem.marks, title=title, form=one.poem.form)
            found["polished"] = measured(loaded, poem, [title, *others], taken)
            found["changed"] = len(polished.changes)
            if options.many:
                begun = time.process_time()
                (one,) = generator.write([request], seed=number, best_of=options.many)
                found["many"] = measured(loaded, one.poem, [title, *others], time.process_time() - begun)
            stream.write(json.dumps(found, ensure_ascii=False) + "\n")
            stream.flush()


def interval(values: np.ndarray) -> tuple[float, float, float]:
    draw = np.random.default_rng(1)
    means = values[draw.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    return float(values.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def tell(options: argparse.Namespace) -> None:
    found = [json.loads(line) for path in options.files for line in path.read_text(encoding="utf-8").splitlines()]
    for form in dict.fromkeys(one["form"] for one in found):
        own = [one for one in found if one["form"] == form]
        print(f"{form}, lines changed of a poem {np.mean([one['changed'] for one in own]):.2f}\n")
        print("| way | n | measure | mean | difference to effort 3 |\n|---|---|---|---|---|")
        for way in ("effort 3", "polished", "many"):
            poems = [one for one in own if way in one]
            for name in MEASURES:
                if not poems or poems[0][way][name] is None:
                    continue
                values = np.array([one[way][name] for one in poems])
                base = np.array([one["effort 3"][name] for one in poems])
                shown, label = values.mean(), name
                if name == "log_ppl":
                    shown, label = math.exp(shown), "ppl_char (geometric mean; difference of its logarithm)"
                row = f"| {way} | {len(poems)} | {label} | {shown:.3f} | "
                print(row + ("" if way == "effort 3" else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*interval(values - base))) + " |")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write")
    writing.add_argument("--model", default="mini")
    writing.add_argument("--data", type=Path, required=True)
    writing.add_argument("--form", default="七言绝句")
    writing.add_argument("--first", type=int, default=0)
    writing.add_argument("-n", type=int, default=25)
    writing.add_argument("--rounds", type=int, default=6)
    writing.add_argument("--many", type=int, default=0)
    writing.add_argument("--out", type=Path, required=True)
    writing.set_defaults(run=write)
    telling = commands.add_parser("tell")
    telling.add_argument("files", type=Path, nargs="+")
    telling.set_defaults(run=tell)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
