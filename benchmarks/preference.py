"""Does a model write better poems once it has learnt from preference?

    pip install -e '.[train,bench]'
    python benchmarks/preference.py pairs --model mini --data DATA --out PAIRS.jsonl [--study STUDY]
    python benchmarks/preference.py train --model mini --pairs PAIRS.jsonl --source best-worst --out ADAPTER
    python benchmarks/preference.py measure --model mini --data DATA --adapter ADAPTER ... --effort 1 --out POEMS.jsonl

    pairs     titles of train.jsonl, N poems a title ──> PAIRS.jsonl: form, title, the text that is preferred, the other one
    train     PAIRS.jsonl, a model or RUN ──DPO by TRL's trainer, LoRA──> ADAPTER/, to be named wherever a model is
    measure   titles of test.jsonl, the model and the adapters ──> a table for each judge; differences from the start with
              paired 95% intervals

Pairs have three sources. `best-worst`: of N poems that the model writes at effort 1, those with most and least merits
(`generation.reranking`). `human`: the poet's own poem of the title before the best of N. `rated`: what raters of a STUDY of
`gemma-poetry rate` preferred. Titles of the first two are those of train.jsonl that the held-out splits do not have.

Whoever learns from the merits of a judge may learn the judge's weaknesses, and poems may grow alike: so `measure` takes
several judges, one of them best another model than taught, and tells how many characters and pairs are different.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import read_jsonl, write_json, write_jsonl
from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_completion, encode_prompt, encode_samples, prompt_text
from gemma_poetry.evaluation.diversity import distinct, self_bleu_sums
from gemma_poetry.evaluation.human.answers import Answer, AnswerStore
from gemma_poetry.evaluation.human.gathering import gather
from gemma_poetry.evaluation.human.ratings import OVERALL, with_overall
from gemma_poetry.evaluation.human.study import ANSWERS, Item, Key, Study, read_key, read_study
from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.references import as_generation
from gemma_poetry.evaluation.statistics import Bootstrap, Difference, Floats, jackknife, mean
from gemma_poetry.evaluation.titles import rank_title, title_choices

FORMS = ("七言绝句", "五言律诗")
BEST_WORST, HUMAN, RATED = "best-worst", "human", "rated"
SOURCES = (BEST_WORST, HUMAN, RATED)
START = "start"
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two poems of one title, one of them preferred.

    Attributes:
        source: One of `SOURCES`.
        form: 体裁 or 词牌.
        title: 题目.
        chosen: The running text that is preferred.
        rejected: The other one.
    """

    source: str
    form: str
    title: str
    chosen: str
    rejected: str


def draw_poems(poems: Iterable[Poem], taken: Iterable[str], count: int, seed: int) -> list[Poem]:
    """Poems whose titles are written to: of `FORMS`, each title once, none of those that are taken.

    Args:
        poems: Where they are drawn from.
        taken: Titles that may not come.
        count: At most how many.
        seed: Seed of the draw.
    """
    fitting = [poem for poem in poems if poem.form in FORMS and not poem.tune and 2 <= len(poem.title) <= 8]
    random.Random(seed).shuffle(fitting)
    seen, drawn = set(taken), []
    for poem in fitting:
        if len(drawn) < count and poem.title not in seen:
            seen.add(poem.title)
            drawn.append(poem)
    return drawn


def written_pairs(poem: Poem, texts: Sequence[str], totals: Sequence[float]) -> list[Pair]:
    """Best before worst of what a model wrote to a poet's title, and the poet before the best; never a text before itself.

    Args:
        poem: The poet's poem.
        texts: The running texts of the model's.
        totals: What speaks for each.
    """
    order = sorted(range(len(texts)), key=lambda place: totals[place])
    best, worst = texts[order[-1]], texts[order[0]]
    pairs = ((BEST_WORST, best, worst), (HUMAN, poem.text, best))
    return [Pair(source, poem.form, poem.title, *texts) for source, *texts in pairs if texts[0] != texts[1]]


def rated_pairs(study: Study, key: Key, answers: Sequence[Answer]) -> Iterator[Pair]:
    """What raters preferred: by their choices between two poems of a title, else by the means of their ratings.

    Checks and repeats take no part, nor do poems that as many preferred as not.
    """
    gathered = gather(study, key, answers, {})
    items = {(one.title, one.system): item for item, one in key.sources.items() if not one.shuffled_from and not one.repeats}
    choices: dict[tuple[str, str, str], float] = defaultdict(float)
    for choice in gathered.choices:
        choices[choice.title, choice.first, choice.second] += choice.won - 0.5
    steps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for rating in with_overall(gathered.ratings):
        if rating.aspect == OVERALL:
            steps[rating.title, rating.system].append(rating.step)
    for title in dict.fromkeys(title for title, _ in items):
        for one, other in combinations([system for system in key.systems if (title, system) in items], 2):
            margin = choices[title, one, other] - choices[title, other, one]
            if not margin and steps[title, one] and steps[title, other]:
                margin = statistics.mean(steps[title, one]) - statistics.mean(steps[title, other])
            first, second = (study.items[items[title, system]] for system in (one, other))
            chosen, rejected = (first, second) if margin > 0 else (second, first)
            if margin and running(chosen) != running(rejected):
                yield Pair(RATED, chosen.form, chosen.title, running(chosen), running(rejected))


def running(text: Item | Generation) -> str:
    """The running text: each line with its mark."""
    return "".join(map("".join, zip(text.lines, text.marks)))


def make_pairs(model: str, data: Path, titles: int, each: int, seed: int) -> Iterator[Pair]:
    """Pairs of what a model writes at effort 1, and of poets' poems."""
    from gemma_poetry.generation.reranking import Candidate, Reranker, total_merits
    from gemma_poetry.model.loading import load_model

    taken = [poem.title for split in ("val", "test") for poem in load_poems(data, split)]
    poems = draw_poems(load_poems(data, "train"), taken, titles, seed)
    loaded = load_model(model)
    reranker = Reranker(loaded.model, loaded.tokenizer)
    texts = write(loaded, model, [poem for poem in poems for _ in range(each)], 1, seed)
    for poem in poems:
        own = [next(texts) for _ in range(each)]
        candidates = [Candidate(Conditions(poem.form, poem.title), poem.form, one.lines, running(one)) for one in own]
        totals = total_merits(reranker.assess(candidates))
        yield from written_pairs(poem, [running(one) for one in own], totals.tolist())


def write(loaded: Any, guarded: str, poems: Sequence[Poem], effort: int, seed: int) -> Iterator[Generation]:
    """What a model writes to the titles of poems, one a poem, in their order."""
    from gemma_poetry.generation.carried_lines import find_guards
    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.progress import track

    settings = GenerateSettings(effort=effort, batch_size=64)
    generator = PoemGenerator(loaded.model, loaded.tokenizer, settings, guards=find_guards(guarded))
    requests = [PoemRequest(poem.form, poem.title, offer_words=False) for poem in poems]
    written = track(generator.write(requests, seed=seed), "Writing", len(requests))
    for poem, one in zip(poems, written):
        yield as_generation("", Protocol.TITLE, poem, one.poem.lines, one.poem.marks)


def train(model: str, pairs: Sequence[Pair], out: Path, rate: float, beta: float, epochs: float, seed: int) -> dict[str, float]:
    """DPO on the adapter of a RUN, or on a fresh one; the start is what it is held against (`beta`).

    Returns:
        What TRL told of the last five steps: loss, accuracy and margin of the rewards.
    """
    from datasets import Dataset
    from transformers.utils.logging import set_verbosity_error
    from trl import DPOConfig, DPOTrainer

    from gemma_poetry.config import LoraSettings
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter

    set_verbosity_error()
    loaded = load_model(model, dtype="float32")
    tokenizer = loaded.tokenizer
    # TRL holds a `PeftModel` against a copy of its adapter, which says nothing yet where it is fresh.
    policy = loaded.model if loaded.adapted else add_adapter(loaded.model, LoraSettings(rank=16, alpha=32), seed)[0]
    for name, weight in policy.named_parameters():
        weight.requires_grad_("lora_" in name)
    begin = "" if tokenizer("")["input_ids"] else tokenizer.bos_token
    prompts = [begin + prompt_text(tokenizer, Conditions(one.form, one.title)) for one in pairs]
    rows = [{"prompt": prompt, "chosen": one.chosen, "rejected": one.rejected} for prompt, one in zip(prompts, pairs)]
    trainer = DPOTrainer(
        model=policy,
        args=DPOConfig(
            output_dir=str(out), num_train_epochs=epochs, learning_rate=rate, warmup_steps=4, beta=beta, seed=seed,
            per_device_train_batch_size=16, gradient_checkpointing=False, bf16=False, use_cpu=loaded.device.type == "cpu",
            save_strategy="no", report_to="none", logging_steps=1, disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )  # fmt: skip
    check_tokens(pairs, trainer.train_dataset, tokenizer)
    trainer.train()
    trainer.model.save_pretrained(out, selected_adapters=["default"])
    told = [step for step in trainer.state.log_history if "loss" in step]
    last = {
        name: statistics.mean(float(step[name]) for step in told[-5:])
        for name in ("loss", "rewards/accuracies", "rewards/margins")
    }
    settings = {"learning_rate": rate, "beta": beta, "epochs": epochs, "seed": seed, "pairs": len(pairs)}
    write_json(out / "preference.json", {"model": model, **settings, **last, "steps": told})
    return last


def check_tokens(pairs: Sequence[Pair], prepared: Iterable[Mapping[str, Any]], tokenizer: Any) -> None:
    """Refuses tokens that are others than those the model knows its prompts and poems by."""
    for one, row in zip(pairs, prepared):
        prompt = encode_prompt(tokenizer, Conditions(one.form, one.title))
        for text, ids in ((one.chosen, row["chosen_ids"]), (one.rejected, row["rejected_ids"])):
            if [*row["prompt_ids"], *ids] != [*prompt, *encode_completion(tokenizer, text)]:
                sys.exit(f"TRL makes other tokens of {one.title} than prepare does; no preference can be learnt so")


@dataclass(frozen=True, slots=True)
class Judged:
    """What is measured of one poem by a judge.

    Attributes:
        gain: Nats a character that the own title is ahead of the mean of nine others.
        first: 1 where the own title makes the poem likeliest.
        nats: Under the own title.
        characters: Its characters.
        coherence: See `reranking.Merits`.
        strange: Share of feet with a pair that no poet uses.
    """

    gain: float
    first: float
    nats: float
    characters: float
    coherence: float
    strange: float


def judge(loaded: Any, writings: Sequence[Generation], seed: int) -> list[Judged]:
    """What a model says of poems."""
    from gemma_poetry.generation.reranking import Candidate, Reranker
    from gemma_poetry.model.scoring import score_completions

    choices = title_choices(writings, seed)
    assert len(choices) == len(writings), "a poem without a title"
    texts = [(Conditions(one.form, title), running(one)) for one, titles in choices for title in titles]
    scores = iter(score_completions(loaded.model, list(encode_samples(loaded.tokenizer, texts))))
    candidates = [Candidate(Conditions(one.form, one.title), one.form, tuple(one.lines), running(one)) for one in writings]
    judged = []
    for (one, titles), merits in zip(choices, Reranker(loaded.model, loaded.tokenizer).assess(candidates)):
        own, *others = [next(scores).nll for _ in titles]
        characters = sum(map(len, one.lines))
        first = rank_title(one, [own, *others]).rank == 1
        gain = (statistics.mean(others) - own) / characters
        judged.append(Judged(gain, float(first), own, characters, merits.coherence, -merits.usage))
    return judged


Column = tuple[Callable[[Judged], tuple[float, float]], Callable[[Floats], float]]
JUDGED: dict[str, Column] = {
    "title_first": (lambda one: (one.first, 1.0), mean),
    "title_gain": (lambda one: (one.gain, 1.0), mean),
    "base_ppl": (lambda one: (one.nats, one.characters), lambda totals: math.exp(totals[0] / totals[1])),
    "coherence": (lambda one: (one.coherence, 1.0), mean),
    "strange feet": (lambda one: (one.strange, 1.0), mean),
}


def distinct_difference(ours: Sequence[Generation], theirs: Sequence[Generation], order: int) -> Difference:
    """How many more of all n-grams are different ones, with the interval of a jackknife over titles.

    A resample holds poems twice, so a bootstrap would count too few (see `statistics.jackknife`).
    """

    def value(writings: Sequence[Generation]) -> float:
        found = distinct([one.lines for one in writings], order)
        return found.value if found else math.nan

    without = [value([*ours[:n], *ours[n + 1 :]]) - value([*theirs[:n], *theirs[n + 1 :]]) for n in range(len(ours))]
    found = jackknife(value(ours) - value(theirs), without)
    return Difference(found.value, found.low, found.high, found.n)


def measures(
    ours: Sequence[Generation], theirs: Sequence[Generation], judgements: tuple[Sequence[Judged], Sequence[Judged]], seed: int
) -> dict[str, tuple[float, Difference]]:
    """Each figure of a system, and its difference from the start's on the same titles."""
    bootstrap = Bootstrap([one.title for one in ours], samples=RESAMPLES, seed=seed)
    found: dict[str, tuple[float, Difference]] = {}
    for name, (columns, figure) in JUDGED.items():
        own, other = ([columns(one) for one in side] for side in judgements)
        found[name] = bootstrap.estimate(own, figure).value, bootstrap.difference(own, other, figure)
    for order in (1, 2):
        value = distinct([one.lines for one in ours], order)
        assert value is not None, "poems without characters"
        found[f"distinct_{order}"] = value.value, distinct_difference(ours, theirs, order)
    own_bleu, other_bleu = (self_bleu_sums([one.lines for one in side]) for side in (ours, theirs))
    found["self_bleu"] = bootstrap.estimate(own_bleu, mean).value, bootstrap.difference(own_bleu, other_bleu, mean)
    return found


def table(found: Mapping[str, Mapping[str, tuple[float, Difference]]]) -> Iterator[str]:
    """Markdown rows: a figure a row, a system a column; intervals of the difference from the start."""
    names = list(found[START])
    yield "| | " + " | ".join(found) + " |"
    yield "|---|" + "---|" * len(found)
    for name in names:
        cells = [f"{found[START][name][0]:.3f}"]
        for system in list(found)[1:]:
            value, gap = found[system][name]
            bold = "**" if gap.excludes_zero else ""
            cells.append(f"{value:.3f} ({bold}{gap.value:+.3f}{bold} [{gap.low:+.3f}, {gap.high:+.3f}])")
        yield f"| {name} | " + " | ".join(cells) + " |"


def compare(options: argparse.Namespace) -> None:
    """Lets the start and the adapters write, where they have not yet, and prints a table for each judge."""
    from gemma_poetry.model.loading import load_model

    taught = [one["title"] for path in options.pairs for one in read_jsonl(path)]
    poems = draw_poems(load_poems(options.data, "test"), taught, options.titles, options.seed)
    systems = {START: options.model} | {Path(path).name: path for path in options.adapter}
    records = list(read_jsonl(options.out)) if options.out.exists() else []
    written: dict[str, list[Generation]] = {}
    for name, spec in systems.items():
        own = [one for one in records if one["system"] == name and one["effort"] == options.effort]
        if not own:
            texts = write(load_model(spec), options.model, poems, options.effort, options.seed)
            kept = {"system": name, "effort": options.effort}
            own = [kept | {"title": one.title, "lines": list(one.lines), "marks": one.marks} for one in texts]
            write_jsonl(options.out, records := [*records, *own])
        if [one["title"] for one in own] != [poem.title for poem in poems]:
            sys.exit(f"{options.out} holds poems of other titles by {name}: name another --out")
        written[name] = [
            as_generation(name, Protocol.TITLE, poem, tuple(one["lines"]), one["marks"]) for poem, one in zip(poems, own)
        ]
    if len(written) == 1:
        return
    for spec in options.judge or [options.model]:
        loaded = load_model(spec)
        judged = {name: judge(loaded, texts, options.seed) for name, texts in written.items()}
        found = {
            name: measures(texts, written[START], (judged[name], judged[START]), options.seed)
            for name, texts in written.items()
        }
        print(f"judge {spec}, effort {options.effort}, {len(poems)} titles\n")
        print("\n".join(table(found)) + "\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    verbs = parser.add_subparsers(dest="verb", required=True)
    pairs = verbs.add_parser("pairs", help="make pairs")
    learn = verbs.add_parser("train", help="learn from them")
    measure = verbs.add_parser("measure", help="hold the adapters against the start")
    for verb in (pairs, learn, measure):
        verb.add_argument("--model", default="mini", help="what it starts from")
        verb.add_argument("--out", type=Path, required=True, help="pairs, adapter or poems; poems there are not written again")
    for verb in (pairs, measure):
        verb.add_argument("--data", type=Path, required=True, help="a DATA folder")
        verb.add_argument("--titles", type=int, default=200)
    pairs.add_argument("--each", type=int, default=8, help="poems a title")
    pairs.add_argument("--study", type=Path, action="append", default=[], help="a STUDY of `rate` that has answers")
    learn.add_argument("--pairs", type=Path, required=True)
    learn.add_argument("--source", choices=SOURCES, action="append", help="learn from these alone")
    for name, default in (("--rate", 1e-3), ("--beta", 0.1), ("--epochs", 1)):
        learn.add_argument(name, type=float, default=default)
    measure.add_argument("--adapter", nargs="*", default=[], help="what was trained; none: only write as the start does")
    measure.add_argument("--effort", type=int, default=1)
    measure.add_argument("--judge", nargs="+", help="models that judge; the start where none is named")
    measure.add_argument("--pairs", type=Path, action="append", default=[], help="titles that were taught are left out")
    options = parser.parse_args()
    if options.verb == "pairs":
        made = list(make_pairs(options.model, options.data, options.titles, options.each, options.seed))
        for folder in options.study:
            made += rated_pairs(read_study(folder), read_key(folder), AnswerStore(folder / ANSWERS).all_answers())
        write_jsonl(options.out, [asdict(one) for one in made])
        print(", ".join(f"{sum(one.source == source for one in made)} {source}" for source in SOURCES))
    elif options.verb == "train":
        chosen = [Pair(**one) for one in read_jsonl(options.pairs) if one["source"] in (options.source or SOURCES)]
        print(train(options.model, chosen, options.out, options.rate, options.beta, options.epochs, options.seed))
    else:
        compare(options)


if __name__ == "__main__":
    main()
