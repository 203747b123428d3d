"""A poem that is answered (和诗) gives its form and its rhyme to the new one.

In: the text of a poem, and how it is answered. Out: the forms that an answer may follow, rhyme words in their places, and
the rhyme groups that it keeps to.

    步韵   the same rhyme words in the same order
    用韵   the same rhyme words in another order
    依韵   other words of the same rhyme

A rhyme word is read as it is read in the poem that is answered: in the group that it shares with its fellows there. A first
line in a neighbouring rhyme (邻韵), and a word that rhymes with no other, stay where they are and bind nothing.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gemma_poetry.errors import ConstraintError, TextError, UnknownFormError
from gemma_poetry.generation.request import Manner
from gemma_poetry.languages import _
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import FIXED_SHAPES, FREE, Form, Slot, Tone, alternating_marks
from gemma_poetry.prosody.lines import split_lines
from gemma_poetry.prosody.regulated import REGULATED_CHARACTERS, find_pattern, patterns_of, regulated_forms
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion import scan, scan_auto

_MOST_ORDERS = 24
"""Orders of the rhyme words that decoding may choose among (用韵); all of four words and fewer."""

_ANCIENT = "古绝"


@dataclass(frozen=True, slots=True)
class AnsweredPoem:
    """What a poem gives to its answer.

    Attributes:
        name: The name of its form, or of its tune.
        tune: 词牌, empty where the form is none.
        forms: The forms that an answer may follow, each with the closing marks of the poem's lines.
        rhymes: The groups of each rhyme variable, those that most of its words share.
        lines: The lines of the poem.
        book: The rhyme book that it was read by.
    """

    name: str
    tune: str
    forms: tuple[Form, ...]
    rhymes: dict[str, frozenset[str]]
    lines: tuple[str, ...]
    book: RhymeBook

    def answers(self, manner: Manner) -> tuple[Form, ...]:
        """The forms of an answer, with rhyme words where the manner gives them."""
        if manner == "依韵":
            return self.forms
        return tuple(
            self._with_words(form, words) for form in self.forms for words in (self._orders(form) if manner == "用韵" else [{}])
        )

    def _rhyming(self, form: Form) -> list[tuple[int, int]]:
        """The rhyme places of a form, as indices of line and character, those apart that a repeated line has again."""
        repeating = {line for line, _ in form.echoes}
        return [
            (line, place)
            for line, slots in enumerate(form.lines)
            for place, slot in enumerate(slots)
            if slot.rhyme and line + 1 not in repeating
        ]

    def _binds(self, slot: Slot, char: str) -> bool:
        """Whether a word is in the rhyme of the variable of its slot."""
        groups = BookSounds(self.book, "any").rhymes(char, slot.tone)
        return not groups.isdisjoint(self.rhymes.get(slot.rhyme or "", frozenset()))

    def _orders(self, form: Form) -> Iterator[dict[tuple[int, int], str]]:
        """Other orders of the words that rhyme with each other; of ancient verse also those that it takes together (通韵)."""
        places = [
            (line, place)
            for line, place in self._rhyming(form)
            if form.lines[line][place].tone is None or self._binds(form.lines[line][place], self.lines[line][place])
        ]
        own = tuple(self.lines[line][place] for line, place in places)
        variables = [form.lines[line][place].rhyme for line, place in places]
        word_variable = dict(zip(own, variables))

        def allowed(order: Sequence[str]) -> bool:
            return tuple(order) != own and all(word_variable[word] == variable for word, variable in zip(order, variables))

        if len(own) <= 4:
            orders = [order for order in itertools.permutations(own) if allowed(order)]
        else:
            draw = random.Random(len(own))
            drawn = (_shuffled_within(own, variables, draw) for _ in range(8 * _MOST_ORDERS))
            orders = [order for order in dict.fromkeys(drawn) if allowed(order)][:_MOST_ORDERS]
        if not orders:
            raise ConstraintError(
                _("the rhyme words {words} have no other order", words=" ".join(own)),
                expected=_("two rhyme words or more that rhyme with each other"),
                action=_("answer by 步韵"),
            )
        return (dict(zip(places, order)) for order in orders)

    def _with_words(self, form: Form, words: dict[tuple[int, int], str]) -> Form:
        lines = [list(slots) for slots in form.lines]
        for line, place in self._rhyming(form):
            slot = lines[line][place]
            char = words.get((line, place), self.lines[line][place])
            # A word that binds nothing stands as the poem has it: no tone is asked of it.
            lines[line][place] = replace(slot, char=char) if self._binds(slot, char) else Slot(char=char)
        return replace(form, lines=tuple(map(tuple, lines)))


def _shuffled_within(words: Sequence[str], variables: Sequence[str | None], draw: random.Random) -> tuple[str, ...]:
    pools = {
        variable: draw.sample(own, len(own))
        for variable in dict.fromkeys(variables)
        for own in [[word for word, other in zip(words, variables) if other == variable]]
    }
    return tuple(pools[variable].pop() for variable in variables)


@functools.lru_cache(maxsize=32)
def read_answered(text: str, name: str = "", free: bool = False, book: str = "") -> AnsweredPoem:
    """What a poem gives to its answer.

    Args:
        text: The poem, its lines parted by marks or white space.
        name: The form or tune that it is read as; empty: the one that its lines suggest.
        free: Leave tones alone.
        book: The name of the rhyme book; empty: 平水韵, of 词 词林正韵, of 曲 中原音韵.

    Raises:
        ConstraintError: The text is no poem, or has no rhyme that is known.
        UnknownFormError: No form or tune is called so.
        UsageError: No rhyme book is called so.
    """
    try:
        lines, marks = split_lines(text)
        scansion = scan(lines, name, marks, book) if name else scan_auto(lines, marks, book)
    except UnknownFormError:
        raise
    except TextError as error:
        raise ConstraintError(
            _("the poem that is answered cannot be read: {reason}", reason=error.found),
            expected=error.expected,
            action=error.action,
        ) from error
    if scansion.verdict is Verdict.NOT_JUDGED:
        raise ConstraintError(
            _("the poem that is answered has no rhyme that is known: {reason}", reason=scansion.remarks[0]),
            expected=_("a 诗, or a 词 of a judged tune"),
            action=_("name its form or tune with --form"),
        )
    tune = "" if scansion.form in REGULATED_CHARACTERS or scansion.form.endswith("诗") else scansion.form
    forms = _forms(scansion, tune, marks)
    lines = _divided(lines, forms[0])
    if free:
        forms = (
            replace(
                forms[0],
                lines=tuple(tuple(slot if slot.rhyme else FREE for slot in slots) for slots in forms[0].lines),
                pattern="",
            ),
        )
    rhymes = _shared_groups(forms[0], lines, scansion.book)
    if not rhymes:
        raise ConstraintError(
            _("the poem that is answered does not rhyme"),
            expected=_("a poem whose rhyme words are known"),
            action=_("choose another"),
        )
    return AnsweredPoem(scansion.form, tune, forms, rhymes, tuple(lines), scansion.book)


def _divided(lines: Sequence[str], form: Form) -> tuple[str, ...]:
    """The lines of a poem, divided as a form divides them."""
    text = iter("".join(lines))
    return tuple("".join(itertools.islice(text, length)) for length in form.line_lengths)


def _forms(scansion: Scansion, tune: str, marks: str) -> tuple[Form, ...]:
    """The forms that the lines of a poem have, without its words."""
    if tune:
        from gemma_poetry.prosody.tunes import tune_forms

        # Editors divide the sentences of a 词 differently: its length tells the variant where its lines do not.
        lengths = tuple(map(len, scansion.lines))
        whole = [form for form in tune_forms(tune) if sum(form.line_lengths) == sum(lengths)]
        named = [form for form in whole if form.pattern == scansion.pattern]
        best = tuple(named or [form for form in whole if form.line_lengths == lengths])[:1]
        if not best:
            raise ConstraintError(
                _("the poem that is answered has not the lines of {tune}", tune=tune),
                expected=_("as many characters as one of its variants"),
                action=_("see `gemma-poetry tunes show {tune}`", tune=tune),
            )
        return best
    if scansion.form in REGULATED_CHARACTERS:
        forms = _regulated(scansion)
        if forms:
            return forms
    tones = _rhyme_tones(scansion) if scansion.book.mixes_tones else {}
    lines = tuple(
        tuple(Slot(tones.get(place.rhyme), place.rhyme) if place.rhyme else FREE for place in places)
        for places in scansion.places
    )
    return (Form(scansion.form, lines, marks if len(marks) == len(lines) else alternating_marks(len(lines))),)


def _rhyme_tones(scansion: Scansion) -> dict[str, Tone]:
    """The tone that most words of each rhyme variable are read in."""
    votes: dict[str, Counter[Tone]] = {}
    for place in itertools.chain.from_iterable(scansion.places):
        if place.rhyme and place.taken:
            votes.setdefault(place.rhyme, Counter())[place.taken.tone] += 1
    return {variable: own.most_common(1)[0][0] for variable, own in votes.items()}


def _regulated(scansion: Scansion) -> tuple[Form, ...]:
    """The patterns that rhyme as often as a poem; none where a 古绝 has no rhyme of one group."""
    name = scansion.form
    count = None if name in FIXED_SHAPES else len(scansion.lines)
    rhyming = [places[-1] for places in scansion.places if places[-1].rhyme]
    if scansion.pattern == _ANCIENT:
        sounds = BookSounds(scansion.book, "any")
        shared = frozenset.intersection(*(sounds.rhymes(place.char, Tone.OBLIQUE) for place in rhyming))
        if not shared:
            return ()
        rhyme, opens = Tone.OBLIQUE, bool(scansion.places[0][-1].rhyme)
    else:
        rhyme = Tone(find_pattern(scansion.pattern, len(scansion.lines[0])).rhyme)
        opens = bool(scansion.places[0][-1].rhyme)
    known = patterns_of(name)
    return tuple(form for form in regulated_forms(name, count, rhyme) if known[form.pattern].opens_rhymed == opens)


def _shared_groups(form: Form, lines: Sequence[str], book: RhymeBook) -> dict[str, frozenset[str]]:
    """The groups that most words of each rhyme variable share."""
    sounds = BookSounds(book, "any")
    words: dict[str, list[frozenset[str]]] = {}
    for slots, line in zip(form.lines, lines):
        for slot, char in zip(slots, line):
            if slot.rhyme:
                words.setdefault(slot.rhyme, []).append(sounds.rhymes(char, slot.tone))
    shared = {}
    for variable, groups in words.items():
        votes = Counter(group for own in groups for group in sorted(own))
        if votes:
            best, _unused = votes.most_common(1)[0]
            # Others that the same words have (严 is in 盐 and in 咸) are as good; of joined rhymes (通韵) one counts.
            fellows = [own for own in groups if best in own]
            shared[variable] = frozenset.intersection(*fellows)
    return shared
