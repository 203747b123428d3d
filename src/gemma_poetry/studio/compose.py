"""Composing: a wish becomes poems; characters are locked, exchanged, and the rest is written anew.

In: a `Wish`, taps on characters. Out: a `Sheaf` of `Draft`s, immutable; each step gives a new one.

    Wish ──compose──> Sheaf ──tap: lock──> Sheaf ──rewrite──> Sheaf with one more draft
                        └────tap: choose──> draft with its alternatives ──take──> the character exchanged and locked

Locked characters become a template with blanks, so that the engine that keeps the form keeps them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest, simplify
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import FIXED_SHAPES
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Spot
from gemma_poetry.studio.wish import Wish, seed_of
from gemma_poetry.studio.workshop import Progress, Workshop

if TYPE_CHECKING:
    from gemma_poetry.generation.alternatives import Alternative
    from gemma_poetry.generation.poem_generator import GeneratedPoem

MOST_DRAFTS = 24
"""Drafts that a sheaf keeps; the oldest fall out."""

MORE = 3
"""Poems that are written at once to choose from."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One poem on the desk.

    Attributes:
        poem: The poem.
        request: What it grants: what was asked for, and where words were put; locks are not part of it.
        asked: What was asked for at first.
        wish: What the page asked for.
        seed: The seed that it was written with.
        given: Places that were asked for; they cannot be unlocked.
        locked: Places that are locked.
        ppl_char: Perplexity a character under the model that wrote it; `None` once a character was exchanged.
        chosen: The place that alternatives are shown for.
        options: The alternatives.
    """

    poem: Poem
    request: PoemRequest
    asked: PoemRequest
    wish: Wish
    seed: int
    given: frozenset[Spot] = frozenset()
    locked: frozenset[Spot] = frozenset()
    ppl_char: float | None = None
    chosen: Spot | None = None
    options: tuple[Alternative, ...] = ()

    @property
    def model(self) -> str:
        """The name of the model that wrote it."""
        return self.wish.model

    @property
    def places(self) -> frozenset[Spot]:
        """Every place of the poem."""
        return frozenset((line, place) for line, text in enumerate(self.poem.lines, 1) for place in range(1, len(text) + 1))

    @property
    def scansion(self) -> Scansion | None:
        """What a scansion finds; `None` where no rule judges the poem."""
        poem = self.poem
        judged = poem.tune or poem.form in FIXED_SHAPES or poem.form.endswith("排律")
        return scan(poem.lines, poem.kind, book=self.request.book) if judged and self.request.metre == "strict" else None


@dataclass(frozen=True, slots=True)
class Sheaf:
    """The drafts of a session.

    Attributes:
        drafts: The drafts, the latest last.
        current: The number of the one that is shown, from 0.
    """

    drafts: tuple[Draft, ...] = ()
    current: int = 0

    @property
    def draft(self) -> Draft | None:
        """The draft that is shown."""
        return self.drafts[self.current] if self.drafts else None

    def showing(self, number: object) -> Sheaf:
        """The sheaf with another draft on top; as it is where there is no such draft."""
        text = str(number)
        there = text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < len(self.drafts)
        return replace(self, current=int(text)) if there else self

    def changed(self, draft: Draft) -> Sheaf:
        """The sheaf with the draft that is shown exchanged."""
        return replace(self, drafts=(*self.drafts[: self.current], draft, *self.drafts[self.current + 1 :]))

    def added(self, *drafts: Draft) -> Sheaf:
        """The sheaf with drafts put behind the others, the first of them shown."""
        kept = (*self.drafts, *drafts)[-MOST_DRAFTS:]
        return Sheaf(kept, len(kept) - len(drafts))


def compose(
    workshop: Workshop, wish: Wish, visitor: str, language: Language, sheaf: Sheaf | None = None
) -> Iterator[Progress | Sheaf]:
    """Writes the poems of a wish, behind those of the sitting.

    Raises:
        GemmaPoetryError: The wish is too large, cannot be met, or the visitor must wait.
    """
    workshop.limits.check_size(language, *wish.texts)
    workshop.limits.check_poems(language, wish.drafts)
    wish.check_best_of(language)
    workshop.check_model(wish.model, language)
    seed = seed_of(wish.seed, language)
    request = wish.request(language)
    for step in _write(workshop, wish, request, request, wish.drafts, seed, visitor, language):
        yield step if isinstance(step, Progress) else (sheaf or Sheaf()).added(*step)


def more(workshop: Workshop, sheaf: Sheaf, visitor: str, language: Language) -> Iterator[Progress | Sheaf]:
    """Writes some more poems of the wish that the shown draft was written for (再写几首).

    Raises:
        GemmaPoetryError: There is no draft, or the visitor must wait.
    """
    draft = _draft(sheaf, language)
    count = min(MORE, workshop.limits.poems)
    seed = seed_of("", language)
    for step in _write(workshop, draft.wish, draft.asked, draft.asked, count, seed, visitor, language):
        yield step if isinstance(step, Progress) else sheaf.added(*step)


def rewrite(workshop: Workshop, sheaf: Sheaf, visitor: str, language: Language) -> Iterator[Progress | Sheaf]:
    """Writes what is not locked anew, as one more draft.

    Raises:
        GemmaPoetryError: There is no draft, nothing is left to write, or the visitor must wait.
    """
    from gemma_poetry.generation.alternatives import holding

    draft = _draft(sheaf, language)
    kept = draft.locked | draft.given
    blanks = draft.places - kept
    if not blanks:
        raise complaint("all_locked", language)
    request = holding(draft.request, draft.poem, blanks)
    seed = seed_of("", language)
    for step in _write(workshop, draft.wish, request, draft.request, 1, seed, visitor, language):
        yield (
            step
            if isinstance(step, Progress)
            else sheaf.added(*(replace(new, locked=draft.locked, asked=draft.asked) for new in step))
        )


def _write(
    workshop: Workshop,
    wish: Wish,
    request: PoemRequest,
    asked: PoemRequest,
    count: int,
    seed: int,
    visitor: str,
    language: Language,
) -> Iterator[Progress | list[Draft]]:
    """Waits for the turn and writes."""
    ticket = workshop.line.enter(visitor, language)
    try:
        yield from workshop.in_turn(ticket, language)
        settings = wish.sampling(workshop.settings)
        for step in workshop.write(wish.model, [request] * count, seed, language, settings=settings, best_of=wish.best_of):
            yield step if isinstance(step, Progress) else [draft_of(one, asked, wish) for one in step]
    finally:
        ticket.leave()


def draft_of(written: GeneratedPoem, asked: PoemRequest, wish: Wish) -> Draft:
    """A poem that was written, as a draft of what was asked for."""
    first = asked
    # Words that were put in their places, and those that were offered, belong to what a rewriting grants.
    own = written.request
    asked = replace(asked, placed=own.placed, offered=own.offered, pattern=own.pattern if own.placed else asked.pattern)
    lengths = tuple(map(len, written.poem.lines))
    forms = [form for form in prescribe(simplify(asked)).forms if form.line_lengths == lengths]
    given = frozenset(
        (line, place)
        for line, slots in enumerate(forms[0].lines if forms else (), 1)
        for place, slot in enumerate(slots, 1)
        if slot.char
    )
    ppl = written.merits.ppl_char if written.merits else None
    asked = replace(asked, novel=written.request.novel)
    return Draft(written.poem, asked, first, wish, written.seed, given, ppl_char=ppl)


def parse_spot(text: object, draft: Draft, language: Language) -> Spot:
    """The place that a tap names (`2.5`; `2.0` for the whole line).

    Raises:
        UsageError: The poem has no such place.
    """
    line, _, position = str(text).partition(".")
    if line.isascii() and line.isdigit() and position.isascii() and position.isdigit() and len(line + position) <= 6:
        spot = (int(line), int(position))
        if spot in draft.places or (spot[1] == 0 and 1 <= spot[0] <= len(draft.poem.lines)):
            return spot
    raise complaint("bad_place", language)


def toggle_lock(sheaf: Sheaf, place: object, language: Language) -> Sheaf:
    """Locks a character or a line, or unlocks it.

    Raises:
        UsageError: There is no draft, no such place, or the character was asked for.
    """
    draft = _draft(sheaf, language)
    spot = parse_spot(place, draft, language)
    if spot in draft.given:
        raise complaint("is_given", language)
    meant = frozenset(one for one in draft.places if one[0] == spot[0]) - draft.given if spot[1] == 0 else frozenset({spot})
    locked = draft.locked - meant if meant <= draft.locked else draft.locked | meant
    return sheaf.changed(replace(draft, locked=locked, chosen=None, options=()))


def unlock_all(sheaf: Sheaf) -> Sheaf:
    """The sheaf with nothing locked in the draft that is shown."""
    draft = sheaf.draft
    return sheaf.changed(replace(draft, locked=frozenset())) if draft else sheaf


def offer(workshop: Workshop, sheaf: Sheaf, place: object, visitor: str, language: Language) -> Iterator[Progress | Sheaf]:
    """Finds what else could stand in a place.

    Raises:
        GemmaPoetryError: There is no such place, its character was asked for, or the visitor must wait.
    """
    from gemma_poetry.generation.alternatives import alternatives

    draft = _draft(sheaf, language)
    line, position = parse_spot(place, draft, language)
    if position == 0:
        raise complaint("bad_place", language)
    if (line, position) in draft.given:
        raise complaint("is_given", language)
    workshop.check_model(draft.model, language)
    ticket = workshop.line.enter(visitor, language)
    try:
        yield from workshop.in_turn(ticket, language)
        yield Progress(say("weighing", language))
        found = alternatives(workshop.generator(draft.model), draft.request, draft.poem, line, position)
    finally:
        ticket.leave()
    yield sheaf.changed(replace(draft, chosen=(line, position), options=tuple(found)))


def take(sheaf: Sheaf, number: object, language: Language) -> Sheaf:
    """Puts an alternative into its place, and locks it: it was chosen.

    Raises:
        UsageError: There is no such alternative.
    """
    draft = _draft(sheaf, language)
    text = str(number)
    if draft.chosen is None or not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < len(draft.options)):
        raise complaint("bad_place", language)
    option = draft.options[int(text)]
    kept = draft if option.current else replace(draft, poem=option.poem, ppl_char=None)
    return sheaf.changed(replace(kept, locked=draft.locked | {draft.chosen}, chosen=None, options=()))


def _draft(sheaf: Sheaf, language: Language) -> Draft:
    if sheaf.draft is None:
        raise complaint("no_draft", language)
    return sheaf.draft
