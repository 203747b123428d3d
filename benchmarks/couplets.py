"""How parallel are the answers to upper lines of 律诗 that no model has read, beside those of their poets?

    python benchmarks/couplets.py write --data DATA [-n 200] [--answering 0,1] --out FILE
    python benchmarks/couplets.py tell FILE ...

In: couplets 2 and 3 of 律诗 of the test split. `write` adds a JSON line for each to FILE, with an answer for each strength;
`tell` puts files together. Out: a Markdown table, a row for the poets and one for each strength with which
answering characters are favoured (0: not at all), bootstrap intervals of 95%:

    parallel   couplets that count as parallel by `prosody.parallelism`
    places     places whose characters answer each other
    cosine     mean cosine of the embeddings of answering characters, which the table of counterparts has no part in
    compounds  compounds of the upper line that a compound answers
    repeats    couplets whose lower line repeats characters at the places of the upper one, and only there
    ppl_char   perplexity a character of the lower line after the upper one under the model, no mask
    usage      feet of the lower line with a pair of characters that no poet uses
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
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import TokenizedPoem, encode_completion, encode_prompt
from gemma_poetry.data.words import compounds, strange_pairs
from gemma_poetry.evaluation.statistics import Bootstrap, mean
from gemma_poetry.generation import answering
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.couplets import repeated_places
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.prosody.parallelism import parallelism

BLOCK = 8
"""Upper lines that are answered together."""


def measured(loaded: Any, upper: str, lower: str, form: str) -> dict[str, float]:
    found = parallelism(upper, lower)
    model, tokenizer = loaded.model, loaded.tokenizer
    prompt = encode_prompt(tokenizer, Conditions(form))
    before = encode_completion(tokenizer, f"{upper}，")[:-1]
    sample = TokenizedPoem((*prompt, *before), tuple(encode_completion(tokenizer, f"{lower}。")[:-1]))
    known = tokenizer.get_vocab()
    weight = model.get_input_embeddings().weight.detach().float()
    pairs = [(weight[known[a]], weight[known[b]]) for a, b in zip(upper, lower) if a in known and b in known]
    cosines = [float((a @ b) / (a.norm() * b.norm())) for a, b in pairs]
    asked = [place for place in range(len(upper) - 1) if upper[place : place + 2] in compounds()]
    return {
        "parallel": float(found.parallel),
        "places": found.share,
        "cosine": float(np.mean(cosines)),
        "compounds": float(np.mean([lower[place : place + 2] in compounds() for place in asked])) if asked else math.nan,
        "repeats": float(repeated_places(upper) == repeated_places(lower)),
        "ppl_char": score_completions(model, [sample])[0].nll / len(lower),
        "usage": strange_pairs([lower]) / (len(lower) // 2),
    }


def shown(values: np.ndarray, *, exponential: bool = False) -> str:
    values = values[~np.isnan(values)]
    found = Bootstrap([str(number) for number in range(len(values))], samples=2000, seed=1)
    estimate = found.estimate([(value, 1) for value in values], mean)
    figures = [estimate.value, estimate.low, estimate.high]
    if exponential:
        return "{:.1f} [{:.1f}, {:.1f}]".format(*np.exp(figures))
    return "{:.1%} [{:.1%}, {:.1%}]".format(*figures)


def write(options: argparse.Namespace) -> None:
    loaded, guards = load_model(options.model), find_guards(options.model)
    settings = GenerateSettings(batch_size=16 * BLOCK)
    generator = PoemGenerator(loaded.model, loaded.tokenizer, settings, guards=guards)
    octaves = [poem for poem in load_poems(options.data, options.split) if poem.form in ("五言律诗", "七言律诗")]
    random.Random(options.seed).shuffle(octaves)
    places = range(options.first, options.first + options.n)
    with open(options.out, "a", encoding="utf-8") as stream:
        for begin in range(0, len(places), BLOCK):
            block = [(octaves[place], 2 + 2 * (place % 2)) for place in places[begin : begin + BLOCK]]
            found: list[dict[str, Any]] = [
                {"form": poem.form, "upper": poem.lines[first], "the poets": poem.lines[first + 1]} for poem, first in block
            ]
            for strength in map(float, options.answering.split(",")):
                answering.ANSWERING, answering.COMPOUND = strength, 0.7 * strength
                begun = time.process_time()
                written = generator.write([PoemRequest(answer=one["upper"]) for one in found], seed=begin)
                for one, answer in zip(found, list(written)):
                    one[f"answers, {strength:g}"] = answer.poem.lines[1]
                    one[f"seconds, {strength:g}"] = (time.process_time() - begun) / len(block)
            stream.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in found)
            stream.flush()


def tell(options: argparse.Namespace) -> None:
    loaded = load_model(options.model)
    found = [json.loads(line) for path in options.files for line in path.read_text(encoding="utf-8").splitlines()]
    print(f"{len(found)} upper lines\n")
    print("| lower lines | parallel | places | cosine | compounds | repeats | ppl_char | usage |")
    print("|---|---|---|---|---|---|---|---|")
    for name in ("the poets", *(name for name in found[0] if name.startswith("answers"))):
        rows = [measured(loaded, one["upper"], one[name], one["form"]) for one in found]
        figures = [shown(np.array([row[key] for row in rows]), exponential=key == "ppl_char") for key in rows[0]]
        print(f"| {name} | " + " | ".join(figures) + " |")
    for name in (name for name in found[0] if name.startswith("seconds")):
        print(f"{name}: {np.mean([one[name] for one in found]):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="mini")
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write")
    writing.add_argument("--data", type=Path, required=True)
    writing.add_argument("--split", default="test")
    writing.add_argument("--first", type=int, default=0)
    writing.add_argument("-n", type=int, default=200)
    writing.add_argument("--answering", default="0,1")
    writing.add_argument("--seed", type=int, default=1)
    writing.add_argument("--out", type=Path, required=True)
    writing.set_defaults(run=write)
    telling = commands.add_parser("tell")
    telling.add_argument("files", type=Path, nargs="+")
    telling.set_defaults(run=tell)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
