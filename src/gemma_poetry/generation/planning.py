"""Plans: a request's prescription lifted to the tokens of one tokenizer, those of the latest forms kept.

In: a tokenizer, requests. Out: for each its `Prescription` and its `Plan`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from gemma_poetry.corpus.variants import fold_all, other_glyphs
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import terminator_id
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.alphabet import Alphabet
from gemma_poetry.generation.logits_processor import Plan
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import Prescription, prescribe
from gemma_poetry.generation.request import PoemRequest, simplify
from gemma_poetry.generation.slot_automaton import SlotAutomaton
from gemma_poetry.generation.token_index import TokenIndex, TokenMasks
from gemma_poetry.languages import _
from gemma_poetry.prosody.character_sounds import BookSounds, Polyphones
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.forms import Form
from gemma_poetry.prosody.lexicon import lexicon, readings
from gemma_poetry.prosody.rhyme_book import RhymeBook

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gemma_poetry.corpus.known_lines import KnownLines

FORMS_KEPT = 8
"""Forms whose masks are kept; one takes some hundred megabytes with a vocabulary of 256,000 pieces."""


_OTHER_GLYPHS = "祇祗秪"
"""Glyphs of 只 in verse; GB 2312 has two of them for words that verse hardly knows (神祇)."""

_SPARE_WAYS = 8
"""Ways to place words that are looked for beside those wanted, in case the vocabulary cannot fill some."""


class Planner:
    """Plans requests for one tokenizer.

    Args:
        tokenizer: The tokenizer of the model that will write.
        charset: Characters that may stand where none is asked for; `None`: every character with a known reading.
        byte_characters: Also write characters that the vocabulary has only as bytes.
        guards: The lines of the corpora that the model was trained on; without any, no new lines can be asked for.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        charset: frozenset[str] | None = None,
        byte_characters: bool = False,
        guards: Sequence[KnownLines] = (),
    ) -> None:
        self.guards = tuple(guards)
        self._charset = charset
        self._spells = byte_characters
        spelt = _known_characters() if byte_characters else frozenset[str]()
        self.index = TokenIndex(tokenizer, terminator_id(tokenizer), spelt | (charset or frozenset()) if spelt else ())
        self._alphabets: dict[tuple[RhymeBook, Polyphones] | None, Alphabet] = {}
        self._masks: dict[Hashable, TokenMasks] = {}

    def plan(self, request: PoemRequest) -> tuple[Prescription, Plan]:
        """What a request prescribes, and what decoding must obey to grant it.

        Raises:
            UnknownFormError: No form or tune is called so.
            ConstraintError: The wish cannot be met with the characters of the vocabulary, or new lines are asked for where
                nobody knows the old ones.
        """
        if request.novel and not self.guards:
            raise ConstraintError(
                _("new lines are asked for, and no list of known lines is at hand"),
                expected=_("the lines that the model was trained on, as `guards`"),
                action=_("take them from generation.carried_lines.find_guards(MODEL, DATA), or ask with novel=False"),
            )
        if request.must and not request.placed:
            request = self.place(request, 1)[0]
        prescription = prescribe(simplify(request))
        return prescription, self.follow(prescription, request)

    def follow(self, prescription: Prescription, request: PoemRequest, around: str = "") -> Plan:
        """What decoding must obey to write one of the forms of a prescription.

        Args:
            prescription: The forms.
            request: Says what else is asked for: readings, distinct characters, new lines.
            around: Text that stands around what is written, where that is a part of a poem.

        Raises:
            ConstraintError: No form can be filled with the characters of the vocabulary.
        """
        self._require_writable(prescription.forms)
        sounding = (prescription.book, request.polyphones) if prescription.sounding else None
        key = (prescription.forms, tuple(sorted(prescription.rhymes.items())), sounding)
        masks = self._kept(key)
        if masks is None:
            automaton = SlotAutomaton(prescription.forms, self._alphabet(sounding), prescription.rhymes)
            masks = self._masks[key] = TokenMasks(self.index, automaton)
        guards = self.guards if request.novel else ()
        if request.answer:
            return Plan(masks, True, guards, around, doubling=False, answering=((2, ""),))
        return Plan(masks, request.distinct, guards, around)

    def place(self, request: PoemRequest, count: int, seed: int = 0) -> list[PoemRequest]:
        """The request with the words that must stand in it in their places, in up to `count` ways that can be written.

        Args:
            request: What is asked for; without such words it comes back as it is.
            count: Ways that are looked for.
            seed: Seed of the draw.

        Raises:
            ConstraintError: There is no such way; the reason is named.
        """
        if not request.must or request.placed:
            return [request]
        writable: list[PoemRequest] = []
        refused: ConstraintError | None = None
        for way in place_words(request, count=count + _SPARE_WAYS, seed=seed):
            try:
                self.plan(way)
            except ConstraintError as refusal:
                # A rhyme group may have too few words that this vocabulary can write.
                refused = refusal
            else:
                writable.append(way)
            if len(writable) == count:
                break
        if not writable:
            assert refused is not None
            raise refused
        return writable

    def _require_writable(self, forms: Sequence[Form]) -> None:
        """Refuses a given character that the vocabulary has no way to write, and says what would write it.

        Raises:
            ConstraintError: It has no piece of its own, and bytes are not to be used, or cannot spell it either.
        """
        given = [
            (line, position, slot.char)
            for line, slots in enumerate(forms[0].lines, 1)
            for position, slot in enumerate(slots, 1)
            if slot.char
        ]
        for line, position, char in given:
            if char not in self.index.characters:
                spelt = not self._spells and char in _known_characters()
                raise ConstraintError(
                    _(
                        "line {line}, character {position}: {char!r} cannot be written with the model's vocabulary",
                        line=line,
                        position=position,
                        char=char,
                    ),
                    expected=_(
                        "a character with a piece of its own{value}",
                        value=_(", or leave to spell it by bytes") if spelt else "",
                    ),
                    action=_("add --byte-characters (byte_characters=True)") if spelt else _("choose another character"),
                )

    def plan_form(self, form: Form) -> Plan:
        """The plan of a form that asks for no tones and no rhyme.

        Raises:
            ConstraintError: A character of the form cannot be written.
        """
        key = ((form,), (), None)
        masks = self._kept(key)
        if masks is None:
            masks = self._masks[key] = TokenMasks(self.index, SlotAutomaton([form], self._alphabet(None)))
        return Plan(masks)

    def _kept(self, key: Hashable) -> TokenMasks | None:
        """The masks of a form that was planned lately; of others the oldest make room."""
        masks = self._masks.pop(key, None)
        if masks is not None:
            self._masks[key] = masks
        elif len(self._masks) >= FORMS_KEPT:
            del self._masks[next(iter(self._masks))]
        return masks

    def conditions(self, request: PoemRequest, prescription: Prescription) -> Conditions:
        """What the prompt says."""
        return prescription.conditions(simplify(request))

    def _alphabet(self, sounding: tuple[RhymeBook, Polyphones] | None) -> Alphabet:
        """The characters at hand, sorted by what the forms can tell apart."""
        if sounding not in self._alphabets:
            charset = self._charset
            if charset is None:
                charset = frozenset(char for char in _plain_glyphs(self.index.characters) if readings(char))
            sounds = BookSounds(*sounding) if sounding else None
            self._alphabets[sounding] = Alphabet(self.index.characters, sounds, charset)
        return self._alphabets[sounding]


def _plain_glyphs(characters: Sequence[str]) -> Iterator[str]:
    """The characters that may stand in simplified text: none that is only another glyph (疎, 逺) of a plain one (疏, 远).

    Plain is what the national standard GB 2312 has (晖 beside 辉 too); characters beyond the basic plane most fonts lack.
    """
    folded = dict(zip(characters, fold_all(characters)))
    plain = {char for char in characters if _in_standard(char)}
    has_plain_glyph = {folded[char] for char in plain}
    others = other_glyphs()
    for char in characters:
        another = folded[char] in has_plain_glyph or others.get(char) in plain
        if char not in _OTHER_GLYPHS and ord(char) <= 0xFFFF and (char in plain or not another):
            yield char


def _in_standard(char: str) -> bool:
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _known_characters() -> frozenset[str]:
    """Every character with a reading."""
    table = lexicon()
    return frozenset(char for char in (*table.rhymes, *table.simplified, *table.variants) if is_han(char))
