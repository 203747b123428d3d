"""A continuation is a poem of a given shape, written from the title or from an opening on, as evaluation asks for it.

In: a `PoemGenerator` and `Continuation`s (conditions, the lines that stand already, the shape of the rest).
Out: the running text of each rest, in order. Tones and rhyme are left to the model: it is what is measured.

The opening is put behind the prompt as the beginning of the completion, so that the model reads it as its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import decode_poem, encode_completion, encode_prompt
from gemma_poetry.errors import GenerationError
from gemma_poetry.generation.decoder import batch_seed
from gemma_poetry.generation.logits_processor import Plan, retrace
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.verification import split_lines
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import FREE, Form


@dataclass(frozen=True, slots=True)
class Continuation:
    """What is to be written.

    Attributes:
        conditions: What the prompt says.
        opening: The running text that stands already, closing marks included; may be empty.
        lengths: Characters of each line to be written.
        marks: The closing mark of each line to be written.
    """

    conditions: Conditions
    opening: str
    lengths: tuple[int, ...]
    marks: str


def continue_poems(
    generator: PoemGenerator, continuations: Sequence[Continuation], *, seed: int | None = None
) -> Iterator[tuple[str, ...]]:
    """Writes the lines that are missing, in the order of the continuations.

    The same continuations, settings, model and seed give the same lines on the same machine.

    Args:
        generator: The model at work.
        continuations: What is to be written.
        seed: Seed of sampling; `None`: that of the generator's settings, or one drawn at random.

    Raises:
        GenerationError: A dead end was met.
    """
    seed = generator.settings.drawn_seed(seed)
    plans = [generator.planner.plan_form(_rest(wish)) for wish in continuations]
    size = generator.settings.batch_size
    for number, begin in enumerate(range(0, len(continuations), size)):
        chosen = slice(begin, begin + size)
        prompts = [_prompt(generator, wish) for wish in continuations[chosen]]
        written = generator.decoder.decode(prompts, plans[chosen], batch_seed(seed, number))
        for wish, plan, tokens in zip(continuations[chosen], plans[chosen], written):
            yield _read(generator, wish, plan, tokens)


def _rest(wish: Continuation) -> Form:
    return Form("", tuple((FREE,) * length for length in wish.lengths), wish.marks)


def _prompt(generator: PoemGenerator, wish: Continuation) -> list[int]:
    prompt = encode_prompt(generator.tokenizer, wish.conditions)
    return prompt + encode_completion(generator.tokenizer, wish.opening)[:-1] if wish.opening else prompt


def _read(generator: PoemGenerator, wish: Continuation, plan: Plan, tokens: Sequence[int]) -> tuple[str, ...]:
    track = retrace(plan, tokens)
    text = decode_poem(generator.tokenizer, tokens)
    if track.state == NOWHERE or not track.ended or track.text != text:
        raise GenerationError(
            _("decoding met a dead end behind {opening!r}", opening=wish.opening + text), expected=_("a whole poem")
        )
    lines = split_lines(text, _rest(wish))
    assert lines is not None, text
    return lines
