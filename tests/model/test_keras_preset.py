"""A KerasHub preset as far as no Keras is needed: told from other folders, its tokenizer, and what is like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from gemma_poetry.errors import ModelError, NotAGemmaError
from gemma_poetry.model.checkpoint import check_model_folder, weights_fingerprint
from gemma_poetry.model.keras_preset import SENTENCEPIECE, difference, is_keras_preset, preset_tokenizer
from gemma_poetry.model.loading import load_tokenizer
from tests.sentencepiece_model import TEXTS, make_sentencepiece


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preset")
    (folder / "config.json").write_text(json.dumps({"registered_name": "keras_hub>Gemma3Backbone", "config": {}}))
    (folder / SENTENCEPIECE).parent.mkdir(parents=True)
    (folder / SENTENCEPIECE).write_bytes(make_sentencepiece())
    (folder / "model.weights.h5").write_bytes(b"weights")
    return folder


def test_its_tokenizer_is_its_sentencepiece_model(preset):
    import sentencepiece

    theirs = sentencepiece.SentencePieceProcessor(model_file=str(preset / SENTENCEPIECE))
    ours: Any = load_tokenizer(str(preset))
    assert ours.get_vocab() == {theirs.id_to_piece(index): index for index in range(theirs.get_piece_size())}
    assert (ours.pad_token_id, ours.eos_token_id, ours.bos_token_id) == (0, 1, 2) and not ours.chat_template
    for text in (*TEXTS, "<start_of_turn>user\n春 江<end_of_turn>\n", "𠀀 not seen"):
        assert ours(text, add_special_tokens=False)["input_ids"] == theirs.encode(text)


def test_a_preset_is_told_from_other_folders(preset, tmp_path):
    assert is_keras_preset(preset) and not is_keras_preset(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gemma3_text"}')
    assert not is_keras_preset(tmp_path)


def test_the_default_backend_names_the_way(preset):
    with pytest.raises(NotAGemmaError, match="--backend keras"):
        check_model_folder(preset)


def test_other_weights_have_another_fingerprint(preset):
    before = weights_fingerprint(preset)
    (preset / "model.weights.h5").write_bytes(b"weight!")
    assert weights_fingerprint(preset) != before


@pytest.mark.parametrize(("content", "found"), [(None, "no tokenizer"), (b"nonsense", "cannot be read")])
def test_a_missing_or_broken_tokenizer_is_refused(tmp_path, content, found):
    if content is not None:
        (tmp_path / SENTENCEPIECE).parent.mkdir(parents=True)
        (tmp_path / SENTENCEPIECE).write_bytes(content)
    with pytest.raises(ModelError, match=found):
        preset_tokenizer(tmp_path)


def test_a_chat_template_and_pieces_behind_the_last_make_no_difference(preset):
    own, other = preset_tokenizer(preset), preset_tokenizer(preset)
    other.chat_template = "{{ messages }}"
    other.add_tokens(["<image_soft_token>"])
    assert difference(own, other, TEXTS) == ""


def test_moved_or_missing_pieces_and_other_cuts_are_named(preset, tmp_path):
    own = preset_tokenizer(preset)

    def made(**changes: Any) -> Any:
        (tmp_path / SENTENCEPIECE).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / SENTENCEPIECE).write_bytes(make_sentencepiece(**changes))
        return preset_tokenizer(tmp_path)

    assert "has 2 pieces under other ids" in difference(own, made(turns=("<end_of_turn>", "<start_of_turn>")), TEXTS)
    assert "under other ids" in difference(own, made(size=380), TEXTS)

    other = preset_tokenizer(preset)
    state = json.loads(other.backend_tokenizer.to_str())
    state["model"]["merges"] = state["model"]["merges"][:5]
    other._tokenizer = Tokenizer.from_str(json.dumps(state))
    assert "texts otherwise" in difference(own, other, TEXTS)
