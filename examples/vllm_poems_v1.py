"""Poems under constraints in vLLM's first model runner (VLLM_USE_V2_MODEL_RUNNER=0, and versions that have no other).

    PYTHONPATH=examples vllm serve MODEL --logits-processors vllm_poems_v1:PoemProcessor

In: requests with `vllm_xargs: {"poem": "{...}"}`, the JSON of a `PoemRequest`. Out: logits with every token masked that
would break the form. Requests without it are left alone.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

from gemma_poetry.generation.serving import PoemServer, RequestProcessor, validate


class PoemProcessor(AdapterLogitsProcessor):
    """Keeps each request that asks for a poem inside its form."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        super().__init__(vllm_config, device, is_pin_memory)
        self.server = PoemServer.for_model(vllm_config.model_config.tokenizer)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        poem = (sampling_params.extra_args or {}).get("poem")
        if poem is not None:
            validate(poem)

    def is_argmax_invariant(self) -> bool:
        return False

    def new_req_logits_processor(self, params: Any) -> RequestProcessor | None:
        poem = (params.extra_args or {}).get("poem")
        return None if poem is None else self.server.processor(poem)
