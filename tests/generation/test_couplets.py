"""An answer has the tones, the repeated characters and, where it can, the words that its upper line asks for."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.words import compounds
from gemma_poetry.generation import answering
from gemma_poetry.generation.answering import ANSWERING, COMPOUND, answering_tokens
from gemma_poetry.generation.couplets import repeated_places
from gemma_poetry.generation.logits_processor import MaskTable, SlotProcessor, retrace
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.parallelism import counterparts, parallelism
from tests.generation.conftest import NOTHING_KNOWN

UPPERS = [
    ("风声雨声读书声", "three times one character"),
    ("山山水水处处明明日日", "five doubled ones"),
    ("海内存知己", "none"),
    ("空山空谷空明月", "at the first of each foot"),
    ("重重山色重重水", "a doubled one twice"),
]


@pytest.fixture(scope="module")
def generator(tiny, tokenizer) -> PoemGenerator:
    return PoemGenerator(tiny, tokenizer, GenerateSettings(effort=2, temperature=1.0), guards=NOTHING_KNOWN)


def favoured(plan, text: str) -> dict[int, float]:
    return answering_tokens(plan.answering, plan.masks.index, text)


@pytest.mark.parametrize(("upper", "why"), UPPERS)
def test_repeated_characters_come_again_at_the_same_places_and_only_there(generator, upper, why):
    for best_of, seed in ((1, 1), (8, 2)):
        (one,) = generator.write([PoemRequest(answer=upper)], seed=seed, best_of=best_of)
        lower = one.poem.lines[1]
        assert repeated_places(lower) == repeated_places(upper), (why, lower)
        assert not set(lower) & set(upper)


def test_pieces_of_several_characters_do_not_get_round_it(tiny, tokenizer):
    """The tokenizer has 天气, 晚来 and 萧萧 as pieces of their own."""
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(effort=1, temperature=5.0, top_p=1.0), guards=NOTHING_KNOWN)
    requests = [PoemRequest(answer="明明月月清清竹")] * 24
    for one in generator.write(requests, seed=1):
        assert repeated_places(one.poem.lines[1]) == ((2, 1), (4, 3), (6, 5))


def test_no_doubled_character_answers_single_ones(tiny, tokenizer):
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(effort=1, temperature=9.0, top_p=1.0), guards=NOTHING_KNOWN)
    for one in generator.write([PoemRequest(answer="海内存知己")] * 40, seed=3):
        assert len(set(one.poem.lines[1])) == 5


@pytest.mark.parametrize(
    ("upper", "tone", "why"),
    [
        ("海内存知己", Tone.LEVEL, "an oblique end"),
        ("风声雨声读书声", Tone.OBLIQUE, "a level end is answered by an oblique one"),
        ("海内存知过", Tone.LEVEL, "an end of two tones is taken for oblique"),
    ],
)
def test_the_ends_are_opposite(generator, upper, tone, why):
    (one,) = generator.write([PoemRequest(answer=upper)], seed=5)
    assert {reading.tone for reading in readings(one.poem.lines[1][-1])} == {tone}, why


def test_counterparts_are_what_parallelism_knows():
    for char in "山风一绿归":
        found = counterparts(char)
        assert found and char not in found
        for other in sorted(found - {"乾"}):  # which is read as 干
            assert parallelism(char, other).answered == (True,), (char, other)
    others = [char for char in "天地日月花鸟不何" if char not in counterparts("山")]
    assert others and all(parallelism("山", other).answered == (False,) for other in others)


def test_characters_that_answer_are_favoured(generator):
    _, plan = generator.planner.plan(PoemRequest(answer="明月松间照"))
    assert favoured(plan, "") == {} and favoured(plan, "明月松间照") == {}
    first = favoured(plan, "明月松间照，")
    spelt = {plan.masks.index.characters[plan.masks.index.spelling[token][0]] for token in first}
    assert spelt == counterparts("明") & set(plan.masks.index.singles) and set(first.values()) == {ANSWERING}
    assert "明月" in compounds() and "清泉" in compounds()
    second = favoured(plan, "明月松间照，清")
    (spring,) = plan.masks.index.singles["泉"]
    assert second[spring] == COMPOUND + (ANSWERING if "泉" in counterparts("月") else 0)
    assert favoured(plan, "明月松间照，清泉石上流") == {}


def test_the_narrow_way_favours_alike(generator, tiny):
    _, plan = generator.planner.plan(PoemRequest(answer="明月松间照"))
    start = retrace(plan, [plan.masks.index.singles[char][0] for char in "明月松间照，"])
    processor = SlotProcessor([plan], 3, MaskTable(), [start])
    ids = torch.zeros((1, 3), dtype=torch.long)
    scores = torch.randn((1, tiny.config.vocab_size), generator=torch.Generator().manual_seed(1))
    whole = processor(ids, scores)
    forbidden, _ = processor.forbidden(ids, scores.shape[1])
    columns = torch.nonzero(~forbidden.all(dim=0)).squeeze(1)
    narrow = processor.favoured(scores[:, columns], columns)
    assert torch.equal(whole[:, columns], narrow) and not torch.equal(narrow, scores[:, columns])


def test_answers_are_more_parallel_for_it(tiny, tokenizer, monkeypatch):
    """Of random weights: whatever is parallel comes of what is favoured."""
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(effort=1, temperature=1.0), guards=NOTHING_KNOWN)
    uppers = ("明月松间照", "空山新雨后", "海内存知己", "清泉石上流")
    shares = {}
    for strength in (0.0, 4.0):
        monkeypatch.setattr(answering, "ANSWERING", strength)
        monkeypatch.setattr(answering, "COMPOUND", strength)
        poems = list(generator.write([PoemRequest(answer=upper) for upper in uppers * 6], seed=1))
        shares[strength] = sum(parallelism(*one.poem.lines).share for one in poems) / len(poems)
    assert shares[4.0] > shares[0.0] + 0.2


def test_octaves_favour_words_that_answer_where_effort_is_spent(tiny, tokenizer):
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(), guards=NOTHING_KNOWN)
    for effort, lines in ((2, ()), (3, (4, 6))):
        for draft in generator._drafts(PoemRequest("五律"), 2, 1, 0, effort):
            assert tuple(line for line, _ in draft.plan.answering) == lines
        (draft,) = generator._drafts(PoemRequest("五绝"), 1, 1, 0, effort)
        assert draft.plan.answering == ()
        (draft,) = generator._drafts(PoemRequest(answer="海内存知己"), 1, 1, 0, effort)
        assert draft.plan.answering == ((2, ""),), "whatever the effort"
