"""References are the poems that are judged, and the human poem that stands beside each.

In: the poems of the split that is evaluated, and those of the other splits.
Out: a seeded selection, and for a poem another poet's poem of the same form and title.

The human reference says what BLEU a person gets who writes to the same title without having seen the reference poem.
Its selection rule, applied among the poems of the other splits (near-duplicates of a judged poem are never there,
because splits follow clusters):

1. the same 体裁 or 词牌;
2. by another poet where there is one, else any other poem;
3. with the nearest title: the greatest Dice overlap of the titles' characters and pairs of characters, 1.0 if equal;
4. among equals one by a seeded draw, so that no poet is favoured.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.records import Generation, Protocol

MAX_WRITTEN_CHARACTERS = 128
"""Longer poems are judged by likelihood alone, in Han characters."""

HUMAN = "human"
"""The system of the human references."""

OPENING_LINES = 2
"""Lines that the couplet protocol gives."""


def select_poems(poems: Iterable[Poem], count: int, seed: int) -> list[Poem]:
    """A seeded selection; a smaller one is always part of a larger one."""
    return sorted(poems, key=lambda poem: _draw(seed, poem))[:count]


def can_be_rewritten(poem: Poem) -> bool:
    """Whether a poem can serve both protocols: it has a title (or tune), a line behind its first couplet, and an end in
    sight."""
    return bool(poem.title or poem.tune) and len(poem.lines) > OPENING_LINES and poem.characters <= MAX_WRITTEN_CHARACTERS


def _draw(seed: int, *poems: Poem) -> bytes:
    texts = "".join(f"\x00{poem.source_id}\x00{poem.text}" for poem in poems)
    return hashlib.sha256(f"{seed}{texts}".encode()).digest()


@dataclass(frozen=True, slots=True)
class HumanReference:
    """Another poem to the same title.

    Attributes:
        poem: The poem.
        title_overlap: Dice overlap of the titles, 0 to 1; 1: the same title.
        other_poet: Whether it is known to be by another poet.
    """

    poem: Poem
    title_overlap: float
    other_poet: bool


def _title_grams(title: str) -> frozenset[str]:
    return frozenset(title) | frozenset(title[index : index + 2] for index in range(len(title) - 1))


class HumanReferences:
    """The poems that human references are taken from.

    Args:
        poems: The poems of the splits that are not evaluated.
        seed: Seed of the draw among equals.
    """

    def __init__(self, poems: Iterable[Poem], seed: int) -> None:
        self._seed = seed
        self._of_kind: dict[str, list[Poem]] = defaultdict(list)
        for poem in poems:
            self._of_kind[poem.kind].append(poem)
        self._grams: dict[str, list[frozenset[str]]] = {}
        self._postings: dict[str, dict[str, list[int]]] = {}

    def choose(self, poem: Poem) -> HumanReference | None:
        """The human reference of a poem; `None` where no other poem has its form."""
        known = self._of_kind.get(poem.kind, [])
        others = [number for number, other in enumerate(known) if _is_other_poet(poem, other)]
        allowed = others or [number for number, other in enumerate(known) if other.source_id != poem.source_id]
        if not allowed:
            return None
        overlaps = self._overlaps(poem)
        best = max(overlaps.get(number, 0.0) for number in allowed)
        equals = (known[number] for number in allowed if overlaps.get(number, 0.0) == best)
        # The draw depends on both poems, else one poem would stand beside all those whose titles nobody shares.
        chosen = min(equals, key=lambda other: _draw(self._seed, poem, other))
        return HumanReference(chosen, best, bool(others))

    def _overlaps(self, poem: Poem) -> dict[int, float]:
        """Dice overlap with the title of each poem of the same kind that shares a character, by its number."""
        kind, wanted = poem.kind, _title_grams(poem.title)
        if kind not in self._postings:
            self._grams[kind] = [_title_grams(other.title) for other in self._of_kind[kind]]
            postings = self._postings[kind] = defaultdict(list)
            for number, grams in enumerate(self._grams[kind]):
                for gram in grams:
                    postings[gram].append(number)
        shared: Counter[int] = Counter()
        for gram in wanted:
            shared.update(self._postings[kind].get(gram, ()))
        sizes = self._grams[kind]
        if not wanted:
            # A 词 is often called by its tune alone: those without a title have the same one.
            return {number: 1.0 for number, grams in enumerate(sizes) if not grams}
        return {number: 2 * count / (len(wanted) + len(sizes[number])) for number, count in shared.items()}


def _is_other_poet(poem: Poem, other: Poem) -> bool:
    return bool(poem.author and other.author) and poem.author != other.author


def human_generations(poems: Sequence[Poem], references: HumanReferences) -> list[Generation]:
    """The human system: another poet's poem for each judged poem, in both protocols.

    Poems whose form nobody else used have none.
    """
    generations = []
    chosen = [(poem, found) for poem in poems if (found := references.choose(poem)) is not None]
    for protocol in Protocol:
        given = skipped(protocol)
        for poem, found in chosen:
            other = found.poem
            origin: dict[str, str | float] = {"author": other.author, "title": other.title}
            origin |= {"source_id": other.source_id, "overlap": found.title_overlap}
            generations.append(as_generation(HUMAN, protocol, poem, other.lines[given:], other.marks[given:], origin))
    return generations


def skipped(protocol: Protocol) -> int:
    """Lines of a poem that the protocol gives, and that are not judged."""
    return OPENING_LINES if protocol is Protocol.COUPLET else 0


def as_generation(
    system: str,
    protocol: Protocol,
    poem: Poem,
    lines: Sequence[str],
    marks: str,
    origin: Mapping[str, str | float] | None = None,
) -> Generation:
    """What was written for a judged poem, beside the part of the poem that it is held against."""
    given = skipped(protocol)
    return Generation(
        system=system,
        protocol=protocol,
        source_id=poem.source_id,
        cluster_id=poem.cluster_id,
        title=poem.title,
        form=poem.kind,
        opening=poem.lines[:given],
        lines=tuple(lines),
        marks=marks,
        reference=poem.lines[given:],
        origin=origin or {},
    )
