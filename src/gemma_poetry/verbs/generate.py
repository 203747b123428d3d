"""`gemma-poetry generate`: poems of one form, on the screen or in a file.

In: a model (run, folder, preset or Hub id) and what is asked of the poems. Out: poems on standard output (plain or
JSON lines), or a JSONL file that appears when the last poem is written; progress goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import write_jsonl
from gemma_poetry.config import GenerateSettings
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.requests import PoemRequest, prescribe

if TYPE_CHECKING:
    from gemma_poetry.generation.generator import GeneratedPoem


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What the command line asks for.

    Attributes:
        model: A run, a model folder, a preset or a Hub id.
        request: The wish that every poem grants.
        count: Poems to write.
        seed: Seed of sampling; `None`: that of the recipe.
        as_json: JSON lines in place of plain poems.
        out: A JSONL file to write to, in place of standard output.
        settings: Sampling and batch size.
    """

    model: str
    request: PoemRequest
    count: int = 1
    seed: int | None = None
    as_json: bool = False
    out: Path | None = None
    settings: GenerateSettings = field(default_factory=GenerateSettings)


def generate(options: GenerateOptions) -> int:
    """Writes the poems; returns how many.

    Raises:
        UsageError: Fewer than one poem is asked for, or the wish cannot be met.
        ModelError: The model cannot be used.
        GenerationError: Decoding met a dead end.
        OutputError: The file cannot be written.
    """
    if options.count < 1:
        raise UsageError(f"cannot write {options.count} poems", expected="-n of at least 1")
    # A wish that cannot be met is told before a model is loaded.
    prescribe(options.request)
    poems = _track_progress(_poems(options), options.count)
    if options.out is not None:
        return write_jsonl(options.out, (poem_record(poem) for poem in poems))
    written = 0
    for poem in poems:
        if options.as_json:
            print(json.dumps(poem_record(poem), ensure_ascii=False), flush=True)
        else:
            print(("\n" if written else "") + plain_poem(poem), flush=True)
        written += 1
    return written


def poem_record(generated: GeneratedPoem) -> dict[str, Any]:
    """The JSON record of a poem."""
    poem = generated.poem
    return {
        "title": poem.title,
        "form": poem.kind,
        "author": poem.author,
        "script": poem.script,
        "seed": generated.seed,
        "lines": list(poem.lines),
    }


def plain_poem(generated: GeneratedPoem) -> str:
    """Title and author where given, then one couplet a line."""
    poem = generated.poem
    head = "　".join(part for part in (poem.title and f"《{poem.title}》", poem.author and f"拟{poem.author}") if part)
    lines = [line + mark for line, mark in zip(poem.lines, poem.marks)]
    couplets = ["".join(lines[begin : begin + 2]) for begin in range(0, len(lines), 2)]
    return "\n".join([head, *couplets] if head else couplets)


def _poems(options: GenerateOptions) -> Iterator[GeneratedPoem]:
    from gemma_poetry.generation.generator import Generator
    from gemma_poetry.model.base import load_model

    loaded = load_model(options.model)
    generator = Generator(loaded.model, loaded.tokenizer, options.settings)
    return generator.write([options.request] * options.count, seed=options.seed)


def _track_progress(poems: Iterator[GeneratedPoem], count: int) -> Iterator[GeneratedPoem]:
    """Passes the poems on, with a progress bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(file=sys.stderr)
    yield from track(poems, description="poems", total=count, console=console, disable=not console.is_terminal, transient=True)
