"""`gemma-poetry rate`: what people think of the poems.

    build      generations, DATA ──> STUDY/, a private link a rater
    serve      STUDY ──> the rating page; answers go to STUDY/answers.sqlite
    report     STUDY ──> STUDY/report/: figures, a picture, an anonymous data file
    simulate   known effects ──> whether the statistics find them, and how many raters and poems that takes

In: the files named. Out: the files named, rows or records for the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gemma_poetry.artifacts import MANIFEST, check_file, sha256_file, write_json, write_jsonl
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.corpus.splits import SPLITS
from gemma_poetry.errors import DataError, UsageError
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.building import BuildSettings, Plan, plan_study, write_study
from gemma_poetry.evaluation.human.picture import draw_comparison
from gemma_poetry.evaluation.human.report import HumanReport, anonymous_records, report_study
from gemma_poetry.evaluation.human.study import ANSWERS, read_key, read_study
from gemma_poetry.evaluation.records import Generation
from gemma_poetry.evaluation.system_outputs import read_system_outputs
from gemma_poetry.extras import require
from gemma_poetry.folders import check_data_folder
from gemma_poetry.languages import _
from gemma_poetry.manifests import check_manifest, read_manifest
from gemma_poetry.progress import stage

if TYPE_CHECKING:
    from gemma_poetry.evaluation.human.simulation import Simulated, SimulationSettings

HELD_OUT = "test"
REPORT = "report"
REPORT_FILES = ("report.json", "answers.jsonl", "comments.jsonl", "comparison.png")


def build(
    generations: Sequence[Path], data: Path, out: Path, settings: BuildSettings, base_url: str
) -> tuple[Plan, list[tuple[str, str]]]:
    """Builds a study from the poems of systems and the held-out poems of DATA.

    Returns:
        The plan, and rater and private link.

    Raises:
        UsageError: The size wished for cannot be had, or the folder exists.
        DataError: DATA is missing, incomplete or altered.
        SourceError: A file of poems cannot be read.
        OutputError: The study cannot be written.
    """
    if not generations:
        raise UsageError(_("there are no poems to rate"), expected=_("--generations FILE, once for each system or run"))
    check_data_folder(data)
    check_manifest(data, [f"{split}.jsonl" for split in SPLITS])
    by_split = {split: load_poems(data, split) for split in SPLITS}
    held_out = by_split.pop(HELD_OUT)
    writings: list[Generation] = []
    for path in generations:
        writings += read_system_outputs(path, held_out, {writing.system for writing in writings})
    with stage(_("Indexing the other splits")):
        index = CorpusIndex([poem for split in by_split.values() for poem in split])
    plan = plan_study(writings, held_out, index, settings)
    about = {
        "generations": [{"file": str(path), "sha256": sha256_file(path)} for path in generations],
        "data": {"folder": str(data), "manifest_sha256": sha256_file(data / MANIFEST)},
        "build": asdict(settings),
        "base_url": base_url,
    }
    return plan, write_study(out, plan, about, base_url)


def serve(study: Path, host: str, port: int, names: Sequence[str] = ()) -> None:
    """Serves the rating page until it is told to end.

    Args:
        study: The STUDY folder.
        host: The address to listen on.
        port: The port.
        names: Names beside those of this machine that the page is reached under.

    Raises:
        DataError: The folder is no study, or was altered.
        OutputError: The database of answers cannot be written.
        MissingExtraError: Gradio is not installed.
    """
    require("gradio", extra="studio")
    from gemma_poetry.studio.rating_page import serve_study

    # Raters come under the name that their links have.
    linked = urlsplit(read_manifest(study).get("base_url") or "").hostname if (study / MANIFEST).is_file() else None
    serve_study(study, host, port, [*names, *([linked] if linked else [])])


def report(
    study_folder: Path, out: Path | None, *, seed: int, only_attentive: bool, overwrite: bool = False
) -> tuple[HumanReport, Path]:
    """Counts the answers of a study and writes `report.json`, `answers.jsonl`, `comments.jsonl` and `comparison.png`.

    Returns:
        The report, and where its files are.

    Raises:
        DataError: The folder is no study, or nobody has answered yet.
        OutputError: The files cannot be written, or exist in `out` and may not be replaced.
    """
    study, key = read_study(study_folder), read_key(study_folder)
    if not (study_folder / ANSWERS).is_file():
        raise DataError(
            _("there are no answers yet"),
            where=study_folder / ANSWERS,
            expected=_("the answers of at least one rater"),
            action=_("let raters answer: gemma-poetry rate serve {study_folder}", study_folder=study_folder),
        )
    folder = out or study_folder / REPORT
    if out is not None:  # STUDY/report is the study's own
        for name in REPORT_FILES:
            check_file(out / name, overwrite=overwrite)
    store = AnswerStore(study_folder / ANSWERS)
    found, gathered = report_study(study, key, store.all_answers(), store.all_views(), seed=seed, only_attentive=only_attentive)
    write_json(folder / "report.json", found.to_record())
    write_jsonl(folder / "answers.jsonl", anonymous_records(study, gathered))
    comments = ({"rater": rater, "task": task, "comment": text} for rater, task, text in store.all_comments())
    write_jsonl(folder / "comments.jsonl", comments)
    draw_comparison(found, folder / "comparison.png")
    return found, folder


def simulate(settings: SimulationSettings, out: Path | None, *, overwrite: bool = False) -> Simulated:
    """Simulates studies with known effects.

    Raises:
        UsageError: A setting is out of its range.
        OutputError: `out` cannot be written, or exists and may not be replaced.
    """
    from gemma_poetry.evaluation.human.simulation import simulate as run

    if out is not None:
        check_file(out, overwrite=overwrite)
    found = run(settings)
    if out is not None:
        write_json(out, found.to_record(), overwrite=overwrite)
    return found


def build_record(plan: Plan, links: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The record that `rate build --json` prints; links are in `links.csv` alone, since logs are kept."""
    return {
        "systems": list(plan.key.systems),
        "items": len(plan.items),
        "raters": len(links),
        "tasks_a_rater": len(next(iter(plan.tasks.values()))),
        "flagged": {
            system: sum(
                bool(source.copied) for source in plan.key.sources.values() if source.system == system and not source.repeats
            )
            for system in plan.key.systems
        },
        "notes": list(plan.key.notes),
    }
