"""Answers in SQLite: once `save` returns, the answer is on the disk, and a second save of the same answer changes nothing.

    answers   one row for each rater, task and question: the newest answer, when it was first and last given, how often changed
    views     when a task was first shown to a rater
    comments  what a rater wrote about a task

In: answers that were checked against the study. Out: the same, after any number of crashes. Write-ahead log with
synchronous=FULL: a commit has reached the disk when it returns, and readers never wait for the writer.
Every value goes in as a bound parameter: text is data here, whatever it spells.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gemma_poetry.errors import DataError, OutputError, UsageError
from gemma_poetry.evaluation.human.questions import LONGEST_COMMENT, allowed_answers
from gemma_poetry.languages import _

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  rater TEXT NOT NULL, task TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL,
  first_at REAL NOT NULL, last_at REAL NOT NULL, changes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (rater, task, question)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS views (
  rater TEXT NOT NULL, task TEXT NOT NULL, first_at REAL NOT NULL, PRIMARY KEY (rater, task)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS comments (
  rater TEXT NOT NULL, task TEXT NOT NULL, comment TEXT NOT NULL, last_at REAL NOT NULL,
  PRIMARY KEY (rater, task)) WITHOUT ROWID;
"""
_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it is stored.

    Attributes:
        rater: Who answered.
        task: The task; empty for what is asked before the first.
        question: An aspect, `preference` or `background`.
        answer: The answer.
        first_at: When it was first given, in seconds of the epoch.
        last_at: When it was last changed.
        changes: How often it was changed.
    """

    rater: str
    task: str
    question: str
    answer: str
    first_at: float
    last_at: float
    changes: int


class AnswerStore:
    """The answers of a study; safe to use from several threads and processes at once.

    Args:
        path: The SQLite file; it is made where it is missing.
        clock: The time, in seconds of the epoch.

    Raises:
        OutputError: The file cannot be written.
        DataError: The file is no database of answers.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        # A connection a thread: SQLite then does the locking, between processes too.
        self._own = threading.local()
        with self._connected() as connection:
            connection.executescript("PRAGMA journal_mode=WAL;" + _SCHEMA)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = getattr(self._own, "connection", None)
            if connection is None:
                connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
                connection.execute("PRAGMA synchronous=FULL")
                self._own.connection = connection
            yield connection
        except sqlite3.OperationalError as error:
            raise OutputError(
                _("answers cannot be saved ({error})", error=error),
                where=self._path,
                expected=_("a writable file system with free space"),
                action=_("free some space; answers that were acknowledged are safe"),
            ) from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                _("no database of answers ({error})", error=error),
                where=self._path,
                action=_("put back the file that the server wrote"),
            ) from error

    def save(self, rater: str, task: str, answers: Mapping[str, str]) -> None:
        """Saves the answers to a task, all or none; the same answer again changes nothing.

        Raises:
            UsageError: A question or an answer that there is not; nothing is saved.
            OutputError: The disk refused; nothing is saved.
        """
        for question, answer in answers.items():
            if answer not in allowed_answers(question):
                raise UsageError(
                    _("{answer!r} is no answer to {question!r}", answer=answer[:40], question=question[:40]),
                    expected=_("an answer that the page offers"),
                )
        now = self._clock()
        rows = [(rater, task, question, answer, now, now) for question, answer in answers.items()]
        with self._connected() as connection, _transaction(connection):
            connection.executemany(
                "INSERT INTO answers (rater, task, question, answer, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (rater, task, question) DO UPDATE SET answer = excluded.answer, last_at = excluded.last_at, "
                "changes = changes + 1 WHERE answer <> excluded.answer",
                rows,
            )

    def save_comment(self, rater: str, task: str, comment: str) -> None:
        """Saves a comment; an empty one takes an earlier one back.

        Raises:
            UsageError: It is longer than `LONGEST_COMMENT` characters; nothing is saved.
            OutputError: The disk refused; nothing is saved.
        """
        if len(comment) > LONGEST_COMMENT:
            raise UsageError(
                _("the comment has {count:,} characters", count=len(comment)),
                expected=_("at most {longest_comment}", longest_comment=LONGEST_COMMENT),
            )
        text = "".join(char for char in comment if char == "\n" or char.isprintable()).strip()
        with self._connected() as connection, _transaction(connection):
            if text:
                connection.execute(
                    "INSERT INTO comments VALUES (?, ?, ?, ?) ON CONFLICT (rater, task) "
                    "DO UPDATE SET comment = excluded.comment, last_at = excluded.last_at",
                    (rater, task, text, self._clock()),
                )
            else:
                connection.execute("DELETE FROM comments WHERE rater = ? AND task = ?", (rater, task))

    def note_view(self, rater: str, task: str) -> None:
        """Notes when a task was first shown."""
        with self._connected() as connection:
            connection.execute("INSERT OR IGNORE INTO views VALUES (?, ?, ?)", (rater, task, self._clock()))

    def answers_of(self, rater: str) -> dict[str, dict[str, str]]:
        """Task -> question -> answer of one rater."""
        found: dict[str, dict[str, str]] = {}
        with self._connected() as connection:
            for task, question, answer in connection.execute(
                "SELECT task, question, answer FROM answers WHERE rater = ?", (rater,)
            ):
                found.setdefault(task, {})[question] = answer
        return found

    def comment_on(self, rater: str, task: str) -> str:
        """What a rater wrote about a task, empty if nothing."""
        with self._connected() as connection:
            row = connection.execute("SELECT comment FROM comments WHERE rater = ? AND task = ?", (rater, task)).fetchone()
        return str(row[0]) if row else ""

    def all_answers(self) -> list[Answer]:
        """Every answer, by rater, task and question."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT rater, task, question, answer, first_at, last_at, changes FROM answers ORDER BY rater, task, question"
            ).fetchall()
        return [self._checked(row) for row in rows]

    def _checked(self, row: tuple[object, ...]) -> Answer:
        """A row as the page wrote it: SQLite keeps whatever it is given, and the file can have been edited."""
        rater, task, question, answer, first_at, last_at, changes = row
        if (
            isinstance(rater, str)
            and isinstance(task, str)
            and isinstance(question, str)
            and isinstance(answer, str)
            and isinstance(first_at, int | float)
            and isinstance(last_at, int | float)
            and isinstance(changes, int)
            and math.isfinite(first_at)
            and math.isfinite(last_at)
            and answer in allowed_answers(question)
        ):
            return Answer(rater, task, question, answer, first_at, last_at, changes)
        raise DataError(
            _(
                "no answer that the page offers: rater {rater!r}, task {task!r}, {question!r}: {answer!r}",
                rater=str(rater)[:40],
                task=str(task)[:40],
                question=str(question)[:40],
                answer=str(answer)[:40],
            ),
            where=self._path,
            expected=_("answers as the server wrote them"),
            action=_("put back the file that the server wrote, or take this row out"),
        )

    def all_views(self) -> dict[tuple[str, str], float]:
        """(Rater, task) -> when it was first shown."""
        with self._connected() as connection:
            rows = connection.execute("SELECT rater, task, first_at FROM views")
            return {(rater, task): at for rater, task, at in rows if isinstance(at, int | float) and math.isfinite(at)}

    def all_comments(self) -> list[tuple[str, str, str]]:
        """(Rater, task, comment), by rater and task."""
        with self._connected() as connection:
            rows = connection.execute("SELECT rater, task, comment FROM comments ORDER BY rater, task").fetchall()
        return [(str(rater), str(task), str(comment)) for rater, task, comment in rows]


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything in the block is committed together, or nothing is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
