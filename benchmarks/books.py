"""Do poems by the modern rhyme books keep their forms when somebody else reads them?

    python benchmarks/books.py [--poems 20] [--tunes 16] [--books xinyun,tongyun] [--model mini] [--seed 0]
    python benchmarks/books.py --speed [--poems 400]

In: a model. Out: Markdown tables on standard output.

Poems are written in turn over the four regulated forms, two 排律 and tunes, by each book. Each is read by a second path that
shares nothing with the first but the slots of the form: readings from `dragonmapper` (CC-CEDICT and Unihan, where the product
has 通用规范汉字字典 and 现代汉语词典), finals and tones in 注音, groups by the finals of 注音. Counted are poems that keep
tones and rhymes under the reading that the package puts first, and under some reading of each character; the characters
to blame are listed. `--speed` measures `scan_auto` and the fast verdict by each book, in turn, on the sample's poems.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from gemma_poetry.prosody.forms import FIXED_SHAPES, Form, Tone

_GROUPS = {
    "xinyun": (
        "ㄚ/ㄧㄚ/ㄨㄚ ㄛ/ㄧㄛ/ㄜ/ㄨㄛ ㄧㄝ/ㄩㄝ ㄞ/ㄨㄞ ㄟ/ㄨㄟ ㄠ/ㄧㄠ ㄡ/ㄧㄡ "
        "ㄢ/ㄧㄢ/ㄨㄢ/ㄩㄢ ㄣ/ㄧㄣ/ㄨㄣ/ㄩㄣ ㄤ/ㄧㄤ/ㄨㄤ ㄥ/ㄧㄥ/ㄨㄥ/ㄩㄥ ㄧ/ㄦ/ㄩ ㄭ ㄨ"
    ),
    "tongyun": (
        "ㄚ/ㄧㄚ/ㄨㄚ ㄛ/ㄧㄛ/ㄨㄛ ㄜ/ㄧㄝ/ㄩㄝ ㄧ/ㄭ ㄨ ㄩ ㄞ/ㄨㄞ ㄟ/ㄨㄟ ㄠ/ㄧㄠ ㄡ/ㄧㄡ "
        "ㄢ/ㄧㄢ/ㄨㄢ/ㄩㄢ ㄣ/ㄧㄣ/ㄨㄣ/ㄩㄣ ㄤ/ㄧㄤ/ㄨㄤ ㄥ/ㄧㄥ ㄨㄥ/ㄩㄥ ㄦ"
    ),
}
"""The finals of each group in 注音, in the order of the groups; ㄭ is what follows ㄓ or ㄙ, and ㄨㄥ stands for ong."""

_FIRST_OF_FINAL = "ㄚㄛㄜㄝㄞㄟㄠㄡㄢㄣㄤㄥㄦㄧㄨㄩ"
_OBLIQUE_MARKS = "ˇˋ"


def second_readings(char: str) -> list[str]:
    """The syllables of a character in 注音 by the second package, its first one first, neutral ones last."""
    from dragonmapper.hanzi import to_pinyin
    from dragonmapper.transcriptions import pinyin_to_zhuyin

    spelt = to_pinyin(char, all_readings=True).strip("[]").split("/")
    found = [pinyin_to_zhuyin(one) for one in spelt if one != char]
    return sorted(found, key=lambda one: "˙" in one)


def sound(syllable: str, book: str) -> tuple[Tone, int]:
    """Tone class and number of the group of a syllable in 注音."""
    bare = syllable.strip("ˊˇˋ˙")
    begin = next((place for place, sign in enumerate(bare) if sign in _FIRST_OF_FINAL), len(bare))
    # Without an initial ㄨㄥ is weng, which goes with eng.
    final = "ㄥ" if bare == "ㄨㄥ" else bare[begin:] or "ㄭ"
    number = next(number for number, group in enumerate(_GROUPS[book].split(), 1) if final in group.split("/"))
    return Tone.OBLIQUE if any(mark in syllable for mark in _OBLIQUE_MARKS) else Tone.LEVEL, number


def misread(lines: Sequence[str], form: Form, read: Callable[[str], set[tuple[Tone, int]]]) -> list[str]:
    """The characters that break a form under these sounds; none where it is kept."""
    wrong = []
    groups: dict[str, set[int]] = {}
    for line, slots in zip(lines, form.lines):
        for char, slot in zip(line, slots):
            sounds = {one for one in read(char) if slot.tone in (None, one[0])}
            if not sounds:
                wrong.append(char)
            elif slot.rhyme:
                own = {number for _, number in sounds}
                groups[slot.rhyme] = groups.get(slot.rhyme, own) & own
                if not groups[slot.rhyme]:
                    wrong.append(char)
    return wrong


def second_path(options: argparse.Namespace) -> None:
    import gemma_poetry as gp
    from gemma_poetry.generation.prescription import prescribe
    from gemma_poetry.prosody.tunes import shipped_tunes

    tunes = list(shipped_tunes().judged)
    step = max(1, len(tunes) // options.tunes)
    names = [*FIXED_SHAPES, "五言排律", "七言排律", *tunes[::step][: options.tunes]]
    poet = gp.load(options.model, settings=["generate.effort=1"])
    print("\n| book | poems | forms | own check passes | with every reading | second path, its first readings | some of them |")
    print("|" + "---|" * 7)
    blamed: dict[str, Counter[str]] = {}
    for book in options.books.split(","):
        wishes = [gp.PoemRequest(name, book=book) for name in itertools.islice(itertools.cycle(names), options.poems)]
        kept = Counter[str]()
        blame = blamed[book] = Counter()
        for wish, one in zip(wishes, poet.stream(wishes, seed=options.seed)):
            assert one.check is not None
            kept["own"] += one.check.passes
            kept["every"] += one.check.every_reading
            forms = prescribe(wish).forms
            for name, count in (("first", 1), ("some", None)):
                read = {char: {sound(own, book) for own in second_readings(char)[:count]} for char in "".join(one.poem.lines)}
                wrong = min((misread(one.poem.lines, form, read.__getitem__) for form in forms), key=len)
                kept[name] += not wrong
                if name == "first":
                    blame.update(wrong)
        shares = (f"{kept[name]} ({kept[name] / len(wishes):.1%})" for name in ("own", "every", "first", "some"))
        print(f"| {book} | {len(wishes)} | {min(len(names), len(wishes))} | {' | '.join(shares)} |", flush=True)
    for book, blame in blamed.items():
        print(f"\n{book}: characters whose first reading in the second package breaks a place: ", end="")
        told = (f"{char} ({'/'.join(second_readings(char))}) {count}" for char, count in blame.most_common())
        print(", ".join(told) or "none")


def speed(options: argparse.Namespace) -> None:
    from gemma_poetry.artifacts import read_jsonl
    from gemma_poetry.prosody.rhyme_books import BOOKS
    from gemma_poetry.prosody.scansion import scan_auto
    from gemma_poetry.prosody.verdicts import regulated_verdict

    sample = Path(str(resources.files("gemma_poetry"))) / "assets" / "sample"
    poems = [record["lines"] for path in sorted(sample.glob("*.jsonl")) for record in read_jsonl(path)]
    poems = poems[: options.poems]
    print("\n| book | poems | scan_auto, ms a poem | verdict, µs a poem |\n|---|---|---|---|")
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(5):
        for book in BOOKS:
            for name, work in (
                ("scan", lambda lines, book=book: scan_auto(lines, book=book.name)),
                ("verdict", lambda lines, book=book: regulated_verdict(lines, book)),
            ):
                begin = time.process_time()
                for lines in poems:
                    work(lines)
                times.setdefault((book.name, name), []).append(time.process_time() - begin)
    for book in BOOKS:
        scan, verdict = (statistics.median(times[book.name, name]) / len(poems) for name in ("scan", "verdict"))
        print(f"| {book.name} | {len(poems)} | {scan * 1e3:.2f} | {verdict * 1e6:.0f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--books", default="xinyun,tongyun")
    parser.add_argument("--poems", type=int, default=20, help="of each book")
    parser.add_argument("--tunes", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    (speed if options.speed else second_path)(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
