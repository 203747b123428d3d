"""Alternatives say what else could stand in one place of a poem, the likeliest first.

In: a finished poem, the request that it grants, one place of it. Out: `Alternative`s: characters that keep everything that
was asked for (form, tones, rhyme, new lines) with all other characters as they are, ranked by how likely the model finds
the whole poem with each.

`replacements` is the same for poems that grant nothing, as people write them: whoever asks says what may stand there.

    request + poem with one blank ──plan──> admitted characters ──likeliest by what stands before──> some dozens
                                          <──sorted by the whole poem's likelihood──finish (checked) ──┘
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.script import Script, convert
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import TokenizedPoem, encode_completion, encode_prompt
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.given_characters import BLANK
from gemma_poetry.generation.logits_processor import Plan
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PlacedWord, PoemRequest, simplify
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.verification import VerifiedPoem, verify
from gemma_poetry.languages import _
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.forms import Form

WEIGHED = 32
"""Characters that are weighed by the whole poem: those likeliest after what stands before them."""

TRIED = 1500
"""Characters that are tried at most, so that a place where little may stand does not take all day."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A character that could stand in the place.

    Attributes:
        char: The character, in the poem's script.
        poem: The whole poem with it.
        share: Its probability among those that were weighed, 0 to 1.
        current: Whether it is the one that stands there now.
    """

    char: str
    poem: Poem
    share: float
    current: bool


def alternatives(
    generator: PoemGenerator,
    request: PoemRequest,
    poem: Poem,
    line: int,
    position: int,
    *,
    count: int = 12,
) -> list[Alternative]:
    """The likeliest characters for one place; the one that stands there is always among them if it may stay.

    Args:
        generator: The model at work.
        request: What the poem grants.
        poem: The poem.
        line: The line, from 1.
        position: The character in the line, from 1.
        count: Alternatives that are returned at most, the current character not counted.

    Raises:
        ConstraintError: There is no such place, the character was asked for, or the poem does not grant the request.
    """
    if not (1 <= line <= len(poem.lines) and 1 <= position <= len(poem.lines[line - 1])):
        raise ConstraintError(
            _("the poem has no character {position} in line {line}", position=position, line=line),
            action=_("choose a place of the poem"),
        )
    places = _places_that_repeat(_form_of(generator, request, poem), line, position)
    wish = holding(request, poem, places)
    prescription, plan = generator.planner.plan(wish)
    form = prescription.forms[0]
    first = min(places)
    if form.lines[first[0] - 1][first[1] - 1].char is not None:
        raise ConstraintError(
            _("line {line}, character {position} was asked for", line=line, position=position),
            action=_("take it out of what is asked for, or choose another"),
        )
    conditions = generator.planner.conditions(wish, prescription)
    prompt = encode_prompt(generator.tokenizer, conditions)
    found: list[tuple[str, Poem, TokenizedPoem]] = []
    before = _spell(form, places, "")
    likeliest = _likeliest(generator, prompt, "".join(before[: before.index("")]), plan)
    current = poem.lines[line - 1][position - 1]
    # The one that stands there is weighed however unlikely it is; models write in simplified characters.
    own = simplify(replace(request, template=blanked(poem, set()))).template[before.index("")]
    for char in [*(char for char in likeliest if char == own), *(char for char in likeliest if char != own)]:
        text = "".join(_spell(form, places, char))
        finished = verify(text, plan, wish, prescription)
        if isinstance(finished, VerifiedPoem):
            sample = TokenizedPoem(tuple(prompt), tuple(encode_completion(generator.tokenizer, text)))
            found.append((finished.poem.lines[line - 1][position - 1], finished.poem, sample))
            if len(found) == WEIGHED:
                break
    return _ranked(generator, found, current, count)


def replacements(
    generator: PoemGenerator, poem: Poem, line: int, position: int, admits: Callable[[Poem], bool], *, count: int = 12
) -> list[Alternative]:
    """The likeliest characters for one place of any poem, also of one that keeps no rule and that no model would write.

    Args:
        generator: The model at work.
        poem: The poem, its form or tune as the model is to be told.
        line: The line, from 1.
        position: The character in the line, from 1.
        admits: Whether the poem with another character may be offered.
        count: Replacements that are returned at most, the current character not counted.
    """
    plain = convert(poem.lines, "simplified")
    script: Script = "traditional" if poem.script == "traditional" else "simplified"
    title, author = convert([poem.title, poem.author], "simplified")
    prompt = encode_prompt(generator.tokenizer, Conditions(poem.kind, title, author))
    current = poem.lines[line - 1][position - 1]
    before = "".join(text + mark for text, mark in zip(plain[: line - 1], poem.marks)) + plain[line - 1][: position - 1]
    found: list[tuple[str, Poem, TokenizedPoem]] = []
    own = plain[line - 1][position - 1]
    others = [char for char in _likeliest(generator, prompt, before) if char != own and is_han(char)]
    for char in [own, *others[:TRIED]]:
        lines = [*plain]
        lines[line - 1] = plain[line - 1][: position - 1] + char + plain[line - 1][position:]
        shown = current if char == own else convert([lines[line - 1]], script)[0][position - 1]
        old = poem.lines[line - 1]
        changed = replace(
            poem,
            lines=(*poem.lines[: line - 1], old[: position - 1] + shown + old[position:], *poem.lines[line:]),
        )
        if char == own or admits(changed):
            text = "".join(one + mark for one, mark in zip(lines, poem.marks))
            found.append((shown, changed, TokenizedPoem(tuple(prompt), tuple(encode_completion(generator.tokenizer, text)))))
            if len(found) == WEIGHED:
                break
    return _ranked(generator, found, current, count)


def _ranked(
    generator: PoemGenerator, found: Sequence[tuple[str, Poem, TokenizedPoem]], current: str, count: int
) -> list[Alternative]:
    scores = [-score.nll for score in score_completions(generator.decoder.model, [sample for _, _, sample in found])]
    highest = max(scores, default=0.0)
    weights = [math.exp(score - highest) for score in scores]
    ranked = sorted(
        (Alternative(char, poem, weight / sum(weights), char == current) for (char, poem, _), weight in zip(found, weights)),
        key=lambda one: -one.share,
    )
    others = [one for one in ranked if not one.current][:count]
    return [one for one in ranked if one.current or one in others]


def holding(request: PoemRequest, poem: Poem, places: Set[tuple[int, int]]) -> PoemRequest:
    """The request with all of a poem asked for but what stands in these places (line and position from 1)."""
    answering = bool(request.answer or request.answer_poem)
    bare = request if answering else replace(request, template=blanked(poem, _everywhere(poem)))
    # What a wish gives stays its own, as it was read there: of 乾坤 down the lines, a line has 乾 alone, which becomes 干.
    places = places | _given_places(bare, poem)
    if not answering:
        return replace(request, template=blanked(poem, places))
    # An upper line, or a poem that is answered, decides the shape; no template may stand beside them.
    kept = [(poem.lines[line - 1][place - 1], line, place) for line, place in sorted(_everywhere(poem) - places)]
    return replace(request, placed=(*request.placed, *(PlacedWord(*one) for one in kept)))


def blanked(poem: Poem, places: Set[tuple[int, int]]) -> str:
    """A poem as a template: its text with blanks in these places (line and position from 1)."""
    return "".join(
        "".join(BLANK if (number, place) in places else char for place, char in enumerate(line, 1)) + mark
        for number, (line, mark) in enumerate(zip(poem.lines, poem.marks), 1)
    )


def _everywhere(poem: Poem) -> set[tuple[int, int]]:
    return {(line, place) for line, text in enumerate(poem.lines, 1) for place in range(1, len(text) + 1)}


def _given_places(request: PoemRequest, poem: Poem) -> set[tuple[int, int]]:
    """The places whose characters the wishes of a request decide, whichever of its forms a poem follows."""
    lengths = tuple(map(len, poem.lines))
    given = [
        {
            (line, place, slot.char)
            for line, slots in enumerate(form.lines, 1)
            for place, slot in enumerate(slots, 1)
            if slot.char
        }
        for form in prescribe(simplify(request)).forms
        if form.line_lengths == lengths
    ]
    return {(line, place) for line, place, _char in set.intersection(*given)} if given else set()


def _form_of(generator: PoemGenerator, request: PoemRequest, poem: Poem) -> Form:
    prescription, _unused = generator.planner.plan(request)
    lengths = tuple(map(len, poem.lines))
    for form in prescription.forms:
        if form.line_lengths == lengths:
            return form
    raise ConstraintError(
        _("the poem has lines of {lengths} characters", lengths="/".join(map(str, lengths))),
        expected=_("the lines of {name} that was asked for", name=prescription.forms[0].name),
    )


def _places_that_repeat(form: Form, line: int, position: int) -> set[tuple[int, int]]:
    """The place and all that repeat it or that it repeats (叠句, 叠字)."""
    pairs = [*form.returned_places(), *(((number, late), (number, early)) for number, late, early in form.repeats)]
    places = {(line, position)}
    for _step in pairs:  # a chain of repetitions is no longer than there are pairs
        for pair in pairs:
            if not places.isdisjoint(pair):
                places.update(pair)
    return places


def _spell(form: Form, places: set[tuple[int, int]], char: str) -> list[str]:
    """The running text of a form whose characters are given, `char` in the places that are not; an item a character."""
    spelt: list[str] = []
    for number, (slots, mark) in enumerate(zip(form.lines, form.marks), 1):
        spelt.extend(char if (number, place) in places else slot.char or "" for place, slot in enumerate(slots, 1))
        spelt.append(mark)
    return spelt


def _likeliest(generator: PoemGenerator, prompt: Sequence[int], text: str, plan: Plan | None = None) -> list[str]:
    """The characters that may come after a text, the likeliest first: each with the pieces that begin with it.

    Without a plan, any character.
    """
    import torch

    index = generator.planner.index
    admitted: Iterable[int] = index.spelling
    if plan is not None:
        state = plan.masks.automaton.read(text)
        if state == NOWHERE:
            return []
        admitted = plan.masks.admitted(state).tolist()
    # Without the terminator that closes every completion.
    tokens = [*prompt, *(encode_completion(generator.tokenizer, text)[:-1] if text else ())]
    model = generator.decoder.model
    device = next(model.parameters()).device
    with torch.inference_mode():
        logits = model(torch.tensor([tokens], device=device)).logits[0, -1].float().cpu()
    weights: dict[str, list[int]] = {}
    for token in admitted:
        if token in index.spelling:
            weights.setdefault(index.characters[index.spelling[token][0]], []).append(token)
    scores = {char: float(torch.logsumexp(logits[ids], dim=0)) for char, ids in weights.items()}
    return sorted(scores, key=lambda char: -scores[char])
