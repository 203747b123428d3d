"""Tiny models and tokenizers for tests of generation: random weights, real architectures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

PHRASES = ["五言绝句", "七言绝句", "天气", "晚来", "秋。", "，山", "雨，天气", "一心一意", "萧萧", "\n题目："]
SINGLES = "，。体裁题目作者诗：空山新雨后天气晚来秋明月松间照清泉石上流一心意萧千里江陵还两岸声啼不住轻舟已过万重"


def tiny_gemma(vocabulary: int, seed: int = 0):
    """A randomly initialised Gemma 3 of one layer pair, hidden size 16, in float32."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=512, sliding_window=32,
        pad_token_id=0, eos_token_id=1, bos_token_id=2, layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    return Gemma3ForCausalLM(config).eval()


def character_tokenizer(singles: str = SINGLES, phrases: list[str] = PHRASES):
    """One piece a character, some pieces of several characters, and bytes for all the rest (Gemma's conventions)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    pieces = dict.fromkeys([*specials, *phrases, *(f"<0x{byte:02X}>" for byte in range(256)), *singles, "▁", "\n", *"abc"])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in specials])
    backend.add_tokens([AddedToken(piece, special=False, normalized=False) for piece in phrases])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        padding_side="left", clean_up_tokenization_spaces=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer():
    return character_tokenizer()


@pytest.fixture(scope="session")
def tiny(tokenizer):
    return tiny_gemma(len(tokenizer))


@pytest.fixture(scope="session")
def gemma_tokenizer(gemma_tokenizer_model: Path):
    from transformers import GemmaTokenizer

    return GemmaTokenizer.from_pretrained(gemma_tokenizer_model.parent)


@pytest.fixture(scope="session")
def gemma_tiny(gemma_tokenizer):
    return tiny_gemma(len(gemma_tokenizer))
