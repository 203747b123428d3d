"""Evaluation in domains that are not read by tones: perplexity in their own unit, and their own check.

    DATA/test.jsonl ──model.scoring────────────> RUN/eval/likelihoods.jsonl ──┐
          └──form and title──TextWriter────────> RUN/eval/generations.jsonl ──┴─evaluation──> results.json, report

In: a RUN (or any model with `out`), a DATA folder and its domain. Out: `RUN/eval/`, `results.json` last: base and tuned side
by side, the held-out texts as `human`. What is reported beside perplexity and conformity is what the domain says makes sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, check_manifest, read_json, read_jsonl, sha256_file, write_json, write_text
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.splits import SPLITS
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.domains.domain import Domain
from gemma_poetry.errors import DataError, UsageError
from gemma_poetry.evaluation.curves import read_curve
from gemma_poetry.evaluation.evaluator import Evidence, evaluate_records
from gemma_poetry.evaluation.records import GENERATIONS, LIKELIHOODS, Likelihood, Protocol, Writing, write_records
from gemma_poetry.evaluation.references import as_writing, select_poems
from gemma_poetry.evaluation.report import Report, report_html
from gemma_poetry.evaluation.report_markdown import report_markdown
from gemma_poetry.evaluation.results import Results
from gemma_poetry.progress import steps, track
from gemma_poetry.verbs.evaluate import CURVE, RESULTS, EvaluateOptions
from gemma_poetry.verbs.evaluate_models import as_system, systems_of

if TYPE_CHECKING:
    from gemma_poetry.model.base import LoadedModel

_ALWAYS = ("ppl_", "log_ppl_", "conforms")
_SHOWN = 6


def evaluate_texts(options: EvaluateOptions, domain: Domain) -> Results:
    """Scores and writes texts of one domain, and leaves everything in `RUN/eval`.

    Raises:
        UsageError: More than one run is named, or poems of other systems.
        DataError: DATA is incomplete, or the split is empty.
        ModelError: The model cannot be used.
        ConstraintError: The vocabulary cannot spell the words that counted lines are made of.
    """
    from gemma_poetry.model.base import load_model

    if options.run is None or options.data is None or options.others or options.generations:
        raise UsageError(
            f"the domain {domain.name} is evaluated one run at a time",
            expected="one --run and --data",
            action="evaluate the runs one after the other; files of other systems are judged in classical-chinese only",
        )
    poems = _poems(options.data, options.split)
    settings = options.settings
    loaded = load_model(options.run)
    likelihoods = list(_score(loaded, select_poems(poems, settings.perplexity_poems, settings.seed), domain))
    writings = list(_write(loaded, select_poems(poems, settings.generation_poems, settings.seed), options, domain))
    evidence = Evidence(likelihoods, writings, judge=domain.check, unit=domain.unit)
    results = _sensible(evaluate_records(evidence, settings), (*_ALWAYS, *domain.metrics))
    _write_out(options, domain, evidence, results, loaded.name)
    return results


def _poems(data: Path, split: str) -> list[Poem]:
    check_manifest(data, [f"{name}.jsonl" for name in SPLITS])
    poems = [Poem.from_record(record) for record in read_jsonl(data / f"{split}.jsonl")]
    if not poems:
        raise DataError(
            f"the {split} split has no texts",
            where=data / f"{split}.jsonl",
            expected="at least one text",
            action="prepare with a larger prepare.test_share, or name another --split",
        )
    return poems


def _score(loaded: LoadedModel, poems: Sequence[Poem], domain: Domain) -> Iterator[Likelihood]:
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.model.scoring import score_completions

    samples = list(encode_poems(loaded.tokenizer, poems, domain.template))
    for system in systems_of(loaded):
        with as_system(loaded, system), steps(f"Scoring texts ({system})", len(samples)) as advance:
            scores = score_completions(loaded.model, samples, progress=advance)
        for poem, score in zip(poems, scores):
            units = domain.count(poem.lines)
            yield Likelihood(system, poem.source_id, poem.cluster_id, poem.kind, score.nll, score.tokens, units)


def _write(loaded: LoadedModel, poems: Sequence[Poem], options: EvaluateOptions, domain: Domain) -> Iterator[Writing]:
    from gemma_poetry.generation.writer import TextWish, TextWriter

    sampling = options.sampling.model_copy(update={"batch_size": options.settings.batch_size})
    writer = TextWriter(loaded.model, loaded.tokenizer, sampling, wordstock=domain.wordstock, max_tokens=domain.max_tokens)
    # Texts of one form share a batch: counted and free ones are decoded apart, and long ones pad the short.
    poems = sorted(poems, key=lambda poem: (poem.form, poem.source_id))
    wishes = [
        # The author is left out: the text beside it was not asked to be like anybody's either.
        TextWish(Conditions(poem.form, poem.title, template=domain.template), domain.measure(poem.form))
        for poem in poems
    ]
    for system in systems_of(loaded):
        with as_system(loaded, system):
            written = writer.write(wishes, seed=options.settings.seed)
            for poem, one in zip(poems, track(written, f"Writing texts ({system})", len(poems))):
                lines, marks = domain.lines_of(one.text, poem.form)
                yield as_writing(system, Protocol.TITLE, poem, lines, marks)


def _sensible(results: Results, beginnings: Sequence[str]) -> Results:
    """The figures whose names begin as the domain says."""

    def kept(figures: dict[str, Any]) -> dict[str, Any]:
        return {name: figure for name, figure in figures.items() if name.startswith(tuple(beginnings))}

    return replace(
        results,
        systems={system: kept(figures) for system, figures in results.systems.items()},
        by_form={system: {form: kept(figures) for form, figures in forms.items()} for system, forms in results.by_form.items()},
        comparisons=[
            replace(one, differences=kept(one.differences), win_rates=kept(one.win_rates)) for one in results.comparisons
        ],
        signatures=kept(results.signatures),
    )


def _write_out(options: EvaluateOptions, domain: Domain, evidence: Evidence, results: Results, name: str) -> None:
    assert options.run is not None and options.data is not None
    out = Path(options.run) / "eval" if options.out is None else options.out
    run = Path(options.run)
    about = {
        "runs": [name],
        "domain": domain.name,
        "unit": domain.unit,
        "data": {
            "folder": str(options.data),
            "manifest_sha256": sha256_file(options.data / MANIFEST),
            "split": options.split,
        },
        "evaluate": options.settings.model_dump(mode="json"),
        "generate": options.sampling.model_dump(mode="json"),
    }
    # Written last, so that it never stands beside texts that it is not about.
    (out / RESULTS).unlink(missing_ok=True)
    write_records(out / LIKELIHOODS, evidence.likelihoods)
    write_records(out / GENERATIONS, evidence.writings)
    texts = [
        {"system": one.system, "form": one.form, "title": one.title, "text": "".join(map("".join, zip(one.lines, one.marks)))}
        for one in evidence.writings[:_SHOWN]
    ]
    details: dict[str, Any] = {"Evaluation": about, "Texts": texts}
    if (run / MANIFEST).is_file():
        details["Run"] = read_json(run / MANIFEST)
    curves = {name: read_curve(run / CURVE)} if (run / CURVE).is_file() else {}
    report = Report(f"Evaluation of {name} ({domain.name})", results, curves=curves, details=details)
    write_text(out / "report.html", report_html(report))
    write_text(out / "report.md", report_markdown(report))
    write_json(out / RESULTS, {"about": about, **results.to_record()})
