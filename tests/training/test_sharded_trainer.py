"""What is prepared before accelerate shards a model; the sharding itself is seen in test_distributed.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import TrainingArguments

from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import RunError
from gemma_poetry.model.lora import add_adapter, put_adapter_weights, trained_weights
from gemma_poetry.training.sharded_trainer import ShardedTrainer
from tests.families import family_model


@pytest.fixture
def trainer(tmp_path) -> ShardedTrainer:
    model, _ = add_adapter(family_model("gemma4_text", 500), LoraSettings(rank=2, dora=True), seed=1)
    for index, layer in enumerate(model.get_base_model().get_decoder().layers):
        layer.layer_scalar.fill_(0.5 + index)
    return ShardedTrainer(model=model, args=TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none"))


@pytest.mark.parametrize(
    ("asked", "units", "why"),
    [
        (None, ["Gemma4TextDecoderLayer"], "not the towers' layers, which accelerate would look for in vain"),
        (["Gemma4TextMLP"], ["Gemma4TextMLP"], "what the launcher's configuration names stays"),
    ],
)
def test_each_layer_of_the_language_model_is_a_unit(trainer, asked, units, why):
    trainer.accelerator.state.fsdp_plugin = SimpleNamespace(transformer_cls_names_to_wrap=asked)
    try:
        trainer._name_units()
        assert trainer.accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap == units, why
    finally:
        trainer.accelerator.state.fsdp_plugin = None  # the state is one for all accelerators of the process


def test_buffers_leave_the_state_and_keep_their_values(trainer):
    weights = {name for name, _ in trainer.model.named_parameters(remove_duplicate=False)}
    before = dict(trainer.model.named_buffers())
    assert trainer.model.state_dict().keys() - weights, "Gemma 4 has buffers in its state"
    trainer._share_buffers()
    assert not trainer.model.state_dict().keys() - weights
    after = dict(trainer.model.named_buffers())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], buffer) for name, buffer in before.items())


def test_an_adapters_file_goes_back_into_its_place(trainer):
    from peft import get_peft_model_state_dict

    torch.manual_seed(0)
    file = {
        name: torch.randn_like(weight)
        for name, weight in get_peft_model_state_dict(trainer.model, save_embedding_layers=False).items()
    }
    put_adapter_weights(trainer.model, file)
    again = get_peft_model_state_dict(trainer.model, state_dict=trained_weights(trainer.model), save_embedding_layers=False)
    assert again.keys() == file.keys() and all(torch.equal(again[name], weight) for name, weight in file.items())
    file.popitem()
    with pytest.raises(RunError, match="fit another adapter"):
        put_adapter_weights(trainer.model, file)
