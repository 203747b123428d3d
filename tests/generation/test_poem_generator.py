"""Poems out of random weights: the form holds whatever the model would rather write."""

from __future__ import annotations

import itertools
import random
import re

import pytest
import torch

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.errors import ConstraintError, GenerationError, UnknownFormError, UsageError
from gemma_poetry.generation.alphabet import Alphabet
from gemma_poetry.generation.decoder import batch_seed
from gemma_poetry.generation.logits_processor import MaskTable, Plan, SlotProcessor
from gemma_poetry.generation.planning import FORMS_KEPT, Planner, _plain_glyphs
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.reranking import most_merits
from gemma_poetry.generation.slot_automaton import SlotAutomaton
from gemma_poetry.generation.token_index import TokenIndex, TokenMasks
from gemma_poetry.prosody.forms import FIXED_SHAPES, shape
from gemma_poetry.prosody.scansion import scan
from tests.generation.conftest import NOTHING_KNOWN, THOUSAND
from tests.generation.mixed import random_request, shortcomings

WARM = GenerateSettings(effort=1, temperature=1.0, top_p=1.0, batch_size=4)
REQUESTS = [
    PoemRequest("五言绝句"),
    PoemRequest("七绝", title="空山"),
    PoemRequest("五律", title="秋月", author="王维"),
    PoemRequest("七言律诗", author="李白"),
    PoemRequest("五绝", title="千里江陵一日还"),
]


@pytest.mark.parametrize(
    ("glyph", "plain"), zip("逺鐡嚢趂閙餠觧覔釡籖臯鼇貎眀覊鎗廐煑昻凖呌疎", "远铁囊趁闹饼解觅釜签皋鳌貌明羁枪厩煮昂准叫疏")
)
def test_a_glyph_is_not_written_where_its_plain_one_can_be(glyph, plain):
    assert list(_plain_glyphs([glyph, plain, "翛", "罍"])) == [plain, "翛", "罍"]
    assert list(_plain_glyphs([glyph, "翛"])) == [glyph, "翛"]  # a vocabulary that lacks the plain one


def assert_formed(generated, tokenizer):
    lines, characters = FIXED_SHAPES[generated.poem.form]
    assert [len(line) for line in generated.poem.lines] == [characters] * lines
    assert re.fullmatch("[\u3400-\u4dbf\u4e00-\u9fff]+", "".join(generated.poem.lines))
    assert generated.poem.marks == "，。" * (lines // 2)


@pytest.mark.parametrize("settings", [WARM, GenerateSettings(effort=1, temperature=0, batch_size=3), GenerateSettings(top_k=3)])
@pytest.mark.parametrize("beams", [1, 3])
def test_every_form_holds_in_mixed_batches(tiny, tokenizer, settings, beams):
    poems = list(PoemGenerator(tiny, tokenizer, settings, beams=beams, guards=NOTHING_KNOWN).write(REQUESTS))
    assert [poem.request for poem in poems] == REQUESTS
    for poem in poems:
        assert_formed(poem, tokenizer)


@pytest.mark.parametrize("book", ["xinyun", "tongyun", "cilin"])
@pytest.mark.parametrize("script", ["simplified", "traditional"])
def test_forms_hold_by_every_rhyme_book(tiny, tokenizer, book, script):
    forms = ("五言绝句", "七言绝句", "五言律诗", "如梦令", "菩萨蛮")
    requests = [PoemRequest(form, book=book, script=script, distinct=False) for form in forms]
    for poem in PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write(requests):
        found = scan(poem.poem.lines, poem.poem.kind, book=book)
        assert found.every_reading and found.book.name == book, poem.poem.lines


def test_some_reading_is_enough_by_a_modern_book_too(tiny, tokenizer):
    requests = [PoemRequest("七言绝句", book="xinyun", polyphones="any", distinct=False)] * 4
    found = [
        scan(poem.poem.lines, "七言绝句", book="xinyun")
        for poem in PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write(requests)
    ]
    assert all(one.verdict.passes for one in found)
    assert not all(one.every_reading for one in found), "characters of several readings are on offer"


def test_genuine_gemma_tokenizer(gemma_tiny, gemma_tokenizer):
    poems = list(PoemGenerator(gemma_tiny, gemma_tokenizer, WARM, guards=NOTHING_KNOWN).write(REQUESTS))
    for poem in poems:
        assert_formed(poem, gemma_tokenizer)
    pieces = [len(gemma_tokenizer.decode([token])) for poem in poems for token in poem.token_ids[:-1]]
    assert max(pieces) >= 2, "pieces of several characters take part"


def test_the_seed_decides(tiny, tokenizer):
    generator = PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN)
    wishes = [PoemRequest("七绝", title="空山")] * 6
    first, again, other = (list(generator.write(wishes, seed=seed)) for seed in (7, 7, 8))
    assert [poem.poem for poem in first] == [poem.poem for poem in again]
    assert [poem.poem for poem in first] != [poem.poem for poem in other]
    fresh = list(PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write(wishes, seed=7))
    assert [poem.poem for poem in first] == [poem.poem for poem in fresh]
    assert len({poem.poem.text for poem in first}) == 6


def test_sampling_leaves_the_global_random_state_alone(tiny, tokenizer):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    list(PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write([PoemRequest("五绝")]))
    assert torch.equal(torch.rand(2), expected)


def test_batches_have_seeds_of_their_own():
    assert len({batch_seed(seed, number) for seed in range(20) for number in range(20)}) == 400


def test_a_charset_is_kept(tiny, tokenizer):
    poems = PoemGenerator(tiny, tokenizer, WARM, charset=frozenset("空山新雨后"), guards=NOTHING_KNOWN).write(
        [PoemRequest("五绝", metre="free", distinct=False)] * 4
    )
    assert all(set("".join(poem.poem.lines)) <= set("空山新雨后") for poem in poems)


@pytest.mark.parametrize(
    ("request_", "error", "found"),
    [
        (PoemRequest("五言绝唱"), UnknownFormError, "五言绝唱"),
        (PoemRequest("杂言诗"), ConstraintError, "no shape of its own"),
    ],
)
def test_impossible_wishes_are_refused_before_anything_is_written(tiny, tokenizer, request_, error, found):
    with pytest.raises(error, match=found):
        next(PoemGenerator(tiny, tokenizer, guards=NOTHING_KNOWN).write([PoemRequest("五绝"), request_]))


def test_the_processor_masks_and_changes_nothing_else(tokenizer):
    index = TokenIndex(tokenizer, tokenizer.eos_token_id)
    masks = TokenMasks(index, SlotAutomaton([shape("试", 2, 2)], Alphabet(index.characters)))
    width = len(tokenizer) + 7  # models pad their vocabulary
    processor = SlotProcessor([Plan(masks)] * 2, 3, MaskTable())
    torch.manual_seed(0)
    ids = torch.full((2, 3), 2)
    for tokens in (["山", "天气"], ["山", "，"], ["，", "山"]):
        scores = torch.randn(2, width)
        masked = processor(ids, scores)
        for row, track in enumerate(processor._tracks):
            admitted = set(masks.admitted(track.state).tolist())
            for token in range(width):
                assert masked[row, token] == (scores[row, token] if token in admitted else -torch.inf)
        ids = torch.cat([ids, torch.tensor(tokenizer.convert_tokens_to_ids(tokens))[:, None]], dim=1)


def test_reordered_sequences_keep_their_own_tracks(tokenizer):
    index = TokenIndex(tokenizer, tokenizer.eos_token_id)
    masks = TokenMasks(index, SlotAutomaton([shape("试", 2, 3)], Alphabet(index.characters)))
    width = len(tokenizer)

    def tokens(*pieces):
        return torch.tensor([tokenizer.convert_tokens_to_ids(list(piece)) for piece in pieces])

    def fresh():
        return SlotProcessor([Plan(masks)], 0, MaskTable())

    steps = [
        tokens(["山"], ["天气"]),
        tokens(["天气", "山"], ["天气", "月"]),
        tokens(["天气", "月", "，"], ["天气", "山", "，山"]),
    ]
    running = fresh()
    for ids in steps:
        scores = torch.zeros(2, width)
        # A processor that sees the sequence for the first time retraces it from the beginning.
        assert torch.equal(running(ids, scores), fresh()(ids, scores))


def test_a_full_table_is_begun_anew(tokenizer):
    index = TokenIndex(tokenizer, tokenizer.eos_token_id)
    masks = TokenMasks(index, SlotAutomaton([shape("试", 4, 7)], Alphabet(index.characters)))
    table, cpu = MaskTable(), torch.device("cpu")
    table.rows([], len(tokenizer), cpu)
    table.capacity = 3
    for text in ["", "山", "山山", "山山山", "山山山山", "山山山山山", "山山山山山山", "山山山山山山山，"]:
        state = masks.automaton.read(text)
        (row,) = table.rows([(masks, state, b"")], len(tokenizer), cpu)
        allowed = torch.nonzero(~table.table[row]).flatten().tolist()
        assert allowed == sorted(masks.admitted(state).tolist())


def test_mixed_requests_are_granted_or_refused_with_a_reason(tiny, tokenizer):
    draw = random.Random(4)
    generator = PoemGenerator(
        tiny, tokenizer, GenerateSettings(effort=1, temperature=1.0, top_p=1.0, batch_size=16), guards=NOTHING_KNOWN
    )
    granted, refused = [], 0
    for _ in range(120):
        request = random_request(draw, THOUSAND)
        try:
            generator.planner.plan(request)
        except (ConstraintError, UnknownFormError) as refusal:
            assert refusal.found
            refused += 1
        else:
            granted.append(request)
    assert len(granted) > 30 and refused > 20
    poems = list(generator.write(granted))
    assert {request: shortcomings(poem.poem, request) for poem, request in zip(poems, granted)} == {
        request: [] for request in granted
    }


def test_tones_and_rhyme_hold_with_the_genuine_gemma_tokenizer(gemma_tiny, gemma_tokenizer):
    requests = [PoemRequest(form) for form in ("五绝", "七绝", "五律", "七律", "浣溪沙", "忆秦娥")]
    for poem, request in zip(PoemGenerator(gemma_tiny, gemma_tokenizer, WARM, guards=NOTHING_KNOWN).write(requests), requests):
        assert shortcomings(poem.poem, request) == []


def test_known_lines_are_never_written(tiny, tokenizer):
    """Of 64 possible lines all but one are known: the one that is left must come."""
    characters = "春江花月夜山水风"
    lines = ["".join(pair) for pair in itertools.product(characters, repeat=2)]
    guard = KnownLines.build(line for line in lines if line != "江月")
    generator = PoemGenerator(tiny, tokenizer, WARM, charset=frozenset(characters), guards=[guard])
    written = [poem.poem.lines for poem in generator.write([PoemRequest(template="□□。")] * 4)]
    assert written == [("江月",)] * 4


def test_without_the_guard_known_lines_may_come(tiny, tokenizer):
    characters = "春江"
    guard = KnownLines.build("".join(pair) for pair in itertools.product(characters, repeat=2))
    generator = PoemGenerator(tiny, tokenizer, WARM, charset=frozenset(characters), guards=[guard])
    (poem,) = generator.write([PoemRequest(template="□□。", novel=False)])
    assert set(poem.poem.lines[0]) <= set(characters)
    with pytest.raises(GenerationError, match="met a dead end 65 times"):
        list(generator.write([PoemRequest(template="□□。")]))


def test_a_dead_end_behind_the_first_line_is_backed_out_of(tiny, tokenizer):
    """Line 3 can only be 山水, so the lines before it must leave 山 alone, which shows only at the end."""
    characters = "春江花月夜山水风"
    lines = ["".join(pair) for pair in itertools.product(characters, repeat=2)]
    allowed = {"山水", "江月", "花夜", "山月", "山夜", "山风"}
    guard = KnownLines.build(line for line in lines if line not in allowed)
    generator = PoemGenerator(tiny, tokenizer, WARM, charset=frozenset(characters), guards=[guard])
    poems = list(generator.write([PoemRequest(template="□□，□□，□水。", distinct=True)] * 8))
    assert {poem.poem.lines[2] for poem in poems} == {"山水"}
    assert all(len(set("".join(poem.poem.lines))) == 6 for poem in poems)
    assert any(poem.attempts for poem in poems), "some had begun with 山"


def test_drafts_that_would_all_be_one_are_refused(tiny, tokenizer):
    likeliest = PoemGenerator(tiny, tokenizer, GenerateSettings(temperature=0), guards=NOTHING_KNOWN)
    beams = PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN, beams=2)
    for generator, wish in ((likeliest, {"effort": 2}), (likeliest, {"best_of": 2}), (beams, {"effort": 4})):
        with pytest.raises(UsageError, match="is asked for, and also"):
            generator.write([PoemRequest("五绝")], **wish)
        generator.write([PoemRequest("五绝")], **dict.fromkeys(wish, 1))


def test_characters_come_once_where_that_is_asked(tiny, tokenizer):
    for poem in PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write([PoemRequest("七律", distinct=True)] * 4):
        text = "".join(poem.poem.lines)
        for char in set(text):
            places = [place for place, other in enumerate(text) if other == char]
            assert len(places) == 1 or places[1] - places[0] == 1 == len(places) - 1


def test_traditional_output_keeps_what_was_given(tiny, tokenizer):
    request = PoemRequest("五绝", acrostic="雲龍", script="traditional")
    (poem,) = PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write([request])
    assert "".join(line[0] for line in poem.poem.lines)[:2] == "雲龍" and poem.poem.script == "traditional"


def test_names_may_be_written_in_traditional_characters(tiny, tokenizer):
    requests = [
        PoemRequest("七言絕句", rhymes=("七陽",), pattern="首句入韻", acrostic="雲", script="traditional"),
        PoemRequest("減字木蘭花", title="雲"),
    ]
    first, second = PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write(requests)
    assert first.poem.form == "七言绝句" and first.pattern.endswith("句入韵") and first.poem.lines[0][0] == "雲"
    assert scan(first.poem.lines, "七言绝句").rhyme_group == "七阳"
    assert second.poem.tune == "减字木兰花" and second.poem.title == "雲"


def test_characters_of_bytes_are_written_or_refused(tiny, tokenizer):
    request = PoemRequest("五绝", acrostic="鲸")
    with pytest.raises(ConstraintError, match="'鲸' cannot be written"):
        list(PoemGenerator(tiny, tokenizer, WARM, guards=NOTHING_KNOWN).write([request]))
    (poem,) = PoemGenerator(tiny, tokenizer, WARM, byte_characters=True, guards=NOTHING_KNOWN).write([request])
    assert poem.poem.lines[0][0] == "鲸" and shortcomings(poem.poem, request) == []


def test_the_best_of_several_is_kept(tiny, tokenizer, monkeypatch):
    generator = PoemGenerator(
        tiny, tokenizer, GenerateSettings(effort=1, temperature=1.0, top_p=1.0, batch_size=8), guards=NOTHING_KNOWN
    )
    assess, seen = generator._assess, []
    monkeypatch.setattr(generator, "_assess", lambda poems, **among: seen.extend(assess(poems, **among)) or seen)
    (kept,) = generator.write([PoemRequest("五律", title="秋月")], best_of=6)
    assert 1 < len(seen) <= 6 and len({poem.token_ids for poem in seen}) == len(seen)
    assert kept == seen[most_merits([poem.merits for poem in seen])]


def test_the_best_of_several_is_chosen_among_pieces_and_told_over_the_vocabulary(tiny, tokenizer, monkeypatch):
    from gemma_poetry.generation import narrow_sampling
    from gemma_poetry.generation.reranking import Candidate, Reranker

    monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", 10)
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(temperature=1.0, top_p=1.0, batch_size=8), guards=NOTHING_KNOWN)
    request = PoemRequest("五律", title="秋月")
    assess, chosen_among, told = generator._assess, [], []

    def watched(poems, *, among_pieces=False):
        assessed = assess(poems, among_pieces=among_pieces)
        (chosen_among if among_pieces else told).extend(assessed)
        return assessed

    monkeypatch.setattr(generator, "_assess", watched)
    (kept,) = generator.write([request], best_of=4)
    conditions = generator.planner.conditions(request, kept.prescription)
    candidates = [Candidate(conditions, one.poem.form, one.poem.lines, one.poem.text) for one in chosen_among]
    everywhere = Reranker(tiny, tokenizer, generator.planner.index.tokens).assess(candidates)
    assert len(chosen_among) > 1
    assert all(one.merits.fluency > other.fluency for one, other in zip(chosen_among, everywhere)), (
        "among fewer, each is likelier"
    )
    best = most_merits([one.merits for one in chosen_among])
    assert [kept] == told and kept.poem == chosen_among[best].poem
    assert kept.merits.ppl_char == pytest.approx(everywhere[best].ppl_char, rel=1e-5)


def test_masks_of_the_latest_forms_are_kept_and_no_others(tokenizer):
    planner = Planner(tokenizer)
    forms = [shape("七言古诗", lines, 7) for lines in range(4, 4 + 2 * FORMS_KEPT, 2)]
    first = planner.plan_form(forms[0]).masks
    for form in forms:
        planner.plan_form(form)
    assert planner.plan_form(forms[0]).masks is first
    planner.plan_form(shape("五言古诗", 4, 5))
    assert planner.plan_form(forms[0]).masks is first
    for form in [shape("五言古诗", lines, 5) for lines in range(6, 6 + 2 * FORMS_KEPT, 2)]:
        planner.plan_form(form)
    assert planner.plan_form(forms[0]).masks is not first
