"""A request says what a person asks of a poem.

In: form, title, author, characters that are given. Out: a `PoemRequest`, also in simplified characters as models are prompted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from gemma_poetry.corpus.script import convert
from gemma_poetry.data.words import MOST_WORDS, offer_words
from gemma_poetry.errors import UsageError, nearest_names
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.character_sounds import Polyphones

Manner = Literal["步韵", "依韵", "用韵"]
"""How a poem is answered."""

MANNERS: tuple[Manner, ...] = get_args(Manner)

MOST_NAMED = MOST_WORDS
"""Words that a prompt names at most, since no training prompt named more."""


class PlacedWord(NamedTuple):
    """A word that has its place.

    Attributes:
        word: The word.
        line: The line, from 1.
        position: Its first character in the line, from 1.
    """

    word: str
    line: int
    position: int


@dataclass(frozen=True, slots=True)
class PoemRequest:
    """One wish for a poem; all may stay empty but one of form, template, answer and answer_poem.

    Attributes:
        form: 体裁, 词牌 or 曲牌, by its full or short name.
        title: 题目.
        author: 作者, whose style is asked for.
        pattern: Words of the pattern's name (平起, 仄起, 首句入韵, 不入韵; of a tune: 44字); empty: whichever suits.
        metre: `strict` keeps tones and rhyme; `free` keeps lines and characters only.
        lines: Lines of a 排律 or of a form without metre; `None`: 12 and 8.
        first_line: The first line, whole.
        acrostic: 藏头: the first characters of the first lines.
        acrostic_end: The same of the last characters.
        rhymes: Rhyme groups of the book (一东; of a tune 第七部), one for each rhyme of the form in order.
        rhyme_words: 步韵: the rhyme words, in order.
        template: Lines with blanks: 空山□□□，□□□□秋。
        answer: 上联: the upper line of a couplet whose lower line is asked for.
        answer_poem: 和诗: a whole poem, whose form and rhyme the new one takes; `form` then only says how it is read.
        answer_by: `步韵`: its rhyme words in order; `用韵`: in another order; `依韵`: other words of its rhyme.
        words: 意象: words that the prompt names, for the poem to be about; with `must` four at most.
        offer_words: Where no word is asked for and the title names something modern, let the prompt name words that go with it.
        must: Words that stand in the poem, in whichever places the form admits them.
        placed: Words in places of their own; what `placement.place_words` finds for `must`.
        offered: Words that the prompt names because they go with the title; `with_offered_words` draws them.
        book: The rhyme book, one of pingshui, cilin, xinyun, tongyun, or its Chinese name; empty: 平水韵, of 词 词林正韵, of 曲
            中原音韵.
        polyphones: `every`: the form holds under every reading of every character, given ones apart, which are read as
             their given neighbours or their rhyme ask; `any`: under some.
        distinct: No character comes twice, but for one said twice over (萧萧).
        novel: No line of the poem stands in the training corpus; the generator must know its lines.
        script: Script of the finished poem.
    """

    form: str = ""
    title: str = ""
    author: str = ""
    pattern: str = ""
    metre: Literal["strict", "free"] = "strict"
    lines: int | None = None
    first_line: str = ""
    acrostic: str = ""
    acrostic_end: str = ""
    rhymes: tuple[str, ...] = ()
    rhyme_words: str = ""
    template: str = ""
    answer: str = ""
    answer_poem: str = ""
    answer_by: Manner = "步韵"
    words: tuple[str, ...] = ()
    offer_words: bool = True
    must: tuple[str, ...] = ()
    placed: tuple[PlacedWord, ...] = ()
    offered: tuple[str, ...] = ()
    book: str = ""
    polyphones: Polyphones = "every"
    distinct: bool = True
    novel: bool = True
    script: Literal["simplified", "traditional"] = "simplified"


def requests_of(form: str | PoemRequest | Sequence[PoemRequest], wishes: Mapping[str, Any]) -> list[PoemRequest]:
    """Requests as a person writes them.

    Args:
        form: The form of one, by its full or short name; or whole requests.
        wishes: Further fields of the one.

    Raises:
        UsageError: No field is called so, one has another type or an unknown choice, or whole requests and fields are given.
    """
    known = [field.name for field in fields(PoemRequest)]
    for name in wishes:
        if name not in known:
            near = listed(nearest_names(name, known), " or ")
            raise UsageError(
                _("no wish is called {name!r}", name=name),
                expected=_("one of {known}", known=listed(known)),
                action=_("did you mean {near}?", near=near) if near else _("choose a name of the list"),
            )
    if isinstance(form, str):
        return [request_from({**wishes, "form": form})]
    if wishes:
        raise UsageError(
            _("{wishes} is given beside a request", wishes=listed(wishes)), action=_("make it part of the request")
        )
    whole = [form] if isinstance(form, PoemRequest) else list(form)
    return [request_from({name: getattr(one, name) for name in known}) for one in whole]


def request_from(given: Mapping[str, Any]) -> PoemRequest:
    """The request of these fields; of lists, one text stands for what a person lists in it.

    Raises:
        UsageError: A field has another type, or a word that it knows no meaning of.
    """
    values = dict(given)
    for name, value in given.items():
        if isinstance(value, str) and name in ("words", "must"):
            values[name] = split_words(value)
        elif isinstance(value, str) and name == "rhymes":
            values[name] = (value,) if value else ()
        elif isinstance(value, Iterable) and not isinstance(value, str | Mapping):
            values[name] = tuple(value)
    wrong = [name for name, value in values.items() if not _has_its_type(name, value)]
    if wrong:
        raise UsageError(
            _("fields of another type: {wrong}", wrong=listed(wrong)),
            expected=_("text, a list of texts, true or false, a number of lines"),
        )
    for name, value in values.items():
        if name in _CHOICES and value not in _CHOICES[name]:
            raise UsageError(
                _("{name}={value} is asked for", name=name, value=repr(value)),
                expected=_("one of {known}", known=listed(_CHOICES[name])),
            )
    return PoemRequest(**values)


_DEFAULTS = PoemRequest()
_CHOICES = {name: get_args(hint) for name, hint in get_type_hints(PoemRequest).items() if get_origin(hint) is Literal}


def _has_its_type(name: str, value: object) -> bool:
    if name == "lines":
        return value is None or type(value) is int
    if isinstance(value, tuple):
        kind = PlacedWord if name == "placed" else str
        return isinstance(getattr(_DEFAULTS, name), tuple) and all(isinstance(one, kind) for one in value)
    return isinstance(value, type(getattr(_DEFAULTS, name)))


_GIVEN_TEXTS = ("first_line", "acrostic", "acrostic_end", "rhyme_words", "template", "answer", "answer_poem")
"""Fields whose characters stand in the poem."""


def simplify(request: PoemRequest) -> PoemRequest:
    """The request with all its texts in simplified characters, which models are prompted in."""
    names = ("form", "title", "author", "pattern", *_GIVEN_TEXTS)
    texts = convert([getattr(request, name) for name in names], "simplified")
    changed: dict[str, Any] = dict(zip(names, texts))
    for name in ("rhymes", "words", "must"):
        changed[name] = tuple(convert(getattr(request, name), "simplified"))
    placed = convert([one.word for one in request.placed], "simplified")
    return replace(request, placed=tuple(one._replace(word=word) for one, word in zip(request.placed, placed)), **changed)


def split_words(text: str) -> tuple[str, ...]:
    """The words of a list that a person wrote, each once; commas, 、 or blanks stand between them."""
    return tuple(dict.fromkeys(re.findall(r"[^,，、;；\s]+", text)))


def named_words(request: PoemRequest) -> tuple[str, ...]:
    """The words that the prompt names: those that must stand in the poem, those asked for, those offered; each once."""
    return tuple(dict.fromkeys((*request.must, *request.words, *request.offered)))[:MOST_NAMED]


def check_words(request: PoemRequest) -> None:
    """Refuses words to write about that the prompt would leave out; those that must stand in the poem are named before them.

    Raises:
        UsageError: There are too many.
    """
    if not set(request.words) <= set(named_words(request)):
        raise UsageError(
            _("{count} words to write about are asked for", count=len({*request.must, *request.words})),
            expected=_("{most} at most, those that must stand in the poem among them", most=MOST_NAMED),
            action=_("leave some of them out"),
        )


def with_offered_words(request: PoemRequest, draw: random.Random) -> PoemRequest:
    """The request with words that go with its title, where it asks for none and its title names something modern."""
    if not request.offer_words or request.words or request.must or not request.title:
        return request
    (title,) = convert([request.title], "simplified")
    return replace(request, offered=offer_words(title, draw))


def words_record(request: PoemRequest) -> dict[str, Any]:
    """What a JSON record says of words: those that the prompt named, which of them were offered, and where words were put."""
    return {
        "named": list(named_words(request)),
        "offered": list(request.offered),
        "placed": [one._asdict() for one in request.placed],
    }


def with_given_texts(request: PoemRequest) -> PoemRequest:
    """The request with its names in simplified characters, and what is to stand in the poem as the person wrote it."""
    given: dict[str, Any] = {name: getattr(request, name) for name in (*_GIVEN_TEXTS, "must", "placed")}
    return replace(simplify(request), **given)
