"""Does constrained generation keep every form, and what does that cost?

    python benchmarks/generation.py PART ... --model MODEL --data DATA [--poems 500] [--tune-poems 50] [--runs 9]

In: a model and the DATA that it was trained on. Out: a Markdown table for each PART, on standard output:

    conformity  poems in each regulated form and in 20 tunes: strict by `prosody.scansion` under every reading? any line
                that stands in the training corpus (looked up exactly, not in the guard)?
    tunes       --poems poems in all over 100 tunes drawn by the seed, 60 of them told from few poems or from a single one:
                the same questions, by what is known of the tune
    mixed       requests drawn at random over all options: granted as asked, or refused with a reason?
    speed       constrained against unconstrained `generate` at the same batch and length, runs in turn, medians; and
                against sampling until a poem conforms
    narrow      writing from the rows of the head that poems need against writing from all of them, in float32 (as it was
                before) and in the dtype of writing, and against unconstrained `generate`; one poem, a batch, and one poem
                by the particles of the effort; runs in turn, medians. For a vocabulary that is wide enough to be narrowed
                (genuine Gemmas), and without DATA

Times are told by the wall and by the processor (the latter is fair on a busy machine).
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from gemma_poetry.config import load_recipe
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import decode_poem, encode_prompt
from gemma_poetry.errors import ConstraintError, GenerationError, UnknownFormError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.poem_generator import PARTICLES, GeneratedPoem, PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.verification import split_lines
from gemma_poetry.model.families import WRITING
from gemma_poetry.model.loading import load_model
from gemma_poetry.progress import track
from gemma_poetry.prosody.forms import FIXED_SHAPES, shape
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.tunes import shipped_tunes

sys.path.insert(0, str(Path(__file__).parents[1]))

FORMS = tuple(FIXED_SHAPES)
TUNES = 20
TUNES_OF_TIER = {"solid": 40, "thin": 30, "single": 30}


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a Markdown table."""
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def corpus_lines(data: Path) -> frozenset[str]:
    """Every line of the training poems."""
    return frozenset(line for poem in load_poems(data, "train") for line in poem.lines)


def conformity(generator: PoemGenerator, options: argparse.Namespace) -> None:
    known = corpus_lines(options.data)
    common = list(shipped_tunes().judged)[:TUNES]
    wanted = [(form, options.poems) for form in FORMS] + [(tune, options.tune_poems) for tune in common]
    _conformity_table("form", [(name, *_counted(generator, [name] * count, known)) for name, count in wanted])


def _conformity_table(head: str, rows: list[tuple[Any, ...]]) -> None:
    """Prints rows of `_counted` behind their names, and their sums."""
    sums = ("all", *(sum(column) for column in zip(*(row[1:] for row in rows))))
    heads = (head, "poems", "strict", "under every reading", "with a line of the corpus", "dead ends backed out of")
    table(heads, [*rows, sums])


def _counted(generator: PoemGenerator, names: Sequence[str], known: frozenset[str]) -> tuple[int, ...]:
    """Of a poem in each form: how many, strict, under every reading, with a known line, dead ends backed out of."""
    strict = every = copied = attempts = 0
    for one in track(generator.write([PoemRequest(name) for name in names]), f"Writing {names[0]}", len(names)):
        scansion = scan(one.poem.lines, one.poem.kind)
        strict += scansion.verdict.value == "strict"
        every += scansion.every_reading
        copied += any(len(line) > 1 and line in known for line in one.poem.lines)
        attempts += one.attempts
    return len(names), strict, every, copied, attempts


def tunes(generator: PoemGenerator, options: argparse.Namespace) -> None:
    known = corpus_lines(options.data)
    by_tier: dict[str, list[str]] = {}
    for tune in shipped_tunes().judged.values():
        by_tier.setdefault(tune.tier.value, []).append(tune.name)
    draw, poems = random.Random(options.seed), options.poems // sum(TUNES_OF_TIER.values())
    rows: list[tuple[Any, ...]] = []
    for tier, count in TUNES_OF_TIER.items():
        names = [name for name in draw.sample(sorted(by_tier[tier]), count) for _poem in range(poems)]
        rows.append((f"{tier}: {count} tunes", *_counted(generator, names, known)))
    _conformity_table("tunes", rows)


def mixed(generator: PoemGenerator, options: argparse.Namespace) -> None:
    from tests.generation.mixed import random_request, shortcomings

    characters = sorted(
        {char for char in generator.planner.index.characters if char not in "，。"},
        key=generator.tokenizer.convert_tokens_to_ids,
    )[:1500]
    draw = random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    for number in track(range(options.requests), "Mixed requests", options.requests):
        request = random_request(draw, "".join(characters))
        try:
            (one,) = generator.write([request], seed=number)
        except (ConstraintError, UnknownFormError) as refusal:
            outcomes["refused with a reason" if refusal.found else "refused without a reason"] += 1
        except GenerationError:
            outcomes["given up within the stated bound"] += 1
        else:
            wrong = shortcomings(one.poem, request)
            outcomes["wrong" if wrong else "granted"] += 1
            if wrong:
                print(request, one.poem.text, wrong, file=sys.stderr)
    table(("outcome", "requests"), sorted(outcomes.items()))


class _Clock:
    """Seconds by the wall and by the processor."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.processor


def _free(generator: PoemGenerator, name: str, title: str, count: int, seed: int, steps: int | None) -> list[str]:
    """Running texts of unconstrained `generate`; `steps`: exactly so many tokens, else until the terminator."""
    lines, characters = FIXED_SHAPES[name]
    most = steps or lines * (characters + 1) + 8
    prompt = encode_prompt(generator.tokenizer, Conditions(name, title))
    ids = torch.tensor([prompt] * count)
    settings = generator.settings
    from transformers import GenerationConfig

    end = generator.planner.index.terminator
    configuration = GenerationConfig(
        max_new_tokens=most, min_new_tokens=steps, do_sample=True, temperature=settings.temperature, top_k=settings.top_k,
        top_p=settings.top_p, eos_token_id=end, pad_token_id=generator.tokenizer.pad_token_id, bos_token_id=prompt[0],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        model = generator.decoder.model
        written = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=configuration)
    return [decode_poem(generator.tokenizer, row) for row in written[:, len(prompt) :].tolist()]


def _conforms(text: str, name: str) -> bool:
    lines = split_lines(text, shape(name, *FIXED_SHAPES[name]))
    if lines is None:
        return False
    scansion = scan(lines, name)
    return scansion.verdict.value == "strict" and scansion.every_reading


def speed(generator: PoemGenerator, options: argparse.Namespace) -> None:
    batch = generator.settings.batch_size
    rows = []
    for name in FORMS:
        lines, characters = FIXED_SHAPES[name]
        steps = lines * (characters + 1) + 1
        wishes = [PoemRequest(name, title="秋夜")] * batch
        plain = [PoemRequest(name, title="秋夜", novel=False)] * batch
        free_times, guarded_times, plain_times = [], [], []
        conforming = sampled = 0
        reject_wall = reject_processor = 0.0
        # The first turn pays for masks and caches, which a person pays once; it is told apart.
        first = _timed(_write, generator, plain, 0)
        _write(generator, wishes, 0)
        for run in range(1, options.runs + 1):
            free_times.append(_timed(_free, generator, name, "秋夜", batch, run, steps))
            plain_times.append(_timed(_write, generator, plain, run))
            guarded_times.append(_timed(_write, generator, wishes, run))
            clock = _Clock()
            texts = _free(generator, name, "秋夜", batch, 1000 + run, None)
            conforming += sum(_conforms(text, name) for text in texts)
            wall, processor = clock.read()
            reject_wall, reject_processor, sampled = reject_wall + wall, reject_processor + processor, sampled + batch
        for number, clock_name in enumerate(("wall", "processor")):
            free, plain_s, guarded = (
                statistics.median(times[number] for times in column) for column in (free_times, plain_times, guarded_times)
            )
            spent = (reject_wall, reject_processor)[number]
            # Where nothing conformed, one poem more would have been the first: the factor is at least this.
            rate = max(conforming, 1) / spent
            times = f"{'' if conforming else '≥ '}{batch / guarded / rate:.0f}"
            share = f"{conforming}/{sampled}"
            rows.append(
                (name, clock_name, f"{batch / free:.1f}", f"{batch / plain_s:.1f}", f"{free / plain_s:.2f}",
                 f"{batch / guarded:.1f}", f"{free / guarded:.2f}", f"{first[number]:.2f}", share, times)
            )  # fmt: skip
    table(
        ("form", "clock", "free poems/s", "constrained poems/s", "ratio", "with guard poems/s", "ratio", "first batch s",
         "free poems that conform", "times more conforming poems/s"),
        rows,
    )  # fmt: skip


def narrow(generator: PoemGenerator, options: argparse.Namespace) -> None:
    from gemma_poetry.generation.narrow_sampling import can_narrow

    if not can_narrow(generator.decoder.model):
        raise SystemExit("the head of this model is not narrowed: its vocabulary is small, or it is more than a matrix")
    name, title = "七言绝句", "秋夜"
    lines, characters = FIXED_SHAPES[name]
    steps = lines * (characters + 1) + 1
    wish = PoemRequest(name, title, novel=False)
    exact = load_model(options.model, device="cpu", dtype="float32")
    former = PoemGenerator(exact.model, exact.tokenizer, generator.settings)

    def whole(writer: PoemGenerator, count: int, best_of: int, run: int) -> None:
        with ExitStack() as stack:
            for module in ("decoder", "particles", "reranking"):
                stack.enter_context(mock.patch(f"gemma_poetry.generation.{module}.can_narrow", lambda model, **_options: False))
            _write(writer, [wish] * count, run, best_of)

    systems: dict[str, Callable[[int, int, int], object]] = {
        "whole head, float32": lambda *asked: whole(former, *asked),
        "whole head": lambda *asked: whole(generator, *asked),
        "free": lambda count, _best_of, run: _free(generator, name, title, count, run, steps),
        "rows of poems": lambda count, best_of, run: _write(generator, [wish] * count, run, best_of),
    }
    for writer in (former, generator):
        _write(writer, [wish], 0, 1)
    default = PARTICLES[generator.settings.effort]

    def measured() -> Iterator[tuple[object, ...]]:
        for count, best_of in sorted({(1, 1), (generator.settings.batch_size, 1), (1, default)}):
            compared = [key for key in systems if best_of == 1 or key in ("whole head", "rows of poems")]
            times: dict[str, list[tuple[float, float]]] = {key: [] for key in compared}
            for run in track(range(1, options.runs + 1), f"Writing {count} at a time, {best_of} for each", options.runs):
                for key in compared:
                    times[key].append(_timed(systems[key], count, best_of, run))
            for number, clock_name in enumerate(("wall", "processor")):
                medians = {key: statistics.median(one[number] for one in times[key]) for key in compared}
                own = medians["rows of poems"]
                others = [f"{medians[key]:.2f} ({medians[key] / own:.1f})" if key in medians else "" for key in systems][:-1]
                yield count, best_of, clock_name, *others, f"{own:.2f}"

    print(f"dtype {generator.decoder.model.dtype}; seconds, in brackets times those of rows of poems")
    table(("poems at a time", "written for each", "clock", *systems), measured())
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB, with the model in float32 beside it")


def _write(
    generator: PoemGenerator, wishes: Sequence[PoemRequest], seed: int, best_of: int | None = None
) -> list[GeneratedPoem]:
    return list(generator.write(wishes, seed=seed, best_of=best_of))


def _timed(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    clock = _Clock()
    work(*arguments)
    return clock.read()


PARTS: dict[str, Callable[[PoemGenerator, argparse.Namespace], None]] = {
    "conformity": conformity,
    "tunes": tunes,
    "mixed": mixed,
    "speed": speed,
    "narrow": narrow,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS, metavar="PART")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", type=Path, help="not needed for narrow")
    parser.add_argument("--poems", type=int, default=500, help="poems in each regulated form; over all tunes")
    parser.add_argument("--tune-poems", type=int, default=50, help="poems in each tune")
    parser.add_argument("--requests", type=int, default=200, help="mixed requests")
    parser.add_argument("--runs", type=int, default=9, help="timed runs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="generate.KEY=VALUE")
    options = parser.parse_args()
    if options.data is None and options.parts != ["narrow"]:
        parser.error("--data is needed")
    settings = load_recipe(None, [f"generate.seed={options.seed}", *options.overrides]).generate
    loaded = load_model(options.model, device="cpu", dtype=WRITING if settings.dtype == "auto" else settings.dtype)
    guards = find_guards(options.model, options.data)
    generator = PoemGenerator(loaded.model, loaded.tokenizer, settings, guards=guards)
    known = sum(guard.lines for guard in guards)
    print(f"model {loaded.name}, {torch.get_num_threads()} threads, {known:,} known lines, {settings}")
    for part in options.parts:
        print(f"\n## {part}")
        PARTS[part](generator, options)


if __name__ == "__main__":
    main()
