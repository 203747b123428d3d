"""Do induced 曲牌 templates describe songs that they were not induced from?

    python -m benchmarks.songs SOURCE [--seed N]

In: the chinese-poetry collection, of whose 元曲 the short songs (小令) are read. Half of them, drawn by a seed, teach
templates; the other half is scored. Out: a Markdown table: how many songs have a template, fit one of its shapes, keep its
tones and rhyme; how many of the rest fit with some characters taken as padding (衬字); the same songs shuffled.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from benchmarks.tunes import shuffler
from gemma_poetry.corpus.sanqu import SanquSong
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.song_induction import induce_songs
from gemma_poetry.prosody.tune_scan import scan_tune
from gemma_poetry.prosody.tunes import Tune
from gemma_poetry.verbs.tunes import read_songs

_ROWS = {
    "judged": "of a tune with a template",
    "fit": "fit a shape",
    "in tone": "of these without a wrong tone",
    "in rhyme": "of these in rhyme",
    "faultless": "of these without a fault",
    "padded": "fit with some characters taken as padding",
    "padded, faultless": "of these without a fault",
}


def score(
    songs: Iterable[SanquSong],
    tunes: Mapping[str, Tune],
    change: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda lines: lines,
) -> Counter[str]:
    """How many songs there are, and how many are as each row of the table says.

    Args:
        songs: The songs.
        tunes: The templates.
        change: What is done to the lines of each song first.
    """
    counts: Counter[str] = Counter()
    for song in songs:
        counts["songs"] += 1
        tune = tunes.get(song.tune)
        if tune is None or not tune.judged:
            continue
        counts["judged"] += 1
        scansion = scan_tune(change(song.lines), tune)
        rules = {fault.rule for fault in scansion.faults}
        if tune.fits(tuple(map(len, song.lines))):
            counts["fit"] += 1
            counts["in tone"] += Rule.TONE not in rules
            counts["in rhyme"] += Rule.RHYME not in rules
            counts["faultless"] += not rules
        elif scansion.verdict is not Verdict.NOT_JUDGED:
            counts["padded"] += 1
            counts["padded, faultless"] += not rules
    return counts


def halved(songs: list[SanquSong], seed: int) -> tuple[list[SanquSong], list[SanquSong]]:
    """Two halves by a repeatable draw; songs of the same words stand in one."""
    different = list({song.lines: song for song in songs}.values())
    random.Random(seed).shuffle(different)
    return different[: len(different) // 2], different[len(different) // 2 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    begin = time.process_time()
    songs, _ = read_songs(options.source)
    learned, held_out = halved(songs, options.seed)
    tunes = induce_songs(learned)
    real, shuffled = score(held_out, tunes), score(held_out, tunes, shuffler(options.seed))
    judged = sum(tune.judged for tune in tunes.values())
    print(f"{judged} tunes with a template, from {len(learned)} songs; {real['songs']} others scored\n")
    print("| songs not induced from | as they are | shuffled |\n|---|---|---|")
    for row, told in _ROWS.items():
        whole = {"in tone": "fit", "in rhyme": "fit", "faultless": "fit", "padded, faultless": "padded"}.get(row)
        share = f" ({100 * real[row] / real[whole]:.1f}%)" if whole and real[whole] else ""
        print(f"| {told} | {real[row]}{share} | {shuffled[row]} |")
    print(f"\nProcessor time on one core: {time.process_time() - begin:.1f} s.")


if __name__ == "__main__":
    main()
