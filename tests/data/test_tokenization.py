"""Tokenized files: what a line gives back, for every kind of tokenizer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions, conditions_of, dropped_conditions
from gemma_poetry.data.tokenization import (
    decode_poem,
    encode_completion,
    encode_poems,
    encode_prompt,
    encode_samples,
    escape_piece,
    padding_id,
    read_tokenized,
    stop_ids,
    terminator_id,
    tokenize_poems,
    tokenizer_fingerprint,
    write_tokenized,
)
from gemma_poetry.errors import DataError, TokenizerMismatchError
from tests.tiny import make_poems, make_tokenizer

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def character_tokenizer():
    return make_tokenizer()


def multi_character_tokenizer():
    """BPE with merges: pieces of several characters, also across white space."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    singles = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        *dict.fromkeys("体裁：题目作者诗五言绝句\n 春江花月夜，。\t\u2028\\s"),
        *(f"<0x{b:02X}>" for b in range(256)),
    ]
    merges = [("春", "江"), ("月", "夜"), ("，", "月夜"), ("\n", "诗"), (" ", " "), ("\t", " "), ("\\", "s")]
    pieces = [*singles, *("".join(pair) for pair in merges)]
    model = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(pieces)}, merges=merges, unk_token="<unk>", byte_fallback=True
        )
    )
    model.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
    )  # fmt: skip


def instruction_tokenizer():
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


AWKWARD = [
    Poem(("春江", "月夜"), "，。", title="春  江\t月", author="\\s", form="五言绝句"),
    Poem(("春江花", "𪸩龘夜"), "，。", title="\u2028题\n目", form="五言绝句"),
    *make_poems(20),
]
TOKENIZERS = [character_tokenizer, multi_character_tokenizer, instruction_tokenizer]


def assert_it_comes_back(tokenizer, path: Path) -> None:
    write_tokenized(path, tokenize_poems(AWKWARD, tokenizer))
    samples = read_tokenized(path, tokenizer)
    assert samples == list(encode_poems(tokenizer, AWKWARD))
    assert [decode_poem(tokenizer, sample.completion_ids) for sample in samples] == [poem.text for poem in AWKWARD]
    assert path.read_text(encoding="utf-8").count("\n") == len(AWKWARD)


@pytest.mark.parametrize("make", TOKENIZERS)
def test_a_line_gives_back_the_ids_and_the_poem(make, tmp_path: Path):
    assert_it_comes_back(make(), tmp_path / "train.txt")


def test_the_genuine_gemma_tokenizer_round_trips(gemma_tokenizer_model: Path, tmp_path: Path):
    from transformers import GemmaTokenizer

    tokenizer = GemmaTokenizer.from_pretrained(gemma_tokenizer_model.parent)
    assert len(tokenizer) >= 256_000
    assert_it_comes_back(tokenizer, tmp_path / "train.txt")
    pieces = tokenizer.convert_ids_to_tokens(list(encode_completion(tokenizer, "不知细叶谁裁出，千里莺啼绿映红。")))
    assert any(len(piece) > 1 and piece[0] in "不千" for piece in pieces), pieces


@pytest.mark.parametrize("make", TOKENIZERS)
def test_exactly_one_bos_and_a_terminator_that_stops(make):
    tokenizer = make()
    prompt = encode_prompt(tokenizer, Conditions("五言绝句", "春江", "李白"))
    completion = encode_completion(tokenizer, "春江，月夜。")
    assert prompt.count(tokenizer.bos_token_id) == 1 and prompt[0] == tokenizer.bos_token_id
    assert tokenizer.bos_token_id not in completion
    assert completion[-1] == terminator_id(tokenizer) and terminator_id(tokenizer) in stop_ids(tokenizer)


def test_rows_are_filled_up_with_the_terminator_where_there_is_no_padding():
    tokenizer = instruction_tokenizer()
    assert padding_id(tokenizer) == tokenizer.pad_token_id != terminator_id(tokenizer)
    tokenizer.pad_token = None
    assert padding_id(tokenizer) == terminator_id(tokenizer)


def test_instruction_tuned_prompts_stand_in_the_chat_template():
    tokenizer = instruction_tokenizer()
    text = tokenizer.decode(encode_prompt(tokenizer, Conditions("五言绝句")))
    assert text.startswith("<bos><start_of_turn>user") and text.rstrip().endswith("<start_of_turn>model")
    assert tokenizer.convert_ids_to_tokens(terminator_id(tokenizer)) == "<end_of_turn>"
    assert tokenizer.eos_token_id in stop_ids(tokenizer)


@pytest.mark.parametrize(
    "piece", ["", " ", "\\", "\\s", "\t\n\r", "\u2028\u2029\x85\xa0", "\\u0020", "春 江", "▁", "\x00\x1f", "\u3000"]
)  # fmt: skip
def test_escapes_leave_no_white_space_and_can_be_undone(piece):
    escaped = escape_piece(piece)
    assert not any(char.isspace() for char in escaped) and len(escaped.splitlines()) <= 1
    plain = {"s": " ", "t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    undone = re.sub(r"\\(?:u([0-9a-f]{4})|(.))", lambda found: chr(int(found[1], 16)) if found[1] else plain[found[2]], escaped)
    assert undone == piece


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("<bos> 春\n", DataError, "no TAB"),
        ("<bos>\t\n", DataError, "no TAB"),
        ("<bos>\t龘 <eos>\n", TokenizerMismatchError, "'龘' is not in the model's vocabulary"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line, error, message):
    path = tmp_path / "train.txt"
    path.write_text("<bos>\t春 <eos>\n" + line, encoding="utf-8")
    with pytest.raises(error, match=message) as raised:
        read_tokenized(path, make_tokenizer())
    assert f"{path}:2" in str(raised.value)


def test_the_fingerprint_tells_tokenizers_apart():
    prints = {tokenizer_fingerprint(make()) for make in TOKENIZERS}
    assert len(prints) == len(TOKENIZERS)
    assert tokenizer_fingerprint(make_tokenizer()) == tokenizer_fingerprint(make_tokenizer())


def test_dropout_depends_on_seed_and_poem_alone_and_hits_its_rate():
    poems = make_poems(2000)
    dropped = [dropped_conditions(poem, title_dropout=0.15, author_dropout=0.5, seed=1) for poem in poems]
    assert dropped == [dropped_conditions(poem, title_dropout=0.15, author_dropout=0.5, seed=1) for poem in poems]
    assert dropped != [dropped_conditions(poem, title_dropout=0.15, author_dropout=0.5, seed=2) for poem in poems]
    assert sum(not conditions.title for conditions in dropped) / 2000 == pytest.approx(0.15, abs=0.03)
    assert sum(not conditions.author for conditions in dropped) / 2000 == pytest.approx(0.5, abs=0.04)
    assert all(conditions.form == "五言绝句" for conditions in dropped)


def test_words_are_dropped_at_their_rate_and_drawn_from_the_poem_alone():
    poems = make_poems(2000)
    rates = {"title_dropout": 0.15, "author_dropout": 0.5}
    without = [dropped_conditions(poem, **rates, seed=1) for poem in poems]
    named = [dropped_conditions(poem, **rates, words_dropout=0.5, seed=1) for poem in poems]
    assert not any(conditions.words for conditions in without)
    assert [(a.title, a.author) for a in without] == [(b.title, b.author) for b in named]
    assert sum(bool(conditions.words) for conditions in named) / 2000 == pytest.approx(0.5, abs=0.04)
    assert all(word in "".join(poem.lines) for poem, conditions in zip(poems, named) for word in conditions.words)


def test_words_stand_between_author_and_poem():
    conditions = Conditions("五言绝句", "春江", "李白", words=("月明", "舟"))
    assert conditions.prompt() == "体裁：五言绝句\n题目：春江\n作者：李白\n意象：月明、舟\n诗："


def test_a_tune_is_what_the_prompt_names():
    poem = Poem(("春江",), "。", form="词", tune="如梦令")
    assert conditions_of(poem).prompt() == "体裁：如梦令\n诗："


def test_many_samples_keep_their_order():
    poems = make_poems(5000)
    tokenizer = make_tokenizer()
    samples = list(encode_samples(tokenizer, ((conditions_of(poem), poem.text) for poem in poems)))
    assert [decode_poem(tokenizer, sample.completion_ids) for sample in samples] == [poem.text for poem in poems]
