"""Requests to poems: prompts, plans, `model.generate`, and a last look at what came out.

In: a causal language model with its tokenizer, `PoemRequest`s, sampling settings and a seed.
Out: `GeneratedPoem`s, one a request and in the order of the requests, each in its form.

    PoemRequest ──forms_for──> Forms ──Automaton, TokenMasks──> Plan ──┐
         └──conditions──encode_prompt──> prompt ids, left-padded ──────┴──> model.generate(SlotProcessor) ──> Poem
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig, LogitsProcessorList

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.tokenization import decode_poem, encode_prompt, terminator_id
from gemma_poetry.errors import GenerationError
from gemma_poetry.generation.constraints import NOWHERE, Alphabet, Automaton
from gemma_poetry.generation.decoding import MaskTable, Plan, SlotProcessor, retrace
from gemma_poetry.generation.requests import PoemRequest, forms_for
from gemma_poetry.generation.token_index import MARKS, TokenIndex, TokenMasks
from gemma_poetry.prosody.forms import Form

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class GeneratedPoem:
    """A poem and how it came about.

    Attributes:
        poem: The poem, in the form that was asked for.
        request: What was asked for.
        seed: The seed of the run that it belongs to.
        token_ids: Its completion, terminator included.
    """

    poem: Poem
    request: PoemRequest
    seed: int
    token_ids: tuple[int, ...]


class Generator:
    """Writes poems with one model; what is worked out for a form or for the tokenizer is kept between calls.

    Args:
        model: A causal language model of transformers, ready to generate.
        tokenizer: Its tokenizer.
        settings: Sampling and batch size.
        charset: Characters that may stand where none is asked for; `None`: every Han character with a piece.
        beams: Beams of each poem; 1 samples (or, at temperature 0, takes the likeliest token).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerateSettings | None = None,
        *,
        charset: frozenset[str] | None = None,
        beams: int = 1,
    ) -> None:
        self.model: Any = model
        self.tokenizer = tokenizer
        self.settings = settings or GenerateSettings()
        self.beams = beams
        self.index = TokenIndex(tokenizer, terminator_id(tokenizer))
        self.alphabet = Alphabet(self.index.characters, charset=charset, marks=MARKS)
        embedding: Any = model.get_output_embeddings()
        self._table = MaskTable(int(embedding.weight.shape[0]), model.device)
        self._plans: dict[tuple[Form, ...], Plan] = {}

    def write(self, requests: Sequence[PoemRequest], *, seed: int | None = None) -> Iterator[GeneratedPoem]:
        """Writes one poem a request, in order, some at a time.

        The same requests, settings, model and seed give the same poems on the same machine.

        Args:
            requests: The wishes; all are checked before the first poem is written.
            seed: Seed of sampling; `None`: that of the settings.

        Raises:
            ConstraintError: A wish cannot be met.
            GenerationError: A dead end was met.
        """
        seed = self.settings.seed if seed is None else seed
        plans = [self.plan(request) for request in requests]
        size = self.settings.batch_size
        for number, begin in enumerate(range(0, len(requests), size)):
            chosen = slice(begin, begin + size)
            yield from self._write_batch(requests[chosen], plans[chosen], seed, number)

    def plan(self, request: PoemRequest) -> Plan:
        """What a poem must obey to grant a request.

        Raises:
            ConstraintError: The wish cannot be met.
        """
        forms = forms_for(request)
        if forms not in self._plans:
            self._plans[forms] = Plan(TokenMasks(self.index, Automaton(forms, self.alphabet)))
        return self._plans[forms]

    def _write_batch(
        self, requests: Sequence[PoemRequest], plans: Sequence[Plan], seed: int, number: int
    ) -> Iterator[GeneratedPoem]:
        prompts = [encode_prompt(self.tokenizer, request.conditions) for request in requests]
        completions = self._decode(prompts, plans, batch_seed(seed, number))
        for request, plan, tokens in zip(requests, plans, completions):
            poem = self._read(request, plan, tokens)
            yield GeneratedPoem(poem, request, seed, tuple(tokens))

    def _decode(self, prompts: Sequence[Sequence[int]], plans: Sequence[Plan], seed: int) -> list[list[int]]:
        """Token ids of the completions, terminator included."""
        width = max(map(len, prompts))
        padding = self.index.terminator if self.tokenizer.pad_token_id is None else int(self.tokenizer.pad_token_id)
        ids = torch.full((len(prompts), width), padding, dtype=torch.long)
        attention = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            attention[row, width - len(prompt) :] = 1
        processor = SlotProcessor(plans, width, self._table)
        device = self.model.device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(seed)
            written: Any = self.model.generate(
                input_ids=ids.to(device),
                attention_mask=attention.to(device),
                generation_config=self._generation_config(plans, padding),
                logits_processor=LogitsProcessorList([processor]),
            )
        end = self.index.terminator
        rows = written[:, width:].tolist()
        return [row[: row.index(end) + 1] if end in row else row for row in rows]

    def _generation_config(self, plans: Sequence[Plan], padding: int) -> GenerationConfig:
        settings = self.settings
        sampling = settings.temperature > 0
        # Every character takes at most four byte pieces.
        bytes_each = 4 if self.index.byte_characters else 1
        longest = max(len(form.marks) + sum(form.line_lengths) for plan in plans for form in plan.masks.automaton.forms)
        return GenerationConfig(
            max_new_tokens=longest * bytes_each + 1,
            do_sample=sampling,
            temperature=settings.temperature if sampling else 1.0,
            top_k=settings.top_k if sampling else 50,
            top_p=settings.top_p if sampling else 1.0,
            num_beams=self.beams,
            eos_token_id=self.index.terminator,
            pad_token_id=padding,
            bos_token_id=self.tokenizer.bos_token_id,
            use_cache=True,
        )

    def _read(self, request: PoemRequest, plan: Plan, tokens: Sequence[int]) -> Poem:
        """The poem that a completion spells.

        Raises:
            GenerationError: The completion is no whole poem of the plan's forms.
        """
        track = retrace(plan, tokens)
        text = decode_poem(self.tokenizer, tokens)
        if track.state == NOWHERE or not track.ended or track.text != text:
            raise GenerationError(
                f"decoding met a dead end behind {text!r}",
                expected="a whole poem",
                action="ask for less at once, or try another seed",
            )
        form = next(form for form in plan.masks.automaton.forms if _spells(form, text))
        lines, begin = [], 0
        for length in form.line_lengths:
            lines.append(text[begin : begin + length])
            begin += length + 1
        conditions = request.conditions
        return Poem(tuple(lines), form.marks, title=request.title, author=request.author, form=conditions.form)


def batch_seed(seed: int, number: int) -> int:
    """The seed of one batch of a run: different for every batch, and far from that of a neighbouring seed."""
    digest = hashlib.sha256(f"generate {seed} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _spells(form: Form, text: str) -> bool:
    """Whether a text has the lines and closing marks of a form."""
    begin = 0
    for length, mark in zip(form.line_lengths, form.marks):
        if any(char in MARKS for char in text[begin : begin + length]) or text[begin + length : begin + length + 1] != mark:
            return False
        begin += length + 1
    return begin == len(text)
