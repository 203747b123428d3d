"""`gemma-poetry evaluate`: base and tuned side by side on the held-out poems.

    DATA/test.jsonl ──model.scoring──────────────> RUN/eval/likelihoods.jsonl ──┐
          └──title, first couplet──generation────> RUN/eval/generations.jsonl ──┴─evaluation──> results.json, tables
    DATA/train, val.jsonl ──other poets' poems──────────────┘

In: a RUN, a DATA folder, a split. Out: `RUN/eval/`, its `results.json` last.

Poems are encoded from their records with the model's own tokenizer, so that any model can be evaluated on any DATA, and
`ppl_char` of models with different tokenizers stands side by side. No title or author is dropped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, check_manifest, read_jsonl, sha256_file, write_json
from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.errors import DataError, UsageError
from gemma_poetry.evaluation.evaluator import Evidence, evaluate_records
from gemma_poetry.evaluation.records import GENERATIONS, LIKELIHOODS, Likelihood, Protocol, Writing, write_records
from gemma_poetry.evaluation.references import (
    HumanReferences,
    as_writing,
    can_be_rewritten,
    human_writings,
    select_poems,
    skipped,
)
from gemma_poetry.evaluation.results import Results

if TYPE_CHECKING:
    from gemma_poetry.model.base import LoadedModel

SPLITS = ("train", "val", "test")
RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What the command line asks for.

    Attributes:
        run: A RUN, or any model: then there is no `base` beside it.
        data: A DATA folder.
        settings: How many poems, resamples, seed.
        sampling: How poems are written.
        split: The split whose poems are judged.
        out: Where the figures go; `None`: `RUN/eval`.
    """

    run: str
    data: Path
    settings: EvaluateSettings
    sampling: GenerateSettings
    split: str = "test"
    out: Path | None = None


def evaluate(options: EvaluateOptions) -> Results:
    """Scores, writes, judges, and leaves everything in `RUN/eval`.

    Raises:
        UsageError: The split is unknown, or a model that is no RUN is evaluated without `out`.
        DataError: DATA is missing, incomplete or altered, or the split is empty.
        ModelError: The model cannot be used.
        RunError: The RUN is incomplete.
        OutputError: The results cannot be written.
    """
    from gemma_poetry.model.base import is_run, load_model

    if options.split not in SPLITS:
        raise UsageError(f"there is no split {options.split!r}", expected=f"one of {', '.join(SPLITS)}")
    if options.out is None and not is_run(Path(options.run)):
        raise UsageError(
            f"{options.run!r} is no run folder", expected="a RUN", action="name a run, or where results go with --out"
        )
    out = options.out or Path(options.run) / "eval"
    settings = options.settings
    poems, others = _load_split(options.data, options.split)
    scored = select_poems(poems, settings.perplexity_poems, settings.seed)
    rewritten = select_poems(filter(can_be_rewritten, poems), settings.generation_poems, settings.seed)
    loaded = load_model(options.run)
    likelihoods = list(_score(loaded, scored))
    writings = [*_write(loaded, rewritten, options), *human_writings(rewritten, HumanReferences(others, settings.seed))]
    results = evaluate_records(Evidence(likelihoods, writings, corpus=others), settings)
    # Written last, so that it never stands beside poems that it is not about.
    (out / RESULTS).unlink(missing_ok=True)
    write_records(out / LIKELIHOODS, likelihoods)
    write_records(out / GENERATIONS, writings)
    write_json(out / RESULTS, {"about": _about(options, loaded, len(poems)), **results.to_record()})
    return results


def _load_split(data: Path, split: str) -> tuple[list[Poem], list[Poem]]:
    """The poems of a split, and those of the others."""
    check_manifest(data, [f"{name}.jsonl" for name in SPLITS])
    by_split = {name: [Poem.from_record(record) for record in read_jsonl(data / f"{name}.jsonl")] for name in SPLITS}
    poems = by_split.pop(split)
    if not poems:
        raise DataError(
            f"the {split} split has no poems",
            where=data / f"{split}.jsonl",
            expected="at least one poem",
            action="prepare with a larger prepare.test_share, or name another --split",
        )
    return poems, [poem for name in by_split for poem in by_split[name]]


def _systems(loaded: LoadedModel) -> tuple[str, ...]:
    """The systems inside one loaded model."""
    return ("base", "tuned") if loaded.adapted else (loaded.name,)


def _as_system(loaded: LoadedModel, system: str) -> contextlib.AbstractContextManager[Any]:
    """While it is open, the loaded model is that system."""
    if loaded.adapted and system == "base":
        adapter: contextlib.AbstractContextManager[Any] = loaded.model.disable_adapter()
        return adapter
    return contextlib.nullcontext()


def _score(loaded: LoadedModel, poems: Sequence[Poem]) -> Iterator[Likelihood]:
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.model.scoring import score_completions
    from gemma_poetry.progress import steps

    samples = list(encode_poems(loaded.tokenizer, poems))
    for system in _systems(loaded):
        with _as_system(loaded, system), steps(f"Scoring poems ({system})", len(samples)) as advance:
            scores = score_completions(loaded.model, samples, progress=advance)
        for poem, score in zip(poems, scores):
            yield Likelihood(system, poem.source_id, poem.cluster_id, poem.kind, score.nll, score.tokens, poem.characters)


def _write(loaded: LoadedModel, poems: Sequence[Poem], options: EvaluateOptions) -> Iterator[Writing]:
    from gemma_poetry.generation.continuation import continue_poems
    from gemma_poetry.generation.generator import Generator
    from gemma_poetry.progress import track

    sampling = options.sampling.model_copy(update={"batch_size": options.settings.batch_size})
    generator = Generator(loaded.model, loaded.tokenizer, sampling)
    # Poems of one length share a batch, so that no step is spent on padding.
    poems = sorted(poems, key=lambda poem: (poem.characters, poem.source_id))
    for system in _systems(loaded):
        for protocol in Protocol:
            wishes = [_continuation(poem, protocol) for poem in poems]
            with _as_system(loaded, system):
                written = continue_poems(generator, wishes, seed=options.settings.seed)
                description = f"Writing poems ({system}, from the {protocol.value})"
                for poem, lines in zip(poems, track(written, description, len(poems))):
                    yield as_writing(system, protocol, poem, lines, poem.marks[skipped(protocol) :])


def _continuation(poem: Poem, protocol: Protocol) -> Any:
    from gemma_poetry.generation.continuation import Continuation

    given = skipped(protocol)
    return Continuation(
        # The author is left out: the human beside it was not told whom to write like either.
        conditions=Conditions(form=poem.kind, title=poem.title),
        opening="".join(line + mark for line, mark in zip(poem.lines[:given], poem.marks)),
        lengths=tuple(map(len, poem.lines[given:])),
        marks=poem.marks[given:],
    )


def _about(options: EvaluateOptions, loaded: LoadedModel, poems: int) -> dict[str, Any]:
    return {
        "run": options.run,
        "base": loaded.base,
        "data": {
            "folder": str(options.data),
            "manifest_sha256": sha256_file(options.data / MANIFEST),
            "split": options.split,
            "poems": poems,
        },
        "evaluate": options.settings.model_dump(mode="json"),
        "generate": options.sampling.model_dump(mode="json"),
    }
