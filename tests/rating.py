"""A small rating study that tests share: two systems, real poems, a folder on disk."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.human.building import BuildSettings, Plan, plan_study, write_study
from gemma_poetry.evaluation.records import Generation, Protocol
from tests.tiny import CHARACTERS, make_poems

SETTINGS = BuildSettings(poems=9, raters=6, ratings=9, pairs=4, checks=2, repeats=2, seed=5)
SYSTEMS = ("model-x", "model-y")


def make_writings(held_out: list[Poem], system: str, shift: int) -> list[Generation]:
    """What a system wrote to the titles of the held-out poems."""
    generations = []
    for poem in held_out:
        lines = tuple(
            "".join(CHARACTERS[(CHARACTERS.index(char) + shift + row) % len(CHARACTERS)] for char in line)
            for row, line in enumerate(poem.lines)
        )
        generations.append(
            Generation(system, Protocol.TITLE, poem.source_id, "", poem.title, poem.form, (), lines, poem.marks, poem.lines)
        )
    return generations


def make_plan(settings: BuildSettings = SETTINGS, copied: bool = False) -> Plan:
    """A plan; with `copied`, the first line of every poem of `model-x` stands in the corpus."""
    held_out = [replace(poem, title=f"题{number}") for number, poem in enumerate(make_poems(16, 300))]
    generations = [one for number, system in enumerate(SYSTEMS, 3) for one in make_writings(held_out, system, number)]
    corpus = make_poems(4, 900)
    if copied:
        corpus = [
            replace(corpus[0], lines=(one.lines[0], *corpus[0].lines[1:])) for one in generations if one.system == SYSTEMS[0]
        ]
    return plan_study(generations, held_out, CorpusIndex(corpus), settings)


def make_study(folder: Path, settings: BuildSettings = SETTINGS) -> dict[str, str]:
    """A study on disk; rater -> token."""
    links = write_study(folder, make_plan(settings), {"made": "by a test"}, "http://127.0.0.1:1")
    return {rater: link.split("?r=")[1] for rater, link in links}


def tokens_of(folder: Path) -> dict[str, str]:
    """Rater -> token, from the organiser's file."""
    with open(folder / "links.csv", encoding="utf-8") as stream:
        return {row["rater"]: row["link"].split("?r=")[1] for row in csv.DictReader(stream)}
