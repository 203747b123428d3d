"""`gemma-poetry generate` in domains that are not read by tones: a sonnet, a haiku, a passage of prose.

In: what the command line asks for, and the domain of the model. Out: texts on standard output or in a file. Where the
domain says what words cost, every line costs what its form asks; each text is read back by the domain's own check.

Of several texts written for one (`--best-of`) that is kept which the check finds best; among equals one that its model ended;
among these the likeliest a unit of the domain.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.domains.domain import PASSES, Domain
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.text_generator import GeneratedText, TextGenerator, TextRequest
from gemma_poetry.progress import track
from gemma_poetry.verbs.check_layout import check_rows
from gemma_poetry.verbs.generate_options import GenerateOptions
from gemma_poetry.verbs.generated_output import write_out

_SHARED = {"form", "title", "author", "novel"}
"""Fields of a `PoemRequest` that mean something in every domain (`novel` is what is not promised here)."""

_VERDICTS = (*PASSES, "not-judged", "fail")
"""Best first."""


@dataclass(frozen=True, slots=True)
class KeptText:
    """A text that is shown.

    Attributes:
        written: The text.
        lines: Its lines.
        marks: One closing mark a line.
        found: The domain's check of it.
        perplexity: Per unit of the domain, under the model that wrote it; `None`: not asked.
    """

    written: GeneratedText
    lines: tuple[str, ...]
    marks: str
    found: dict[str, Any]
    perplexity: float | None = None

    @property
    def rank(self) -> tuple[int, bool, float]:
        """Its place among texts written for the same wish; the least is the best."""
        perplexity = math.inf if self.perplexity is None else self.perplexity
        return _VERDICTS.index(self.found["verdict"]), not self.written.complete, perplexity


def generate_texts(options: GenerateOptions, domain: Domain) -> int:
    """Writes the texts; returns how many.

    Raises:
        UsageError: Something is asked for that only classical Chinese poems have, or an unknown form.
        ConstraintError: The vocabulary cannot spell the words that counted lines are made of.
        ModelError: The model cannot be used.
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    _refuse_what_is_chinese(options, domain)
    form = domain.form_name(options.request.form)
    feature = domain.feature_name(options.feature) if options.feature else ""
    texts = track(_texts(options, domain, form, feature), "Writing texts", options.count)
    if options.request.novel:
        print(f"notice: in the domain {domain.name} new lines are not promised", file=sys.stderr)

    def record(text: KeptText) -> dict[str, Any]:
        return text_record(text, options, domain)

    return write_out(options, texts, record, lambda text: _plain(record(text), annotated=options.annotated))


def text_record(text: KeptText, options: GenerateOptions, domain: Domain) -> dict[str, Any]:
    """The JSON record of a text; `scansion` is the domain's check of it, `complete` whether the model ended it."""
    conditions = text.written.wish.conditions
    return {
        "title": conditions.title,
        "form": conditions.form,
        "author": conditions.author,
        "feature": conditions.feature,
        "domain": domain.name,
        "seed": options.seed,
        "lines": list(text.lines),
        "marks": text.marks,
        "complete": text.written.complete,
        f"ppl_{domain.unit}": text.perplexity,
        "scansion": text.found,
    }


def _texts(options: GenerateOptions, domain: Domain, form: str, feature: str) -> Iterator[KeptText]:
    from gemma_poetry.model.loading import load_model

    measure = domain.measure(form)
    if measure is not None and feature:
        measure = domain.narrowed(measure, feature)
    loaded = load_model(options.model)
    writer = TextGenerator(
        loaded.model,
        loaded.tokenizer,
        options.settings,
        wordstock=domain.wordstock,
        max_tokens=domain.max_tokens,
        beams=options.beams,
    )
    request = options.request
    wish = TextRequest(Conditions(form, request.title, request.author, domain.template, feature), measure)
    each = options.best_of or 1
    written = writer.write([wish] * (options.count * each), seed=options.seed)
    assessed = each > 1 or options.records
    while group := [text for _, text in zip(range(each), written)]:
        yield min(_kept(group, domain, loaded if assessed else None), key=lambda text: text.rank)


def _kept(group: Sequence[GeneratedText], domain: Domain, loaded: Any) -> Iterator[KeptText]:
    """The texts of one wish with what speaks for them.

    Args:
        group: The texts.
        domain: Their domain.
        loaded: The model that says how likely they are; `None`: that is not asked.
    """
    from gemma_poetry.data.tokenization import encode_samples
    from gemma_poetry.model.scoring import score_completions

    nats: list[float | None] = [None] * len(group)
    if loaded is not None:
        samples = list(encode_samples(loaded.tokenizer, ((one.wish.conditions, one.text) for one in group)))
        nats = [score.nll for score in score_completions(loaded.model, samples)]
    for one, own in zip(group, nats):
        conditions = one.wish.conditions
        lines, marks = domain.lines_of(one.text, conditions.form)
        units = domain.count(lines)
        found = domain.check_with(lines, conditions.form, conditions.feature)
        yield KeptText(one, lines, marks, found, math.exp(own / units) if own is not None and units else None)


def _refuse_what_is_chinese(options: GenerateOptions, domain: Domain) -> None:
    plain = PoemRequest()
    wished = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(PoemRequest)
        if field.name not in _SHARED and getattr(options.request, field.name) != getattr(plain, field.name)
    ]
    wished += ["--data"] if options.data is not None else []
    wished += ["--byte-characters"] if options.byte_characters else []
    if wished:
        raise UsageError(
            f"the domain {domain.name} has no {', '.join(wished)}",
            expected="--form, --title, --author, --feature, -n, --best-of, --beams, --seed, --annotate, --json, --out",
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
