"""Poems under constraints in vLLM, Model Runner V2 (the default runner since it replaced the first one).

    PYTHONPATH=examples vllm serve MODEL --logits-processors vllm_poems:PoemProcessor

In: requests with `vllm_xargs: {"poem": "{...}"}`, the JSON of a `PoemRequest`. Out: logits with every token masked that
would break the form. Requests without it are left alone. For the first runner (VLLM_USE_V2_MODEL_RUNNER=0): vllm_poems_v1.

Speculative decoding must be off: drafts are not followed here.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

from gemma_poetry.generation.serving import PoemServer, RequestProcessor, validate


def on_device(buffer: Any) -> torch.Tensor:
    """The device side of one of vLLM's buffers, which its versions name differently."""
    return buffer.gpu if hasattr(buffer, "gpu") else buffer.device_tensor


class PoemProcessor(LogitsProcessor):
    """Keeps each request that asks for a poem inside its form."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        self.server = PoemServer.for_model(vllm_config.model_config.tokenizer)
        self.states = req_states
        self.requests: dict[int, RequestProcessor] = {}  # by slot

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        poem = (sampling_params.extra_args or {}).get("poem")
        if poem is not None:
            validate(poem)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        self.requests.pop(req_idx, None)  # slots are recycled
        poem = (sampling_params.extra_args or {}).get("poem")
        if poem is not None:
            self.requests[req_idx] = self.server.processor(poem)
        return poem is not None

    def apply(self, logits: torch.Tensor, ctx: Any) -> torch.Tensor:
        slots, ends = ctx.expanded_idx_mapping.tolist(), (ctx.pos + 1).tolist()
        tokens = on_device(self.states.all_token_ids)
        for row, (slot, end) in enumerate(zip(slots, ends)):
            start = int(self.states.prompt_len.np[slot])
            if slot in self.requests and end >= start:
                written = tokens[slot, start:end].tolist()
                logits[row] = self.requests[slot](written, logits[row])
        return logits
