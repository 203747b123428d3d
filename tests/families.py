"""Tiny random checkpoints of every Gemma family, in the layout that is published.

In: a folder, a family, base or instruction-tuned. Out: config.json, generation_config.json, safetensors, tokenizer.json,
tokenizer_config.json and, for instruction-tuned ones, a chat template. Shapes are tiny, but every peculiarity of a
family is there: soft-caps, alternating windows shorter than the samples, key-value sharing, per-layer embeddings,
towers that reuse `q_proj`, larger heads in global layers, rows of the vocabulary that no piece has, and the turn
markers under their published ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.model.towers import without_towers
from tests.tiny import CHARACTERS, save_data

FAMILY_NAMES = ("gemma", "gemma2", "gemma3_text", "gemma3", "gemma3n_text", "gemma3n", "gemma4_text", "gemma4")
"""Every `model_type` that loads; those without `_text` from Gemma 3 on are multimodal."""

PIECES = "体裁题目作者诗五七言绝句律词李白：，。" + CHARACTERS
"""Single characters of the small tokenizer."""
MERGED = ("五言", "绝句", "五言绝句", "明月", "春江", "江花", "体裁", "题目")
"""Pieces of several characters, each made by one merge of two others."""

# The ids of the turn markers are those of the published tokenizers, and <mask> is 4 in all of them.
_TURNS = {
    "gemma": {106: "<start_of_turn>", 107: "<end_of_turn>"},
    "gemma2": {106: "<start_of_turn>", 107: "<end_of_turn>"},
    "gemma4_text": {105: "<|turn>", 106: "<turn|>"},
    "gemma4": {105: "<|turn>", 106: "<turn|>"},
}
_GEMMA_3_TURNS = {105: "<start_of_turn>", 106: "<end_of_turn>"}
_TEMPLATE = """{{{{ bos_token }}}}
{{%- for message in messages -%}}
{{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}}
{{{{ '{start}' + role + '\\n' + (message['content'] | trim) + '{end}\\n' }}}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}
{{{{ '{start}model\\n' }}}}
{{%- endif -%}}
"""
_SPARE_ROWS = 8  # of the embedding, beyond the tokenizer's pieces, as in the published checkpoints


def turn_markers(family: str) -> tuple[str, str]:
    """What begins and ends a turn in a family's chat template."""
    start, end = _TURNS.get(family, _GEMMA_3_TURNS).values()
    return start, end


def chat_template(family: str) -> str:
    """A chat template in a family's turn format; like the published ones it writes BOS itself."""
    start, end = turn_markers(family)
    return _TEMPLATE.format(start=start, end=end)


def small_tokenizer(family: str, instruction_tuned: bool = False, pieces: Iterable[str] = PIECES):  # type: ignore[no-untyped-def]
    """A tokenizer of a few hundred pieces in Gemma's conventions: BPE with merges, byte pieces, `▁` for blanks."""
    from tokenizers import AddedToken
    from transformers import GemmaTokenizer

    turns = _TURNS.get(family, _GEMMA_3_TURNS)
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    reserved = [turns.get(index, f"<unused{index - 5}>") for index in range(5, 110)]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = dict.fromkeys([*specials, *reserved, *bytes_, "\n", "▁", *pieces, *"abcdefghijklmnopqrstuvwxyz", *MERGED])
    merges = [(piece[: len(piece) // 2], piece[len(piece) // 2 :]) for piece in MERGED]
    tokenizer = GemmaTokenizer(
        vocab={piece: index for index, piece in enumerate(vocabulary)},
        merges=merges,
        add_bos_token=True,
        clean_up_tokenization_spaces=False,
        chat_template=chat_template(family) if instruction_tuned else None,
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(piece, special=True, normalized=False) for piece in turns.values()]}
    )
    return tokenizer


def genuine_tokenizer(tokenizer_model: Path, family: str, instruction_tuned: bool = False):  # type: ignore[no-untyped-def]
    """The genuine 256,000-piece tokenizer (fixture `gemma_tokenizer_model`), with a chat template where one is wanted."""
    from transformers import GemmaTokenizer

    tokenizer = GemmaTokenizer.from_pretrained(tokenizer_model.parent)
    tokenizer.chat_template = chat_template("gemma") if instruction_tuned else None
    return tokenizer


def family_model(family: str, pieces: int, seed: int = 0, instruction_tuned: bool = False, **changes: Any):  # type: ignore[no-untyped-def]
    """A random model of a family, float32, for a tokenizer of `pieces` pieces.

    Args:
        family: One of `FAMILY_NAMES`.
        pieces: Pieces of the tokenizer; the embedding has some rows more where the published one has.
        seed: Seed of the weights.
        instruction_tuned: Whether the generation configuration stops at the turn terminator too.
        **changes: Fields of the text configuration.
    """
    import torch
    import transformers

    config = _config(family, pieces, changes)
    if _stands_in(family):
        config.vision_config = without_towers(config).vision_config
    torch.manual_seed(seed)
    name = {"gemma": "Gemma", "gemma2": "Gemma2", "gemma3": "Gemma3", "gemma3n": "Gemma3n", "gemma4": "Gemma4"}
    kind = "ForConditionalGeneration" if family in ("gemma3", "gemma3n", "gemma4") else "ForCausalLM"
    model = getattr(transformers, name[family.removesuffix("_text")] + kind)(config).to(torch.float32).eval()
    ends = [1, max(_TURNS.get(family, _GEMMA_3_TURNS))] if instruction_tuned else [1]
    model.generation_config.update(eos_token_id=ends, bos_token_id=2, pad_token_id=0, cache_implementation=None)
    return model


def _config(family: str, pieces: int, changes: dict[str, Any]) -> Any:
    import transformers

    text: dict[str, Any] = {
        "vocab_size": pieces,
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    layers = {"layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 16}
    per_layer = {"vocab_size_per_layer_input": pieces, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2}
    spare = {"vocab_size": pieces + _SPARE_ROWS}
    gemma3 = layers | {"query_pre_attn_scalar": 16}
    gemma3n = layers | per_layer | spare | {"altup_num_inputs": 2, "laurel_rank": 4, "final_logit_softcapping": 30.0}
    gemma4 = layers | per_layer | {"global_head_dim": 32, "final_logit_softcapping": 30.0}
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16,
        "patch_size": 4,
    }  # fmt: skip
    if family == "gemma":
        return transformers.GemmaConfig(**(text | changes))
    if family == "gemma2":
        caps = {"query_pre_attn_scalar": 16, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 30.0}
        return transformers.Gemma2Config(**(text | layers | caps | changes))
    if family == "gemma3_text":
        return transformers.Gemma3TextConfig(**(text | gemma3 | changes))
    if family == "gemma3":
        return transformers.Gemma3Config(
            text_config=text | gemma3 | spare | changes,
            vision_config=vision | {"model_type": "siglip_vision_model"},
            mm_tokens_per_image=4,
            boi_token_index=5,
            eoi_token_index=6,
            image_token_index=pieces,
        )
    if family == "gemma3n_text":
        return transformers.Gemma3nTextConfig(**(text | gemma3n | changes))
    if family == "gemma3n":
        return transformers.Gemma3nConfig(
            text_config=text | gemma3n | changes,
            vision_config={"architecture": "resnet18", "hidden_size": 512, "vocab_size": 4, "vocab_offset": pieces},
            audio_config={
                "hidden_size": 16, "vocab_size": 4, "vocab_offset": pieces + 4, "input_feat_size": 16,
                "conf_num_attention_heads": 2, "conf_num_hidden_layers": 1, "sscp_conv_channel_size": (4, 4),
            },
            boi_token_id=5, eoi_token_id=pieces, image_token_id=pieces + 1, boa_token_id=6, eoa_token_id=pieces + 4,
            audio_token_id=pieces + 5,
        )  # fmt: skip
    if family == "gemma4_text":
        return transformers.Gemma4TextConfig(**(text | gemma4 | changes))
    return transformers.Gemma4Config(
        text_config=text | gemma4 | changes,
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "head_dim": 8, "patch_size": 4,
            "position_embedding_size": 64, "use_clipped_linears": True,
        },
        audio_config={
            "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "subsampling_conv_channels": (4, 4),
            "output_proj_dims": 16, "use_clipped_linears": True,
        },
        boi_token_id=5, eoi_token_id=6, image_token_id=7, video_token_id=8, boa_token_id=9, eoa_token_index=10,
        audio_token_id=11,
    )  # fmt: skip


def save_family(
    folder: Path, family: str, instruction_tuned: bool = False, seed: int = 0, tokenizer: Any = None, **changes: Any
) -> Path:
    """Saves a tiny checkpoint of a family; returns the folder.

    Args:
        folder: Where to; made where it is missing.
        family: One of `FAMILY_NAMES`.
        instruction_tuned: With a chat template, and both ids of the end in the generation configuration.
        seed: Seed of the weights.
        tokenizer: In place of the small one.
        **changes: Fields of the text configuration.
    """
    tokenizer = tokenizer if tokenizer is not None else small_tokenizer(family, instruction_tuned)
    model = family_model(family, len(tokenizer), seed, instruction_tuned, **changes)
    if _stands_in(family):
        _save_with_tower(model, _config(family, len(tokenizer), changes), folder)
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _stands_in(family: str) -> bool:
    """Whether a family's vision tower can only be stood in for: timm, which builds it, is not installed."""
    from importlib.util import find_spec

    return family == "gemma3n" and find_spec("timm") is None


def _save_with_tower(model: Any, config: Any, folder: Path) -> None:
    """The checkpoint as it is published: the tower's weights, under their names, beside those of the model."""
    import torch

    names = ("conv_stem.conv.weight", "conv_stem.bn.weight", "blocks.0.0.conv_exp.weight")
    tower = {f"model.vision_tower.timm_model.{name}": torch.randn(2, 3) for name in names}
    model.save_pretrained(folder, state_dict=model.state_dict() | tower)
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    written["vision_config"] = config.to_dict()["vision_config"]
    (folder / "config.json").write_text(json.dumps(written), encoding="utf-8")


def save_family_data(folder: Path, family: str, instruction_tuned: bool = False, train: int = 24, held_out: int = 4) -> Path:
    """A DATA folder written with a family's small tokenizer."""
    return save_data(folder, small_tokenizer(family, instruction_tuned), train=train, held_out=held_out)


def chinese_poetry_archive(folder: Path, poems: Iterable[Poem]) -> Path:
    """A collection folder in the layout of chinese-poetry's 全唐诗, for `prepare`."""
    path = folder / "全唐诗" / "poet.tang.0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [
        {
            "author": poem.author,
            "title": f"{poem.title}{number}",
            "paragraphs": [f"{a}，{b}。" for a, b in zip(poem.lines[::2], poem.lines[1::2])],
            "id": str(number),
        }
        for number, poem in enumerate(poems)
    ]
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return folder
