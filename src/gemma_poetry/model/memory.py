"""An estimate says how much memory a LoRA or QLoRA fine-tuning needs, before anything is loaded.

In: a Gemma configuration of transformers (its shape is read from a model on the meta device, which has no data) and the
settings of a training. Out: a `MemoryEstimate` in bytes.

The parts, for B rows of T tokens, elements of e bytes (4 float32, 2 bfloat16):

    weights       e per parameter. Quantized (NF4, double quantization): 4.127 bits for each parameter of the linear layers
                  inside the transformer layers, e bytes for all others. Pruning drops rows of the token embedding.
    adapter       16 bytes per LoRA parameter: float32 weight, gradient and two moments of AdamW. Where every weight is
                  trained, 12 per parameter: gradient and moments.
    activations   what automatic differentiation keeps for the backward pass, B · T times, summed over the layers:
                    each norm            its input, e; in float32, 4 bytes, where it is not differentiated by formula (3n, 4),
                                         and 9 where its own weight is trained
                    attention            queries, keys and values at the queries' width, the output: 4 · e · q
                    plain attention      probabilities, in float32 and in the arithmetic: 4 · heads · T, 6 in bfloat16, 8 where
                                         scores are soft-capped (Gemma 2); nothing where the fused kernel is taken
                    feed-forward         gate, activated gate and up: 3 · e · f
                    each adapted layer   its input, e · in, once for those that share it, and the mask of its dropout,
                                         2 · in; on a GPU a float32 copy of the input and the mask, 5 · in
                    AltUp (Gemma 3n)     its residual streams thrice: 3 · e · streams · hidden
                  and the gradients of one layer in flight. With gradient checkpointing the input of each layer,
                  e · hidden, and all of the above for the one layer that is computed again.
    logits        those of one chunk of the vocabulary twice, 2 · min(64 MiB, 4 · N · vocabulary) for N completion tokens, and
                  the gradient of their hidden states, e · N · hidden: the frozen head is differentiated chunk by chunk.
                  A trained one keeps them all, their probabilities and their gradient: 12 · N · vocabulary.
    heap          on a CPU, half of the activations: freed blocks that the C library (glibc) keeps and cannot join. Measured
                  are shares between 0.05 and 0.8; with MALLOC_MMAP_THRESHOLD_=1000000 there is none, and training is slower.
                  Where poems are written and scored, as much again as these have at a time.
    kernels       on a CPU that computes in bfloat16: oneDNN's products, compiled for each shape and kept, and the packed copies
                  of the layers that reading and writing poems makes (`model.packed_layers`), 2 per parameter of theirs.
    runtime       the process itself with its libraries, measured, and the tokenizer's tables: 1,400 per piece.

A training is more than its steps (`estimate_training`), and at each of these stages other things are alive:

    loading       the whole weights, whatever is pruned afterwards
    a step        all of the above
    writing       weights, adapter and moments; logits of the poems that an evaluation writes, over the whole vocabulary,
                  scores, probabilities and their order: 32 · titles · vocabulary; or those that scoring has at a time
    saving        of a model that is trained whole: beside it and its moments the unpruned one in float32, and the written one
    last scoring  the whole model in place of the pruned one, with logits over the whole vocabulary

The terms follow from the code of transformers and PEFT; `tests/model/test_memory.py` compares them with what autograd
really keeps, and `benchmarks/memory.py` with the peaks of real trainings (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gemma_poetry.languages import _
from gemma_poetry.model.families import PLAIN_TOKENS, choose_attention

# `training.fused.rms_norm` differentiates theirs by formula.
_NORMS_BY_FORMULA = ("gemma", "gemma2", "gemma3_text")
ATTENTION_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
NF4_BITS = 4.127
"""Bits a parameter: 4, and 32-bit scales of blocks of 64 quantized to 8 bits themselves in blocks of 256 (QLoRA,
arXiv 2305.14314, section 3)."""
CHUNK_BYTES = 64 * 2**20
"""Logits that scoring and the trainer's loss have in memory at a time, in float32, in bytes."""
HEAP_SHARE = 0.5
"""Torn heap on a CPU, as a share of the activations."""
RUNTIME_BYTES = 510 * 2**20
"""Resident memory of a process that trains, less what it trains: `train` on models of some kilobytes peaks at 511-541 MiB."""

PIECE_BYTES = 1400
"""What a tokenizer's tables take for each piece, measured with the 262,144 of Gemma 3."""
COMPILED_PRODUCTS = 128
"""Products that oneDNN keeps compiled while poems are trained on. Every length of a batch has some forty of its own; the 1,024
that it would keep come to 0.53 GiB for Gemma 3 270M, lie between the activations and tear the heap."""
_PRODUCTS_BYTES = 400 * 2**20
"""What they come to with those that torch keeps itself, measured and rounded up."""
_PACKED_MOST = 2**30
_WRITTEN_BYTES = 32
"""Bytes of one logit of a poem in the making: itself, its float32 copy, scores, probabilities, and their order."""
_SCORED_TOKENS = 4096
"""Tokens that scoring reads at a time."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear layer inside the transformer layers: its short name, inputs and outputs."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The numbers of a Gemma text model that its memory depends on.

    Attributes:
        vocabulary: Rows of the token embedding.
        hidden: Hidden size.
        layers: Transformer layers.
        parameters: All parameters; a tied head counts once.
        row_parameters: Parameters of one vocabulary row: hidden size, twice that with an untied head.
        projections: The linear layers of the transformer layers, in order.
        norm_width: Sum of the widths of the norms of the transformer layers, heads counted.
        streams: Residual streams that run side by side (AltUp of Gemma 3n has 4, all others 1).
        heads: Heads of the queries, of all layers.
        soft_capped: Whether scores of attention are soft-capped (Gemma 2).
        float_norms: Whether norms keep their input in float32, whatever the arithmetic (Gemma 3n and 4).
    """

    vocabulary: int
    hidden: int
    layers: int
    parameters: int
    row_parameters: int
    projections: tuple[Projection, ...]
    norm_width: int
    streams: int = 1
    heads: int = 0
    soft_capped: bool = False
    float_norms: bool = False

    def total_outputs(self, name: str) -> int:
        """Outputs of the linear layers of one name, over all layers."""
        return sum(projection.outputs for projection in self.projections if projection.name == name)

    @property
    def linear_parameters(self) -> int:
        """Parameters that 4-bit quantization covers."""
        return sum(projection.inputs * projection.outputs for projection in self.projections)

    def lora_parameters(self, rank: int, targets: Sequence[str] = ATTENTION_PROJECTIONS) -> int:
        """Parameters of an adapter: rank · (inputs + outputs) of each adapted layer."""
        return sum(rank * (found.inputs + found.outputs) for found in self.projections if found.name in targets)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Peak memory of a fine-tuning, in bytes, by part (see the module)."""

    weights: int
    adapter: int
    activations: int
    logits: int
    heap: int
    runtime: int
    kernels: int = 0

    @property
    def total(self) -> int:
        return self.certain + self.heap + self.runtime + self.kernels

    @property
    def certain(self) -> int:
        """What is alive at once for certain: without allowances, and without what the process has before it trains."""
        return self.weights + self.adapter + self.activations + self.logits


def read_shape(config: Any) -> ModelShape:
    """The shape of the text model of a configuration, from a model on the meta device: no weight is ever allocated.

    Args:
        config: A Gemma configuration of transformers, of the text model or with other parts around it.
    """
    import torch
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(text)
    model.tie_weights()
    linear = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ".layers." in f".{name}"
    ]
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return ModelShape(
        vocabulary=text.vocab_size,
        hidden=text.hidden_size,
        layers=text.num_hidden_layers,
        parameters=sum(weight.numel() for weight in model.parameters()),
        row_parameters=text.hidden_size * (1 if tied else 2),
        projections=tuple(
            Projection(name.rpartition(".")[2], module.in_features, module.out_features) for name, module in linear
        ),
        norm_width=_norm_width(model, text),
        streams=getattr(text, "altup_num_inputs", 1),
        heads=text.num_hidden_layers * text.num_attention_heads,
        soft_capped=choose_attention(text) == "eager",
        float_norms=text.model_type not in _NORMS_BY_FORMULA,
    )


def _norm_width(model: Any, text: Any) -> int:
    """Widths of all norms inside the layers; one for queries or keys works on every head."""
    width = 0
    for name, module in model.named_modules():
        if not type(module).__name__.endswith("RMSNorm") or ".layers." not in f".{name}":
            continue
        owner = model.get_submodule(name.rpartition(".")[0])
        kind = name.rpartition(".")[2]
        projection = getattr(owner, {"q_norm": "q_proj", "k_norm": "k_proj", "v_norm": "v_proj"}.get(kind, ""), None)
        width += projection.out_features if projection is not None else text.hidden_size
    return width


def estimate_memory(
    shape: ModelShape,
    *,
    batch: int,
    tokens: int,
    dtype: Literal["float32", "bfloat16"] = "float32",
    lora_rank: int = 8,
    targets: Sequence[str] = ATTENTION_PROJECTIONS,
    dropout: bool = True,
    vocabulary_rows: int | None = None,
    completion_tokens: int | None = None,
    gradient_checkpointing: bool = False,
    quantized: bool = False,
    on_gpu: bool = False,
    full: bool = False,
    packed: bool = False,
) -> MemoryEstimate:
    """The peak memory of a step of a fine-tuning.

    Args:
        shape: The model's shape, from `read_shape`.
        batch: Rows of a batch.
        tokens: Tokens of a row.
        dtype: Arithmetic, and the frozen weights where they are not quantized.
        lora_rank: Rank of the updates; 0: no training, scoring or generation alone (no adapter, nothing kept).
        targets: Short names of the adapted linear layers.
        dropout: Whether the updates have dropout.
        vocabulary_rows: Rows that pruning leaves of the vocabulary; `None`: all.
        completion_tokens: Labelled tokens of a batch; `None`: every token.
        gradient_checkpointing: Keep only the input of each layer.
        quantized: NF4 weights in the linear layers of the transformer layers (QLoRA).
        on_gpu: Whether the training runs on a GPU, where updates are computed as PEFT writes them.
        full: Whether every weight is trained, in place of updates; all are in float32 then, and `dtype` is that of products.
        packed: Whether packed copies of the layers are kept beside them, for poems that evaluations write.
    """
    element = 4 if full or dtype == "float32" else 2
    rows = shape.vocabulary if vocabulary_rows is None else vocabulary_rows
    parameters = shape.parameters - (shape.vocabulary - rows) * shape.row_parameters
    trained = 12 * parameters if full else 16 * shape.lora_parameters(lora_rank, targets)
    positions = batch * tokens
    kept = (
        kept_by_all(shape, element, tokens, on_gpu=on_gpu)
        if full
        else kept_bytes(shape, element, tokens, targets, dropout=dropout, rank=lora_rank, on_gpu=on_gpu)
    )
    labelled = positions if completion_tokens is None else completion_tokens
    activations = int(positions * _kept_and_in_flight(kept, shape, element, gradient_checkpointing)) if lora_rank else 0
    return MemoryEstimate(
        # Autocast keeps the weights in its own type too, while a pass lasts.
        weights=_weights(shape, parameters, element, quantized=quantized)
        + (2 * parameters if full and dtype == "bfloat16" else 0),
        adapter=trained,
        activations=activations,
        logits=12 * labelled * rows
        if full
        else 2 * min(CHUNK_BYTES, 4 * labelled * rows) + (labelled * shape.hidden * element if lora_rank else 0),
        heap=0 if on_gpu else int(HEAP_SHARE * activations),
        runtime=RUNTIME_BYTES + (0 if on_gpu else PIECE_BYTES * shape.vocabulary),
        kernels=_kernels(shape, element, packed=packed and not full) if not on_gpu and dtype == "bfloat16" else 0,
    )


def estimate_training(
    shape: ModelShape,
    *,
    dtype: Literal["float32", "bfloat16"] = "float32",
    vocabulary_rows: int | None = None,
    titles: int = 0,
    quantized: bool = False,
    on_gpu: bool = False,
    full: bool = False,
    **step: Any,
) -> dict[str, MemoryEstimate]:
    """The memory of every stage of a fine-tuning, by name, in their order.

    Args:
        shape: The model's shape, from `read_shape`.
        dtype: What products are computed in, and what frozen weights are held in.
        vocabulary_rows: Rows that pruning leaves of the vocabulary; `None`: all.
        titles: Poems that an evaluation writes at once; 0: none.
        quantized: NF4 weights in the linear layers of the transformer layers (QLoRA).
        on_gpu: Whether the training runs on a GPU.
        full: Whether every weight is trained, in place of updates.
        **step: What else `estimate_memory` takes.
    """
    pruned = vocabulary_rows is not None
    held: Literal["float32", "bfloat16"] = "float32" if full else dtype
    element = 4 if held == "float32" else 2
    at_step = estimate_memory(
        shape, dtype=dtype, vocabulary_rows=vocabulary_rows, quantized=quantized, on_gpu=on_gpu, full=full, packed=titles > 0,
        **step,
    )  # fmt: skip
    whole = _weights(shape, shape.parameters, element, quantized=quantized)
    kernels = 0 if on_gpu or held == "float32" else _kernels(shape, element, packed=True)
    # Every layer in turn, and nothing kept.
    read = _SCORED_TOKENS * element * (3 * shape.total_outputs("gate_proj") // max(1, shape.layers) + 6 * shape.hidden)
    # A chunk of logits and its exponentials; of a head in bfloat16 its rows in float32 too.
    scored = (2 if element == 4 else 3) * min(CHUNK_BYTES, 4 * _SCORED_TOKENS * shape.vocabulary)
    stages = {
        _("loading"): MemoryEstimate(whole, 0, 0, 0, 0, at_step.runtime),
        _("a step"): at_step,
    }
    if titles:
        written = max(_WRITTEN_BYTES * titles * shape.vocabulary, scored)
        stages[_("writing poems at an evaluation")] = replace(
            at_step,
            activations=read,
            logits=written,
            heap=0 if on_gpu else read + written,
            kernels=max(at_step.kernels, kernels),
        )
    if full:
        stages[_("saving the model")] = replace(
            at_step, weights=at_step.weights + (whole if pruned else 0), activations=whole // 2, logits=0, heap=0
        )
    if pruned:
        adapter = 0 if full else at_step.adapter // 4
        stages[_("the last scoring, over the whole vocabulary")] = MemoryEstimate(
            whole, adapter, read, scored, 0 if on_gpu else read + scored, at_step.runtime, kernels
        )
    return stages


def greatest(stages: Mapping[str, MemoryEstimate]) -> str:
    """The name of the stage that wants most."""
    return max(stages, key=lambda name: stages[name].total)


def _kernels(shape: ModelShape, element: int, *, packed: bool) -> int:
    layers = element * shape.linear_parameters
    return _PRODUCTS_BYTES + (layers if packed and layers <= _PACKED_MOST else 0)


def _weights(shape: ModelShape, parameters: int, element: int, *, quantized: bool) -> int:
    if not quantized:
        return parameters * element
    linear = shape.linear_parameters
    return int(linear * NF4_BITS / 8) + (parameters - linear) * element


def _kept_and_in_flight(kept: int, shape: ModelShape, element: int, checkpointing: bool) -> float:
    """Bytes of one token at the peak, given those that are kept of it through all layers."""
    # Backward through the widest part of a layer holds its gradients and those of the residual stream.
    flight = element * (2 * shape.total_outputs("gate_proj") / shape.layers + 3 * shape.hidden)
    if checkpointing:
        return shape.layers * shape.hidden * shape.streams * element + kept / shape.layers + flight
    return kept + flight


def kept_bytes(
    shape: ModelShape,
    element: int,
    tokens: int,
    targets: Sequence[str] = ATTENTION_PROJECTIONS,
    *,
    dropout: bool = True,
    rank: int = 8,
    on_gpu: bool = False,
) -> int:
    """What automatic differentiation keeps of one token through all layers, in bytes.

    Args:
        shape: The model's shape.
        element: Bytes of an element of the arithmetic.
        tokens: Tokens of the row that the token stands in.
        targets: Short names of the adapted linear layers.
        dropout: Whether the updates have dropout.
        rank: Rank of the updates; 0: there are none, and `targets` are trained themselves.
        on_gpu: Whether updates are computed as PEFT writes them and attention by the fused kernel, which is so on GPUs.
    """
    altup = 3 * element * shape.layers * shape.streams * shape.hidden if shape.streams > 1 else 0
    adapted = [projection for projection in shape.projections if projection.name in targets]
    return (
        (4 if shape.float_norms else element) * shape.norm_width
        + 4 * element * shape.total_outputs("q_proj")
        + _score_bytes(shape, element, plain=shape.soft_capped or (not on_gpu and tokens <= PLAIN_TOKENS)) * tokens
        + 3 * element * shape.total_outputs("gate_proj")
        + (_kept_by_peft(adapted, element, dropout) if on_gpu and rank else _kept_by_updates(adapted, element, dropout, rank))
        + altup
    )


def kept_by_all(shape: ModelShape, element: int, tokens: int, *, on_gpu: bool = False) -> int:
    """What automatic differentiation keeps of one token where every weight is trained, in bytes; arguments of `kept_bytes`."""
    every = sorted({projection.name for projection in shape.projections})
    norms = (9 - (4 if shape.float_norms else element)) * shape.norm_width
    return kept_bytes(shape, element, tokens, every, dropout=False, rank=0, on_gpu=on_gpu) + norms


def _score_bytes(shape: ModelShape, element: int, *, plain: bool) -> int:
    """What attention keeps of one token for each token that it looks at."""
    if not plain:
        return 0
    return (8 if shape.soft_capped else 4 if element == 4 else 6) * shape.heads


def _kept_by_updates(adapted: Sequence[Projection], element: int, dropout: bool, rank: int) -> int:
    """What updates keep that are one operation with their projection (`training.fused.lora_linear`)."""
    masks = 2 * sum(projection.inputs for projection in adapted) if dropout else 0
    return _shared_inputs(adapted, element) + masks + element * rank * len(adapted)


def _kept_by_peft(adapted: Sequence[Projection], element: int, dropout: bool) -> int:
    """What updates keep as PEFT computes them: their input in the adapter's float32, and a mask of one byte."""
    if not dropout and element == 4:
        return _shared_inputs(adapted, element)
    return (5 if dropout else 4) * sum(projection.inputs for projection in adapted)


def _shared_inputs(adapted: Sequence[Projection], element: int) -> int:
    """The input itself: once for projections that share it, not again where attention keeps it as its output."""
    shared = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
    names = {projection.name for projection in adapted}
    kept = [found for found in adapted if found.name != "o_proj" and shared.get(found.name) not in names]
    return element * sum(projection.inputs for projection in kept)
