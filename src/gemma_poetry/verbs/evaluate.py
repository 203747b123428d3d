"""`gemma-poetry evaluate`: base and tuned side by side on the held-out poems; several runs, and anybody's poems.

    DATA/test.jsonl ──model.scoring──────────────> RUN/eval/likelihoods.jsonl ──┐
          ├──title, first couplet──generation────> RUN/eval/generations.jsonl ──┼─evaluation──> results.json, tables,
          └──poems under other titles──scoring───> RUN/eval/title_ranks.jsonl ──┤               report.html, report.md
    DATA/train, val.jsonl ──other poets' poems, corpus──────────────────────────┘

In: RUNs, a DATA folder, a split, files of other systems' poems. Out: `RUN/eval/` for each run, its `results.json` last; and
where there are several systems, `comparison/` with all of them in one table.

Poems are encoded from their records with the model's own tokenizer, so that any model can be evaluated on any DATA, and
`ppl_char` of models with different tokenizers stands side by side. No title or author is dropped. What is asked of the texts of
a domain is its `EvaluationProtocol`'s; the way is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gemma_poetry.artifacts import MANIFEST, sha256_file, write_json, write_text
from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.corpus.splits import SPLITS
from gemma_poetry.domains.domain import Domain
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import DataError, UsageError
from gemma_poetry.evaluation.curves import read_curve
from gemma_poetry.evaluation.evaluator import Evidence, whole_poems
from gemma_poetry.evaluation.records import (
    GENERATIONS,
    LIKELIHOODS,
    TITLE_RANKS,
    Generation,
    Likelihood,
    TitleRank,
    write_records,
)
from gemma_poetry.evaluation.references import HUMAN
from gemma_poetry.evaluation.report import Report, report_html
from gemma_poetry.evaluation.report_markdown import report_markdown
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.system_outputs import RESERVED
from gemma_poetry.folders import distinct_names, model_hint
from gemma_poetry.languages import _, listed
from gemma_poetry.manifests import check_manifest, check_names, own_files, read_manifest
from gemma_poetry.progress import say, stage
from gemma_poetry.prosody.rhyme_books import YUAN, for_songs_alone
from gemma_poetry.verbs.domain_lookup import domain_of_data
from gemma_poetry.verbs.evaluate_models import contaminations
from gemma_poetry.verbs.evaluation_protocol import EvaluationProtocol, Ground, protocol_of

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel

_Record = TypeVar("_Record", Likelihood, Generation, TitleRank)

RESULTS = "results.json"
COMPARISON = "comparison"
CURVE = "curve.jsonl"
KIND = "evaluation"
REPORT, REPORT_MARKDOWN = "report.html", "report.md"
FILES = (LIKELIHOODS, GENERATIONS, TITLE_RANKS, REPORT, REPORT_MARKDOWN, RESULTS)


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What the command line asks for.

    Attributes:
        run: A RUN, or any model: then there is no `base` beside it. `None`: only `generations` are judged.
        data: A DATA folder; `None`: poems are judged on their own, nothing is held against references or a corpus.
        settings: How many poems, resamples, seed.
        sampling: How poems are written.
        split: The split whose poems are judged.
        out: Where the figures go; `None`: `RUN/eval`.
        others: Further RUNs or models, to stand in the same table.
        generations: Files of poems by other systems, to stand in the same table.
        domain: The language or style of the poems where there is no DATA; empty: classical Chinese.
        book: The rhyme book that tones and rhymes are judged by; empty: the usual one.
    """

    run: str | None
    data: Path | None
    settings: EvaluateSettings
    sampling: GenerateSettings
    split: str = "test"
    out: Path | None = None
    others: tuple[str, ...] = ()
    generations: tuple[Path, ...] = ()
    domain: str = ""
    book: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs and models."""
        return (self.run, *self.others) if self.run is not None else self.others


def evaluate(options: EvaluateOptions) -> Results:
    """Scores, writes, judges, and leaves everything in `RUN/eval`.

    Returns:
        The results of the run; where there are several systems, those of all of them.

    Raises:
        UsageError: The split or the rhyme book is unknown, there is nothing to judge, a run is evaluated without DATA, or a
            model that is no RUN without `out`.
        DataError: DATA is missing, incomplete or altered, or the split is empty.
        SourceError: A file of poems cannot be read.
        ModelError: The model cannot be used.
        RunError: The RUN is incomplete.
        OutputError: The results cannot be written, or files of others would be written over.
    """
    _check(options)
    examiner = protocol_of(_domain(options).by_book(options.book))
    if examiner.domain.book == YUAN.name:
        # Poems are scored together, and 曲 alone goes by it: refused before anything is written.
        raise for_songs_alone()
    names = _names(options.runs)
    for spec, name in names.items():
        check_names(_run_folder(options, spec, name), KIND, FILES)
    out = _comparison_folder(options) if len(names) > 1 or options.generations else None
    if out is not None:
        check_names(out, KIND, FILES)
    ground = _load_ground(options, examiner)
    taken = set(names.values())
    system_outputs: list[Generation] = []
    for path in options.generations:
        found = examiner.system_outputs(path, ground, taken)
        taken |= {writing.system for writing in found}
        system_outputs += found
    judged: list[tuple[str, str, Evidence, Results]] = []
    for spec, name in names.items():
        base, evidence, results = _evaluate_run(options, spec, name, examiner, ground, system_outputs if not judged else [])
        judged.append((name, base, evidence, results))
    if len(judged) == 1 and not system_outputs:
        return judged[0][3]
    evidence, pairs = _combined([entry[:3] for entry in judged], system_outputs, examiner.evidence(ground))
    results = examiner.figures(evidence, options.settings, pairs)
    told = {record["sentence"]: record for *_, own in judged for record in own.exposure}
    results.exposure = list(told.values())
    if out is not None:
        about = _about(options, None, examiner, ground)
        with own_files(out, KIND, FILES):
            _write_out(out, examiner, evidence, results, about, {name: spec for spec, name in names.items()})
    return results


def _domain(options: EvaluateOptions) -> Domain:
    """The domain of DATA; without DATA the one that is named."""
    if options.data is None:
        return load_domain(options.domain or DEFAULT)
    domain = domain_of_data(options.data)
    if options.domain and options.domain != domain.name:
        raise UsageError(
            _("DATA is of the domain {name!r}, not {domain!r}", name=domain.name, domain=options.domain),
            where=options.data,
            action=_("leave --domain out"),
        )
    return domain


def _check(options: EvaluateOptions) -> None:
    from gemma_poetry.model.locating import is_run, is_whole_run

    if options.split not in SPLITS:
        raise UsageError(
            _("there is no split {split!r}", split=options.split), expected=_("one of {splits}", splits=listed(SPLITS))
        )
    if not options.runs and not options.generations:
        raise UsageError(_("there is nothing to evaluate"), expected=_("--run RUN, or --generations FILE"))
    if options.runs and options.data is None:
        raise UsageError(_("there are no poems to evaluate the run on"), expected=_("--data DATA"))
    for spec in options.runs:
        if options.out is None and not (is_run(Path(spec)) or is_whole_run(Path(spec))):
            found, action = model_hint(Path(spec))
            raise UsageError(
                _("{spec!r} is no run folder{detail}", spec=spec, detail=_(": {found}", found=found) if found else ""),
                expected=_("a RUN"),
                action=action or _("name a run, or where results go with --out"),
            )


def _load_ground(options: EvaluateOptions, examiner: EvaluationProtocol) -> Ground:
    if options.data is None:
        return Ground()
    check_manifest(options.data, [f"{name}.jsonl" for name in SPLITS])
    by_split = {name: load_poems(options.data, name) for name in SPLITS}
    poems = by_split.pop(options.split)
    if not poems:
        raise DataError(
            _("the {split} split has no poems", split=options.split),
            where=options.data / f"{options.split}.jsonl",
            expected=_("at least one poem"),
            action=_("prepare with a larger prepare.test_share, or name another --split"),
        )
    with stage(_("Indexing the other splits")):
        return examiner.ground(poems, [poem for name in by_split for poem in by_split[name]], options.settings)


def _names(specs: Sequence[str]) -> dict[str, str]:
    """What each run is called, as a system and as a folder of results; what is named twice is evaluated once."""
    places: dict[Path, str] = {}
    for spec in specs:
        places.setdefault(Path(spec).resolve(), spec)
    return dict(zip(places.values(), distinct_names(list(places.values()), (*RESERVED, COMPARISON))))


def _evaluate_run(
    options: EvaluateOptions,
    spec: str,
    name: str,
    examiner: EvaluationProtocol,
    ground: Ground,
    system_outputs: Sequence[Generation],
) -> tuple[str, Evidence, Results]:
    """Evaluates one run and writes its files; returns the base it stands on as well."""
    from gemma_poetry.model.loading import load_model

    settings = options.settings
    loaded = replace(load_model(spec), name=name)
    likelihoods = examiner.score(loaded, ground)
    generations = examiner.write(loaded, ground, settings, options.sampling)
    ranks = examiner.rank(loaded, list(whole_poems([*generations, *system_outputs])), settings)
    foreign = {writing.system for writing in system_outputs}
    own_ranks = [rank for rank in ranks if rank.system not in foreign]
    evidence = replace(examiner.evidence(ground), likelihoods=likelihoods, generations=generations, title_ranks=own_ranks)
    results = examiner.figures(evidence, settings)
    assert options.data is not None
    for exposure in contaminations(loaded, ground.poems, spec, options.data, options.split):
        results.exposure.append(exposure.to_record())
        if exposure.doubtful:
            say(_("gemma-poetry: note: {sentence}", sentence=exposure.sentence))
    out = _run_folder(options, spec, name)
    with own_files(out, KIND, FILES):
        _write_out(out, examiner, evidence, results, _about(options, loaded, examiner, ground), {name: spec})
    return loaded.base, replace(evidence, title_ranks=ranks), results


def _run_folder(options: EvaluateOptions, spec: str, name: str) -> Path:
    if options.out is None:
        return Path(spec) / "eval"
    return options.out if len(options.runs) == 1 and not options.generations else options.out / name


def _comparison_folder(options: EvaluateOptions) -> Path | None:
    if options.out is not None:
        return options.out / COMPARISON if options.runs else options.out
    return Path(options.runs[0]) / "eval" / COMPARISON if options.runs else None


def _combined(
    judged: Sequence[tuple[str, str, Evidence]], system_outputs: Sequence[Generation], merged: Evidence
) -> tuple[Evidence, list[tuple[str, str]]]:
    """The evidence of several systems under one roof, and which of them are compared."""
    bases = dict.fromkeys(base for _, base, _ in judged)
    short = dict(zip(bases, distinct_names(list(bases))))
    base_names = {base: "base" if len(bases) == 1 else f"base {short[base]}" for base in bases}
    renamed: dict[tuple[str, str], str] = {}
    for name, base, _unused in judged:
        renamed |= {(name, "tuned"): name, (name, "base"): base_names[base]}
    for name, _unused2, evidence in judged:
        own = {record.system for kind in (evidence.likelihoods, evidence.generations) for record in kind}
        have = {record.system for kind in (merged.likelihoods, merged.generations) for record in kind}
        # What two runs share (their base, the human, the ceiling) is taken from the first.
        new = {system: called for system in own if (called := renamed.get((name, system), system)) not in have}
        merged = replace(
            merged,
            likelihoods=[*merged.likelihoods, *_called(evidence.likelihoods, new)],
            generations=[*merged.generations, *_called(evidence.generations, new)],
            # Likelihoods under different bases do not say the same of a title.
            title_ranks=[*merged.title_ranks, *_called(evidence.title_ranks, new)] if len(bases) == 1 else (),
        )
    if judged and len(bases) == 1:
        of_others = {writing.system: writing.system for writing in system_outputs}
        merged = replace(merged, title_ranks=[*merged.title_ranks, *_called(judged[0][2].title_ranks, of_others)])
    merged = replace(merged, generations=[*merged.generations, *system_outputs])
    names = [*(name for name, _, _ in judged), *dict.fromkeys(writing.system for writing in system_outputs)]
    pairs = [(name, base_names[base]) for name, base, _ in judged]
    pairs += [(other, name) for number, name in enumerate(names) for other in names[number + 1 :]]
    pairs += [(name, HUMAN) for name in names]
    return merged, [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]


def _called(records: Sequence[_Record], names: Mapping[str, str]) -> list[_Record]:
    """The records of the systems that are named, under their new names."""
    return [replace(record, system=names[record.system]) for record in records if record.system in names]


def _write_out(
    out: Path,
    examiner: EvaluationProtocol,
    evidence: Evidence,
    results: Results,
    about: dict[str, Any],
    runs: Mapping[str, str],
) -> None:
    """Writes records, reports and results.

    Args:
        out: The folder.
        examiner: How texts are shown.
        evidence: What the figures were computed from.
        results: The figures.
        about: What was evaluated, and how.
        runs: The specs of the RUNs and models by the name that they have in tables.
    """
    write_records(out / LIKELIHOODS, evidence.likelihoods)
    write_records(out / GENERATIONS, evidence.generations)
    write_records(out / TITLE_RANKS, evidence.title_ranks)
    folders = {name: Path(spec) for name, spec in runs.items()}
    details = {"Recipe": about} | {
        f"Manifest of {name}": read_manifest(folder) for name, folder in folders.items() if (folder / MANIFEST).is_file()
    }
    report = Report(
        _("Evaluation of {runs}", runs=listed(about["runs"] + about["generations"])),
        results,
        evidence.generations,
        {name: read_curve(folder / CURVE) for name, folder in folders.items() if (folder / CURVE).is_file()},
        details,
        _subtitle(about, examiner),
        examiner.judge,
        examiner.domain.book,
    )
    write_text(out / REPORT, report_html(report))
    write_text(out / REPORT_MARKDOWN, report_markdown(report))
    write_json(out / RESULTS, {"about": about, **results.to_record()})


def _subtitle(about: Mapping[str, Any], examiner: EvaluationProtocol) -> str:
    data = about["data"]
    told = _("{domain}: ", domain=about["domain"]) if examiner.judge is not None else ""
    judged = (
        _("{split} split of {folder}, {poems:,} poems", split=data["split"], folder=data["folder"], poems=data["poems"])
        if data
        else _("poems judged on their own")
    )
    base = _("base model {base}, ", base=about["base"]) if about["base"] else ""
    book = _("by the rhyme book {book}, ", book=about["book"]) if about["book"] else ""
    seed = about["evaluate"]["seed"]
    return _("{told}{base}{book}{judged}; seed {seed}", told=told, base=base, book=book, judged=judged, seed=seed)


def _about(
    options: EvaluateOptions, loaded: LoadedModel | None, examiner: EvaluationProtocol, ground: Ground
) -> dict[str, Any]:
    data = options.data
    return {
        "runs": list(options.runs) if loaded is None else [loaded.name],
        "domain": examiner.domain.name,
        "book": examiner.domain.book,
        "unit": examiner.domain.unit,
        "base": loaded.base if loaded else "",
        "generations": [str(path) for path in options.generations] if loaded is None else [],
        "data": data
        and {
            "folder": str(data),
            "manifest_sha256": sha256_file(data / MANIFEST),
            "split": options.split,
            "poems": len(ground.poems),
            "other_poems": len(ground.others),
        },
        "evaluate": options.settings.model_dump(mode="json"),
        "generate": options.sampling.model_dump(mode="json"),
    }
