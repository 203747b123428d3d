"""The tokenizer of a KerasHub preset is read without Keras.

In: a folder that KerasHub's `save_to_preset` wrote, or that was downloaded from Kaggle. Out: the tokenizer of transformers
that its SentencePiece model amounts to: the same pieces under the same ids, the same texts cut alike. `prepare` and `train
--backend keras` take it for what the preset would have done.

A preset holds no chat template: data that is prepared with it has plain prompts.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_poetry.artifacts import read_json
from gemma_poetry.errors import DataError, ModelError
from gemma_poetry.languages import _

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SENTENCEPIECE = Path("assets", "tokenizer", "vocabulary.spm")


def is_keras_preset(folder: Path) -> bool:
    """Whether a folder is a KerasHub preset: its `config.json` names a class of Keras."""
    try:
        config = read_json(folder / "config.json")
    except DataError:
        return False
    return isinstance(config, dict) and "registered_name" in config


def preset_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a preset.

    Raises:
        ModelError: It has none, or one that cannot be read.
    """
    from transformers import GemmaTokenizer

    if not (folder / SENTENCEPIECE).is_file():
        raise ModelError(
            _("the preset has no tokenizer"),
            where=folder / SENTENCEPIECE,
            expected=_("a preset that was saved from a model with its preprocessor"),
            action=_("save it again with its tokenizer, or download the whole preset"),
        )
    with tempfile.TemporaryDirectory() as beside:
        # transformers knows the file by this name alone.
        shutil.copyfile(folder / SENTENCEPIECE, Path(beside) / "tokenizer.model")
        try:
            tokenizer: PreTrainedTokenizerBase = GemmaTokenizer.from_pretrained(beside)
        except Exception as error:  # protobuf and the tokenizers library raise bare exceptions
            raise ModelError(
                _("the preset's tokenizer cannot be read ({name})", name=type(error).__name__),
                where=folder / SENTENCEPIECE,
                expected=_("a SentencePiece model"),
                action=_("download the preset again"),
            ) from error
    tokenizer.name_or_path = str(folder)
    return tokenizer


def difference(preset: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase, texts: Sequence[str]) -> str:
    """What tells a preset's tokenizer from another, in words; empty where they are the same.

    The other one may have a chat template, and pieces behind the preset's last one, as checkpoints with vision have.

    Args:
        preset: The tokenizer of the preset.
        other: The tokenizer that data was prepared with.
        texts: Texts of the data, which both must cut alike.
    """
    ours, theirs = preset.get_vocab(), other.get_vocab()
    moved = sorted(piece for piece, index in ours.items() if theirs.get(piece) != index)
    if moved:
        return _("has {count:,} pieces under other ids, {moved!r} for one", count=len(moved), moved=moved[0])
    cuts = [tokenizer(list(texts), add_special_tokens=False)["input_ids"] for tokenizer in (preset, other)]
    apart = [text for text, mine, yours in zip(texts, *cuts) if mine != yours]
    return (
        _(
            "cuts {count:,} of {texts_count:,} texts otherwise, {apart!r} for one",
            count=len(apart),
            texts_count=len(texts),
            apart=apart[0][:20],
        )
        if apart
        else ""
    )
