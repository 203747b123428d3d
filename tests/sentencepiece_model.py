"""A tiny SentencePiece model with Gemma's conventions, as KerasHub's presets hold one.

In: nothing, or what is to be otherwise. Out: the bytes of a model: <pad>, <eos>, <bos>, <unk> first, turn markers that are
never cut, byte pieces, blanks as `▁`, and pieces learned from a few lines of verse.
"""

from __future__ import annotations

import io

from tests.tiny import make_poems

TEXTS = [poem.text for poem in make_poems(40)] + ["体裁：五言绝句\n题目：春江\n诗："]


def make_sentencepiece(size: int = 400, turns: tuple[str, str] = ("<start_of_turn>", "<end_of_turn>")) -> bytes:
    """The bytes of a byte-pair model of `size` pieces."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 2),
        model_writer=written,
        vocab_size=size,
        model_type="bpe",
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        unk_piece="<unk>",
        user_defined_symbols=["<mask>", *turns, "\n"],
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()
