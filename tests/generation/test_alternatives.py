"""What else could stand in a place: the constraints hold, the order is that of the whole poem's likelihood."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.data.tokenization import TokenizedPoem, encode_completion, encode_prompt
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.alternatives import WEIGHED, alternatives, blanked, holding
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.prosody.scansion import scan
from tests.generation.conftest import NOTHING_KNOWN


@pytest.fixture(scope="module")
def writer(tiny, tokenizer) -> PoemGenerator:
    return PoemGenerator(tiny, tokenizer, GenerateSettings(effort=1, temperature=1.0, top_p=1.0), guards=NOTHING_KNOWN)


@pytest.fixture(scope="module")
def quatrain(writer: PoemGenerator):
    request = PoemRequest(form="五言绝句", title="春夜", rhymes=("七阳",))
    return request, next(writer.write([request], seed=3)).poem


@pytest.mark.parametrize("line, position", [(1, 1), (2, 3), (4, 5)])
def test_every_alternative_keeps_the_form_and_the_rest_of_the_poem(writer: PoemGenerator, quatrain, line: int, position: int):
    request, poem = quatrain
    found = alternatives(writer, request, poem, line, position, count=8)
    assert 3 <= len(found) <= 9
    assert sum(one.current for one in found) == 1
    assert len({one.char for one in found}) == len(found)
    for one in found:
        scansion = scan(one.poem.lines, "五言绝句")
        assert scansion.verdict.passes and scansion.rhyme_group == "七阳", one.poem.text
        changed = [
            (row, column)
            for row, (new, old) in enumerate(zip(one.poem.lines, poem.lines), 1)
            for column, (a, b) in enumerate(zip(new, old), 1)
            if a != b
        ]
        assert changed == ([] if one.current else [(line, position)])
        assert one.poem.lines[line - 1][position - 1] == one.char


def test_the_order_is_that_of_the_whole_poems_likelihood(writer: PoemGenerator, quatrain, tokenizer):
    request, poem = quatrain
    found = alternatives(writer, request, poem, 2, 3, count=WEIGHED)
    prescription, _ = writer.planner.plan(request)
    prompt = tuple(encode_prompt(tokenizer, writer.planner.conditions(request, prescription)))
    samples = [TokenizedPoem(prompt, tuple(encode_completion(tokenizer, one.poem.text))) for one in found]
    losses = [score.nll for score in score_completions(writer.decoder.model, samples)]
    assert losses == sorted(losses)
    assert sum(one.share for one in found) == pytest.approx(1)


def test_a_repeated_line_changes_with_what_it_repeats(writer: PoemGenerator):
    request = PoemRequest(form="如梦令", title="春")
    poem = next(writer.write([request], seed=1)).poem
    assert poem.lines[4] == poem.lines[5]
    for one in alternatives(writer, request, poem, 6, 2, count=4):
        assert one.poem.lines[4] == one.poem.lines[5]
        assert one.poem.lines[5][1] == one.char


def test_lines_of_the_corpus_are_not_offered(writer: PoemGenerator, quatrain, tiny, tokenizer):
    request, poem = quatrain
    (best, *_) = [one for one in alternatives(writer, request, poem, 3, 4) if not one.current]
    guarded = PoemGenerator(tiny, tokenizer, writer.settings, guards=[KnownLines.build([best.poem.lines[2]])])
    offered = {one.char for one in alternatives(guarded, request, poem, 3, 4)}
    assert best.char not in offered and poem.lines[2][3] in offered


def test_the_script_is_that_of_the_poem(writer: PoemGenerator):
    request = PoemRequest(form="五言绝句", title="春", script="traditional")
    poem = next(writer.write([request], seed=2)).poem
    found = alternatives(writer, request, poem, 1, 2)
    assert poem.lines[0][1] in {one.char for one in found}
    assert all(one.poem.script == "traditional" for one in found)


@pytest.mark.parametrize("script", ["simplified", "traditional"])
@pytest.mark.parametrize(
    "wish",
    [
        PoemRequest("七绝", acrostic="乾坤日月"),
        PoemRequest(answer="乾坤日月当空照"),
        PoemRequest("五绝", first_line="日月照乾坤"),
    ],
)
def test_what_was_asked_for_is_held_as_it_was_read(tiny, tokenizer, script, wish: PoemRequest):
    """乾 alone in its line would become 干, which the wish did not ask for."""
    settings = GenerateSettings(effort=1, temperature=1.0)
    writer = PoemGenerator(tiny, tokenizer, settings, byte_characters=True, guards=NOTHING_KNOWN)
    wish = replace(wish, script=script)
    poem = next(writer.write([wish], seed=3)).poem
    found = alternatives(writer, wish, poem, 2, 3, count=3)
    assert poem.lines[1][2] in {one.char for one in found}
    (again,) = writer.write([holding(wish, poem, {(2, 3)})], seed=5)
    assert again.poem.lines[0] == poem.lines[0] and again.poem.lines[1][:2] == poem.lines[1][:2]


@pytest.mark.parametrize("place", [(0, 1), (5, 1), (1, 0), (1, 6)])
def test_places_outside_the_poem(writer: PoemGenerator, quatrain, place: tuple[int, int]):
    request, poem = quatrain
    with pytest.raises(ConstraintError, match="the poem has no character"):
        alternatives(writer, request, poem, *place)


def test_what_was_asked_for_has_no_alternative(writer: PoemGenerator):
    request = PoemRequest(form="五言绝句", acrostic="春江")
    poem = next(writer.write([request], seed=4)).poem
    with pytest.raises(ConstraintError, match="line 2, character 1 was asked for"):
        alternatives(writer, request, poem, 2, 1)


def test_a_poem_of_another_shape_is_refused(writer: PoemGenerator, quatrain):
    _, poem = quatrain
    with pytest.raises(ConstraintError, match="lines of 5/5/5/5 characters"):
        alternatives(writer, PoemRequest(form="七言绝句"), poem, 1, 1)


def test_blanks_stand_where_they_are_asked_for(quatrain):
    _, poem = quatrain
    text = blanked(poem, {(1, 2), (4, 5)})
    assert text[1] == "□" and text[-2] == "□" and text.count("□") == 2
    assert text[0] == poem.lines[0][0] and text[-1] == "。"


def test_whoever_watches_sees_the_poem_grow(writer: PoemGenerator):
    seen: list[dict[int, str]] = []
    poems = list(
        writer.write([PoemRequest(form="五言绝句", title="春")] * 2, seed=6, watch=lambda texts: seen.append(dict(texts)))
    )
    assert seen[0] == {0: "", 1: ""}
    for number, poem in enumerate(poems):
        own = [texts[number] for texts in seen if number in texts]
        assert len(set(own)) > 8
        if not poem.attempts:
            assert all(poem.poem.text.startswith(text) for text in own)


def test_what_the_watcher_raises_ends_the_writing(writer: PoemGenerator):
    class Enough(Exception):
        pass

    def watch(texts: dict[int, str]) -> None:
        if len(texts[0]) > 6:
            raise Enough

    with pytest.raises(Enough):
        next(writer.write([PoemRequest(form="五言绝句")], seed=6, watch=watch))
    assert next(writer.write([PoemRequest(form="五言绝句")], seed=6)).poem.lines
