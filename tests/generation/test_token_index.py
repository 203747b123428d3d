"""From characters to tokens: whole pieces, pieces across line ends, characters that only bytes spell."""

from __future__ import annotations

import itertools

import pytest

from gemma_poetry.generation.alphabet import Alphabet
from gemma_poetry.generation.slot_automaton import NOWHERE, SlotAutomaton
from gemma_poetry.generation.token_index import TokenIndex, TokenMasks
from gemma_poetry.generation.token_spelling import token_bytes
from gemma_poetry.prosody.forms import FREE, Form, Slot, shape


def masks_for(tokenizer, forms, byte_characters=()):
    index = TokenIndex(tokenizer, tokenizer.eos_token_id, byte_characters)
    return TokenMasks(index, SlotAutomaton(forms, Alphabet(index.characters)))


def pieces(tokenizer, ids):
    return set(tokenizer.convert_ids_to_tokens(list(ids)))


def spellings(masks, limit=12):
    """Every token sequence that the masks admit from the start to the terminator."""
    found, open_paths = [], [((), masks.automaton.start, b"")]
    while open_paths:
        path, state, begun = open_paths.pop()
        for token in masks.admitted(state, begun).tolist():
            if token == masks.index.terminator:
                found.append(path)
                continue
            assert len(path) < limit
            open_paths.append(((*path, token), *masks.step(state, begun, token)))
    return found


def test_what_tokens_spell(tokenizer):
    spelt = token_bytes(tokenizer)
    ids = tokenizer.get_vocab()
    assert spelt[ids["天气"]] == "天气".encode()
    assert spelt[ids["<0xE5>"]] == b"\xe5"
    assert spelt[ids["▁"]] == b" "
    assert ids["<bos>"] not in spelt and ids["<eos>"] not in spelt


def test_a_line_break_that_is_listed_as_special_but_is_written_spells_itself(tokenizer):
    import copy

    from tokenizers import AddedToken

    listed = copy.deepcopy(tokenizer)
    listed.add_tokens([AddedToken("\n", special=False, normalized=False)])
    line_break = listed.get_vocab()["\n"]
    listed.extra_special_tokens = ["\n"]
    assert line_break in listed.all_special_ids and listed.decode([line_break], skip_special_tokens=True) == "\n"
    assert token_bytes(listed)[line_break] == b"\n"


def test_what_byte_level_tokens_spell():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<eos>"], show_progress=False
    )
    backend.train_from_iterator(["空山新雨后，天气晚来秋。" * 5], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    spelt = token_bytes(tokenizer)
    text = "空山 x，天气"
    assert b"".join(spelt[index] for index in tokenizer(text)["input_ids"]) == text.encode()
    # Characters without a piece are spelt by whatever parts of them there are, and by nothing else.
    masks = masks_for(tokenizer, [Form("试", ((Slot(char="鱼"),),), "。")], byte_characters="鱼")
    assert {tokenizer.decode(path) for path in spellings(masks)} == {"鱼。"}


def test_only_han_and_marks_can_stand(tokenizer):
    masks = masks_for(tokenizer, [shape("试", 1, 2)])
    admitted = pieces(tokenizer, masks.admitted(masks.automaton.start))
    assert {"山", "天气", "萧萧"} <= admitted
    assert not admitted & {"，", "。", "秋。", "，山", "\n题目：", "：", "▁", "a", "<0xE5>", "<eos>", "<bos>", "五言绝句"}


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("", {"天气", "山"}, "a piece of two characters fits a line of two"),
        ("山", {"山", "秋。"} - {"秋。"}, "the first line closes with a comma, not with a full stop"),
        ("山山", {"，", "，山"}, "a piece may cross the line end"),
        ("山山，", {"天气", "山"}, "the second line begins"),
        ("山山，山", {"秋。", "山"}, "the last character and its mark in one piece"),
        ("山山，山山", {"。"}, "only the mark is left"),
        ("山山，山山。", {"<eos>"}, "and then only the terminator"),
    ],
)
def test_pieces_by_place(tokenizer, text, expected, why):
    masks = masks_for(tokenizer, [shape("试", 2, 2)])
    state = masks.automaton.read(text)
    admitted = pieces(tokenizer, masks.admitted(state))
    assert expected <= admitted, why
    for piece in admitted - {"<eos>"}:
        assert masks.automaton.read(text + piece) != NOWHERE, piece


def test_a_piece_longer_than_the_line_fits_across_it_only_with_its_marks(tokenizer):
    masks = masks_for(tokenizer, [Form("试", ((FREE,), (FREE, FREE)), "，。")])
    assert "雨，天气" in pieces(tokenizer, masks.admitted(masks.automaton.start))
    other = masks_for(tokenizer, [Form("试", ((FREE,), (FREE,)), "，。")])
    assert "雨，天气" not in pieces(tokenizer, other.admitted(other.automaton.start))


def test_masks_equal_those_found_by_trying_every_token(tokenizer):
    forms = [
        Form("试", ((FREE, Slot(char="气")), (Slot(char="山"), FREE)), "，。"),
        Form("试", ((Slot(char="天"), FREE), (FREE, Slot(char="秋"))), "，。"),
    ]
    masks = masks_for(tokenizer, forms)
    spelt = token_bytes(tokenizer)
    for text in ["", "天", "天气", "天气，", "天气，山", "天气，天", "山气", "山气，", "山气，山", "天山，"]:
        state = masks.automaton.read(text)
        expected = set()
        for index, raw in spelt.items():
            piece = raw.decode(errors="replace")
            if masks.automaton.read(text + piece) != NOWHERE:
                expected.add(index)
        assert set(masks.admitted(state).tolist()) == expected, text


def test_characters_without_a_piece_are_left_out_or_spelt_whole(tokenizer):
    form = Form("试", ((Slot(char="鲸"),), (FREE,)), "，。")
    masks = masks_for(tokenizer, [form], byte_characters="鲸魚麒空")
    assert masks.index.byte_characters == set("鲸魚麒"), "空 has a piece: bytes never spell it"
    paths = spellings(masks)
    texts = [tokenizer.decode(path) for path in paths]
    assert all(text.startswith("鲸，") and text.endswith("。") and len(text) == 4 for text in texts)
    assert {"鲸，麒。", "鲸，魚。", "鲸，鲸。", "鲸，山。"} <= set(texts)
    assert len(set(texts)) == len(masks.index.characters) - 2, "every character but the marks, and nothing else"
    left_out = TokenIndex(tokenizer, tokenizer.eos_token_id)
    assert not left_out.byte_characters and "鲸" not in left_out.characters


def test_steps_spell_what_decoding_gives(tokenizer):
    masks = masks_for(tokenizer, [shape("试", 2, 2)], byte_characters="鲸")
    for text in ["天气，鲸山。", "鲸鲸，萧萧。"]:
        state, begun, written = masks.automaton.start, b"", ""
        for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
            assert token in masks.admitted(state, begun)
            before = begun
            state, begun = masks.step(state, begun, token)
            written += "" if begun else masks.written(before, token)
        assert written == text and masks.automaton.outlook(state).ends
    assert masks.step(masks.automaton.start, b"", tokenizer.eos_token_id) == (NOWHERE, b"")


def test_genuine_gemma_pieces(gemma_tokenizer):
    index = TokenIndex(gemma_tokenizer, gemma_tokenizer.eos_token_id)
    spelt = [index.characters[number] for number in itertools.chain.from_iterable(index.spelling.values())]
    assert len(index.characters) == 9810 and len(index.spelling) > 19_000 and {len(char) for char in spelt} == {1}
    masks = TokenMasks(index, SlotAutomaton([shape("五言绝句", 4, 5)], Alphabet(index.characters)))
    four_left = pieces(gemma_tokenizer, masks.admitted(masks.automaton.read("空")))
    assert "可以使用" in four_left and "人民共和国" not in four_left
    assert "人民共和国" in pieces(gemma_tokenizer, masks.admitted(masks.automaton.start))
    for text in ["空山新雨后，天气晚来秋。明月松间照，清泉石上流。"]:
        state, begun = masks.automaton.start, b""
        for token in gemma_tokenizer(text, add_special_tokens=False)["input_ids"]:
            state, begun = masks.step(state, begun, token)
            assert state != NOWHERE
        assert masks.admitted(state).tolist() == [gemma_tokenizer.eos_token_id]
