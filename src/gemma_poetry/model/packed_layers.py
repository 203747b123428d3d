"""Packed layers compute without arranging their weights anew for each token.

In: a model in bfloat16 on a CPU that multiplies in it. Out: while a block runs, the same model, whose layers give the same
numbers, bit for bit, in less time: products of few rows take some 60% of it.

oneDNN wants weights in blocks. A plain matrix is put into these at every call, which for the few rows of a poem in the making
takes longer than the multiplication. Packed copies are made once and kept beside the weights, as much memory again (200 MB for
Gemma 3 270M); they are made anew where weights have changed, and are freed with the model. The norms of Gemma 1 to 3 keep their
scale in the same way, 1 + weight in float32, and become one operation in place of six.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gemma_poetry.model.families import cpu_has_bfloat16

_LEAST_VALUES, _MOST_BYTES = 2**14, 2**30
"""Smaller matrices (those of LoRA) gain nothing; of larger models the layers are not held twice."""

_ONE_PLUS_WEIGHT = ("GemmaRMSNorm", "Gemma2RMSNorm", "Gemma3RMSNorm")

_Kept = tuple[tuple[int, int], torch.Tensor]
_KEPT: weakref.WeakKeyDictionary[torch.nn.Module, _Kept] = weakref.WeakKeyDictionary()


@contextmanager
def packed_layers(model: Any) -> Iterator[None]:
    """While the block runs, and without gradients, the layers of a model multiply with packed weights where that is faster.

    Args:
        model: A causal language model of transformers, wrapped by PEFT or not. One in another dtype than bfloat16, on
            another device than a CPU, or with more than 1 GiB of layers stays as it is, and so does the head.
    """
    layers = [] if torch.is_grad_enabled() else _layers(model)
    norms = [module for module in model.modules() if type(module).__name__ in _ONE_PLUS_WEIGHT] if layers else []
    # Within another such block they are packed already.
    own: list[torch.nn.Module] = [module for module in (*layers, *norms) if "forward" not in vars(module)]
    for module in own:
        vars(module)["forward"] = _linear(module) if isinstance(module, torch.nn.Linear) else _norm(module)
    try:
        yield
    finally:
        for module in own:
            del vars(module)["forward"]


def _layers(model: Any) -> list[torch.nn.Linear]:
    head = model.get_output_embeddings()
    layers = [
        module
        for module in model.modules()
        if type(module) is torch.nn.Linear
        and module is not head
        and module.weight.dtype == torch.bfloat16
        and module.weight.device.type == "cpu"
        and module.weight.numel() >= _LEAST_VALUES
    ]
    size = sum(layer.weight.numel() * layer.weight.itemsize for layer in layers)
    return layers if 0 < size <= _MOST_BYTES and _can_pack() else []


def _can_pack() -> bool:
    """Whether torch was built with oneDNN, and the processor has its kernels for bfloat16."""
    known = hasattr(torch.ops.mkldnn, "_reorder_linear_weight") and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return known and torch.backends.mkldnn.enabled and cpu_has_bfloat16()


def _kept(module: Any, make: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """What is made of the weight of a module, made anew where that has changed."""
    of = (module.weight.data_ptr(), module.weight._version)
    kept = _KEPT.get(module)
    if kept is None or kept[0] != of:
        kept = _KEPT[module] = of, make(module.weight.detach())
    return kept[1]


def _linear(layer: torch.nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    weight, bias = _kept(layer, lambda plain: torch.ops.mkldnn._reorder_linear_weight(plain, None)), layer.bias
    multiply = torch.ops.mkldnn._linear_pointwise.default

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = multiply(hidden, weight, bias, "none", [], "")
        return product

    return forward


def _norm(norm: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    scale, eps = _kept(norm, lambda plain: 1.0 + plain.float()), norm.eps

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(hidden.float(), scale.shape, scale, eps).type_as(hidden)

    return forward
