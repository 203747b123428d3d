"""Requests to poems: prompts, plans, `model.generate`, and a last look at what came out.

In: a causal language model with its tokenizer, `PoemRequest`s, sampling settings and a seed.
Out: `GeneratedPoem`s, one a request and in the order of the requests, each as it was asked for.

    PoemRequest ──prescribe──> Forms ──Automaton, TokenMasks──> Plan ───┐
         └──conditions──encode_prompt──> prompt ids, padded on the left ┴──> Decoder (model.generate) ──────┐
              GeneratedPoem <──finish (read, check, convert)──┬── whole and right <───────────────────────────┤
                                                              └── dead end: cut back some lines, decode again ┘

A dead end is rare (a small rhyme group used up, a line that only the corpus can finish). The text that led there is not
written again; the line that it stands in is begun anew, then the line before it, and at last the poem, `ATTEMPTS` times in
all. Then the request is given up with an error, and never answered with a wrong poem.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.tokenization import decode_poem, encode_completion, encode_prompt
from gemma_poetry.errors import GenerationError
from gemma_poetry.generation.alphabet import MARKS
from gemma_poetry.generation.decoder import Decoder, batch_seed
from gemma_poetry.generation.drafts import Draft
from gemma_poetry.generation.logits_processor import Plan, begin, retrace
from gemma_poetry.generation.narrow_sampling import PieceHead
from gemma_poetry.generation.particles import ParticleDecoder
from gemma_poetry.generation.planning import Planner
from gemma_poetry.generation.polishing import Polisher
from gemma_poetry.generation.prescription import Prescription
from gemma_poetry.generation.request import PoemRequest, with_offered_words
from gemma_poetry.generation.reranking import PARALLEL_COUPLETS, Candidate, Merits, Reranker, most_merits
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.verification import VerifiedPoem, plain_lines, verify
from gemma_poetry.generation.written import Watch, check_drafts
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import Form

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gemma_poetry.corpus.known_lines import KnownLines

PARTICLES = {1: 1, 2: 8, 3: 16, 4: 48, 5: 128}
"""By effort: how many poems are written for each that is kept."""

PARALLEL_EFFORT = 3
"""From here on couplets 2 and 3 of 律诗 favour words that answer each other (对仗)."""

ROUNDS = {1: 0, 2: 0, 3: 0, 4: 4, 5: 8}
"""By effort: how many places of the kept poem are written anew, see `polishing`."""

ATTEMPTS = 64
"""How often one poem is taken up again behind a dead end before it is given up."""

_ATTEMPTS_A_LINE = 8


@dataclass(frozen=True, slots=True)
class GeneratedPoem:
    """A poem and how it came about.

    Attributes:
        poem: The poem.
        request: What was asked for.
        prescription: The forms that grant it.
        form: The one that it keeps; its pattern (平起首句入韵 ...) is empty where the form has one only.
        seed: The seed of the run that it belongs to.
        token_ids: The tokens that were decoded, terminator included.
        attempts: How often it was taken up again behind a dead end.
        merits: What speaks for it beside its form, where that was asked for.
    """

    poem: Poem
    request: PoemRequest
    prescription: Prescription
    form: Form
    seed: int
    token_ids: tuple[int, ...]
    attempts: int = 0
    merits: Merits | None = None

    @property
    def pattern(self) -> str:
        """The pattern that it follows."""
        return self.form.pattern


@dataclass(slots=True)
class _Draft:
    """A poem in the making: what was asked, the tokens that are kept, the texts that led nowhere."""

    request: PoemRequest
    prescription: Prescription
    plan: Plan
    prompt: list[int]
    kept: list[int]
    attempts: int = 0
    dead: set[str] = field(default_factory=set)
    done: GeneratedPoem | None = None


class PoemGenerator:
    """Writes poems with one model; what is worked out for a form or for the tokenizer is kept between calls.

    Args:
        model: A causal language model of transformers, ready to generate.
        tokenizer: Its tokenizer.
        settings: Sampling and batch size.
        charset: Characters that may stand where none is asked for; `None`: every character with a known reading.
        byte_characters: Also write characters that the vocabulary has only as bytes.
        guards: The lines of the corpora that the model was trained on, which novel poems do without
            (`carried_lines.find_guards`). Without any, requests must say `novel=False`.
        beams: Beams of each poem; 1 samples (or, at temperature 0, takes the likeliest token).
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerateSettings | None = None,
        *,
        charset: frozenset[str] | None = None,
        byte_characters: bool = False,
        guards: Sequence[KnownLines] = (),
        beams: int = 1,
    ) -> None:
        self.tokenizer = tokenizer
        self.settings = settings or GenerateSettings()
        self.planner = Planner(tokenizer, charset=charset, byte_characters=byte_characters, guards=guards)
        self._assessor = Reranker(model, tokenizer, self.planner.index.tokens)
        self._beams = beams
        self._pieces = PieceHead(model, self.planner.index.tokens)
        self._sample_with(model, self.settings)

    def _sample_with(self, model: Any, settings: GenerateSettings) -> None:
        self.settings = settings
        self.decoder = Decoder(model, self.tokenizer, self.planner.index, settings, beams=self._beams, pieces=self._pieces)
        self.particles = ParticleDecoder(model, self.tokenizer, settings, self._pieces)
        self.polisher = Polisher(self.planner, self.decoder, self._assessor, self.tokenizer)

    def sampling(self, settings: GenerateSettings) -> PoemGenerator:
        """The same generator under other settings; model, and what was worked out for forms, are shared."""
        if settings == self.settings:
            return self
        other = copy.copy(self)
        other._sample_with(self.decoder.model, settings)
        return other

    def write(
        self,
        requests: Sequence[PoemRequest],
        *,
        seed: int | None = None,
        effort: int | None = None,
        best_of: int | None = None,
        assess: bool | None = None,
        watch: Watch | None = None,
    ) -> Iterator[GeneratedPoem]:
        """Writes one poem a request, in order, a batch at a time.

        The same requests, settings, model and seed give the same poems on the same machine.

        Args:
            requests: The wishes; all are checked before the first poem is written.
            seed: Seed of sampling; `None`: that of the settings, or one drawn at random.
            effort: Quality for time, 1 to 5: drafts (`PARTICLES`), parallel couplets (`PARALLEL_EFFORT`) and polishing
                (`ROUNDS`); `None`: that of the settings.
            best_of: Poems that are written for each request as particles (see `particles`), of which the one with most
                merits is kept; `None`: as many as the effort says. Where a number is given, nothing is polished.
            assess: Tell the merits; `None`: where several poems were written for one, `False`: where no work is done for that.
            watch: Is told the running texts of the poems in hand at each step; what it raises ends the writing.

        Raises:
            ConstraintError: A wish cannot be met; new lines are one, where there are no guards.
            UsageError: An effort or a number of drafts is asked for where all drafts would be the same.
            GenerationError: A poem met dead ends only.
        """
        check_drafts(self.settings, self._beams, effort=effort, best_of=best_of)
        seed = self.settings.drawn_seed(seed)
        effort = self.settings.effort if effort is None else effort
        count = PARTICLES[effort] if best_of is None else best_of
        # The likeliest tokens, and beams, have no chance in them that could be tried twice.
        count = 1 if self.settings.temperature == 0 or self._beams > 1 else count
        drafts = [
            draft for number, request in enumerate(requests) for draft in self._drafts(request, count, seed, number, effort)
        ]
        if count == 1:
            return self._write_all(drafts, seed, seed, bool(assess), watch)
        kept = self._write_best(drafts, count, seed, assess is not False, watch)
        rounds = ROUNDS[effort] if best_of is None else 0
        return (self._polished(one, rounds, seed, number) for number, one in enumerate(kept)) if rounds else kept

    def _polished(self, one: GeneratedPoem, rounds: int, seed: int, number: int) -> GeneratedPoem:
        """A poem whose weakest places are written anew, where that makes it better."""
        found = self.polisher.polish(
            Draft(one.poem.lines, one.form, one.request, one.prescription),
            rounds=rounds,
            seed=batch_seed(seed, number, rounds),
        )
        text = "".join(line + mark for line, mark in zip(plain_lines(found.lines, one.form), one.form.marks))
        tokens = tuple(encode_completion(self.tokenizer, text)) if found.changes else one.token_ids
        return replace(one, poem=replace(one.poem, lines=found.lines), token_ids=tokens, merits=found.after)

    def _drafts(self, request: PoemRequest, count: int, seed: int, number: int, effort: int) -> list[_Draft]:
        """What a request's poems start from: each may have its words in other places, and other words offered."""
        ways = self.planner.place(request, count, seed=batch_seed(seed, number))
        draw = random.Random(f"{seed} {number}")
        plans = [_parallel(*self.planner.plan(way), effort) for way in ways]
        drafts = []
        for place in range(count):
            way, (prescription, plan) = ways[place % len(ways)], plans[place % len(ways)]
            way = with_offered_words(way, draw)
            prompt = encode_prompt(self.tokenizer, self.planner.conditions(way, prescription))
            drafts.append(_Draft(way, prescription, plan, prompt, []))
        return drafts

    def _write_best(
        self, drafts: Sequence[_Draft], each: int, seed: int, assess: bool, watch: Watch | None
    ) -> Iterator[GeneratedPoem]:
        """The poem with most merits of each wish, `each` drafts written as particles, some wishes at a time."""
        wishes = max(1, self.settings.batch_size // each)
        for number, first in enumerate(range(0, len(drafts), wishes * each)):
            batch = drafts[first : first + wishes * each]
            told = _numbered(watch, range(first // each, (first + len(batch)) // each)) if watch else None
            groups = self.particles.decode(
                [draft.prompt for draft in batch], [draft.plan for draft in batch], each, batch_seed(seed, number), told
            )
            for wish, particles in enumerate(groups):
                own = batch[wish * each : (wish + 1) * each]
                # Particles that were drawn again more than once may end as one poem.
                different = {particle.token_ids: particle for particle in particles}
                done = [poem for one in different.values() if (poem := self._whole(own[one.draft], one.token_ids, seed))]
                if done:
                    yield self._best(done, assess)
                else:
                    # No particle came through: a single draft is taken up again behind each dead end.
                    drawn = batch_seed(seed, number, wish + 1)
                    yield from self._write_all(own[:1], seed, drawn, assess, watch, first=first // each + wish)

    def _best(self, poems: Sequence[GeneratedPoem], assess: bool) -> GeneratedPoem:
        """The poem with most merits; chosen among the pieces of poems on a wide head, its merits told over all tokens."""
        assessed = self._assess(poems, among_pieces=True)
        best = assessed[most_merits([one.merits for one in assessed if one.merits is not None])]
        if not self._assessor.narrows:
            return best
        # The whole of a wide head takes as long as all that was chosen among.
        return self._assess([best])[0] if assess else replace(best, merits=None)

    def _write_all(
        self, drafts: Sequence[_Draft], seed: int, drawn: int, assess: bool, watch: Watch | None, *, first: int = 0
    ) -> Iterator[GeneratedPoem]:
        """The poem of each draft, a batch at a time.

        Args:
            drafts: The drafts.
            seed: The seed of the run, which the poems tell.
            drawn: The seed that they are drawn with.
            assess: Tell their merits.
            watch: Is told the running texts.
            first: The number of the first, from 0, under which it is told.
        """
        size = self.settings.batch_size
        for number, start in enumerate(range(0, len(drafts), size)):
            batch = drafts[start : start + size]
            for attempt in range(ATTEMPTS + 1):
                unfinished = [place for place, draft in enumerate(batch) if draft.done is None]
                if unfinished:
                    told = _numbered(watch, [first + start + place for place in unfinished]) if watch else None
                    self._decode([batch[place] for place in unfinished], batch_seed(drawn, number, attempt), seed, told)
            for draft in batch:
                if draft.done is None:
                    raise GenerationError(
                        _("{form} met a dead end {attempts} times", form=draft.prescription.form, attempts=ATTEMPTS + 1),
                        expected=_("a way to finish the poem under all that was asked of it"),
                        action=_("ask for less at once, try another seed, or allow more characters or known lines"),
                    )
            done = [draft.done for draft in batch if draft.done is not None]
            yield from self._assess(done) if assess else done

    def _assess(self, poems: Sequence[GeneratedPoem], *, among_pieces: bool = False) -> list[GeneratedPoem]:
        candidates = []
        for one in poems:
            text = decode_poem(self.tokenizer, one.token_ids)
            lines = tuple(re.split(f"[{MARKS}]", text)[:-1])
            conditions = self.planner.conditions(one.request, one.prescription)
            candidates.append(Candidate(conditions, one.poem.form, lines, text))
        merits = self._assessor.assess(candidates, among_pieces=among_pieces)
        return [replace(one, merits=own) for one, own in zip(poems, merits)]

    def _decode(self, drafts: Sequence[_Draft], torch_seed: int, seed: int, watch: Callable[[list[str]], None] | None) -> None:
        """Goes on with drafts, and finishes those that come out right."""
        starts = [retrace(draft.plan, draft.kept) for draft in drafts]
        completions = self.decoder.decode(
            [[*draft.prompt, *draft.kept] for draft in drafts],
            [draft.plan for draft in drafts],
            torch_seed,
            starts=starts,
            dead=[draft.dead for draft in drafts],
            retrying=any(draft.attempts for draft in drafts),
            watch=watch,
        )
        for draft, added in zip(drafts, completions):
            tokens = [*draft.kept, *added]
            track = retrace(draft.plan, tokens)
            dead = track.text
            if track.ended and track.state != NOWHERE:
                finished = self._finish(draft, tokens, seed)
                if isinstance(finished, GeneratedPoem):
                    draft.done = finished
                    continue
                dead = _up_to_line(track.text, finished)
            draft.attempts += 1
            draft.dead.add(_last_choice(draft.plan, dead))
            draft.kept = _cut_back(draft.plan, tokens, draft.attempts, len(dead))

    def _whole(self, draft: _Draft, tokens: Sequence[int], seed: int) -> GeneratedPoem | None:
        """The poem that tokens spell; `None` where they met a dead end, or it cannot stay."""
        track = retrace(draft.plan, tokens)
        if not track.ended or track.state == NOWHERE:
            return None
        finished = self._finish(draft, tokens, seed)
        return finished if isinstance(finished, GeneratedPoem) else None

    def _finish(self, draft: _Draft, tokens: Sequence[int], seed: int) -> GeneratedPoem | int:
        """The poem that whole tokens spell, or the line (from 1) up to which it cannot stay."""
        text = decode_poem(self.tokenizer, tokens)
        finished = verify(text, draft.plan, draft.request, draft.prescription)
        if not isinstance(finished, VerifiedPoem):
            return finished
        return GeneratedPoem(
            finished.poem, draft.request, draft.prescription, finished.form, seed, tuple(tokens), draft.attempts
        )


def _parallel(prescription: Prescription, plan: Plan, effort: int) -> tuple[Prescription, Plan]:
    """With words that answer those opposite favoured in couplets that must be parallel, where effort is spent."""
    firsts = PARALLEL_COUPLETS.get(prescription.forms[0].name, ())
    if not firsts or plan.answering or effort < PARALLEL_EFFORT:
        return prescription, plan
    return prescription, replace(plan, answering=tuple((first + 2, "") for first in firsts))


def _numbered(watch: Watch, numbers: Sequence[int]) -> Callable[[list[str]], None]:
    """Tells texts under the numbers of their poems; of the beams of one poem, the first."""

    def told(texts: list[str]) -> None:
        each = len(texts) // len(numbers)
        watch(dict(zip(numbers, texts[::each])))

    return told


def _up_to_line(text: str, line: int) -> str:
    """The first lines of a running text, the last of them without its closing mark."""
    ends = [match.start() for match in re.finditer(f"[{MARKS}]", text)]
    return text[: ends[line - 1]]


def _last_choice(plan: Plan, text: str) -> str:
    """A dead text without the characters at its end that were given: what was chosen before them led there."""
    automaton = plan.masks.automaton
    while text and automaton.outlook(automaton.read(text[:-1])).fixed:
        text = text[:-1]
    return text


def _cut_back(plan: Plan, tokens: Sequence[int], attempts: int, length: int) -> list[int]:
    """What is kept of a draft whose first `length` characters are dead.

    The lines before the one that it stands in; one line less after every `_ATTEMPTS_A_LINE` attempts; at last none.
    """
    if attempts > ATTEMPTS - 2 * _ATTEMPTS_A_LINE:
        return []
    track = begin(plan)
    line_ends = [0]
    finished = 0
    for count, token in enumerate(tokens, 1):
        track = retrace(plan, [token], track)
        if track.ended or len(track.text) > length:
            break
        lines = sum(track.text.count(mark) for mark in MARKS)
        if lines > finished and not track.begun and track.text[-1] in MARKS:
            line_ends.append(count)
            finished = lines
    back = 1 + (attempts - 1) // _ATTEMPTS_A_LINE
    return list(tokens[: line_ends[max(0, len(line_ends) - back)]])
