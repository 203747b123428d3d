"""`gemma-poetry tunes`: a small source, its table, and what a person sees of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gemma_poetry.errors import SourceError, UsageError
from gemma_poetry.prosody.tune_patterns import parse_pattern
from gemma_poetry.prosody.tune_scan import scan_tune
from gemma_poetry.prosody.tunes import Tune, TuneTable, shipped_tunes, table_from_record
from gemma_poetry.verbs.tunes import induce, list_lines, list_records, read_tune_poems, show_lines, show_record
from tests.tune_writing import write_lines

PATTERN = "中仄中平中仄a。中仄平平中仄，平中仄a。=3中仄a。"


def write_source(path: Path, count: int = 40) -> Path:
    """A JSON lines file of 词 to one tune, some under an alias and in traditional characters, and one 诗."""
    form, rng = parse_pattern(PATTERN, "试调令"), random.Random(0)
    names = ["试调令", "試調令", "别名・试调令", "别名・试调令"]
    records = []
    for number in range(count):
        lines = [line + mark for line, mark in zip(write_lines(form, rng.choice), form.marks)]
        records.append({"rhythmic": names[number % 4], "paragraphs": lines, "author": f"甲{'乙' * (number % 3)}", "era": "宋"})
    records.append({"rhythmic": "试调令", "paragraphs": ["□□平。"], "author": "丙", "era": "宋"})
    records.append({"rhythmic": "少调", "paragraphs": ["明月，清风。"], "author": "丁", "era": "清"})
    records.append({"title": "诗", "paragraphs": ["白日依山尽，黄河入海流。"], "author": "王之涣", "era": "唐"})
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> TuneTable:
    return induce(str(write_source(tmp_path / "ci.jsonl")), tmp_path / "out" / "tunes.json")


def test_induced_table_is_written_and_read_back(table: TuneTable, tmp_path: Path) -> None:
    written = json.loads((tmp_path / "out" / "tunes.json").read_text(encoding="utf-8"))
    entry = written["tunes"]["试调令"]
    assert list(written["tunes"]) == ["试调令", "少调"]
    assert (entry["aliases"], entry["poems"]) == ("别名", 40)
    assert [one[:3] for one in entry["variants"]] == [["17字仄韵", 40, PATTERN]]
    assert written["tunes"]["少调"]["variants"] == []
    assert written["provenance"]["poems"] == 41
    assert len(written["provenance"]["sha256"]) == 64
    assert table_from_record(written) == table


def test_poems_with_lost_characters_and_verse_are_passed_over(tmp_path: Path) -> None:
    poems, info = read_tune_poems(str(write_source(tmp_path / "ci.jsonl", 4)))
    assert [(poem.tune, poem.alias, poem.author) for poem in poems] == [
        ("试调令", "", "甲"),
        ("试调令", "", "甲乙"),
        ("试调令", "别名", "甲乙乙"),
        ("试调令", "别名", "甲"),
        ("少调", "", "丁"),
    ]
    assert info.name == "ci.jsonl"


def test_era_narrows_the_source(tmp_path: Path) -> None:
    source = str(write_source(tmp_path / "ci.jsonl", 4))
    assert {poem.tune for poem in read_tune_poems(source, "宋")[0]} == {"试调令"}
    with pytest.raises(SourceError, match=r"no poem with a tune.*元"):
        read_tune_poems(source, "元")


def test_list(table: TuneTable) -> None:
    assert list(list_lines(table)) == ["试调令（又名别名）　40 poems, solid　17字仄韵×40"]
    assert list_records(table) == [
        {
            "name": "试调令", "traditional": "試調令", "aliases": ["别名"], "same_pattern": [], "mode": "", "poems": 40,
            "judged": True, "tier": "solid", "variants": [{"label": "17字仄韵", "poems": 40, "tier": "solid"}],
        }
    ]  # fmt: skip


def test_show(table: TuneTable) -> None:
    lines = list(show_lines(table.require("别名")))
    assert lines[:3] == ["试调令（又名别名）: 40 poems", "", "17字仄韵 (solid): 40 poems"]
    assert [line.split()[0] for line in lines[3:7]] == ["中仄中平中仄a。", "中仄平平中仄，", "平中仄a。", "=3中仄a。"]
    assert lines[7] == "" and lines[8].startswith("e.g. 甲：") and len(lines) == 9
    # Three poets wrote the forty: what so few agree on is not fixed.
    assert lines[5].split()[1:] == ["97", lines[5].split()[2], "0"]
    record = show_record(table.require("試調令"))
    assert (record["judged"], record["variants"][0]["pattern"]) == (True, PATTERN)
    assert [len(shares) for shares in record["variants"][0]["level_shares"]] == [6, 6, 3, 2]


@pytest.mark.parametrize(
    ("book", "title", "rhyme"), [("cilin", "词林正韵", "第八部"), ("tongyun", "中华通韵", "九熬"), ("平水韵", "平水韵", "二萧")]
)
def test_show_by_a_book_names_its_groups_and_judges_the_exemplar(book: str, title: str, rhyme: str) -> None:
    tune = shipped_tunes().require("忆秦娥")
    text = "\n".join(map(str, show_lines(tune, book)))
    assert f"  by {title}: " in text and f"rhymes in 仄 by {title}: " in text
    assert rhyme in text.split(f"rhymes in 仄 by {title}: ")[1].split("\n")[0].split()
    record = show_record(tune, book)
    scansion = record["exemplar_scansion"]
    assert scansion["book"] == record["book"] and scansion["lines"] == list(scan_tune(exemplar_text(tune), tune).lines)
    assert rhyme in record["groups"]["仄"]


def test_show_without_a_book_is_as_before_and_bad_books_are_refused() -> None:
    tune = shipped_tunes().require("忆秦娥")
    assert not {"book", "groups", "exemplar_scansion"} & show_record(tune).keys()
    with pytest.raises(UsageError, match="tongyum") as unknown:
        show_record(tune, "tongyum")
    assert "tongyun" in str(unknown.value)
    with pytest.raises(UsageError, match="of 曲, and of no other verse"):
        list(show_lines(tune, "yuan"))
    song = show_record(shipped_tunes().require("天净沙"), "yuan")
    assert song["exemplar_scansion"]["verdict"] in ("strict", "minor") and "平仄" in song["groups"]


def exemplar_text(tune: Tune) -> str:
    return tune.exemplar.partition("：")[2]


def test_show_says_what_is_not_judged(table: TuneTable) -> None:
    assert list(show_lines(table.require("少调")))[1] == "not judged: the lines of its poems show no rhyme to go by"
    assert show_record(table.require("少调"))["variants"] == []


@pytest.mark.collection
def test_shipped_table_is_what_the_verb_makes_of_the_collection(collection: Path, tmp_path: Path) -> None:
    made, shipped = induce(str(collection), tmp_path / "tunes.json"), shipped_tunes()
    assert made.provenance["sha256"] == shipped.provenance["sha256"]
    judged = [tune.name for tune in shipped.judged.values() if not tune.mode]
    assert [tune.name for tune in made.judged.values()] == judged
    same = total = 0
    for name, tune in made.judged.items():
        for mine, theirs in zip(tune.variants, shipped.judged[name].variants):
            total += len(mine.slots)
            same += sum(one == other for one, other in zip(mine.slots, theirs.slots))
    # A change to the lexicon may move a place across the threshold; a change of more wants the table made anew.
    assert same >= 0.99 * total
