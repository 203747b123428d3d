"""The constraints of one request at a time, for servers that batch requests themselves.

In: a request as a client sends it (JSON text with fields of `PoemRequest`), and step by step the tokens that the server has
sampled for it. Out: the prompt's tokens, and the scores with every token masked that would break the form.

    client ──JSON──> PoemServer.prompt_ids ──> server samples ──tokens so far, scores──> RequestProcessor ──> masked scores

A server cannot cut a poem back behind a dead end as `PoemGenerator` does: there the sequence is given the terminator, and what
was written is no whole poem. `PoemServer.finished` tells whole poems from those, so that a client can ask again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.data.tokenization import encode_prompt, stop_ids
from gemma_poetry.errors import GemmaPoetryError, UsageError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.logits_processor import MaskTable, Plan, SlotProcessor, retrace
from gemma_poetry.generation.planning import Planner
from gemma_poetry.generation.prescription import Prescription, prescribe
from gemma_poetry.generation.request import PoemRequest, request_from, simplify
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.languages import _, listed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIELDS = {field.name for field in dataclasses.fields(PoemRequest)} - {
    "placed", "offered", "offer_words", "script"
}  # fmt: skip
"""Without those of the engine, and those that nothing follows from here: a server writes simplified characters, and offers no
words."""


class RequestProcessor:
    """Masks the scores of one sequence.

    Args:
        plan: What it must obey.
        table: Rows of masks, shared between the requests of a server.
    """

    def __init__(self, plan: Plan, table: MaskTable) -> None:
        self._processor = SlotProcessor([plan], 0, table)

    def __call__(self, output_ids: Sequence[int], scores: torch.Tensor) -> torch.Tensor:
        """Masks the scores of the next token.

        Args:
            output_ids: Tokens sampled so far, the prompt's left out.
            scores: Scores of the next token, (vocabulary,).

        Returns:
            Scores of the same shape.
        """
        ids = torch.tensor([list(output_ids)], dtype=torch.long, device=scores.device).reshape(1, len(output_ids))
        return self._processor(ids, scores[None])[0]  # type: ignore[arg-type]


class PoemServer:
    """What a server must know of poems: one for each process.

    Args:
        tokenizer: The tokenizer of the model that is served.
        guards: Lines that novel poems may not hold; without any, requests must say `"novel": false`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, guards: Sequence[KnownLines] = ()) -> None:
        self.tokenizer = tokenizer
        self._planner = Planner(tokenizer, guards=guards)
        self._table = MaskTable()

    @classmethod
    def for_model(cls, model: str) -> PoemServer:
        """A server for a run, model folder, preset or Hub id, with the known lines that it carries.

        Raises:
            ModelError: The tokenizer cannot be found.
            DataError: A list of known lines cannot be read.
        """
        from gemma_poetry.model.loading import load_tokenizer

        return cls(load_tokenizer(model), find_guards(model))

    def prompt_ids(self, text: str) -> list[int]:
        """The prompt's tokens, BOS in front: what a client sends in place of a text.

        Raises:
            UsageError: The request cannot be read or met.
        """
        request, prescription, _unused = self._read(text)
        return encode_prompt(self.tokenizer, self._planner.conditions(request, prescription))

    def stops(self) -> list[int]:
        """The ids that end a poem, for `stop_token_ids`."""
        return stop_ids(self.tokenizer)

    def processor(self, text: str) -> RequestProcessor:
        """The processor of a new sequence.

        Raises:
            UsageError: The request cannot be read or met.
        """
        return RequestProcessor(self._read(text)[2], self._table)

    def finished(self, text: str, output_ids: Sequence[int]) -> bool:
        """Whether a sequence is a whole poem that keeps its form; a server that hides the stop may leave it out."""
        plan = self._read(text)[2]
        track = retrace(plan, output_ids)
        if not track.ended:
            track = retrace(plan, [plan.masks.index.terminator], track)
        return track.state != NOWHERE

    def _read(self, text: str) -> tuple[PoemRequest, Prescription, Plan]:
        request = read_request(text)
        prescription, plan = self._planner.plan(request)
        return request, prescription, plan


def read_request(text: str) -> PoemRequest:
    """A request from JSON.

    Raises:
        UsageError: It is no JSON object with fields of `PoemRequest`, or one has another type or an unknown choice.
    """
    try:
        fields: Any = json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        raise UsageError(
            _("the request is no JSON ({error})", error=error), expected=_('e.g. {"form": "七言绝句", "title": "秋夜"}')
        ) from error
    if not isinstance(fields, dict) or not _FIELDS.issuperset(fields):
        unknown = sorted(set(fields) - _FIELDS) if isinstance(fields, dict) else [type(fields).__name__]
        raise UsageError(
            _("the request has unknown fields: {unknown}", unknown=listed(unknown)), expected=listed(sorted(_FIELDS))
        )
    return request_from(fields)


def validate(text: str) -> None:
    """Refuses a request that cannot be read, or that its form cannot grant, as servers expect it.

    What depends on the model (characters that it cannot write, words in places, known lines) shows in `PoemServer.processor`.

    Raises:
        ValueError: With the text of our own error.
    """
    try:
        prescribe(simplify(read_request(text)))
    except GemmaPoetryError as error:
        raise ValueError(str(error)) from error
