"""Counted lines, token by token: every text that can be drawn keeps sums, metre and rhyme; nothing ends dead."""

from __future__ import annotations

import random

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.count_automaton import CountAutomaton, CountMasks
from gemma_poetry.generation.logits_processor import CountedPlan, SlotProcessor, begin, retrace
from gemma_poetry.generation.piece_trie import Spelling, TokenRuns
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.prosody.measures import Measure, MeasuredLine, Unit
from gemma_poetry.prosody.wordstock import Wordstock
from tests.generation.conftest import character_tokenizer

WORDS = {
    "day": Unit(1, "ay"), "way": Unit(1, "ay"), "say": Unit(1, "ay"), "may": Unit(1, "ay"), "the": Unit(1),
    "summer": Unit(2, "ummer", (0,)), "delay": Unit(2, "ay", (1,)), "winter": Unit(2, "inter", (0,)), "I": Unit(1, "eye"),
    "memory": Unit(3, "emory", (0,)),
}  # fmt: skip
QUATRAIN = Measure("quatrain", tuple(MeasuredLine(6, rhyme=rhyme, metre="x/x/x/") for rhyme in ("A", "", "A", "A")))
# Pieces of several letters, some across words, some that fit no word, and the line break.
PIECES = [
    " the", " day", "sum", "mer", "mer day", " s", "delay", "The", "Wint", "er", "ay ", "xx", " I say", "\n", "\nThe", "▁day",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer("abcdefghijklmnopqrstuvwxyzTDWSMI,\n ", PIECES)


@pytest.fixture(scope="module")
def runs(tokenizer) -> TokenRuns:
    return TokenRuns(Spelling(tokenizer, tokenizer.eos_token_id), Wordstock(WORDS, joiner=" ", marks=",", capitalise=True))


def draw(masks: CountMasks, rng: random.Random) -> list[int]:
    """Admitted tokens at random, to the end."""
    state, tokens = masks.automaton.start, []
    while not tokens or tokens[-1] != masks.index.terminator:
        admitted = masks.admitted(state)
        assert len(admitted), f"dead end at {masks.automaton.place(state)}"
        assert len(set(admitted.tolist())) == len(admitted)
        tokens.append(int(rng.choice(admitted)))
        if tokens[-1] != masks.index.terminator:
            state, begun = masks.step(state, b"", tokens[-1])
            assert state != NOWHERE and begun == b""
        assert len(tokens) <= masks.most_tokens
    return tokens


def test_every_draw_keeps_the_measure(runs):
    masks = CountMasks(runs, CountAutomaton(QUATRAIN, runs.stock))
    rng = random.Random(1)
    seen = set()
    for _ in range(150):
        text = "".join(runs.index.texts[token] for token in draw(masks, rng)[:-1])
        lines = text.split("\n")
        assert lines.pop() == "" and len(lines) == 4
        ends = []
        for line in lines:
            words = line.replace(",", "").split(" ")
            units = [WORDS.get(word) or WORDS[word.lower()] for word in words]
            assert line[0].isupper() and sum(unit.cost for unit in units) == 6, line
            spent = 0
            for unit in units:
                assert all((spent + place) % 2 == 1 for place in unit.accents), line
                spent += unit.cost
            ends.append(words[-1].lower())
        assert len({ends[0], ends[2], ends[3]}) == 3, "a rhyme word comes once"
        assert {WORDS[ends[number]].rhyme for number in (0, 2, 3)} == {"ay"}
        seen |= set(text.replace("\n", " ").replace(",", "").lower().split())
    assert {"summer", "memory", "delay", "winter"} <= seen, "long words are not lost to the look-ahead"


def test_admitted_tokens_are_those_that_can_be_stepped(runs):
    """The arithmetic on runs against the automaton read character by character, for every token of the vocabulary."""
    masks = CountMasks(runs, CountAutomaton(QUATRAIN, runs.stock))
    automaton = masks.automaton
    for text in ("", "T", "The", "The ", "The summer", "The summer d", "The summer day the may", "The summer day the may\n"):
        state = automaton.read(text)
        assert state != NOWHERE, text
        admitted = set(masks.admitted(state).tolist())
        for token, spelt in runs.index.texts.items():
            crosses = "\n" in spelt and spelt != "\n"
            assert (token in admitted) == (masks.step(state, b"", token)[0] != NOWHERE and not crosses), (text, spelt)


def test_the_processor_masks_and_ends(runs, tokenizer):
    import torch

    plan = CountedPlan(CountMasks(runs, CountAutomaton(Measure("one", (MeasuredLine(1),)), runs.stock)))
    from gemma_poetry.generation.logits_processor import MaskTable

    processor = SlotProcessor([plan], 2, MaskTable())
    vocabulary = tokenizer.get_vocab()
    ids = torch.tensor([[5, 6]])
    scores = processor(ids, torch.zeros((1, len(tokenizer))))
    allowed = {index for index, value in enumerate(scores[0].tolist()) if value == 0.0}
    assert vocabulary["The"] in allowed and vocabulary["Wint"] not in allowed and vocabulary["\n"] not in allowed
    for piece, after in (("The", "\n"), ("\n", "<eos>")):
        ids = torch.cat([ids, torch.tensor([[vocabulary[piece]]])], dim=1)
        scores = processor(ids, torch.zeros((1, len(tokenizer))))
        assert scores[0, vocabulary[after]] == 0.0
    assert (scores[0] == 0.0).sum() == 1
    track = retrace(plan, [vocabulary["The"], vocabulary["\n"], vocabulary["<eos>"]])
    assert track.ended and track.state != NOWHERE and track.text == "The\n"
    assert retrace(plan, [vocabulary["The"], vocabulary["<eos>"]]).state == NOWHERE
    assert begin(plan).text == ""


def test_bytes_do_not_stand_in_for_characters(runs, tokenizer):
    vocabulary = tokenizer.get_vocab()
    assert vocabulary["<0x61>"] not in runs.index.texts and runs.index.singles["a"] == [vocabulary["a"]]
    assert vocabulary["<0x7E>"] and "~" not in runs.index.characters


def test_what_cannot_be_met_is_told(runs):
    with pytest.raises(ConstraintError, match="no rhyme group has words for all lines"):
        CountAutomaton(Measure("ten", (MeasuredLine(3, rhyme="A"),) * 10), runs.stock)
    with pytest.raises(ConstraintError, match="no piece for '｜'"):
        CountMasks(runs, CountAutomaton(Measure("bar", (MeasuredLine(3, "｜"),)), runs.stock))


@pytest.mark.parametrize(("wish", "line"), [("さくら", 2), ("海水浴", 1), ("冬", 2), ("新年", 2)])
def test_haiku_end_in_the_season_word_that_was_asked_for(wish, line):
    """Whatever may be drawn: two words of one season have no other words between them."""
    from gemma_poetry.domains.japanese_haiku import JapaneseHaiku
    from gemma_poetry.domains.japanese_sounds import count_morae

    domain = JapaneseHaiku()
    kana = "".join(map(chr, range(ord("ぁ"), ord("ゔ"))))
    tokenizer = character_tokenizer(
        kana + "\n", ["さく", "くら\n", "はる", "の", "いすい", "かいすいよく", "ゆき\n", "なの", "ふゆ"]
    )
    index = Spelling(tokenizer, tokenizer.eos_token_id)
    feature = domain.feature_name(wish)
    runs = TokenRuns(index, domain.wordstock(index.characters))
    masks = CountMasks(runs, CountAutomaton(domain.narrowed(domain.measure("俳句"), feature), runs.stock))
    rng, ends = random.Random(1), set()
    for _ in range(25):
        lines = "".join(index.texts[token] for token in draw(masks, rng)[:-1]).splitlines()
        assert list(map(count_morae, lines)) == [5, 7, 5]
        found = domain.check_poem(Poem(tuple(lines), "\n" * len(lines)), "俳句", feature).to_record()
        assert found["verdict"] == "strict", found
        ends.add(next(word["word"] for word in found["season_words"] if lines[line].endswith(word["word"])))
    assert len(ends) > 1 or "・" in feature
