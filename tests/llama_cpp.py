"""llama.cpp itself, for tests: what it computes of a GGUF file, with an adapter on top where one is named.

In: files, token ids. Out: greedy continuations with the likelihoods of the likeliest tokens, tokens of a text. Through
`xllamacpp`, whose server is asked without a network.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LIKELIEST = 5


@dataclass(frozen=True)
class Step:
    """One token of a continuation.

    Attributes:
        token: Its id.
        likeliest: Natural logarithms of the probabilities of the likeliest tokens at its place, by their ids.
    """

    token: int
    likeliest: dict[int, float]


class LlamaCpp:
    """A model of llama.cpp, with its key-value cache in float32.

    Args:
        path: A GGUF file.
        adapter: A GGUF adapter, or `None`.
    """

    def __init__(self, path: Path, adapter: Path | None = None) -> None:
        xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed (pip install xllamacpp)")
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx, parameters.n_gpu_layers, parameters.warmup, parameters.n_parallel = 512, 0, False, 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if adapter is not None:
            update = xllamacpp.CommonAdapterLoraInfo()
            update.path, update.scale = str(adapter), 1.0
            parameters.lora_adapters = [update]
        self._server = xllamacpp.Server(parameters)

    def greedy(self, ids: list[int], count: int) -> list[Step]:
        """The likeliest continuation, token by token, up to the end of the text, which is left out.

        A byte that is no whole character yet comes without likelihoods: the continuation is cut off there.
        """
        wish = {"prompt": ids, "n_predict": count, "temperature": 0.0, "n_probs": LIKELIEST, "return_tokens": True}
        answer = self._ask("completion", wish | {"cache_prompt": False})
        steps = []
        for token, step in zip(answer["tokens"], answer.get("completion_probabilities", [])):
            if int(step["id"]) != token:
                break
            steps.append(Step(token, {int(other["id"]): float(other["logprob"]) for other in step["top_logprobs"]}))
        return steps

    def tokens(self, text: str | list[str]) -> list[int]:
        """The ids of a text, or of several one after the other, special pieces taken as such, without BOS."""
        return list(self._ask("tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"])

    def _ask(self, what: str, wish: dict[str, Any]) -> Any:
        address = f"{self._server.listening_address}/{what}"
        request = urllib.request.Request(address, json.dumps(wish).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
