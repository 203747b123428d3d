"""A tiny Gemma 3 checkpoint for any language: BPE with byte fallback in Gemma's conventions, trained on what tests give it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

SPECIALS = ("<pad>", "<eos>", "<bos>", "<unk>")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-,.;:!?"


def train_tokenizer(texts: Sequence[str], pieces: int = 3000) -> Any:
    """A tokenizer of so many pieces: blanks are `▁`, line breaks stand alone, unknown characters become bytes."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    alphabet = sorted({*LETTERS, *(char for text in texts for char in text)} - {"\n", " "})
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=[*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256))],
        initial_alphabet=[*alphabet, "▁"],
        show_progress=False,
        max_token_length=12,
    )
    backend.train_from_iterator([line for text in texts for line in text.split("\n")], trainer)
    backend.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in SPECIALS])
    backend.add_tokens([AddedToken("\n", special=False, normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        padding_side="left", clean_up_tokenization_spaces=False,
    )  # fmt: skip


def save_multilingual_gemma(folder: Path, texts: Sequence[str], *, hidden: int = 64, layers: int = 2, seed: int = 0) -> Path:
    """A random Gemma 3 of two layers over such a tokenizer, in the published layout."""
    return save_random_gemma(folder, train_tokenizer(texts), hidden=hidden, layers=layers, seed=seed)


def save_random_gemma(
    folder: Path, tokenizer: Any, *, hidden: int = 64, layers: int = 2, seed: int = 0, spread: float = 0.02
) -> Path:
    """A random Gemma 3 over any tokenizer, in the published layout.

    Args:
        folder: Where it goes.
        tokenizer: Its tokenizer.
        hidden: Hidden size.
        layers: Layers.
        seed: Seed of the weights.
        spread: Standard deviation of the weights. The embedding is the head as well: with Gemma's 0.02 and so small a hidden
            size no state can make a piece much likelier than 255,999 others.
    """
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, query_pre_attn_scalar=32, max_position_embeddings=2048,
        sliding_window=256, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id, initializer_range=spread,
    )  # fmt: skip
    Gemma3ForCausalLM(config).to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sample_texts(names: Sequence[str]) -> list[str]:
    """All files of the embedded samples of some domains."""
    from gemma_poetry.domains.registry import load_domain

    folders = [load_domain(name).sample() for name in names]
    return [path.read_text(encoding="utf-8") for folder in folders if folder for path in sorted(folder.iterdir())]
