"""Narrow sampling computes the logits of those tokens alone that a batch of plans admits.

In: `model.generate`, which calls it in place of its own sampling; the processor that knows what may come next.
Out: token ids, distributed as if all logits had been computed and the forbidden ones masked.

    ids ──SlotProcessor.forbidden──> who may come ──their rows of the head──> logits (sequences, admitted) ──warpers──> ids

A softmax over masked scores gives what is masked no share, so rows of the head that no sequence admits change nothing. A
published Gemma has 262,144 rows, of which a slot of a poem admits some thousands: the head, and the sorting for top-p, are
most of the time of writing otherwise. Prompts that are equal are read once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.nn import functional
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from gemma_poetry.generation.logits_processor import MaskTable, SlotProcessor

WIDE_VOCABULARY = 32_768
"""Rows from which on the scores of a batch, made anew for each token, are what time and memory go to."""

_FEW = 0.25
"""Of the vocabulary: the part up to which the pieces of poems have their rows gathered once and all multiplied at each step,
which takes less than to gather the rows that a step admits."""


def can_narrow(model: Any, *, wide: bool = True) -> bool:
    """Whether single rows of a model's head can be computed, and that is worth while: a plain, wide matrix."""
    head = model.get_output_embeddings()
    plain = type(head) is torch.nn.Linear and "forward" not in vars(head)
    return plain and (not wide or len(head.weight) > WIDE_VOCABULARY)


class PieceHead:
    """The rows of a head that belong to the pieces of poems; gathered at first use, and anew when its weights have changed.

    Attributes:
        tokens: The pieces, ascending, (pieces,).
        table: What states forbid of them.

    Args:
        model: A causal language model whose head is a plain matrix.
        pieces: The tokens that can stand in a poem, the terminator too.
    """

    def __init__(self, model: Any, pieces: Collection[int]) -> None:
        self._model = model
        self.tokens = torch.tensor(sorted(pieces), dtype=torch.long)
        self.table = MaskTable(self.tokens.numpy())
        self._rows: tuple[torch.Tensor, torch.Tensor | None] | None = None
        self._of: tuple[Any, ...] = ()

    def __len__(self) -> int:
        """The pieces."""
        return len(self.tokens)

    @property
    def is_small(self) -> bool:
        """Whether the pieces are few beside the vocabulary."""
        return len(self) <= _FEW * len(self._model.get_output_embeddings().weight)

    def rows(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Weights (pieces, hidden) and biases (pieces,) of the pieces, ascending."""
        head = self._model.get_output_embeddings()
        of = tuple((part.data_ptr(), part._version) for part in (head.weight, head.bias) if part is not None)
        if self._rows is None or self._of != of:
            self.tokens = self.tokens.to(head.weight.device)
            self._rows, self._of = _gather(head, self.tokens), of
        return self._rows

    def only(self) -> AbstractContextManager[None]:
        """While the block runs, the model gives the logits of the pieces alone."""
        return _rows_only(self._model.get_output_embeddings(), *self.rows())


class NarrowSampling:
    """Samples as `generate` does, from the admitted rows of the head; handed to it as `custom_generate`.

    Args:
        processor: Knows what may come next, by the table of the pieces.
        padding: The id that stands behind the end of a sequence.
        pieces: All pieces that the plans can ever admit.
    """

    def __init__(self, processor: SlotProcessor, padding: int, pieces: PieceHead) -> None:
        self._processor = processor
        self._padding = padding
        self._pieces = pieces

    def __call__(
        self,
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        """Prompts and completions, (sequences, tokens); called by `generate`, with what its own methods get.

        Args:
            model: The model.
            input_ids: The prompts, (sequences, tokens).
            logits_processor: The warpers: temperature, top-k, top-p.
            stopping_criteria: Tell which sequences are done.
            generation_config: Says whether tokens are sampled.
            **model_kwargs: What the model gets beside the ids, cache included.
        """
        head = model.get_output_embeddings()
        device = input_ids.device
        unfinished = torch.ones(len(input_ids), dtype=torch.bool, device=device)
        part = self._pieces.rows() if self._pieces.is_small else None
        pieces = self._pieces.tokens.to(device)
        begun = False
        while bool(unfinished.any()):
            forbidden, _ = self._processor.forbidden(input_ids, len(self._pieces))  # (sequences, pieces)
            places = torch.nonzero(~forbidden.all(dim=0)).squeeze(1)
            columns = pieces[places]  # (admitted,)
            with _rows_only(head, *(part or _gather(head, columns))):
                step = self._go_on if begun else self._begin
                logits, model_kwargs = step(model, input_ids, model_kwargs)
            begun = True
            if part is not None:
                logits = logits[:, places]
            scores = self._processor.favoured(logits.float(), columns).masked_fill(forbidden[:, places], -torch.inf)
            scores = logits_processor(input_ids, scores)  # type: ignore[arg-type]
            if generation_config.do_sample:
                chosen = torch.multinomial(scores.softmax(dim=-1), num_samples=1).squeeze(1)
            else:
                chosen = scores.argmax(dim=-1)
            tokens = torch.where(unfinished, columns[chosen], self._padding)
            input_ids = torch.cat([input_ids, tokens[:, None]], dim=1)
            unfinished = unfinished & ~stopping_criteria(input_ids, None)  # type: ignore[arg-type]
        return input_ids

    def _begin(self, model: Any, input_ids: torch.Tensor, model_kwargs: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Reads the prompts: the logits behind each, (sequences, admitted), and what the model gets next."""
        firsts, places = equal_prompts(input_ids)
        own = dict(model_kwargs)
        for name in ("attention_mask", "position_ids"):
            if own.get(name) is not None:
                own[name] = own[name][firsts]
        inputs = model.prepare_inputs_for_generation(input_ids[firsts], is_first_iteration=True, **own)
        outputs = model(**inputs, return_dict=True)
        outputs["cache"].batch_select_indices(places)
        return outputs.logits[:, -1][places], model._update_model_kwargs_for_generation(outputs, model_kwargs)

    def _go_on(self, model: Any, input_ids: torch.Tensor, model_kwargs: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Reads one token of each sequence: logits and what comes next, as `_begin` gives them."""
        inputs = model.prepare_inputs_for_generation(input_ids, next_sequence_length=1, **model_kwargs)
        outputs = model(**inputs, return_dict=True)
        return outputs.logits[:, -1], model._update_model_kwargs_for_generation(outputs, model_kwargs)


def equal_prompts(ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which of some prompts need reading, and which of these each is equal to: (different,) and (prompts,).

    Among left-padded prompts of one length those of equal ids are equal: padding is no piece of any.

    Args:
        ids: The prompts, (prompts, tokens).
    """
    _, places = torch.unique(ids, dim=0, return_inverse=True)
    return torch.stack([torch.nonzero(places == number)[0, 0] for number in range(int(places.max()) + 1)]), places


def _gather(head: torch.nn.Linear, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Some rows of a head, in their order: weights (rows, hidden) and biases (rows,)."""
    return head.weight[rows], None if head.bias is None else head.bias[rows]


@contextmanager
def _rows_only(head: torch.nn.Linear, weight: torch.Tensor, bias: torch.Tensor | None) -> Iterator[None]:
    """While the block runs, a head gives the logits of some rows; what a family does to logits stays."""

    def narrow(hidden: torch.Tensor) -> torch.Tensor:
        return functional.linear(hidden, weight, bias)

    vars(head)["forward"] = narrow
    try:
        yield
    finally:
        del vars(head)["forward"]
