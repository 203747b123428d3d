"""Words that must stand in a poem get their places before a character is written.

In: a request whose `must` names words. Out: the same request with each of them in a place (line, character) that its form
admits; or a refusal that says why there is none.

    forms with what else is given ──every place of every word──> tones, rhymes, readings, room ──search──> placed requests

A place is admitted where each character of the word keeps its slot: the tone under every reading that is asked for, also
the reading that the word itself gives it (行 in 五行), the rhyme group that its variable may still take, and no other
character given there. The search draws among the admitted places at random, those first where the metre has a pair and
no other word is near, so that one wish may be tried in several ways and the best poem kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gemma_poetry.data.words import pair_places
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.prescription import admitted_forms, wished_rhymes
from gemma_poetry.generation.request import PlacedWord, PoemRequest, simplify
from gemma_poetry.languages import _
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.forms import Form, Slot, Tone
from gemma_poetry.prosody.rhyme_book import RhymeBook

_STEPS = 20_000
"""Places that one search tries before it gives a form up."""

_OFF_FOOT, _AT_RHYME, _SAME_LINE = 0.05, 0.3, 0.2
"""How much rarer a place is drawn that runs across a foot, that decides the rhyme, whose line has a word already."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a word may stand.

    Attributes:
        line: The line, from 0.
        start: Its first character in the line, from 0.
        weight: How readily it is drawn.
        stands: Whether the word stands there already, by what else is given.
        rhyme: The rhyme variable that it decides, and the groups that it leaves.
    """

    line: int
    start: int
    weight: float
    stands: bool = False
    rhyme: tuple[str, frozenset[str]] | None = None


def place_words(request: PoemRequest, *, count: int = 1, seed: int = 0) -> list[PoemRequest]:
    """The request with its words in their places, in up to `count` different ways.

    Args:
        request: What is asked for; without `must`, or with `placed` words already, it comes back as it is.
        count: Ways that are looked for.
        seed: Seed of the draw.

    Raises:
        UnknownFormError: No form or tune is called so.
        ConstraintError: The words have no place beside all else; the reason is named.
    """
    if not request.must or request.placed:
        return [request]
    simple = simplify(request)
    for word in simple.must:
        if not word or not all(map(is_han, word)):
            raise ConstraintError(_("the word {word!r} is asked for", word=word), expected=_("words of Han characters only"))
    forms, book = admitted_forms(simple)
    searches = [_Search(form, simple, book) for form in forms]
    usable = [search for search in searches if search.possible]
    if not usable:
        raise _refusal(simple, searches, book)
    draw = random.Random(f"{seed} {simple.must}")
    found: dict[tuple[object, ...], PoemRequest] = {}
    for turn in range(2 * count + len(usable)):
        if len(found) >= count:
            break
        # Each form is tried once before any is tried again, so that a form which takes the words is found if there is one.
        if turn % len(usable) == 0:
            order = draw.sample(usable, len(usable))
        search = order[turn % len(usable)]
        places = search.draw_places(draw)
        if places is not None:
            # The words as the person wrote them: the script of the poem decides how they are shown.
            placed = tuple(PlacedWord(word, place.line + 1, place.start + 1) for word, place in zip(request.must, places))
            named = bool(search.form.pattern) and request.metre == "strict" and not request.answer
            pattern = search.form.pattern if named else request.pattern
            found.setdefault((placed, pattern), replace(request, placed=placed, pattern=pattern))
    if not found:
        raise ConstraintError(
            _(
                "{form} has a place for each of {must}, but not for all of them together",
                form=simple.form or _("the poem"),
                must=" ".join(simple.must),
            ),
            expected=_("words that leave room for each other"),
            action=_("ask for fewer words, or for a longer form"),
        )
    return list(found.values())


class _Search:
    """The places of some words in one form.

    Args:
        form: The form, with what else is given in its slots.
        request: What is asked for, in simplified characters.
        book: Its rhyme book.
    """

    def __init__(self, form: Form, request: PoemRequest, book: RhymeBook) -> None:
        self.form = form
        self.words = request.must
        self.sounding = any(slot.tone or slot.rhyme for slots in form.lines for slot in slots)
        self._sounds = BookSounds(book, request.polyphones)
        self._groups = dict(wished_rhymes(request, [form], book))
        for slots in form.lines:
            for slot in slots:
                if slot.rhyme and slot.char:
                    own = self._sounds.rhymes(slot.char, slot.tone)
                    self._groups[slot.rhyme] = self._groups.get(slot.rhyme, own) & own
        # A line that another repeats takes words too; the repetition itself follows from it.
        self._repeating = {line - 1 for line in form.repeating}
        self.places = [self._places_of(word) for word in self.words]

    @property
    def possible(self) -> bool:
        """Whether each word by itself has a place."""
        return all(self.places)

    def _places_of(self, word: str) -> list[_Place]:
        found = []
        for line, slots in enumerate(self.form.lines):
            if line in self._repeating:
                continue
            for start in range(len(slots) - len(word) + 1):
                place = self._place(word, line, start)
                if place is not None:
                    found.append(place)
        return found

    def _place(self, word: str, line: int, start: int) -> _Place | None:
        slots = self.form.lines[line][start : start + len(word)]
        if any(slot.char not in (None, char) for slot, char in zip(slots, word)):
            return None
        weight = 1.0 if len(word) != 2 or start in pair_places(len(self.form.lines[line])) else _OFF_FOOT
        if all(slot.char for slot in slots):
            return _Place(line, start, 1e9, stands=True)
        if not self.sounding:
            return _Place(line, start, weight)
        rhyme = None
        length = len(self.form.lines[line])
        told = self._sounds.book.tones_by_words("□" * start + word + "□" * (length - start - len(word)))
        for place, (slot, char) in enumerate(zip(slots, word), start):
            if slot.tone is not told.get(place, Tone) and not self._keeps(slot, char, place == length - 1):
                return None
            if slot.rhyme:
                own = self._sounds.rhymes(char, slot.tone)
                groups = own & self._groups.get(slot.rhyme, own)
                if not groups or char in self._rhyme_words(line, place):
                    return None
                rhyme = slot.rhyme, groups
        if not self._read_so(word, slots, length, start):
            return None
        if any(slot.rhyme and slot.char is None for slot in slots):
            weight *= _AT_RHYME
        return _Place(line, start, weight, rhyme=rhyme)

    def _rhyme_words(self, line: int, place: int) -> set[str | None]:
        """The rhyme words that are given elsewhere than in one place: none comes twice."""
        return {
            slot.char
            for number, slots in enumerate(self.form.lines)
            for position, slot in enumerate(slots)
            if slot.rhyme and (number, position) != (line, place)
        }

    def _keeps(self, slot: Slot, char: str, at_end: bool) -> bool:
        return self._sounds.known(char) and (slot.tone is None or slot.tone in self._sounds.tones(char, at_end))

    def _read_so(self, word: str, slots: Sequence[Slot], length: int, start: int) -> bool:
        """Whether the word is read as its slots ask, its characters beside each other (了 in 明了 stands for 瞭)."""
        if self._sounds.polyphones == "any":
            return True
        book = self._sounds.book
        (converted,) = book.converted([word])
        (heard,) = book.interpret(["□" * start + converted + "□" * (length - start - len(word))])
        for slot, place in zip(slots, heard[start : start + len(word)]):
            tones = {place.likely} if place.likely else {reading.tone for reading in place.readings}
            if not place.readings or (slot.tone and tones != {slot.tone}):
                return False
            if slot.rhyme and len({self._sounds.group(reading) for reading in place.readings}) != 1:
                return False
        return True

    def draw_places(self, draw: random.Random) -> list[_Place] | None:
        """A place for each word, in the order of the words; `None` where the search found none."""
        steps = [_STEPS]
        order = sorted(range(len(self.words)), key=lambda number: len(self.places[number]))
        found = self._extend(order, {}, self._groups, draw, steps)
        return [found[number] for number in range(len(self.words))] if found is not None else None

    def _extend(
        self,
        order: Sequence[int],
        chosen: dict[int, _Place],
        groups: Mapping[str, frozenset[str]],
        draw: random.Random,
        steps: list[int],
    ) -> dict[int, _Place] | None:
        if not order:
            return chosen
        number, *rest = order
        for place in self._in_drawn_order(number, chosen, draw):
            steps[0] -= 1
            if steps[0] < 0:
                return None
            if not self._beside(number, place, chosen):
                continue
            left = dict(groups)
            if place.rhyme:
                variable, own = place.rhyme
                left[variable] = left.get(variable, own) & own
                if not left[variable]:
                    continue
            found = self._extend(rest, {**chosen, number: place}, left, draw, steps)
            if found is not None:
                return found
        return None

    def _in_drawn_order(self, number: int, chosen: Mapping[int, _Place], draw: random.Random) -> Iterator[_Place]:
        """The places of a word in an order drawn by their weights (Efraimidis and Spirakis 2006)."""
        lines = {place.line for place in chosen.values()}

        def key(place: _Place) -> float:
            weight = place.weight * (_SAME_LINE if place.line in lines else 1)
            return draw.random() ** (1 / weight)

        return iter(sorted(self.places[number], key=key, reverse=True))

    def _beside(self, number: int, place: _Place, chosen: Mapping[int, _Place]) -> bool:
        """Whether a word may stand there beside those that have their places: nowhere one on another."""
        word, length = self.words[number], len(self.words[number])
        for other, taken in chosen.items():
            if taken.line == place.line and not place.stands and not taken.stands:
                apart = taken.start + len(self.words[other]) <= place.start or place.start + length <= taken.start
                if not apart:
                    return False
            if taken.rhyme and place.rhyme and self.words[other][-1] == word[-1]:
                return False
        return True


def _refusal(request: PoemRequest, searches: Sequence[_Search], book: RhymeBook) -> ConstraintError:
    """Why no form has a place for each word: the first word that has none, and what stands against it."""
    form = searches[0].form
    name = request.form or form.name
    for number, word in enumerate(request.must):
        if any(search.places[number] for search in searches):
            continue
        unknown = [char for char in word if not BookSounds(book, "any").known(char)]
        lengths = [length for search in searches for length in search.form.line_lengths]
        if unknown and any(search.sounding for search in searches):
            reason = _("{unknown} has no known reading, so no tone can be kept with it", unknown=unknown[0])
        elif len(word) > max(lengths):
            reason = _("the word {word} is longer than every line of {name}", word=word, name=name)
        elif any(_Search(_emptied(search.form), replace(request, rhymes=()), book).places[number] for search in searches):
            reason = _(
                "every place of {name} whose tones the word {word} has is taken or rhymes otherwise by what else is asked",
                name=name,
                word=word,
            )
        else:
            reason = _(
                "the word {word} fits no place of {name}: its tones{tones_of} do not go there under every reading",
                word=word,
                name=name,
                tones_of=_tones_of(word, book),
            )
        action = _("choose another word, form or pattern")
        if request.polyphones == "every" and not unknown:
            action += _("; or polyphones any, so that one reading is enough")
        return ConstraintError(reason, expected=_("words that the form has a place for"), action=action)
    return ConstraintError(
        _("no pattern of {name} has a place for each of {must}", name=name, must=" ".join(request.must)),
        expected=_("words that one pattern has places for"),
        action=_("ask for fewer words, or choose another form"),
    )


def _emptied(form: Form) -> Form:
    return replace(form, lines=tuple(tuple(replace(slot, char=None) for slot in slots) for slots in form.lines))


def _tones_of(word: str, book: RhymeBook) -> str:
    sounds = BookSounds(book, "any")
    heard = ["/".join(sorted(tone.value for tone in sounds.tones(char, False))) for char in word]
    return f" ({' '.join(heard)})"
