"""The text generator writes texts of any language: counted where a measure says what lines cost, free where none does.

In: a causal language model with its tokenizer, what each text is asked to be, sampling settings and a seed.
Out: `GeneratedText`s in the order of the wishes. A text under a measure keeps the sum, the rhyme and the metre of every line;
a free text ends where the model ends it, or is broken off and says so.

    TextRequest ──conditions──> prompt ids ───────────────────┬──> Decoder (model.generate) ──> GeneratedText
         └────────measure──> CountAutomaton, CountMasks ──> plan ┘
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import decode_poem, encode_prompt, stop_ids, terminator_id
from gemma_poetry.errors import GenerationError
from gemma_poetry.generation.count_automaton import CountAutomaton, CountMasks
from gemma_poetry.generation.decoder import Decoder, batch_seed
from gemma_poetry.generation.logits_processor import CountedPlan, retrace
from gemma_poetry.generation.piece_trie import Spelling, TokenRuns
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.prosody.measures import Measure
from gemma_poetry.prosody.wordstock import Wordstock

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What one text is asked to be.

    Attributes:
        conditions: What the prompt says.
        measure: What its lines cost; `None`: they are not counted.
    """

    conditions: Conditions
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A text and how it came about.

    Attributes:
        text: The running text.
        wish: What was asked for.
        complete: Whether the model ended it; else it was broken off at the most tokens.
        token_ids: The tokens that were decoded, terminator included where there is one.
    """

    text: str
    wish: TextRequest
    complete: bool
    token_ids: tuple[int, ...]


class TextGenerator:
    """Writes texts with one model; what is worked out for a measure or for the tokenizer is kept between calls.

    Args:
        model: A causal language model of transformers, ready to generate.
        tokenizer: Its tokenizer.
        settings: Sampling and batch size.
        wordstock: Makes the words that lines are made of from the characters that the vocabulary has; asked only once a
            measure is wished for.
        max_tokens: Tokens after which a free text is broken off.
        beams: Beams of each text; 1 samples.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerateSettings | None = None,
        *,
        wordstock: Callable[[Collection[str]], Wordstock],
        max_tokens: int = 512,
        beams: int = 1,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings or GenerateSettings()
        self._wordstock = wordstock
        self._max_tokens = max_tokens
        self._spelling = Spelling(tokenizer, terminator_id(tokenizer))
        self._runs: TokenRuns | None = None
        self._plans: dict[Measure, CountedPlan] = {}
        self._decoder = Decoder(model, tokenizer, self._spelling, self.settings, beams=beams)

    def write(self, wishes: Sequence[TextRequest], *, seed: int | None = None) -> Iterator[GeneratedText]:
        """Writes one text a wish, in order, a batch at a time.

        The same wishes, settings, model and seed give the same texts on the same machine.

        Args:
            wishes: The wishes; those of one batch are all counted or all free, so sort mixed ones.
            seed: Seed of sampling; `None`: that of the settings.

        Raises:
            ConstraintError: A measure cannot be met with the words that the vocabulary can spell.
        """
        seed = self.settings.drawn_seed(seed)
        plans = {wish.measure: self._plan(wish.measure) for wish in wishes if wish.measure is not None}
        size = self.settings.batch_size
        for number, batch in enumerate(_batches(wishes, size)):
            prompts = [encode_prompt(self.tokenizer, wish.conditions) for wish in batch]
            own = [plans[wish.measure] for wish in batch if wish.measure is not None]
            torch_seed = batch_seed(seed, number)
            if own:
                completions = self._decoder.decode(prompts, own, torch_seed)
                for wish, plan, tokens in zip(batch, own, completions):
                    yield self._measured(wish, plan, tokens)
            else:
                completions = self._decoder.decode_free(prompts, torch_seed, self._max_tokens, stop_ids(self.tokenizer))
                for wish, tokens in zip(batch, completions):
                    complete = bool(tokens) and tokens[-1] in stop_ids(self.tokenizer)
                    yield GeneratedText(decode_poem(self.tokenizer, tokens), wish, complete, tuple(tokens))

    def _plan(self, measure: Measure) -> CountedPlan:
        if self._runs is None:
            self._runs = TokenRuns(self._spelling, self._wordstock(self._spelling.characters))
        if measure not in self._plans:
            automaton = CountAutomaton(measure, self._runs.stock)
            self._plans[measure] = CountedPlan(CountMasks(self._runs, automaton))
        return self._plans[measure]

    def _measured(self, wish: TextRequest, plan: CountedPlan, tokens: list[int]) -> GeneratedText:
        track = retrace(plan, tokens)
        text = decode_poem(self.tokenizer, tokens)
        if track.state == NOWHERE or not track.ended or track.text != text:
            # The look-ahead of the wordstock rules dead ends out; a tokenizer that decodes otherwise than it spells does not.
            raise GenerationError(
                f"decoding left the measure behind {track.text!r} (the tokenizer reads {text!r})",
                expected="a tokenizer whose pieces join to the text that they spell",
            )
        return GeneratedText(text, wish, True, tuple(tokens))


def _batches(wishes: Sequence[TextRequest], size: int) -> Iterator[list[TextRequest]]:
    """Batches in order, each of counted or of free wishes only."""
    batch: list[TextRequest] = []
    for wish in wishes:
        if batch and (len(batch) == size or (wish.measure is None) != (batch[0].measure is None)):
            yield batch
            batch = []
        batch.append(wish)
    if batch:
        yield batch
