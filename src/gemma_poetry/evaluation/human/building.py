"""Building a study: poems of systems and of people, mixed, checked and dealt out.

    generations of each system ──┐
    held-out poems (people)    ──┼─> titles with a poem by every system ──design──> tasks of each rater, ids opaque
    shuffled poems, repeats    ──┘                                            └────> the key, with lines the corpus has

In: writings of the systems, the held-out poems, an index of the other poems. Out: `Plan`, everything that `write_study` puts on
disk. Titles that every system has written to come first; if they do not suffice, titles are filled with poems to other
titles, same forms together, and the key's notes say so.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import write_json, write_jsonl, write_text
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import UsageError
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.human.design import Allotment, Match, balanced_design
from gemma_poetry.evaluation.human.study import (
    COMPARE,
    ITEMS,
    KEY,
    LINKS,
    RATE,
    RATERS,
    SETTINGS,
    TOKENS,
    Item,
    Key,
    Source,
    Task,
    hash_token,
    key_record,
    new_token,
    write_private_json,
)
from gemma_poetry.evaluation.novelty import Provenance, trace
from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.references import HUMAN, as_generation
from gemma_poetry.languages import _, listed
from gemma_poetry.manifests import atomic_folder, write_manifest

LONGEST_POEM = 160
"""Longer poems tire raters and are left out, in characters."""

LONGEST_LINE = 40
LONGEST_TITLE = 60
MOST_RATERS = 1000


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How large a study is.

    Attributes:
        poems: Titles; each has a poem by every system and by a person.
        raters: Private links.
        ratings: Poems a rater rates, without checks.
        pairs: Pairs a rater compares, without checks.
        checks: Shuffled poems among a rater's poems.
        repeats: Poems that a rater sees a second time.
        seed: Seed of every draw but the tokens.
    """

    poems: int
    raters: int
    ratings: int = 20
    pairs: int = 10
    checks: int = 2
    repeats: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A study before it is written."""

    items: Sequence[Item]
    tasks: Mapping[str, Sequence[Task]]
    key: Key
    settings: BuildSettings


def _clean(text: str) -> str:
    """Text without control and direction characters, which would let a poem rearrange the page around it."""
    return "".join(char for char in text if char.isprintable())


def plan_study(
    generations: Iterable[Generation], held_out: Sequence[Poem], index: CorpusIndex | None, settings: BuildSettings
) -> Plan:
    """Chooses poems and deals them out.

    Args:
        generations: What the systems wrote; those that were given a first couplet are passed over.
        held_out: Real poems that no system has learned from.
        index: The poems that systems may have learned from, to flag copied lines; `None` flags nothing.
        settings: How large the study is.

    Raises:
        UsageError: The wished-for size cannot be had from these poems.
    """
    _check(settings)
    notes: list[str] = []
    candidates = _candidates(generations, held_out, notes)
    blocks = _blocks(candidates, settings, notes)
    systems = (*(system for system in candidates if system != HUMAN), HUMAN)
    used = {block[HUMAN].source_id for block in blocks}
    spare = [poem for poem in _by_people(held_out) if _is_fit(poem) and poem.source_id not in used]
    alike = frozenset(
        Match(title, first, second)
        for title, block in enumerate(blocks)
        for first, second in itertools.combinations(range(len(systems)), 2)
        if block[systems[first]].lines == block[systems[second]].lines
    )
    if alike:
        notes.append(
            _("{count} times two systems wrote the same poem to a title: these are rated, not compared", count=len(alike))
        )
    design = balanced_design(
        len(blocks),
        len(systems),
        settings.raters,
        ratings=settings.ratings,
        pairs=settings.pairs,
        seed=settings.seed,
        alike=alike,
    )
    dealer = _Dealer(systems, blocks, spare or [block[HUMAN] for block in blocks], index, settings)
    width = max(2, len(str(settings.raters)))
    tasks = {f"R{number:0{width}}": dealer.deal(own) for number, own in enumerate(design, 1)}
    return Plan(dealer.shown(), tasks, Key(systems, dealer.sources, tuple(notes)), settings)


def _check(settings: BuildSettings) -> None:
    for name, least, most in (
        ("poems", 1, 10_000), ("raters", 1, MOST_RATERS), ("ratings", 1, 500), ("pairs", 0, 500), ("checks", 0, 50),
        ("repeats", 0, 50),
    ):  # fmt: skip
        value = getattr(settings, name)
        if not least <= value <= most:
            raise UsageError(
                _("--{name} cannot be {value}", name=name, value=value), expected=_("{least} to {most}", least=least, most=most)
            )


def _is_fit(poem: Generation) -> bool:
    lengths = list(map(len, poem.lines))
    return bool(lengths) and sum(lengths) <= LONGEST_POEM and max(lengths) <= LONGEST_LINE


def _shown_as(poem: Generation, item: str) -> Item:
    title = _clean(poem.title)[:LONGEST_TITLE]
    return Item(item, title, _clean(poem.form)[:LONGEST_TITLE], tuple(map(_clean, poem.lines)), poem.marks)


def _by_people(poems: Iterable[Poem]) -> list[Generation]:
    return [as_generation(HUMAN, Protocol.TITLE, poem, poem.lines, poem.marks) for poem in poems]


def _candidates(generations: Iterable[Generation], held_out: Sequence[Poem], notes: list[str]) -> dict[str, list[Generation]]:
    """System -> its poems; people last. Poems that are empty or too long are counted and left out."""
    found: dict[str, list[Generation]] = defaultdict(list)
    for writing in generations:
        if writing.protocol is Protocol.TITLE:
            found[writing.system].append(writing)
    if not found:
        raise UsageError(
            _("the files hold no whole poems"), expected=_("poems written from a title"), action=_("name other --generations")
        )
    found[HUMAN] = _by_people(held_out)
    for system, poems in found.items():
        fit = [poem for poem in poems if _is_fit(poem)]
        if len(fit) < len(poems) and system != HUMAN:
            unfit = _(
                "{system}: {count} of {all} poems are empty or too long to be shown",
                system=system,
                count=len(poems) - len(fit),
                all=len(poems),
            )
            notes.append(unfit)
        found[system] = fit
    return dict(found)


def _blocks(
    candidates: Mapping[str, Sequence[Generation]], settings: BuildSettings, notes: list[str]
) -> list[dict[str, Generation]]:
    """Titles, each with one poem by every system."""
    generator = random.Random(f"blocks {settings.seed}")
    by_source = {system: {poem.source_id: poem for poem in reversed(poems)} for system, poems in candidates.items()}
    common = sorted(set.intersection(*(set(poems) for poems in by_source.values())))
    generator.shuffle(common)
    blocks = [{system: poems[source] for system, poems in by_source.items()} for source in common[: settings.poems]]
    if len(blocks) == settings.poems:
        return blocks
    missing = settings.poems - len(blocks)
    rest: dict[str, list[Generation]] = {}
    for system, poems in candidates.items():
        taken = {block[system].source_id for block in blocks}
        left = [poem for poem in poems if poem.source_id not in taken]
        generator.shuffle(left)
        rest[system] = left
        if len(left) < missing:
            raise UsageError(
                _(
                    "{system} has {count} poems that can be shown, {poems} are asked for",
                    system=system,
                    count=len(left) + len(blocks),
                    poems=settings.poems,
                ),
                expected=_("--poems at most {count}", count=len(left) + len(blocks)),
                action=_("ask for fewer poems, or write more"),
            )
    unshared = _(
        "{missing} of {poems} titles are not shared: there, systems are compared on poems to other titles",
        missing=missing,
        poems=settings.poems,
    )
    notes.append(unshared)
    shortest = min((system for system in rest if system != HUMAN), key=lambda system: len(rest[system]))
    for wanted in [poem.form for poem in rest[shortest][:missing]]:
        blocks.append({system: _take(poems, wanted) for system, poems in rest.items()})
    return blocks


def _take(poems: list[Generation], form: str) -> Generation:
    """Takes a poem of a form off the list, any if there is none."""
    place = next((number for number, poem in enumerate(poems) if poem.form == form), 0)
    return poems.pop(place)


class _Dealer:
    """Turns an allotment into tasks, giving every poem shown an opaque id and an entry in the key."""

    def __init__(
        self,
        systems: Sequence[str],
        blocks: Sequence[Mapping[str, Generation]],
        spare: Sequence[Generation],
        index: CorpusIndex | None,
        settings: BuildSettings,
    ) -> None:
        self._systems, self._blocks, self._spare = systems, blocks, spare
        self._index, self._settings = index, settings
        self._generator = random.Random(f"deal {settings.seed}")
        self._items: dict[str, Item] = {}
        self._shared: dict[tuple[int, str], str] = {}
        self.sources: dict[str, Source] = {}

    def shown(self) -> list[Item]:
        """Everything that somebody is shown, sorted by ids that say nothing."""
        return [self._items[item] for item in sorted(self._items)]

    def _new_id(self) -> str:
        while True:
            item = f"{self._generator.getrandbits(48):012x}"
            if item not in self._items:
                return item

    def _item(self, title: int, system: int) -> str:
        """The id of a poem, one for all raters."""
        name = self._systems[system]
        if (title, name) not in self._shared:
            poem = self._blocks[title][name]
            item = self._new_id()
            self._items[item] = _shown_as(poem, item)
            found = trace(poem.lines, self._index) if self._index is not None else None
            self.sources[item] = Source(name, f"T{title + 1:03}", source_id=poem.source_id, **_flags(found))
            self._shared[title, name] = item
        return self._shared[title, name]

    def _shuffled(self, poem: Generation) -> str:
        """A new item with the characters of a poem in another order, the shape kept."""
        text = list("".join(poem.lines))
        self._generator.shuffle(text)
        rest = iter(text)
        lines = tuple("".join(next(rest) for _ in line) for line in poem.lines)
        item = self._new_id()
        self._items[item] = _shown_as(replace(poem, lines=lines), item)
        self.sources[item] = Source("", "", shuffled_from=poem.source_id)
        return item

    def _repeated(self, item: str) -> str:
        copy = self._new_id()
        original = self._items[item]
        self._items[copy] = Item(copy, original.title, original.form, original.lines, original.marks)
        self.sources[copy] = Source(self.sources[item].system, self.sources[item].title, repeats=item)
        return copy

    def deal(self, own: Allotment) -> list[Task]:
        """The tasks of one rater: poems to rate with checks and repeats among them, then pairs."""
        draw, settings = self._generator, self._settings
        rated = [self._item(cell.title, cell.system) for cell in own.cells]
        sequence = list(rated)
        # A repeat comes in the last third, of a poem of the first third: far enough apart not to be remembered by its place.
        third = len(rated) // 3
        for item in draw.sample(rated[:third], min(settings.repeats, third)):
            sequence.insert(draw.randint(len(sequence) - third, len(sequence)), self._repeated(item))
        for poem in draw.sample(self._spare, min(settings.checks, len(self._spare))):
            # Never first: a rater must have met real poems before.
            sequence.insert(draw.randint(min(1, len(sequence)), len(sequence)), self._shuffled(poem))
        pairs = [(self._item(match.title, match.left), self._item(match.title, match.right)) for match in own.matches]
        if pairs and settings.checks:
            poem = draw.choice(self._spare)
            real = self._new_id()
            self._items[real] = _shown_as(poem, real)
            self.sources[real] = Source("", "", source_id=poem.source_id)
            sides = [real, self._shuffled(poem)]
            draw.shuffle(sides)
            pairs.insert(draw.randint(0, len(pairs)), (sides[0], sides[1]))
        kinds: list[tuple[str, tuple[str, ...]]] = [
            *((RATE, (item,)) for item in sequence),
            *((COMPARE, pair) for pair in pairs),
        ]
        return [Task(f"{number:03}", kind, items) for number, (kind, items) in enumerate(kinds, 1)]


def _flags(found: Provenance | None) -> dict[str, Any]:
    if found is None:
        return {}
    record = found.to_record()
    return {"copied": record["copied"], "longest_span": record["span"]["text"] if record["span"] else ""}


def write_study(folder: Path, plan: Plan, about: Mapping[str, Any], base_url: str) -> list[tuple[str, str]]:
    """Writes a study; the folder must not exist yet, since it would take answers with it.

    Returns:
        Rater and private link, also in `links.csv`.

    Raises:
        UsageError: The folder exists.
        OutputError: It cannot be written.
    """
    if folder.exists():
        raise UsageError(
            _("the folder exists"), expected=_("a new one"), where=folder, action=_("name another --out: answers may be in it")
        )
    tokens = {rater: new_token() for rater in plan.tasks}
    links = [(rater, f"{base_url.rstrip('/')}/?r={token}") for rater, token in tokens.items()]
    with atomic_folder(folder) as partial:
        write_jsonl(partial / ITEMS, map(asdict, plan.items))
        for rater, tasks in plan.tasks.items():
            write_json(partial / RATERS / f"{rater}.json", {"rater": rater, "tasks": [asdict(task) for task in tasks]})
        write_json(partial / TOKENS, {rater: hash_token(token) for rater, token in tokens.items()})
        write_json(partial / SETTINGS, asdict(plan.settings))
        write_private_json(partial / KEY, key_record(plan.key))
        rows = io.StringIO()
        csv.writer(rows).writerows([("rater", "link"), *links])
        write_text(partial / LINKS, rows.getvalue())
        os.chmod(partial / LINKS, 0o600)
        files = [ITEMS, TOKENS, SETTINGS, KEY, *(f"{RATERS}/{rater}.json" for rater in plan.tasks)]
        write_manifest(partial, about, files)
    return links


def summary(plan: Plan) -> list[tuple[str, str]]:
    """What the organiser wants to know of a new study, as rows of name and value."""
    sources = plan.key.sources.values()
    shown: Counter[str] = Counter()
    ratings: Counter[str] = Counter()
    for tasks in plan.tasks.values():
        for task in tasks:
            source = plan.key.sources[task.items[0]]
            if task.kind == RATE and source.system and not source.repeats:
                shown[source.system] += 1
                ratings[task.items[0]] += 1
    counts = sorted(ratings.values())
    rows = [
        (_("systems"), listed(plan.key.systems)),
        (_("ratings of each system"), listed(f"{shown[system]}" for system in plan.key.systems)),
        (
            _("poems rated, raters a poem"),
            _("{count}, {counts} to {counts_counts}", count=len(counts), counts=counts[0], counts_counts=counts[-1])
            if counts
            else "0",
        ),
        (_("tasks a rater"), str(len(next(iter(plan.tasks.values()))))),
    ]
    for system in plan.key.systems:
        own = [source for source in sources if source.system == system and not source.repeats]
        copying = sum(bool(source.copied) for source in own)
        rows.append(
            (
                _("{system}: poems with lines of the corpus", system=system),
                _("{copying} of {count}", copying=copying, count=len(own)),
            )
        )
    if counts and counts[0] < 2:
        rows.append((_("note"), _("some poems have one rater only: agreement is computed from the others")))
    return [*rows, *((_("note"), note) for note in plan.key.notes)]
