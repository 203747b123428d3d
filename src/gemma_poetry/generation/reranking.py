"""Reranking keeps the best of several poems, by what speaks for each beside its form.

In: poems that one model wrote, and the model. Out: for each its `Merits`, and the order that they give.

    fluency      how likely the model finds the poem, form aside: minus nats a character, terminator included
    closeness    how much likelier the title makes the poem: nats a character gained over the prompt without a title
    parallelism  how well the lines of a couplet answer each other (对仗): the mean cosine of the embeddings of characters
                 that stand in the same place; where a form asks for it (couplets 2 and 3 of 律诗, 对联)

Parallelism needs no word list: a model of poems gives words of one kind neighbouring embeddings. With the embedded model,
half an hour into its training, real held-out middle couplets rank first among ten second lines in 54% of cases, last
couplets, which are not parallel, in 10% (chance: 10%).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import TokenizedPoem, encode_completion, encode_prompt
from gemma_poetry.generation.narrow_sampling import can_narrow
from gemma_poetry.model.scoring import score_completions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PARALLEL_COUPLETS = {"五言律诗": (2, 4), "七言律诗": (2, 4), "五言排律": (2, 4), "七言排律": (2, 4), "对联": (0,)}
"""By form: the first line (from 0) of each couplet that must be parallel."""


@dataclass(frozen=True, slots=True)
class Merits:
    """What speaks for a poem.

    Attributes:
        fluency: Minus nats a character under the model, terminator included.
        closeness: Nats a character that the title gains; 0 without a title.
        parallelism: Mean cosine of answering characters; `None` where the form asks for none.
    """

    fluency: float
    closeness: float
    parallelism: float | None

    @property
    def ppl_char(self) -> float:
        """Perplexity a character: exp(nats of the completion / Han characters)."""
        return math.exp(-self.fluency)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A poem to be assessed.

    Attributes:
        conditions: What the model was prompted with.
        form: The name of its form.
        lines: Its lines, as the model wrote them.
        text: Its running text.
    """

    conditions: Conditions
    form: str
    lines: tuple[str, ...]
    text: str


class Reranker:
    """Assesses poems with the model that wrote them.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer.
        pieces: The tokens that poems are made of. Where they are few beside the vocabulary, candidates can be weighed by
            likelihoods confined to them.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, pieces: Collection[int] = ()) -> None:
        self._pieces = pieces if pieces and can_narrow(model) else None
        self._model = model
        self._tokenizer = tokenizer
        self._vocabulary = tokenizer.get_vocab()

    @property
    def narrows(self) -> bool:
        """Whether candidates can be weighed for less than what their merits take."""
        return self._pieces is not None

    def assess(self, candidates: Sequence[Candidate], *, among_pieces: bool = False) -> list[Merits]:
        """The merits of some poems, in their order.

        Args:
            candidates: The poems.
            among_pieces: Take likelihoods among the pieces of poems, where that is cheaper: to choose by, not to tell.
        """
        among = self._pieces if among_pieces else None
        titled = [candidate.conditions for candidate in candidates]
        untitled = [Conditions(conditions.form, author=conditions.author) for conditions in titled]
        samples = [self._sample(conditions, one.text) for conditions, one in zip(titled, candidates)]
        with_title = [-score.nll for score in score_completions(self._model, samples, among=among)]
        asked = [number for number, conditions in enumerate(titled) if conditions.title]
        bare = [self._sample(untitled[number], candidates[number].text) for number in asked]
        bare_scores = score_completions(self._model, bare, among=among) if bare else []
        without_title = dict(zip(asked, (-score.nll for score in bare_scores)))
        merits = []
        for number, (candidate, likelihood) in enumerate(zip(candidates, with_title)):
            characters = sum(map(len, candidate.lines))
            gain = likelihood - without_title.get(number, likelihood)
            merits.append(Merits(likelihood / characters, gain / characters, self._parallelism(candidate)))
        return merits

    def _sample(self, conditions: Conditions, text: str) -> TokenizedPoem:
        prompt, completion = encode_prompt(self._tokenizer, conditions), encode_completion(self._tokenizer, text)
        return TokenizedPoem(tuple(prompt), tuple(completion))

    def _parallelism(self, candidate: Candidate) -> float | None:
        firsts = _PARALLEL_COUPLETS.get(candidate.form)
        if firsts is None:
            return None
        pairs = [pair for first in firsts for pair in zip(candidate.lines[first], candidate.lines[first + 1])]
        known = [(a, b) for a, b in pairs if a in self._vocabulary and b in self._vocabulary]
        if not known:
            return None
        upper, lower = (self._embed([pair[side] for pair in known]) for side in (0, 1))
        return float((upper * lower).sum(axis=1).mean())

    def _embed(self, chars: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit embeddings (characters, hidden)."""
        weight = self._model.get_input_embeddings().weight
        rows = weight[[self._vocabulary[char] for char in chars]].detach().float().cpu().numpy()
        unit: npt.NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit


def best_of(merits: Sequence[Merits]) -> int:
    """The poem for which most speaks: fluency, closeness and parallelism weigh alike.

    Each is measured in standard deviations among the candidates, so that none wins by the size of its unit.
    """
    totals = np.zeros(len(merits))
    for values in (
        [one.fluency for one in merits],
        [one.closeness for one in merits],
        [one.parallelism or 0.0 for one in merits],
    ):
        spread = float(np.std(values))
        if spread > 0:
            totals += (np.asarray(values) - np.mean(values)) / spread
    return int(totals.argmax())
