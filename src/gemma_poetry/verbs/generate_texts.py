"""`gemma-poetry generate` in domains that are not read by tones: a sonnet, a haiku, a passage of prose.

In: what the command line asks for, and the domain of the model. Out: texts on standard output or in a JSONL file. Where the
domain says what words cost, every line costs what its form asks; each text is read back by the domain's own check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from gemma_poetry.artifacts import write_jsonl
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.domains.domain import Domain
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.requests import PoemRequest
from gemma_poetry.generation.writer import TextWish, TextWriter, WrittenText
from gemma_poetry.progress import track
from gemma_poetry.verbs.generate import GenerateOptions

_SHARED = {"form", "title", "author", "novel"}
"""Fields of a `PoemRequest` that mean something in every domain (`novel` is what is not promised here)."""


def generate_texts(options: GenerateOptions, domain: Domain) -> int:
    """Writes the texts; returns how many.

    Raises:
        UsageError: Something is asked for that only classical Chinese poems have, or an unknown form.
        ConstraintError: The vocabulary cannot spell the words that counted lines are made of.
        ModelError: The model cannot be used.
        OutputError: The file cannot be written.
    """
    _refuse_what_is_chinese(options, domain)
    form = domain.form_name(options.request.form)
    texts = track(_texts(options, domain, form), "Writing texts", options.count)
    if options.out is not None:
        return write_jsonl(options.out, (text_record(text, options, domain) for text in texts))
    written = 0
    for text in texts:
        record = text_record(text, options, domain)
        if options.as_json:
            print(json.dumps(record, ensure_ascii=False), flush=True)
        else:
            print(("\n" if written else "") + _plain(record, annotated=options.annotated), flush=True)
        written += 1
    return written


def text_record(written: WrittenText, options: GenerateOptions, domain: Domain) -> dict[str, Any]:
    """The JSON record of a text; `scansion` is the domain's check of it, `complete` whether the model ended it."""
    conditions = written.wish.conditions
    lines, marks = domain.lines_of(written.text, conditions.form)
    return {
        "title": conditions.title,
        "form": conditions.form,
        "author": conditions.author,
        "domain": domain.name,
        "seed": options.settings.seed if options.seed is None else options.seed,
        "lines": list(lines),
        "marks": marks,
        "complete": written.complete,
        "scansion": domain.check(lines, conditions.form),
    }


def _texts(options: GenerateOptions, domain: Domain, form: str) -> Iterator[WrittenText]:
    from gemma_poetry.model.base import load_model

    loaded = load_model(options.model)
    writer = TextWriter(
        loaded.model,
        loaded.tokenizer,
        options.settings,
        wordstock=domain.wordstock,
        max_tokens=domain.max_tokens,
        beams=options.beams,
    )
    request = options.request
    conditions = Conditions(form, request.title, request.author, domain.template)
    return writer.write([TextWish(conditions, domain.measure(form))] * options.count, seed=options.seed)


def _refuse_what_is_chinese(options: GenerateOptions, domain: Domain) -> None:
    plain = PoemRequest()
    wished = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(PoemRequest)
        if field.name not in _SHARED and getattr(options.request, field.name) != getattr(plain, field.name)
    ]
    wished += [f"--{name}" for name, value in (("best-of", options.best_of > 1), ("data", options.data is not None)) if value]
    wished += ["--byte-characters"] if options.byte_characters else []
    if wished:
        raise UsageError(
            f"the domain {domain.name} has no {', '.join(wished)}",
            expected="--form, --title, --author, -n, --beams, --seed, --annotate, --json, --out",
            action="leave these options out: they are of classical Chinese poems",
        )


def _plain(record: dict[str, Any], *, annotated: bool) -> str:
    head = " — ".join(part for part in (record["title"], record["author"]) if part)
    text = "".join(map("".join, zip(record["lines"], record["marks"]))).rstrip("\n")
    rows = [head, text] if head else [text]
    if annotated:
        rows += [*check_rows(record["scansion"])]
    if not record["complete"]:
        rows.append("[broken off at the most tokens]")
    return "\n".join(rows)


def check_rows(found: dict[str, Any]) -> Iterator[str]:
    """The record of a check as rows of text."""
    yield f"{found['form']}: {found['verdict']}" + (f" ({found['rhyme_group']})" if found["rhyme_group"] else "")
    for kind in ("faults", "licences"):
        for one in found.get(kind, ()):
            place = f"line {one['line']}" if one["line"] else "text"
            place += f", position {one['position']}" if one["position"] else ""
            yield f"  {kind[:-1]}: {place}: {one['rule']}: expected {one['expected']}, found {one['actual']}"
    for one in found["unknown"]:
        yield f"  unknown: line {one['line']}, position {one['position']} {one['word']}: in no dictionary, nothing is guessed"
