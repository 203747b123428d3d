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

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.tokenization import decode_poem, encode_prompt
from gemma_poetry.errors import GenerationError
from gemma_poetry.generation.alphabet import MARKS
from gemma_poetry.generation.decoder import Decoder, batch_seed
from gemma_poetry.generation.logits_processor import Plan, begin, retrace
from gemma_poetry.generation.planning import Planner
from gemma_poetry.generation.prescription import Prescription
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.reranking import Candidate, Merits, Reranker, best_of
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.verification import VerifiedPoem, verify

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gemma_poetry.corpus.known_lines import KnownLines

ATTEMPTS = 64
"""How often one poem is taken up again behind a dead end before it is given up."""

_ATTEMPTS_A_LINE = 8

Watch = Callable[[dict[int, str]], None]
"""Is told running texts, by the number of the poem among all that are written (from 0)."""


@dataclass(frozen=True, slots=True)
class GeneratedPoem:
    """A poem and how it came about.

    Attributes:
        poem: The poem.
        request: What was asked for.
        prescription: The forms that grant it.
        pattern: The pattern that it follows (平起首句入韵 ...), empty where the form has one only.
        seed: The seed of the run that it belongs to.
        token_ids: The tokens that were decoded, terminator included.
        attempts: How often it was taken up again behind a dead end.
        merits: What speaks for it beside its form, where that was asked for.
    """

    poem: Poem
    request: PoemRequest
    prescription: Prescription
    pattern: str
    seed: int
    token_ids: tuple[int, ...]
    attempts: int = 0
    merits: Merits | None = None


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
        self.decoder = Decoder(model, tokenizer, self.planner.index, self.settings, beams=beams)

    def write(
        self,
        requests: Sequence[PoemRequest],
        *,
        seed: int | None = None,
        best_of: int = 1,
        assess: bool = False,
        watch: Watch | None = None,
    ) -> Iterator[GeneratedPoem]:
        """Writes one poem a request, in order, a batch at a time.

        The same requests, settings, model and seed give the same poems on the same machine.

        Args:
            requests: The wishes; all are checked before the first poem is written.
            seed: Seed of sampling; `None`: that of the settings.
            best_of: Poems that are written for each request, of which the one with most merits is kept.
            assess: Tell the merits, also where one poem a request is written.
            watch: Is told the running texts of the poems in hand at each step; what it raises ends the writing.

        Raises:
            ConstraintError: A wish cannot be met; new lines are one, where there are no guards.
            GenerationError: A poem met dead ends only.
        """
        seed = self.settings.seed if seed is None else seed
        drafts = []
        for request in requests:
            prescription, plan = self.planner.plan(request)
            prompt = encode_prompt(self.tokenizer, self.planner.conditions(request, prescription))
            drafts += [_Draft(request, prescription, plan, prompt, []) for _ in range(best_of)]
        written = self._write_all(drafts, seed, assess or best_of > 1, watch, to_choose=best_of > 1)
        return written if best_of == 1 else self._keep_best(written, best_of)

    def _keep_best(self, poems: Iterator[GeneratedPoem], count: int) -> Iterator[GeneratedPoem]:
        while group := list(itertools.islice(poems, count)):
            best = group[best_of([one.merits for one in group if one.merits is not None])]
            yield self._assess([best])[0] if self._assessor.narrows else best

    def _write_all(
        self, drafts: Sequence[_Draft], seed: int, assess: bool, watch: Watch | None, *, to_choose: bool
    ) -> Iterator[GeneratedPoem]:
        size = self.settings.batch_size
        for number, start in enumerate(range(0, len(drafts), size)):
            batch = drafts[start : start + size]
            for attempt in range(ATTEMPTS + 1):
                unfinished = [place for place, draft in enumerate(batch) if draft.done is None]
                if unfinished:
                    told = _numbered(watch, [start + place for place in unfinished]) if watch else None
                    self._decode([batch[place] for place in unfinished], batch_seed(seed, number, attempt), seed, told)
            for draft in batch:
                if draft.done is None:
                    raise GenerationError(
                        f"{draft.prescription.form} met a dead end {ATTEMPTS + 1} times",
                        expected="a way to finish the poem under all that was asked of it",
                        action="ask for less at once, try another seed, or allow more characters or known lines",
                    )
            done = [draft.done for draft in batch if draft.done is not None]
            yield from self._assess(done, among_pieces=to_choose) if assess else done

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
                text = decode_poem(self.tokenizer, tokens)
                assert text == track.text, (text, track.text)
                finished = verify(text, draft.plan, draft.request, draft.prescription)
                if isinstance(finished, VerifiedPoem):
                    draft.done = GeneratedPoem(
                        finished.poem,
                        draft.request,
                        draft.prescription,
                        finished.pattern,
                        seed,
                        tuple(tokens),
                        draft.attempts,
                    )
                    continue
                dead = _up_to_line(text, finished)
            draft.attempts += 1
            draft.dead.add(_last_choice(draft.plan, dead))
            draft.kept = _cut_back(draft.plan, tokens, draft.attempts, len(dead))


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
