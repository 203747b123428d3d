"""How parallel are the answers to upper lines of 律诗 that no model has read, beside those of their poets?

    python benchmarks/couplets.py --data DATA [-n 200] [--answering 0,1.5] [--poems FILE]

In: couplets 2 and 3 of 律诗 of the test split. Out: a Markdown table, a row for the poets and one for each strength with which
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
from gemma_poetry.generation import logits_processor
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.couplets import repeated_places
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.prosody.parallelism import parallelism


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
    draw = np.random.default_rng(1)
    means = values[draw.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    figures = [float(values.mean()), *np.quantile(means, [0.025, 0.975])]
    if exponential:
        return "{:.1f} [{:.1f}, {:.1f}]".format(*np.exp(figures))
    return "{:.1%} [{:.1%}, {:.1%}]".format(*figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--answering", default="0,1.5")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--poems", type=Path)
    options = parser.parse_args()
    loaded, guards = load_model(options.model), find_guards(options.model)
    generator = PoemGenerator(loaded.model, loaded.tokenizer, GenerateSettings(batch_size=16), guards=guards)
    octaves = [poem for poem in load_poems(options.data, options.split) if poem.form in ("五言律诗", "七言律诗")]
    drawn = random.Random(options.seed).sample(octaves, options.n)
    couplets = [(poem.form, *poem.lines[first : first + 2]) for poem, first in zip(drawn, [2, 4] * options.n)]
    written: dict[str, list[tuple[str, str]]] = {"the poets": [(upper, lower) for _, upper, lower in couplets]}
    seconds = {"the poets": ""}
    for strength in map(float, options.answering.split(",")):
        logits_processor.ANSWERING, logits_processor.COMPOUND = strength, strength / 1.5
        begun = time.process_time()
        poems = [one.poem.lines for one in generator.write([PoemRequest(answer=u) for _, u, _ in couplets], seed=options.seed)]
        name = f"answers, {strength:g}"
        written[name] = [(upper, lower) for upper, lower in poems]
        seconds[name] = f"{(time.process_time() - begun) / len(poems):.2f}"
    print("| lower lines | parallel | places | cosine | compounds | repeats | ppl_char | usage | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, pairs in written.items():
        rows = [measured(loaded, upper, lower, form) for (upper, lower), (form, _, _) in zip(pairs, couplets)]
        figures = [shown(np.array([row[key] for row in rows]), exponential=key == "ppl_char") for key in rows[0]]
        print(f"| {name} | " + " | ".join(figures) + f" | {seconds[name]} |")
    if options.poems:
        rows = [[f"{upper}，{lower}。" for upper, lower in pairs] for pairs in written.values()]
        text = "".join(json.dumps(dict(zip(written, row)), ensure_ascii=False) + "\n" for row in zip(*rows))
        options.poems.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
