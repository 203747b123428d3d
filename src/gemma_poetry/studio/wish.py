"""What the page asks for, as it was filled in; and some examples of it.

In: words, choices and numbers of the page. Out: a `PoemRequest`, sampling settings, and a seed; or a refusal in the language of
the page.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields
from typing import cast

from gemma_poetry.config import GenerateSettings
from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.generation.given_characters import parse_template
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import admitted_forms, prescribe
from gemma_poetry.generation.request import MOST_NAMED, Manner, PoemRequest, simplify, split_words
from gemma_poetry.prosody.forms import Form
from gemma_poetry.studio.texts import Language, complaint

COUPLET = "对联"
"""What the page calls the form of a couplet whose upper line is given."""

MOST_OF = 128
"""Poems that are written at most for each that is kept: as many as the highest effort writes."""

_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What the page asks for, as it was filled in.

    Attributes:
        form: 体裁 or 词牌, or 对联.
        title: 题目.
        author: 作者, whose style is asked for.
        upper: 上联, to which a 对联 is the answer.
        first_line: The first line, whole.
        acrostic: 藏头.
        acrostic_end: 藏尾.
        book: The rhyme book; empty: the usual one of the form.
        rhyme: A rhyme group, or nothing.
        rhyme_words: 步韵: the rhyme words in order.
        answered: 和诗: a whole poem whose form and rhyme the new one takes, or nothing.
        manner: How it is answered: 步韵, 用韵 or 依韵.
        template: Lines with blanks, or nothing.
        pattern: Words of the pattern's name.
        lines: Lines of a 排律 or 古体; `None`: as usual.
        script: `simplified` or `traditional`.
        free: Whether only lines and characters are kept.
        distinct: Whether no character may come twice.
        lenient: Whether one fitting reading of a polyphone is enough.
        seed: A whole number, or nothing.
        drafts: Poems to write.
        words: Words to write about, with commas, 、 or blanks between them.
        must: Whether each of them must stand in the poem.
        model: The name of a model.
        effort: Quality for time, 1 to 5; `None`: as usual.
        temperature: How bold the model samples; `None`: as usual.
        best_of: Poems written for each that is kept; `None`: as many as the effort says.
    """

    form: str = ""
    title: str = ""
    author: str = ""
    upper: str = ""
    first_line: str = ""
    acrostic: str = ""
    acrostic_end: str = ""
    book: str = ""
    rhyme: str = ""
    rhyme_words: str = ""
    answered: str = ""
    manner: str = "步韵"
    template: str = ""
    pattern: str = ""
    lines: int | None = None
    script: str = "simplified"
    free: bool = False
    distinct: bool = True
    lenient: bool = False
    seed: str = ""
    drafts: int = 1
    words: str = ""
    must: bool = False
    model: str = ""
    effort: int | None = None
    temperature: float | None = None
    best_of: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All that a person can write at any length."""
        return tuple(value for field in fields(self) if isinstance(value := getattr(self, field.name), str))

    def request(self, language: Language) -> PoemRequest:
        """The wish as generation takes it; one that cannot be met is refused here, before a model is asked.

        Blanks decide the form where they have not the shape of the one that is chosen; a poem that is answered always does.

        Raises:
            UsageError: Neither a form nor a template is given, there are too many words, or the wishes contradict each other.
        """
        form, template = self.form.strip(), self.template.strip()
        upper = self.upper.strip() if form == COUPLET else ""
        if form == COUPLET and not upper:
            raise complaint("no_upper", language)
        answered = "" if upper else self.answered.strip()
        if not form and not template and not answered:
            raise complaint("choose_form", language)
        words = split_words(self.words)
        if len(words) > MOST_NAMED and not self.must:
            raise complaint("many_words", language, count=len(words), limit=MOST_NAMED)
        request = PoemRequest(
            form="" if upper or answered else _form_of(form, template, self.lines) if template else form,
            title=self.title.strip(),
            author=self.author.strip(),
            pattern=self.pattern.strip(),
            metre="free" if self.free else "strict",
            lines=int(self.lines) if self.lines else None,
            first_line=self.first_line.strip(),
            acrostic=self.acrostic.strip(),
            acrostic_end=self.acrostic_end.strip(),
            book=self.book,
            rhymes=(self.rhyme,) if self.rhyme else (),
            rhyme_words="".join(split_words(self.rhyme_words)),
            template=template,
            answer=upper,
            answer_poem=answered,
            answer_by=cast(Manner, self.manner or "步韵"),
            words=() if self.must else words,
            must=words if self.must else (),
            polyphones="any" if self.lenient else "every",
            distinct=self.distinct,
            script="traditional" if self.script == "traditional" else "simplified",
        )
        place_words(request)
        prescribe(simplify(request))
        return request

    def sampling(self, usual: GenerateSettings) -> GenerateSettings:
        """The settings that the wish is written with.

        Args:
            usual: Those that hold where it asks for nothing else.
        """
        changed = {"effort": self.effort, "temperature": self.temperature}
        return GenerateSettings.model_validate(
            {**usual.model_dump(), **{name: value for name, value in changed.items() if value is not None}}
        )

    def check_best_of(self, language: Language) -> None:
        """Refuses to write more poems for one than the highest effort does.

        Raises:
            UsageError: They are more, or fewer than one.
        """
        if self.best_of is not None and not 1 <= self.best_of <= MOST_OF:
            raise complaint("best_of_range", language, count=self.best_of, limit=MOST_OF)


def _form_of(form: str, template: str, lines: int | None) -> str:
    """The form that a template belongs to: the one that is named where it has the same shape, else what the blanks suggest."""
    wanted = tuple(map(len, parse_template(template).lines))
    if not form:
        return ""
    try:
        shapes = admitted_forms(simplify(PoemRequest(form=form, lines=lines or len(wanted))))[0]
    except GemmaPoetryError:
        shapes = _usual_shapes(form)
    return form if any(shape.line_lengths == wanted for shape in shapes) else ""


def _usual_shapes(form: str) -> list[Form]:
    """The shapes of a form that takes no number of lines."""
    return admitted_forms(simplify(PoemRequest(form=form)))[0]


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


EXAMPLES: dict[str, Wish] = {
    "example_title": Wish(form="七言绝句", title="山居秋暝"),
    "example_tune": Wish(form="浣溪沙", title="春夜听雨"),
    "example_words": Wish(form="七言律诗", title="登高望远", words="千里、明月、孤帆"),
    "example_acrostic": Wish(form="五言绝句", title="四时", acrostic="春夏秋冬"),
    "example_blanks": Wish(form="五言绝句", template="空山□□□，□□□□秋。"),
    "example_rhyme": Wish(form="七言绝句", title="早发", rhyme_words="秋流楼"),
    "example_couplet": Wish(form=COUPLET, upper="春风得意马蹄疾"),
}
"""Wishes to start from, by the keys of their names."""
