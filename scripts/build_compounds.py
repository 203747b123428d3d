"""Compiles src/gemma_poetry/assets/words/compounds.txt, the two-character words that poets use again and again.

    python scripts/build_compounds.py DATA

In: the training split of a prepared collection in simplified characters. Out: pairs of characters that stand together
where the metre has a pair, at least `LEAST` times, and `ASSOCIATION` nats more often than their characters would by chance
(pointwise mutual information; Church and Hanks 1990); pairs with a particle in them are left out. The commonest first.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path

from gemma_poetry.artifacts import atomic_writer
from gemma_poetry.data.words import PARTICLES, pair_places

ASSET = Path(__file__).parents[1] / "src" / "gemma_poetry" / "assets" / "words" / "compounds.txt"
LEAST, ASSOCIATION = 60, 2.5


def main(data: Path) -> None:
    characters: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    with open(data / "train.jsonl", encoding="utf-8") as stream:
        for record in stream:
            for line in json.loads(record)["lines"]:
                characters.update(line)
                pairs.update(line[place : place + 2] for place in pair_places(len(line)))
    every, together = characters.total(), pairs.total()

    def association(pair: str) -> float:
        return math.log(pairs[pair] / together) - sum(math.log(characters[char] / every) for char in pair)

    kept = [
        pair
        for pair, count in pairs.items()
        if count >= LEAST and len(set(pair)) == 2 and not PARTICLES & set(pair) and association(pair) >= ASSOCIATION
    ]
    with atomic_writer(ASSET) as stream:
        stream.write("# Compiled by scripts/build_compounds.py from the training split of chinese-poetry (MIT); not by hand.\n")
        stream.writelines(pair + "\n" for pair in sorted(kept, key=lambda pair: (-pairs[pair], pair)))
    print(f"{len(kept):,} of {len(pairs):,} pairs -> {ASSET}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
