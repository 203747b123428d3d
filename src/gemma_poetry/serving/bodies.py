"""The bodies of requests, checked field by field before anything else sees them.

In: JSON of programs. Out: a `PoemBody`, `CheckBody` or `ChatBody`, and the wish in it; a field that is unknown, of
another type, too long or not plain text is refused with its name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gemma_poetry.generation.request import MOST_NAMED, PoemRequest
from gemma_poetry.languages import _

MOST_POEMS = 16
"""Poems of a request at most."""

MOST_DRAFTS = 128
"""Texts written for a poem at most: what effort 5 writes."""

LONGEST_TEXT = 20_000
"""Characters of a text to check at most."""

_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _plain(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError(_("control characters, or halves of characters, are no text"))
    return text


def _line(text: str) -> str:
    if "\n" in text:
        raise ValueError(_("one line of text is wanted"))
    return _plain(text)


def _pasted(text: str) -> str:
    return _plain(text.replace("\r\n", "\n").replace("\t", " "))


Name = Annotated[str, Field(max_length=40), AfterValidator(_line)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_line)]
Lines = Annotated[str, Field(max_length=1000), AfterValidator(_plain)]
Word = Annotated[str, Field(max_length=20), AfterValidator(_line)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class _Body(BaseModel):
    """No field is guessed: unknown ones are refused, and a number in quotation marks is none."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PoemBody(_Body):
    """A wish for poems: every field of `PoemRequest`, and how they are written."""

    form: Name = Field("", description="体裁, 词牌 or 曲牌, by its full or short name: 七言绝句, 五律, 菩萨蛮.")
    title: Line = Field("", description="题目.")
    author: Name = Field("", description="作者, whose style is asked for.")
    pattern: Name = Field("", description="平起, 仄起, 首句入韵, 不入韵; of a tune its variant.")
    metre: Literal["strict", "free"] = Field(
        "strict", description="strict keeps tones and rhyme; free only lines and characters."
    )
    lines: int | None = Field(None, ge=1, le=100, description="Lines of a 排律 or of a form without metre.")
    first_line: Line = Field("", description="The first line, whole.")
    acrostic: Line = Field("", description="藏头: first characters of the lines.")
    acrostic_end: Line = Field("", description="Last characters of the lines.")
    rhymes: list[Word] = Field([], max_length=100, description="Rhyme groups, one for each rhyme of the form: 一东, 第七部.")
    rhyme_words: Line = Field("", description="步韵: the rhyme words in order.")
    template: Lines = Field("", description="Lines with blanks: 空山□□□，□□□□秋。")
    answer: Line = Field("", description="上联: the line that is to be answered.")
    answer_poem: Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_pasted)] = Field(
        "", description="和诗: a whole poem that is answered, whose form and rhyme are taken."
    )
    answer_by: Literal["步韵", "用韵", "依韵"] = Field(
        "步韵", description="步韵: its rhyme words in order; 用韵: in any order; 依韵: others of its rhyme."
    )
    book: Name = Field("", description="Rhyme book: pingshui, cilin, xinyun, tongyun; empty: the usual one of the form.")
    words: list[Word] = Field(
        [], max_length=MOST_NAMED, description="意象: words to write about; four at most, those of `must` among them."
    )
    offer_words: bool = Field(True, description="For a title of modern life, let the prompt name words that go with it.")
    must: list[Word] = Field([], max_length=16, description="Words that stand in the poem for certain.")
    polyphones: Literal["every", "any"] = Field("every", description="every or any reading must keep the form.")
    distinct: bool = Field(True, description="No character twice, reduplication aside.")
    novel: bool = Field(True, description="No line of the training corpus, where the model carries the list of them.")
    script: Literal["simplified", "traditional"] = Field("simplified", description="Script of the poem.")
    n: int = Field(1, ge=1, le=MOST_POEMS, description="Poems to write.")
    seed: Seed | None = Field(None, description="Gives the same poems again on the same machine, whoever else asks.")
    effort: int | None = Field(
        None, ge=1, le=5, description="Quality for time: 1 writes once, 3 chooses of many, 4 also rewrites weak lines."
    )
    best_of: int | None = Field(
        None, ge=1, le=MOST_DRAFTS, description="Texts written for each that is kept, in place of an effort; not beside one."
    )
    assess: bool = Field(False, description="Tell the perplexity of each poem.")
    feature: Name = Field("", description="What else the domain can be asked for: of haiku a season word.")
    stream: bool = Field(
        False, description="JSON lines (or SSE, if Accept asks for it): the lines of each poem once it is final."
    )

    def wish(self) -> PoemRequest:
        """The wish, as the engine takes it."""
        own: dict[str, Any] = self.model_dump(exclude={"n", "seed", "effort", "best_of", "assess", "feature", "stream"})
        lists: dict[str, Any] = {name: tuple(own.pop(name)) for name in ("rhymes", "words", "must")}
        return PoemRequest(**own, **lists)


class CheckBody(_Body):
    """Poems to check."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_pasted)] = Field(
        description="One poem or several, empty lines between them."
    )
    form: Name = Field("", description="The form or tune that each must keep; empty: the one that it suggests.")
    feature: Name = Field("", description="What each must have besides: of haiku a season word.")
    book: Name = Field("", description="Rhyme book: pingshui, cilin, xinyun, tongyun; empty: the usual one of the form.")


class ChatMessage(BaseModel):
    """A message of a conversation; front-ends send more with it than is looked at."""

    model_config = ConfigDict(extra="ignore")

    role: str = Field(max_length=40)
    content: str | list[dict[str, Any]] | None = None


class ChatBody(BaseModel):
    """A conversation in the usual shape; of its settings `n`, `seed` and `stream` count, the others are ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = Field(None, max_length=200, description="The name that /v1/models tells; may be left out.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    n: int | None = Field(None, ge=1, le=MOST_POEMS, description="Poems to choose from.")
    seed: Seed | None = Field(None, description="Gives the same poem again.")
    stream: bool | None = Field(None, description="Server-sent events: the lines of each poem once it is final.")
