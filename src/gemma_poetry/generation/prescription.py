"""A prescription says which forms a poem may follow to grant what was asked for.

In: a `PoemRequest`. Out: its `Prescription`: the forms (lines of slots) that a poem may follow to grant it, with the
rhyme groups that were asked for; or a refusal that says why, before a model is asked.

    form, pattern, metre, lines ──base_forms──> slots ──place_given_characters──> slots with fixed characters
    template, answer, answer_poem ──(give a shape where no form is named)┘
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.errors import ConstraintError, UnknownFormError, nearest_names
from gemma_poetry.generation.answered_poem import AnsweredPoem, read_answered
from gemma_poetry.generation.couplets import answering_forms
from gemma_poetry.generation.given_characters import Template, parse_template, place_given_characters
from gemma_poetry.generation.request import MANNERS, PoemRequest, check_words, named_words
from gemma_poetry.generation.slot_automaton import refusal
from gemma_poetry.languages import _, listed, reason_of
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.forms import FIXED_SHAPES, FORM_NAMES, FREE, OBLIQUE_FORMS, SHORT_NAMES, Form, Slot, Tone, shape
from gemma_poetry.prosody.regulated import regulated_forms
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import PINGSHUI, rhyme_book

# Characters a line of the forms that have no metre, and how many lines they get where none are asked for.
_OPEN_SHAPES = {"四言诗": 4, "五言古诗": 5, "六言诗": 6, "七言古诗": 7}
_OPEN_LINES = 8
_EXTENDED = ("五言排律", "七言排律")
_MOST_LINES = 100


@dataclass(frozen=True, slots=True)
class Prescription:
    """What grants a request.

    Attributes:
        forms: The forms that the poem may follow; all repeat the same lines.
        form: What the prompt names as 体裁.
        tune: 词牌, empty where the form is none.
        book: The rhyme book of the form.
        sounding: Whether any slot asks for a tone or a rhyme.
        rhymes: The groups that rhyme variables are limited to.
    """

    forms: tuple[Form, ...]
    form: str
    tune: str = ""
    book: RhymeBook = PINGSHUI
    sounding: bool = False
    rhymes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def conditions(self, request: PoemRequest) -> Conditions:
        """What the prompt says."""
        return Conditions(form=self.form, title=request.title, author=request.author, words=named_words(request))


def prescribe(request: PoemRequest) -> Prescription:
    """The prescription that grants a request, whose names are in simplified characters (see `simplify`).

    Raises:
        UnknownFormError: No form or tune is called so.
        ConstraintError: The wishes contradict each other or the form; each obstacle is named.
        UsageError: No rhyme book is called so, or there are too many words to write about.
    """
    check_words(request)
    if request.answer:
        return _prescribe_answer(request)
    template = parse_template(request.template) if request.template else None
    name, tune, groups = _base_forms(request, template)
    book = _book(tune, request)
    obstacles: list[tuple[Form, str]] = []
    for forms in groups:
        fitting = []
        for form in forms:
            try:
                fitting.append(place_given_characters(form, request, template, book))
            except ConstraintError as obstacle:
                obstacles.append((form, obstacle.found))
        if fitting:
            sounding = any(slot.tone or slot.rhyme for form in fitting for slots in form.lines for slot in slots)
            rhymes = wished_rhymes(request, fitting, book)
            return Prescription(tuple(fitting), name, tune, book, sounding, rhymes)
    raise refusal(obstacles)


def admitted_forms(request: PoemRequest) -> tuple[list[Form], RhymeBook]:
    """Every form that a poem may follow to grant a request, also where their lines differ, and their rhyme book.

    Raises:
        UnknownFormError: No form or tune is called so.
        ConstraintError: The wishes contradict each other or the form.
    """
    if request.answer:
        return list(_prescribe_answer(request).forms), rhyme_book(request.book)
    template = parse_template(request.template) if request.template else None
    _unused, tune, groups = _base_forms(request, template)
    book = _book(tune, request)
    fitting: list[Form] = []
    obstacles: list[tuple[Form, str]] = []
    for form in itertools.chain.from_iterable(groups):
        try:
            fitting.append(place_given_characters(form, request, template, book))
        except ConstraintError as obstacle:
            obstacles.append((form, obstacle.found))
    if not fitting:
        raise refusal(obstacles)
    return fitting, book


def _book(tune: str, request: PoemRequest) -> RhymeBook:
    from gemma_poetry.prosody.tunes import book_of

    return book_of(tune, request.book)


def _base_forms(request: PoemRequest, template: Template | None) -> tuple[str, str, Sequence[tuple[Form, ...]]]:
    """The name for the prompt, the tune, and the forms in groups that repeat the same lines, the likeliest first."""
    if request.answer_poem:
        answered = _answered(request)
        forms = _matching(answered.answers(request.answer_by), request.pattern)
        return _prompt_name(answered.name), answered.tune, [forms]
    if not request.form:
        if template is None:
            raise ConstraintError(
                _("neither a form nor a template nor an upper line is given"),
                expected=_("one of {value}", value=" ".join([*FIXED_SHAPES, "词牌"])),
                action=_("name a form, e.g. --form 七言绝句"),
            )
        name = classify(template.lines)
        if name not in FIXED_SHAPES:
            _refuse_pattern(name, request)
            _check_lines(request, [len(template.lines)], _("the template"))
            bare = Form(name, tuple((FREE,) * len(line) for line in template.lines), template.marks)
            return name, "", [(_rhymed(bare, request),)]
    else:
        name = SHORT_NAMES.get(request.form, request.form)
    if name in _OTHER_WISHES:
        raise UnknownFormError(_("{name} is not the name of one form", name=name), **_OTHER_WISHES[name])
    if name not in FORM_NAMES:
        return _tune_forms(name, request)
    if request.lines is not None and not (1 <= request.lines <= _MOST_LINES):
        raise ConstraintError(
            _("a poem of {lines} lines is asked for", lines=request.lines),
            expected=_("1 to {most_lines} lines", most_lines=_MOST_LINES),
        )
    if name in FIXED_SHAPES or name in _EXTENDED:
        return _prompt_name(name), "", [_regulated(name, request)]
    if name not in _OPEN_SHAPES:
        raise ConstraintError(
            _("{name} has no shape of its own", name=name),
            expected=_("a form with a shape, a 词牌, or a template that gives the shape"),
            action=_("give --template, e.g. □□□□，□□□□□□。, or choose another form"),
        )
    _refuse_pattern(name, request)
    lines = request.lines or (len(template.lines) if template else _OPEN_LINES)
    return name, "", [(_rhymed(shape(name, lines, _OPEN_SHAPES[name]), request),)]


def _refuse_pattern(name: str, request: PoemRequest) -> None:
    if request.pattern:
        raise ConstraintError(
            _("no pattern is called {pattern!r}", pattern=request.pattern),
            expected=_("no pattern: {name} has none", name=name),
            action=_("leave the pattern out, or choose another form"),
        )


def _check_lines(request: PoemRequest, counts: Collection[int], name: str) -> None:
    """Refuses another number of lines than what else is asked for has."""
    if request.lines is not None and request.lines not in counts:
        raise ConstraintError(
            _("a poem of {lines} lines is asked for", lines=request.lines),
            expected=_("{count} lines, as {name} has", count="/".join(map(str, sorted(counts))), name=name),
            action=_("leave the number of lines out, or choose another form"),
        )


def _prompt_name(name: str) -> str:
    """What a prompt calls a form: no model has met 六言绝句 under another name than 六言诗."""
    return "六言诗" if name.startswith("六言") else name


def _answered(request: PoemRequest) -> AnsweredPoem:
    """The poem that is answered.

    Raises:
        UnknownFormError: No form or tune is called so.
        ConstraintError: It cannot be read, or what else is asked for leaves it no say.
    """
    other = [name for name in ("lines", "rhymes", "rhyme_words", "template") if getattr(request, name) not in (None, "", ())]
    if other:
        raise ConstraintError(
            _("a poem to answer is given, and also {other}", other=listed(other)),
            expected=_("the poem alone: it decides lines and rhyme"),
            action=_("leave one of them out"),
        )
    if request.answer_by not in MANNERS:
        raise ConstraintError(
            _("an answer by {manner!r} is asked for", manner=request.answer_by),
            expected=_("one of {names}", names=" ".join(MANNERS)),
        )
    name = SHORT_NAMES.get(request.form, request.form)
    return read_answered(request.answer_poem, name, request.metre == "free", request.book)


_COUPLET = {
    "expected": _("the upper line (上联), which decides the form of its answer"),
    "action": _("--answer in place of --form, e.g. --answer 春风得意马蹄疾"),
}
_ACROSTIC = {
    "expected": _("a form, and the characters that its lines begin with"),
    "action": _("e.g. --form 七言绝句 --acrostic 春江花月"),
}
_TUNE = {
    "expected": _("the name of a tune (词牌)"),
    "action": _("e.g. --form 菩萨蛮; `gemma-poetry tunes list` has the others"),
}
_VERSE = {
    "expected": _("one of {value}", value=" ".join([*FIXED_SHAPES, *_EXTENDED, *_OPEN_SHAPES])),
    "action": _("say how many characters a line has, e.g. --form 七言绝句"),
}
_OTHER_WISHES = {
    **dict.fromkeys(("对联", "对子", "对句", "春联", "楹联", "下联"), _COUPLET),
    **dict.fromkeys(("藏头", "藏头诗"), _ACROSTIC),
    **dict.fromkeys(("词", "词牌", "宋词", "曲", "元曲"), _TUNE),
    **dict.fromkeys(("绝句", "律诗", "诗", "古诗", "排律", "唐诗"), _VERSE),
}
"""What people name as a form and is asked for otherwise."""


def _regulated(name: str, request: PoemRequest) -> tuple[Form, ...]:
    try:
        forms = regulated_forms(name, request.lines, _rhyme_tone(name, request))
    except ValueError as error:
        raise ConstraintError(reason_of(error), action=_("leave the number of lines out, or choose another form")) from error
    if request.metre == "free":
        if request.pattern:
            raise ConstraintError(_("a pattern is asked for, and free metre too"), action=_("leave one of them out"))
        free = shape(name, len(forms[0].lines), len(forms[0].lines[0]))
        return (_rhymed(free, request),)
    return _matching(forms, request.pattern)


def _rhyme_tone(name: str, request: PoemRequest) -> Tone:
    """The tone that the rhyme of a 绝句 is asked for in: oblique if pattern, rhyme group or rhyme words say so."""
    if name not in OBLIQUE_FORMS:
        return Tone.LEVEL
    return Tone.OBLIQUE if "仄韵" in request.pattern else _wished_tone(request)


def _wished_tone(request: PoemRequest) -> Tone:
    """The tone of a rhyme group or of rhyme words that are asked for."""
    book = rhyme_book(request.book)
    sounds = BookSounds(book, "any")
    oblique = (request.rhymes and book.find(request.rhymes[0]) not in book.level_rhymes) or (
        request.rhyme_words and not any(sounds.rhymes(char, Tone.LEVEL) for char in request.rhyme_words)
    )
    return Tone.OBLIQUE if oblique else Tone.LEVEL


def _matching(forms: Sequence[Form], pattern: str) -> tuple[Form, ...]:
    """The form whose pattern is called just so, else those whose pattern holds every word of the wish.

    `不入韵` is one word: `入韵` does not match it.
    """
    exact = tuple(form for form in forms if pattern and form.pattern == pattern)
    if exact:
        return exact
    words = pattern.replace("，", " ").replace("、", " ").split()
    chosen = tuple(form for form in forms if all(_holds(form.pattern, word) for word in words))
    if not chosen:
        raise ConstraintError(
            _("no pattern is called {pattern!r}", pattern=pattern),
            expected=" / ".join(form.pattern for form in forms),
            action=_("choose one of these, or a word of its name"),
        )
    return chosen


def _holds(pattern: str, word: str) -> bool:
    if word.removeprefix("首句") == "入韵":
        return "入韵" in pattern and "不入韵" not in pattern
    return word in pattern


def _tune_forms(name: str, request: PoemRequest) -> tuple[str, str, Sequence[tuple[Form, ...]]]:
    from gemma_poetry.prosody.tunes import shipped_tunes, tune_forms

    table = shipped_tunes()
    tune = table.find(name)
    if tune is None:
        known = [*FIXED_SHAPES, *_EXTENDED, *_OPEN_SHAPES, *SHORT_NAMES, *table.judged]
        near = nearest_names(name, known)
        raise UnknownFormError(
            _("no form or tune (词牌) is called {name!r}", name=name),
            expected=_(
                "one of {fixed_shapes}, or one of {count} tunes", fixed_shapes=" ".join(FIXED_SHAPES), count=len(table.judged)
            ),
            action=_("did you mean {near}?", near=" / ".join(near)) if near else _("see `gemma-poetry tunes list`"),
        )
    forms = _matching(tune_forms(tune.name), request.pattern)
    _check_lines(request, {len(form.lines) for form in forms}, tune.name)
    forms = tuple(form for form in forms if request.lines in (None, len(form.lines)))
    if request.metre == "free":
        forms = tuple(
            replace(form, lines=tuple((FREE,) * len(slots) for slots in form.lines), echoes=(), repeats=(), turns=())
            for form in forms[:1]
        )
    # What a few poems tell is not mixed into what many do: it is written where nothing better grants the wish.
    solid = {variant.form for variant in tune.solid}
    groups: dict[object, list[Form]] = {}
    for form in forms:
        shared = (form in solid, form.line_lengths, form.marks, form.echoes, form.repeats, form.turns)
        groups.setdefault(shared, []).append(form)
    return tune.name, tune.name, [tuple(group) for group in groups.values()]


def _rhymed(form: Form, request: PoemRequest) -> Form:
    """A free form whose even lines rhyme, where a rhyme is asked for."""
    if not request.rhymes and not request.rhyme_words:
        return form
    # Of words alone the group tells the tone, unless it holds words of both.
    told = bool(request.rhymes) or rhyme_book(request.book).mixes_tones
    tone = _wished_tone(request) if told else None
    lines = [(*slots[:-1], Slot(tone, "a")) if number % 2 == 0 else slots for number, slots in enumerate(form.lines, 1)]
    return replace(form, lines=tuple(lines))


def wished_rhymes(request: PoemRequest, forms: Sequence[Form], book: RhymeBook) -> dict[str, frozenset[str]]:
    """The groups that a request limits rhyme variables to.

    Raises:
        ConstraintError: The forms have fewer rhymes, or a group is unknown or of the wrong tone.
    """
    if request.answer_poem:
        return dict(_answered(request).rhymes)
    if not request.rhymes:
        return {}
    variables = list(dict.fromkeys(slot.rhyme for slots in forms[0].lines for slot in slots if slot.rhyme))
    if len(request.rhymes) > len(variables):
        raise ConstraintError(
            _(
                "{count} rhymes are asked for, {name} has {variables_count}",
                count=len(request.rhymes),
                name=forms[0].name,
                variables_count=len(variables),
            ),
            expected=_("at most {count}", count=len(variables)),
            action=_("leave some out") if variables else _("leave the rhyme out"),
        )
    groups = [book.find(name) for name in request.rhymes]
    for group, variable in zip(groups, variables):
        tones = {slot.tone for slots in forms[0].lines for slot in slots if slot.rhyme == variable}
        if tones == {Tone.LEVEL} and group not in book.level_rhymes:
            raise ConstraintError(
                _("{group} is no level rhyme", group=group),
                expected=_("a level rhyme, as {name} has", name=forms[0].name),
                action=_("choose one of {rhymes}", rhymes=" ".join(book.level_rhymes)),
            )
        if tones == {Tone.OBLIQUE} and group not in book.oblique_rhymes:
            raise ConstraintError(
                _("{group} is a level rhyme", group=group),
                expected=_("an oblique rhyme, as 仄韵 asks for"),
                action=_("choose an oblique group, e.g. 九屑, or leave 仄韵 out"),
            )
    return {variable: frozenset({group}) for variable, group in zip(variables, groups)}


def _prescribe_answer(request: PoemRequest) -> Prescription:
    other = [
        name for name in (
            "form", "pattern", "lines", "first_line", "acrostic", "acrostic_end", "rhymes", "rhyme_words", "template",
            "answer_poem",
        )
        if getattr(request, name) not in (None, "", ())
    ]  # fmt: skip
    if not request.distinct:
        # Its characters come again where those of the upper line do, and nowhere else.
        other.append("distinct=False")
    if other:
        raise ConstraintError(
            _("an upper line is given, and also {other}", other=listed(other)),
            expected=_("the upper line alone: it decides the form of its answer"),
            action=_("leave one of them out"),
        )
    book = rhyme_book(request.book)
    name, forms = answering_forms(request.answer, book, free=request.metre == "free")
    # The answer's shape is that of the upper line; words in their places are all that can be given of it.
    given = PoemRequest(placed=request.placed, book=request.book)
    forms = tuple(place_given_characters(form, given, None, book) for form in forms)
    return Prescription(forms, name, book=book, sounding=request.metre != "free")
