"""The text writer writes texts of any language: counted where a measure says what lines cost, free where none does.

In: a domain, a causal language model with its tokenizer, requests, sampling settings and a seed.
Out: `WrittenText`s in the order of the requests. A text under a measure keeps the sum, the rhyme and the metre of every line;
a free text ends where the model ends it, or is broken off and says so.

    PoemRequest ──conditions──> prompt ids ──────────────────────────────┬──> Decoder (model.generate) ──> WrittenText
         └──measure of the domain──> CountAutomaton, CountMasks ──> plan ┘

Of several texts written for one that is kept which the check finds best; among equals one that its model ended; among these the
likeliest a unit of the domain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import decode_poem, encode_prompt, encode_samples, stop_ids, terminator_id
from gemma_poetry.errors import GenerationError, UsageError
from gemma_poetry.generation.count_automaton import CountAutomaton, CountMasks
from gemma_poetry.generation.piece_trie import Spelling, TokenRuns
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.written import Watch, WritableDomain, Writer, Written, WrittenText, check_drafts
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.measures import Measure

if TYPE_CHECKING:
    from gemma_poetry.generation.logits_processor import CountedPlan
    from gemma_poetry.model.loading import LoadedModel

_SHARED = {"form", "title", "author", "novel"}
"""Fields of a `PoemRequest` that mean something in every domain."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """What one text is asked to be, and what became of it; whether the model ended it."""

    conditions: Conditions
    measure: Measure | None
    text: str = ""
    complete: bool = True


class TextWriter(Writer):
    """Texts of any language; what is worked out for a measure or for the tokenizer is kept between calls."""

    guarded = False

    def __init__(
        self, domain: WritableDomain, loaded: LoadedModel, settings: GenerateSettings, *, beams: int = 1, **_unused: Any
    ) -> None:
        from gemma_poetry.generation.decoder import Decoder

        self.domain, self.model, self.tokenizer, self.settings = domain, loaded.model, loaded.tokenizer, settings
        self._spelling = Spelling(self.tokenizer, terminator_id(self.tokenizer))
        self._beams = beams
        self._runs: TokenRuns | None = None
        self._plans: dict[Measure, CountedPlan] = {}
        self._decoder = Decoder(self.model, self.tokenizer, self._spelling, settings, beams=beams)

    @staticmethod
    def no_guards(domain: str) -> str:
        """See `Writer`."""
        return _("in the domain {domain} new lines are not promised", domain=domain)

    @staticmethod
    def check_request(domain: WritableDomain, request: PoemRequest, feature: str = "", options: Sequence[str] = ()) -> None:
        """Whether it has what every domain has, and the domain has its form and feature."""
        plain = PoemRequest()
        wished = [
            f"--{field.name.replace('_', '-')}"
            for field in fields(PoemRequest)
            if field.name not in _SHARED and getattr(request, field.name) != getattr(plain, field.name)
        ]
        if wished or options:
            raise UsageError(
                _("the domain {name} has no {value}", name=domain.name, value=listed([*wished, *options])),
                expected=_("--form, --title, --author, --feature, -n, --best-of, --beams, --seed, --annotate, --json, --out"),
                action=_("leave these options out: they are of classical Chinese poems"),
            )
        _measure_of(domain, domain.form_name(request.form), domain.feature_name(feature) if feature else "")

    def _stream(
        self,
        requests: list[PoemRequest],
        seed: int | None,
        effort: int | None,
        best_of: int | None,
        assess: bool | None,
        feature: str,
        watch: Watch | None,
    ) -> Iterator[Written]:
        from gemma_poetry.model.scoring import score_completions

        check_drafts(self.settings, self._beams, effort=None, best_of=best_of)
        feature = self.domain.feature_name(feature) if feature else ""
        seed = self.settings.drawn_seed(seed)
        each = best_of or 1
        drafts = [draft for request in requests for draft in [self._draft(request, feature)] * each]
        written = self._decode(drafts, seed, watch)
        while group := list(itertools.islice(written, each)):
            nats: list[float | None] = [None] * len(group)
            if assess or each > 1:
                samples = list(encode_samples(self.tokenizer, ((draft.conditions, draft.text) for draft in group)))
                nats = [score.nll for score in score_completions(self.model, samples)]
            yield min((self._read(draft, own, seed) for draft, own in zip(group, nats)), key=lambda text: text.rank)

    def _draft(self, request: PoemRequest, feature: str) -> _Draft:
        form = self.domain.form_name(request.form)
        conditions = Conditions(form, request.title, request.author, self.domain.template, feature)
        return _Draft(conditions, _measure_of(self.domain, form, feature))

    def _read(self, draft: _Draft, nats: float | None, seed: int) -> WrittenText:
        """A text as its domain reads it, with its nats under the model where these were asked for."""
        domain, asked = self.domain, draft.conditions
        lines, marks = domain.lines_of(draft.text, asked.form)
        poem = Poem(lines, marks, asked.title, asked.author, form=asked.form, script="")
        units = domain.count(lines)
        perplexity = math.exp(nats / units) if nats is not None and units else None
        check = domain.check_poem(poem, asked.form, asked.feature)
        return WrittenText(poem, seed, check, perplexity, domain.name, domain.unit, asked.feature, draft.complete)

    def _decode(self, drafts: Sequence[_Draft], seed: int, watch: Watch | None) -> Iterator[_Draft]:
        """The drafts with their texts, in order, a batch at a time; a batch is counted or free as a whole."""
        from gemma_poetry.generation.decoder import batch_seed

        plans = {draft.measure: self._plan(draft.measure) for draft in drafts if draft.measure is not None}
        stops = stop_ids(self.tokenizer)
        begun = 0
        for number, batch in enumerate(_batches(drafts, self.settings.batch_size)):
            told = _numbered(watch, begun) if watch else None
            begun += len(batch)
            prompts = [encode_prompt(self.tokenizer, draft.conditions) for draft in batch]
            own = [plans[draft.measure] for draft in batch if draft.measure is not None]
            torch_seed = batch_seed(seed, number)
            if own:
                for draft, plan, tokens in zip(batch, own, self._decoder.decode(prompts, own, torch_seed, watch=told)):
                    yield replace(draft, text=self._counted(plan, tokens))
            else:
                completions = self._decoder.decode_free(prompts, torch_seed, self.domain.max_tokens, stops, told)
                for draft, tokens in zip(batch, completions):
                    complete = bool(tokens) and tokens[-1] in stops
                    yield replace(draft, text=decode_poem(self.tokenizer, tokens), complete=complete)

    def _plan(self, measure: Measure) -> CountedPlan:
        from gemma_poetry.generation.logits_processor import CountedPlan

        if self._runs is None:
            self._runs = TokenRuns(self._spelling, self.domain.wordstock(self._spelling.characters))
        if measure not in self._plans:
            automaton = CountAutomaton(measure, self._runs.stock)
            self._plans[measure] = CountedPlan(CountMasks(self._runs, automaton))
        return self._plans[measure]

    def _counted(self, plan: CountedPlan, tokens: list[int]) -> str:
        from gemma_poetry.generation.logits_processor import retrace

        track = retrace(plan, tokens)
        text = decode_poem(self.tokenizer, tokens)
        if track.state == NOWHERE or not track.ended or track.text != text:
            # The look-ahead of the wordstock rules dead ends out; a tokenizer that decodes otherwise than it spells does not.
            raise GenerationError(
                _("decoding left the measure behind {text!r} (the tokenizer reads {text_2!r})", text=track.text, text_2=text),
                expected=_("a tokenizer whose pieces join to the text that they spell"),
            )
        return text


def _numbered(watch: Watch, first: int) -> Callable[[list[str]], None]:
    """Tells texts under the numbers of their drafts; of free texts nothing but that they go on."""

    def told(texts: list[str]) -> None:
        watch(dict(enumerate(texts, first)))

    return told


def _batches(drafts: Sequence[_Draft], size: int) -> Iterator[list[_Draft]]:
    """Batches in order, each of counted or of free drafts only."""
    batch: list[_Draft] = []
    for draft in drafts:
        if batch and (len(batch) == size or (draft.measure is None) != (batch[0].measure is None)):
            yield batch
            batch = []
        batch.append(draft)
    if batch:
        yield batch


def _measure_of(domain: WritableDomain, form: str, feature: str) -> Measure | None:
    measure = domain.measure(form)
    return domain.narrowed(measure, feature) if measure is not None and feature else measure
