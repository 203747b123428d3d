"""Composing: a wish becomes poems; characters are locked, exchanged, and the rest is written anew.

In: what the page says (`Wish`), taps on characters. Out: a `Sheaf` of `Draft`s, immutable; each step gives a new one.

    Wish ──compose──> Sheaf ──tap: lock──> Sheaf ──rewrite──> Sheaf with one more draft
                        └────tap: choose──> draft with its alternatives ──take──> the character exchanged and locked

Locked characters become a template with blanks, so that the engine that keeps the form keeps them too.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest, simplify, split_words
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import FIXED_SHAPES
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Spot
from gemma_poetry.studio.workshop import Progress, Workshop

if TYPE_CHECKING:
    from gemma_poetry.generation.alternatives import Alternative
    from gemma_poetry.generation.poem_generator import GeneratedPoem

MOST_DRAFTS = 24
"""Drafts that a sheaf keeps; the oldest fall out."""

_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What the page asks for, as it was filled in.

    Attributes:
        form: 体裁 or 词牌.
        title: 题目.
        author: 作者, whose style is asked for.
        acrostic: 藏头.
        rhyme: A rhyme group, or nothing.
        template: Lines with blanks, or nothing.
        pattern: Words of the pattern's name.
        lines: Lines of a 排律 or 古体; `None`: as usual.
        script: `simplified` or `traditional`.
        free: Whether only lines and characters are kept.
        seed: A whole number, or nothing.
        drafts: Poems to write.
        words: Words to write about, with commas, 、 or blanks between them.
        must: Whether each of them must stand in the poem.
        book: The rhyme book, or nothing.
        model: The name of a model.
    """

    form: str = ""
    title: str = ""
    author: str = ""
    acrostic: str = ""
    rhyme: str = ""
    template: str = ""
    pattern: str = ""
    lines: int | None = None
    script: str = "simplified"
    free: bool = False
    seed: str = ""
    drafts: int = 1
    model: str = ""
    words: str = ""
    must: bool = False
    book: str = ""

    def request(self, language: Language) -> PoemRequest:
        """The wish as generation takes it; one that cannot be met is refused here, before a model is asked.

        Raises:
            UsageError: Neither a form nor a template is given, or the wishes contradict each other.
        """
        if not self.form.strip() and not self.template.strip():
            raise complaint("choose_form", language)
        words = split_words(self.words)
        request = PoemRequest(
            form=self.form.strip(),
            title=self.title.strip(),
            author=self.author.strip(),
            pattern=self.pattern.strip(),
            metre="free" if self.free else "strict",
            lines=int(self.lines) if self.lines else None,
            acrostic=self.acrostic.strip(),
            rhymes=(self.rhyme,) if self.rhyme else (),
            template=self.template.strip(),
            words=() if self.must else words,
            must=words if self.must else (),
            book=self.book,
            script="traditional" if self.script == "traditional" else "simplified",
        )
        place_words(request)
        prescribe(simplify(request))
        return request


@dataclass(frozen=True, slots=True)
class Draft:
    """One poem on the desk.

    Attributes:
        poem: The poem.
        request: What was asked for at first; locks are not part of it.
        model: The name of the model that wrote it.
        seed: The seed that it was written with.
        given: Places that were asked for; they cannot be unlocked.
        locked: Places that are locked.
        ppl_char: Perplexity a character under the model that wrote it; `None` once a character was exchanged.
        chosen: The place that alternatives are shown for.
        options: The alternatives.
    """

    poem: Poem
    request: PoemRequest
    model: str
    seed: int
    given: frozenset[Spot] = frozenset()
    locked: frozenset[Spot] = frozenset()
    ppl_char: float | None = None
    chosen: Spot | None = None
    options: tuple[Alternative, ...] = ()

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

    def turned(self, steps: int) -> Sheaf:
        """The sheaf with another draft on top."""
        return replace(self, current=(self.current + steps) % len(self.drafts)) if self.drafts else self

    def changed(self, draft: Draft) -> Sheaf:
        """The sheaf with the draft that is shown exchanged."""
        return replace(self, drafts=(*self.drafts[: self.current], draft, *self.drafts[self.current + 1 :]))

    def added(self, *drafts: Draft) -> Sheaf:
        """The sheaf with drafts put behind the others, the first of them shown."""
        kept = (*self.drafts, *drafts)[-MOST_DRAFTS:]
        return Sheaf(kept, len(kept) - len(drafts))


def seed_of(text: str, language: Language) -> int:
    """The seed that a person gave, or a new one.

    Raises:
        UsageError: It is no whole number, or too large.
    """
    text = str(text).strip()
    if not text:
        return secrets.randbelow(10**6)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _LARGEST_SEED):
        raise complaint("bad_seed", language, value=repr(text[:20]))
    return int(text)


def compose(workshop: Workshop, wish: Wish, visitor: str, language: Language) -> Iterator[Progress | Sheaf]:
    """Writes the poems of a wish.

    Raises:
        GemmaPoetryError: The wish is too large, cannot be met, or the visitor must wait.
    """
    texts = (
        wish.form,
        wish.title,
        wish.author,
        wish.acrostic,
        wish.rhyme,
        wish.template,
        wish.pattern,
        wish.words,
        str(wish.seed),
    )
    workshop.limits.check_size(language, *texts)
    workshop.limits.check_poems(language, wish.drafts)
    workshop.check_model(wish.model, language)
    seed = seed_of(wish.seed, language)
    request = wish.request(language)
    for step in _write(workshop, wish.model, request, request, wish.drafts, seed, visitor, language):
        yield step if isinstance(step, Progress) else Sheaf().added(*step)


def rewrite(workshop: Workshop, sheaf: Sheaf, visitor: str, language: Language) -> Iterator[Progress | Sheaf]:
    """Writes what is not locked anew, as one more draft.

    Raises:
        GemmaPoetryError: There is no draft, nothing is left to write, or the visitor must wait.
    """
    from gemma_poetry.generation.alternatives import blanked

    draft = _draft(sheaf, language)
    kept = draft.locked | draft.given
    blanks = draft.places - kept
    if not blanks:
        raise complaint("all_locked", language)
    request = replace(draft.request, template=blanked(draft.poem, set(blanks)))
    seed = seed_of("", language)
    for step in _write(workshop, draft.model, request, draft.request, 1, seed, visitor, language):
        yield step if isinstance(step, Progress) else sheaf.added(*(replace(new, locked=draft.locked) for new in step))


def _write(
    workshop: Workshop,
    model: str,
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
        for step in workshop.write(model, [request] * count, seed, language):
            yield step if isinstance(step, Progress) else [draft_of(one, asked, model) for one in step]
    finally:
        ticket.leave()


def draft_of(written: GeneratedPoem, asked: PoemRequest, model: str) -> Draft:
    """A poem that was written, as a draft of what was asked for."""
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
    return Draft(written.poem, asked, model, written.seed, given, ppl_char=ppl)


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
