"""The store of answers: nothing twice, nothing lost, nothing but answers."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from gemma_poetry.errors import DataError, OutputError, UsageError
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, LONGEST_COMMENT

HOSTILE = [
    "'; DROP TABLE answers; --",
    '" OR ""="',
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%00",
    "{{7*7}}",
    "R01'--",
]


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.fixture
def store(tmp_path):
    return AnswerStore(tmp_path / "answers.sqlite", Clock())


def test_an_answer_is_one_row_however_often_it_is_sent(store):
    for answer in ("3", "3", "4", "4"):
        store.save("R01", "001", {"fluency": answer})
    (row,) = store.all_answers()
    assert (row.answer, row.first_at, row.last_at, row.changes) == ("4", 101.0, 103.0, 1)


def test_a_screen_is_saved_whole_or_not_at_all(store):
    with pytest.raises(UsageError):
        store.save("R01", "001", {"fluency": "3", "style": "6"})
    assert store.all_answers() == []
    store.save("R01", "001", dict.fromkeys(ASPECT_NAMES, "2"))
    assert store.answers_of("R01") == {"001": dict.fromkeys(ASPECT_NAMES, "2")}
    assert store.answers_of("R02") == {}


NO_ANSWERS = [
    *(("fluency", text) for text in ("0", "3.5", "9" * 10**6, *HOSTILE)),
    *((text, "3") for text in HOSTILE),
    ("nothing", "1"),
    ("preference", "both"),
    ("background", ""),
]


@pytest.mark.parametrize(("question", "answer"), NO_ANSWERS, ids=lambda value: value[:12])
def test_what_is_no_answer_is_refused(store, question, answer):
    with pytest.raises(UsageError):
        store.save("R01", "001", {question: answer})
    assert store.all_answers() == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comment_is_text_whatever_it_spells(store, text):
    store.save_comment("R01", "001", text)
    store.save_comment(text, text, text)
    assert store.comment_on("R01", "001") == text and (text, text, text) in store.all_comments()
    store.save("R01", "001", {"fluency": "3"})
    assert len(store.all_answers()) == 1, "the tables are still there"


def test_comments_have_a_bound_and_can_be_taken_back(store):
    with pytest.raises(UsageError, match="at most 500"):
        store.save_comment("R01", "001", "长" * (LONGEST_COMMENT + 1))
    store.save_comment("R01", "001", "好\x00诗\x1b[31m\n真好")
    assert store.comment_on("R01", "001") == "好诗[31m\n真好"
    store.save_comment("R01", "001", "  ")
    assert store.all_comments() == []


def test_the_first_view_counts(store):
    store.note_view("R01", "001")
    store.note_view("R01", "001")
    assert store.all_views() == {("R01", "001"): 101.0}


def test_many_threads_write_at_once(tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    another = AnswerStore(tmp_path / "answers.sqlite")

    def work(number):
        for task in range(10):
            (store if task % 2 else another).save(f"R{number}", f"{task:03}", {"fluency": str(task % 5 + 1)})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.all_answers()) == 80


def test_the_log_is_ahead_and_commits_reach_the_disk(tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    with store._connected() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("SELECT 1; DROP TABLE answers")


def test_a_file_that_is_no_database_is_said_so(tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"poems" * 1000)
    with pytest.raises(DataError, match="no database of answers"):
        AnswerStore(tmp_path / "answers.sqlite")
    with pytest.raises(OutputError):
        AnswerStore(tmp_path / "missing" / "answers.sqlite")
