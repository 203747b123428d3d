"""How real Tang verse fares under the rules: pass rates, shuffled poems, rhymes, coverage, frequencies, speed.

    python benchmarks/prosody.py SOURCE [--all-readings]

SOURCE is the chinese-poetry collection: its name, a folder or archive. With --all-readings nothing but metre and rhyme
chooses between the readings of a character: what usage and words settle is left open.

In: 全唐诗 and 宋词. Out: tables in Markdown on standard output. One core; times are processor time, wall time behind them.
Poems counted: 全唐诗 of 4 and 8 lines, 5 or 7 characters each. `level`: every even line can end level. `rhymed`: of these,
all even lines share one level group. Pass rates are of the rhymed ones, and of the level ones in the last column.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from gemma_poetry.corpus.formats import whole_poems
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.forms import FIXED_SHAPES
from gemma_poetry.prosody.interpretation import interpret
from gemma_poetry.prosody.lexicon import lexicon, readings
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.verdicts import every_reading_passes, regulated_verdict

EXPECTED = {"五言律诗": 85, "七言律诗": 92, "五言绝句": 70, "七言绝句": 89}
NAMES = {shape: name for name, shape in FIXED_SHAPES.items()}
FREQUENCY_POEMS = 3000
SEED = 1

Lines = tuple[str, ...]


def read(source: str) -> Iterator[tuple[bool, Lines]]:
    """Whether it is 词, and the lines, of every whole poem of 全唐诗 and 宋词."""
    files = (pair for pair in open_source(source).files() if pair[0].form == "词" or pair[0].era == "唐")
    for part, _raw, lines, _marks in whole_poems(files):
        yield part.form == "词", lines


class Stopwatch:
    """Processor and wall time of a step, in seconds."""

    def __enter__(self) -> Stopwatch:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall

    def __str__(self) -> str:
        return f"{self.cpu:.1f} s of one core ({self.wall:.1f} s by the clock)"


def row(*cells: object) -> None:
    print("| " + " | ".join(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def heading(title: str, *columns: str) -> None:
    print(f"\n## {title}\n")
    if columns:
        row(*columns)
        row(*["---"] * len(columns))


def level_groups(lines: Lines) -> list[set[str]]:
    """The level groups that each even line can rhyme in."""
    return [{reading.group for reading in line[-1].readings if reading.contour == "平"} for line in interpret(lines)[1::2]]


def shuffled(lines: Lines, draw: random.Random) -> Lines:
    """The poem with its characters shuffled but for the rhyme words, which stay so that the metre alone is tried."""
    inner = [char for line in lines for char in line[:-1]]
    draw.shuffle(inner)
    width = len(lines[0]) - 1
    return tuple("".join(inner[index * width : (index + 1) * width]) + line[-1] for index, line in enumerate(lines))


def wholly_shuffled(lines: Lines, draw: random.Random) -> Lines:
    """The poem with all its characters shuffled."""
    chars = list("".join(lines))
    draw.shuffle(chars)
    width = len(lines[0])
    return tuple("".join(chars[index * width : (index + 1) * width]) for index in range(len(lines)))


def judge(poems: Sequence[Lines]) -> Counter[str]:
    """How many of the poems get each verdict."""
    return Counter(regulated_verdict(poem).value for poem in poems)


def share_of(passing: Callable[[Lines], bool], poems: Sequence[Lines]) -> float:
    return 100 * sum(map(passing, poems)) / len(poems)


def pass_rates(by_form: dict[str, list[Lines]]) -> dict[str, list[Lines]]:
    """Prints the table of pass rates; returns the rhymed poems by form."""
    rhymed: dict[str, list[Lines]] = {}
    draw = random.Random(SEED)
    heading(
        "Pass rates", "form", "poems", "level", "rhymed", "rhymed %", "strict %", "minor %", "rescued %",
        "any reading %", "expected", "every reading %", "shuffled %", "shuffled, rhymes kept %", "any, of level %",
    )  # fmt: skip
    for name, poems in by_form.items():
        groups = [(poem, level_groups(poem)) for poem in poems]
        level = [(poem, found) for poem, found in groups if all(found)]
        rhymed[name] = [poem for poem, found in level if set.intersection(*found)]
        verdicts, total = judge(rhymed[name]), len(rhymed[name])
        passed = total - verdicts["fail"]
        row(
            name, len(poems), len(level), total, 100 * total / len(level),
            *(100 * verdicts[tier] / total for tier in ("strict", "minor", "rescued")),
            100 * passed / total, EXPECTED[name],
            share_of(every_reading_passes, rhymed[name]),
            share_of(lambda poem: regulated_verdict(wholly_shuffled(poem, draw)).passes, rhymed[name]),
            share_of(lambda poem: regulated_verdict(shuffled(poem, draw)).passes, rhymed[name]),
            100 * passed / len(level),
        )  # fmt: skip
    return rhymed


def speed(poems: Sequence[Lines]) -> None:
    heading("Speed")
    with Stopwatch() as watch:
        judge(poems)
    print(f"Verdicts on {len(poems):,} poems: {watch}.")
    sample = random.Random(SEED).sample(list(poems), 1000)
    with Stopwatch() as watch:
        for poem in sample:
            scan(poem, NAMES[len(poem), len(poem[0])])
    print(f"Full scansion, with places, faults and reasons: {1000 * watch.cpu / len(sample):.2f} ms a poem.")


def coverage(tang: Counter[str], tunes: Counter[str]) -> None:
    heading("Characters with a known reading", "corpus", "characters", "known %", "most frequent unknown")
    for name, counts in (("全唐诗", tang), ("宋词", tunes)):
        unknown = [(char, count) for char, count in counts.most_common() if not readings(char)]
        missing = sum(count for _, count in unknown)
        row(name, counts.total(), f"{100 - 100 * missing / counts.total():.3f}", "".join(char for char, _ in unknown[:12]))


def frequencies(rhymed: dict[str, list[Lines]]) -> None:
    """How often the rules are met in passing 律诗, by the lines that could meet them."""
    columns = ("孤平自救 of B", "特拗 of C", "三仄尾 of C", "大拗 of A", "小拗 of A", "first line rhymes", "邻韵 of poems")
    heading("Licences in passing 律诗, per cent of the lines that could have them", "form", *columns)
    for name in ("五言律诗", "七言律诗"):
        poems = random.Random(SEED).sample(rhymed[name], min(FREQUENCY_POEMS, len(rhymed[name])))
        passing = [found for poem in poems if (found := scan(poem, name)).verdict.passes]
        counts = Counter(licence.rule for found in passing for licence in found.licences)
        opening = sum("不入韵" not in found.pattern for found in passing)
        # Four rhymed and three or four unrhymed lines a poem, half of them of each type.
        a_or_c = (4 * len(passing) - opening) / 2
        b = (4 * len(passing) + opening) / 2
        row(
            name, 100 * counts[Rule.LONE_LEVEL_MENDED] / b,
            *(100 * counts[rule] / a_or_c for rule in (
                Rule.SWAP_ALLOWED, Rule.THREE_OBLIQUE, Rule.MAJOR_TWIST_MENDED, Rule.MINOR_TWIST
            )),
            100 * opening / len(passing), 100 * counts[Rule.NEIGHBOUR_RHYME] / len(passing),
        )  # fmt: skip


def failures(rhymed: dict[str, list[Lines]]) -> None:
    heading("Why rhymed poems fail, per cent of a sample of those that fail (a poem may have several faults)", "form", "faults")
    for name, poems in rhymed.items():
        failing = [poem for poem in poems if regulated_verdict(poem) is Verdict.FAIL]
        sample = random.Random(SEED).sample(failing, min(600, len(failing)))
        counts = Counter(rule for poem in sample for rule in {fault.rule for fault in scan(poem, name).faults})
        row(name, ", ".join(f"{rule.chinese} {100 * count / len(sample):.0f}" for rule, count in counts.most_common(7)))


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[1:] not in ([], ["--all-readings"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[1:]:
        lexicon().settled.clear()
        lexicon().words.clear()
    with Stopwatch() as whole:
        by_form: dict[str, list[Lines]] = {name: [] for name in EXPECTED}
        tang: Counter[str] = Counter()
        tunes: Counter[str] = Counter()
        for is_tune, lines in read(arguments[0]):
            (tunes if is_tune else tang).update("".join(lines))
            if not is_tune and len(set(map(len, lines))) == 1 and (len(lines), len(lines[0])) in NAMES:
                by_form[NAMES[len(lines), len(lines[0])]].append(lines)
        rhymed = pass_rates(by_form)
        speed([poem for poems in by_form.values() for poem in poems])
        coverage(tang, tunes)
        frequencies(rhymed)
        failures(rhymed)
    print(f"\nThe whole benchmark: {whole}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
