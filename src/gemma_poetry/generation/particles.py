"""Particles write one poem many times at once, and at the end of each line the promising go on in place of the poor.

In: the drafts of some wishes (prompt and plan of each), the model, a seed. Out: for each wish its particles: tokens, and
the draft that each descends from. This is sequential Monte Carlo (Gordon, Salmond and Smith 1993; Lew and others 2023 for
constrained text) over the distribution that the form leaves of the model's own:

    target     p(poem)^(1/T) of the model, where the form admits it; words that answer those opposite (对仗) favoured. On a wide
               head p is the model's own distribution confined to the pieces of poems (each token's chance, given that a piece
               of poems comes): no other row is computed
    proposal   token by token the same, masked and cut to its nucleus: what sampling under a mask writes
    weight     target over proposal: the mass that mask and nucleus left at each step. A line that the form forced into
               words which the model would hardly have chosen weighs little
    judgement  at line ends a weight is also lowered by every pair of characters in a foot that no poet uses

Where the weights of a wish have become uneven (effective particles under half), its particles are drawn again by weight
(systematic resampling). Drafts of one wish may place its words differently: so places are chosen by what comes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.tokenization import padding_id
from gemma_poetry.data.words import strange_pairs
from gemma_poetry.generation.alphabet import MARKS
from gemma_poetry.generation.logits_processor import MaskTable, Plan, SlotProcessor, retrace
from gemma_poetry.generation.narrow_sampling import PieceHead, can_narrow, equal_prompts
from gemma_poetry.model.free_memory import return_freed_memory
from gemma_poetry.model.packed_layers import packed_layers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STRANGE_NATS = 3.0
"""What a pair of characters that no poet uses takes off the logarithm of a particle's weight."""

_LIKELIEST = 512
"""Tokens that hold the nucleus but for the rarest steps."""


@dataclass(frozen=True, slots=True)
class Particle:
    """One way that a wish was written.

    Attributes:
        draft: The draft of the wish that it descends from, from 0.
        token_ids: Its tokens, terminator included.
    """

    draft: int
    token_ids: tuple[int, ...]


@dataclass(slots=True)
class _Swarm:
    """The particles of some wishes at one step; tensors are (particles, ...), those of one wish side by side.

    Attributes:
        ids: Prompts and tokens so far.
        attention: Which of them are no padding.
        drafts: The draft that each descends from, numbered over all wishes.
        weights: The logarithm of the weight, since the wish was last drawn again.
    """

    ids: torch.Tensor
    attention: torch.Tensor
    drafts: list[int]
    weights: torch.Tensor


class ParticleDecoder:
    """Decodes wishes by particles; the table of masks is kept between calls.

    Args:
        model: A causal language model of transformers, ready to generate.
        tokenizer: Its tokenizer.
        settings: Sampling.
        pieces: The rows of the head that poems need.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, settings: GenerateSettings, pieces: PieceHead) -> None:
        self._model = model
        self._pieces = pieces
        self._padding = padding_id(tokenizer)
        self._settings = settings
        self._table = MaskTable()

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        plans: Sequence[Plan],
        each: int,
        seed: int,
        watch: Callable[[list[str]], None] | None = None,
    ) -> list[list[Particle]]:
        """Writes wishes, each by `each` drafts that start as one particle.

        Args:
            prompts: Token ids of the prompts of all drafts, those of one wish side by side.
            plans: What each draft must obey.
            each: Drafts of a wish.
            seed: Seed of sampling.
            watch: Is told, at each step, the running text of one particle of each wish; what it raises ends decoding.

        Returns:
            For each wish its particles, as many as it had drafts. A particle that met a dead end is among them.
        """
        device = next(self._model.parameters()).device
        draw = torch.Generator(device).manual_seed(seed)
        swarm = self._begin(prompts, device)
        width, rows = swarm.ids.shape[1], len(prompts)
        ended = torch.zeros(rows, dtype=torch.bool, device=device)
        judged = [0] * rows
        texts: list[str] = [""] * rows

        def told(seen: list[str]) -> None:
            texts[:] = seen
            if watch is not None:
                watch(seen[::each])

        narrow = can_narrow(self._model)
        table = self._pieces.table if narrow else self._table
        processor = SlotProcessor(plans, width, table, watch=told)
        # Equal prompts are read once.
        begun, places = equal_prompts(swarm.ids)
        step_ids, attention = swarm.ids[begun], swarm.attention[begun]
        cache: Any = None
        terminator = plans[0].masks.index.terminator
        most = max(plan.masks.most_tokens for plan in plans)
        with torch.inference_mode(), packed_layers(self._model):
            for _ in range(most):
                positions = (attention.cumsum(1) - 1).clamp(min=0)[:, -step_ids.shape[1] :]
                with self._pieces.only() if narrow else nullcontext():
                    output = self._model(
                        input_ids=step_ids,
                        attention_mask=attention,
                        position_ids=positions,
                        cache=cache,
                        use_cache=True,
                        logits_to_keep=1,
                    )
                own = output.logits[:, -1].float().log_softmax(dim=-1)
                if cache is None:
                    output.cache.batch_select_indices(places)
                    own = own[places]
                cache = output.cache
                own, scores = self._masked(processor, swarm.ids, own, narrow)
                lines = [sum(text.count(mark) for mark in MARKS) for text in texts]
                going = [number for number in range(rows) if not ended[number]]
                if going and min(lines[number] for number in going) > judged[going[0]]:
                    self._judge(swarm, texts, judged, min(lines[number] for number in going), ended, plans)
                    chosen = self._draw_again(swarm.weights, each, draw)
                    if chosen is not None:
                        index = torch.tensor(chosen, device=device)
                        swarm.ids, swarm.attention = swarm.ids[index], swarm.attention[index]
                        swarm.drafts = [swarm.drafts[number] for number in chosen]
                        own, scores, ended = own[index], scores[index], ended[index]  # type: ignore[assignment]
                        judged[:] = [judged[number] for number in chosen]
                        cache.reorder_cache(index)
                        here = [plans[draft] for draft in swarm.drafts]
                        tracks = [retrace(plan, row) for plan, row in zip(here, swarm.ids[:, width:].tolist())]
                        processor = SlotProcessor(here, swarm.ids.shape[1], table, tracks, watch=told)
                shares, candidates = self._proposal(scores)
                drawn = shares.exp().multinomial(1, generator=draw)
                tokens = candidates.gather(1, drawn)
                gained = (own.gather(1, tokens) / self._settings.temperature - shares.gather(1, drawn))[:, 0]
                swarm.weights += torch.where(ended, 0.0, gained)
                if narrow:
                    tokens = self._pieces.tokens[tokens]
                tokens = torch.where(ended[:, None], self._padding, tokens)
                ended = ended | (tokens[:, 0] == terminator)
                swarm.ids = torch.cat([swarm.ids, tokens], dim=1)
                swarm.attention = torch.cat([swarm.attention, torch.ones_like(tokens)], dim=1)
                step_ids, attention = tokens, swarm.attention
                if bool(ended.all()):
                    break
        if device.type == "cpu" and narrow:
            del output, own, scores
            return_freed_memory()
        return self._collect(swarm, width, terminator, each)

    def _masked(
        self, processor: SlotProcessor, ids: torch.Tensor, own: torch.Tensor, narrow: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of the next tokens, and the same with those masked that may not come: of all tokens, or of the pieces."""
        if not narrow:
            scores = processor(ids, own)  # type: ignore[arg-type]
            return processor.favoured(own), scores
        forbidden, _stuck = processor.forbidden(ids, len(self._pieces))
        own = processor.favoured(own, self._pieces.tokens)
        return own, own.masked_fill(forbidden, -torch.inf)

    def _begin(self, prompts: Sequence[Sequence[int]], device: torch.device) -> _Swarm:
        """Prompts padded on the left."""
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self._padding, dtype=torch.long)
        attention = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            attention[row, width - len(prompt) :] = 1
        weights = torch.zeros(len(prompts), device=device)
        return _Swarm(ids.to(device), attention.to(device), list(range(len(prompts))), weights)

    @staticmethod
    def _judge(
        swarm: _Swarm, texts: Sequence[str], judged: list[int], line: int, ended: torch.Tensor, plans: Sequence[Plan]
    ) -> None:
        """Lowers weights by the strange pairs of the lines since the last judgement; to nothing at a dead end."""
        for number, text in enumerate(texts):
            if ended[number]:
                plan = plans[swarm.drafts[number]]
                if sum(text.count(mark) for mark in MARKS) < len(plan.masks.automaton.forms[0].lines):
                    swarm.weights[number] = -torch.inf
                continue
            written = text.replace(MARKS[1], MARKS[0]).split(MARKS[0])[judged[number] : line]
            swarm.weights[number] -= STRANGE_NATS * strange_pairs(written)
            judged[number] = line

    @staticmethod
    def _draw_again(weights: torch.Tensor, each: int, draw: torch.Generator) -> list[int] | None:
        """The particles that go on, in place, where some wish's weights are uneven; `None`: all go on as they are."""
        chosen: list[int] = []
        uneven = False
        for begin in range(0, len(weights), each):
            own = weights[begin : begin + each]
            shares = own.softmax(dim=0)
            if torch.isfinite(own).any() and 1 / float(shares.square().sum()) < each / 2:
                offset = torch.rand(1, generator=draw, device=weights.device)
                places = (torch.arange(each, device=weights.device) + offset) / each
                survivors = torch.searchsorted(shares.cumsum(0), places).clamp(max=each - 1)
                chosen += (begin + survivors).tolist()
                weights[begin : begin + each] = 0.0
                uneven = True
            else:
                chosen += range(begin, begin + each)
        return chosen if uneven else None

    def _proposal(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What tokens are drawn from: the logarithms of their probabilities, tempered and cut, and the tokens, likeliest first.

        Both are (particles, candidates). The nucleus is looked for among the `_LIKELIEST` tokens; only where it goes beyond
        them all are put in order.
        """
        settings = self._settings
        tempered = (scores / settings.temperature).log_softmax(dim=-1)
        most = min(settings.top_k or tempered.shape[-1], tempered.shape[-1])
        shares, tokens = tempered.topk(min(most, _LIKELIEST), dim=-1)
        if most > _LIKELIEST and float(shares.logsumexp(dim=-1).exp().min()) < settings.top_p:
            shares, tokens = tempered.topk(most, dim=-1)
        if settings.top_p < 1:
            before = shares.exp().cumsum(dim=-1) - shares.exp()
            shares = shares.masked_fill(before >= settings.top_p, -torch.inf)
        return shares.log_softmax(dim=-1), tokens

    def _collect(self, swarm: _Swarm, width: int, terminator: int, each: int) -> list[list[Particle]]:
        particles = []
        for draft, row in zip(swarm.drafts, swarm.ids[:, width:].tolist()):
            tokens = row[: row.index(terminator) + 1] if terminator in row else row
            particles.append(Particle(draft % each, tuple(tokens)))
        return [particles[begin : begin + each] for begin in range(0, len(particles), each)]
