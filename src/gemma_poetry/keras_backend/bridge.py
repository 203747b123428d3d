"""A bridge gives a KerasHub model the shape of a transformers model, for decoding under constraints.

In: a KerasHub causal language model and a tokenizer. Out: an object with `generate`, whose logits are KerasHub's: the
constraint engine, sampling and beams work on it as on any model, form, tones and rhyme guaranteed.

Every step computes the whole text again: poems are short, and KerasHub's own cache knows no padding on the left, which
batches of unequal prompts have. (Positions count from the padding then; rotation knows only their differences.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from gemma_poetry.keras_backend.batches import bucket
from gemma_poetry.keras_backend.model import logits

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class _BridgeConfig(PretrainedConfig):
    model_type = "keras_bridge"


class KerasBridge(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The transformers side of a KerasHub model.

    Args:
        model: A causal language model of KerasHub without preprocessor.
        tokenizer: Its tokenizer.
    """

    config_class = _BridgeConfig
    main_input_name = "input_ids"

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
        config = _BridgeConfig(
            vocab_size=model.backbone.vocabulary_size,
            num_hidden_layers=model.backbone.num_layers,  # generation sizes a cache by it, which stays empty
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        super().__init__(config)
        self.generation_config = GenerationConfig.from_model_config(config)
        self._keras = model
        # Generation asks a model's parameters where it is.
        self.place = torch.nn.Parameter(torch.zeros(()), requires_grad=False)

    def prepare_inputs_for_generation(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """The whole text at every step: nothing is cached."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any) -> CausalLMOutput:
        ids = input_ids.cpu().numpy().astype("int32")
        mask = numpy.ones_like(ids) if attention_mask is None else attention_mask.cpu().numpy().astype("int32")
        # Padding on the right to few widths, so that JAX compiles seldom; causal attention never looks there.
        spare = bucket(ids.shape[1]) - ids.shape[1]
        scores = logits(self._keras, numpy.pad(ids, ((0, 0), (0, spare))), numpy.pad(mask, ((0, 0), (0, spare))))
        return CausalLMOutput(logits=torch.from_numpy(numpy.array(scores[:, : ids.shape[1]])))
