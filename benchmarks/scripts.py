"""Whether a verdict depends on the script: traditional poems against themselves in simplified characters.

    python benchmarks/scripts.py SOURCE [--song NUMBER]

SOURCE is the chinese-poetry collection: its name, a folder or archive. NUMBER poems of 全宋诗 are drawn (5,000 by default).

In: all of 全唐诗 and a draw of 全宋诗. Out: a table in Markdown on standard output, and each false pass on standard error;
exit status 1 where a Tang poem is a false pass or fewer than 99.5% agree. Each poem is converted by OpenCC (t2s) and read
in both scripts as `check` reads a poem of unknown form (`scan_auto`):

    same verdict   the same form and the same verdict
    same outcome   both pass, or neither does
    false pass     fails in traditional characters and passes in simplified ones
    false fail     the reverse
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from gemma_poetry.corpus.formats import whole_poems
from gemma_poetry.corpus.script import convert
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.errors import TextError
from gemma_poetry.progress import track
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.scansion import scan_auto

SEED = 1
LEAST_AGREEMENT = 99.5

Lines = tuple[str, ...]


def read(source: str) -> Iterator[tuple[str, Lines]]:
    """The era and the lines of every whole 诗 of 全唐诗 and 全宋诗."""
    files = (pair for pair in open_source(source).files() if pair[0].era in ("唐", "宋") and not pair[0].form)
    for part, _raw, lines, _marks in whole_poems(files):
        yield part.era, lines


def scanned(lines: Lines) -> Scansion | None:
    """The scansion; nothing for a poem that none can read (of a single line)."""
    try:
        return scan_auto(lines)
    except TextError:
        return None


def compare(name: str, poems: Sequence[Lines]) -> Counter[str]:
    """Counts how the poems compare in both scripts."""
    counts: Counter[str] = Counter()
    texts = convert(["，".join(lines) for lines in poems], "simplified")
    for lines, text in track(zip(poems, texts), f"Reading {name}", len(poems)):
        full, plain = scanned(lines), scanned(tuple(text.split("，")))
        if full is None or plain is None:
            counts["unread"] += full is not plain
            continue
        counts["poems"] += 1
        counts["same verdict"] += (full.form, full.verdict) == (plain.form, plain.verdict)
        counts["same form"] += full.form == plain.form
        passes, plain_passes = full.verdict.passes, plain.verdict.passes
        counts["same outcome"] += passes == plain_passes
        counts["false fail"] += passes and not plain_passes
        if plain_passes and not passes:
            counts["false pass"] += 1
            print(f"false pass: {full.form} {full.verdict.value} {plain.form} {'，'.join(lines)}", file=sys.stderr)
    return counts


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--song", type=int, default=5000)
    chosen = parser.parse_args(arguments)
    by_era: dict[str, list[Lines]] = {"唐": [], "宋": []}
    for era, lines in read(chosen.source):
        by_era[era].append(lines)
    by_era["宋"] = random.Random(SEED).sample(by_era["宋"], min(chosen.song, len(by_era["宋"])))
    columns = ["same form", "same verdict", "same outcome"]
    print(
        "| poems of | poems | "
        + " | ".join(f"{column} %" for column in columns)
        + " | false passes | false fails | s of one core |"
    )
    print("| --- " * 8 + "|")
    sound = True
    for era, poems in by_era.items():
        begin = time.process_time()
        counts = compare(era, poems)
        shares = [100 * counts[column] / (counts["poems"] or 1) for column in columns]
        cells = [era, counts["poems"], *(f"{share:.2f}" for share in shares), counts["false pass"], counts["false fail"]]
        print("| " + " | ".join(map(str, [*cells, f"{time.process_time() - begin:.0f}"])) + " |", flush=True)
        sound = sound and min(shares) >= LEAST_AGREEMENT and (era != "唐" or not counts["false pass"])
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
