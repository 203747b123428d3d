"""Tiny real things that tests share: poems, a character tokenizer, a random Gemma 3, a DATA folder."""

from __future__ import annotations

from pathlib import Path

from gemma_poetry.artifacts import write_jsonl
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.tokenization import tokenize_poems, tokenizer_fingerprint, write_tokenized
from gemma_poetry.manifests import write_manifest

CHARACTERS = "春江花月夜山水风云天地人心日雨雪松竹石桥舟灯书酒客行归来去远近高低东西南北秋声影香明清空长白红青黄不无有一千万里"


def make_poems(count: int, start: int = 0) -> list[Poem]:
    """Different 五言绝句, made by arithmetic."""
    poems = []
    for number in range(start, start + count):
        chars = [CHARACTERS[(number * 7 + place * (number % 5 + 3)) % len(CHARACTERS)] for place in range(20)]
        lines = tuple("".join(chars[row * 5 : row * 5 + 5]) for row in range(4))
        poems.append(
            Poem(lines, "，。，。", title=f"{lines[0][:2]}", author="李白", form="五言绝句", source_id=f"tiny#{number}")
        )
    return poems


def make_tokenizer():  # type: ignore[no-untyped-def]
    """A character tokenizer that knows every character of `make_poems`."""
    from gemma_poetry.model.character_tokenizer import build_character_tokenizer

    return build_character_tokenizer(dict.fromkeys(CHARACTERS + "李"))


def make_model(tokenizer, seed: int = 0, **changes):  # type: ignore[no-untyped-def]
    """A random Gemma 3 of two layers."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(seed)
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "sliding_window": 64,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return Gemma3ForCausalLM(Gemma3TextConfig(**(shape | changes))).to(torch.float32).eval()


def save_model(folder: Path, seed: int = 0) -> Path:
    """A tiny Gemma 3 checkpoint in the published layout."""
    tokenizer = make_tokenizer()
    make_model(tokenizer, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_data(folder: Path, tokenizer=None, train: int = 64, held_out: int = 12) -> Path:  # type: ignore[no-untyped-def]
    """A DATA folder in the layout of `prepare`."""
    tokenizer = tokenizer or make_tokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    splits = {"train": make_poems(train), "val": make_poems(held_out, 1000), "test": make_poems(held_out, 2000)}
    for name, poems in splits.items():
        write_jsonl(folder / f"{name}.jsonl", (poem.to_record() for poem in poems))
        write_tokenized(folder / f"{name}.txt", tokenize_poems(poems, tokenizer))
    contents = {"source": "tiny", "tokenizer": {"name": "tiny", "fingerprint": tokenizer_fingerprint(tokenizer)}}
    write_manifest(folder, contents, [f"{name}.{kind}" for name in splits for kind in ("txt", "jsonl")])
    return folder
