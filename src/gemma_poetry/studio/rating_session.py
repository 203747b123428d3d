"""What a rater does: opens a link, answers, goes on, comes back.

In: tokens, places and answers as a browser sends them, none of them trusted. Out: `Screen`s, and answers in the store.

A call stands alone: it carries the token and the place, and the server keeps no session. So a link goes on where it was left,
on any device and after the server was restarted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from gemma_poetry.errors import UsageError
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.questions import BACKGROUND
from gemma_poetry.evaluation.human.study import Study, Task
from gemma_poetry.studio.rating_screens import (
    DONE,
    WELCOME,
    Screen,
    head_html,
    invalid_screen,
    poems_html,
    problem_html,
    question_label,
    question_names,
    say,
    status_html,
    thanks_screen,
    unanswered,
    welcome_screen,
)

COMMENT = "comment"
"""What a comment is called among the answers that a browser kept."""


class RatingSession:
    """What the page does, without the page: screens out of tokens and places."""

    def __init__(self, study: Study, store: AnswerStore) -> None:
        self._study, self._store = study, store

    def resume(self, token: str, language: str) -> Screen:
        """The first screen that a rater has not answered."""
        rater = self._study.rater_of(token)
        if rater is None:
            return invalid_screen(language)
        given = self._store.answers_of(rater)
        if BACKGROUND not in given.get("", {}):
            return self.screen(token, language, WELCOME)
        open_tasks = [task.task for task in self._study.tasks[rater] if unanswered(task, given.get(task.task, {}))]
        return self.screen(token, language, open_tasks[0] if open_tasks else DONE)

    def restore(self, token: str, unsent: Mapping[str, Mapping[str, str]]) -> None:
        """Saves what a browser kept while it could not reach the server; what is not the rater's own is passed over.

        Args:
            token: Whose link it is.
            unsent: Place -> question -> answer; a comment among them as `COMMENT`.

        Raises:
            OutputError: It was not saved.
        """
        for place, given in unsent.items():
            rater, task = self._own(token, place)
            if rater is None or place == DONE:
                continue
            names = question_names(task) if task is not None else (BACKGROUND,)
            answers = {question: answer for question, answer in given.items() if question in names}
            # What is no answer was never the page's: it must not keep the rater from opening the link.
            with contextlib.suppress(UsageError):
                self._store.save(rater, task.task if task is not None else "", answers)
            if task is not None and COMMENT in given:
                with contextlib.suppress(UsageError):
                    self._store.save_comment(rater, task.task, given[COMMENT])

    def screen(self, token: str, language: str, place: str) -> Screen:
        """The screen of a place; the rater's own open screen for a place that is not his."""
        rater = self._study.rater_of(token)
        if rater is None:
            return invalid_screen(language)
        tasks = self._study.tasks[rater]
        given = self._store.answers_of(rater)
        if place == WELCOME:
            return welcome_screen(language, tasks, given)
        if place == DONE:
            return thanks_screen(language, tasks, given)
        task = self._study.find_task(rater, place)
        if task is None:
            return self.resume(token, language)
        self._store.note_view(rater, place)
        answers = given.get(place, {})
        return Screen(
            place,
            task.kind,
            head_html(language, tasks, given, place, task),
            poems_html([self._study.items[item] for item in task.items], language),
            status_html(task, answers, language),
            answers,
            self._store.comment_on(rater, place),
            last=task is tasks[-1],
        )

    def save(self, token: str, language: str, place: str, question: str, answer: str) -> str:
        """Saves one click; returns the HTML that acknowledges it.

        Raises:
            GemmaPoetryError: It was not saved.
        """
        rater, task = self._own(token, place)
        if rater is None or (task is None) != (question == BACKGROUND):
            return problem_html(say("invalid", language))
        if task is not None and question not in question_names(task):
            return problem_html(say("invalid", language))
        self._store.save(rater, task.task if task else "", {question: answer})
        if task is None:
            return f'<span class="ok">✓ {say("saved", language)}</span>'
        return status_html(task, self._store.answers_of(rater).get(task.task, {}), language)

    def forward(self, token: str, language: str, place: str, answers: Mapping[str, str], comment: str) -> Screen | str:
        """Saves a screen once more as a whole and goes on; returns HTML of what is missing if it is not answered in full.

        Raises:
            GemmaPoetryError: It was not saved.
        """
        rater, task = self._own(token, place)
        if rater is None:
            return invalid_screen(language)
        if place == DONE:
            return self.screen(token, language, DONE)
        if task is None:
            if BACKGROUND not in answers:
                return problem_html(say("missing", language) + say("background", language))
            self._store.save(rater, "", {BACKGROUND: answers[BACKGROUND]})
            return self._after(token, language, rater, None)
        own = {question: answer for question, answer in answers.items() if question in question_names(task)}
        self._store.save(rater, task.task, own)
        self._store.save_comment(rater, task.task, comment)
        still_open = unanswered(task, self._store.answers_of(rater).get(task.task, {}))
        if still_open:
            return problem_html(say("missing", language) + "、".join(question_label(name, language) for name in still_open))
        return self._after(token, language, rater, task)

    def _after(self, token: str, language: str, rater: str, task: Task | None) -> Screen:
        """The next screen in order; behind the last one, the first that is still open."""
        tasks = list(self._study.tasks[rater])
        number = tasks.index(task) + 1 if task is not None else 0
        if task is None or number == len(tasks):
            return self.resume(token, language)
        return self.screen(token, language, tasks[number].task)

    def back(self, token: str, language: str, place: str) -> Screen:
        """The screen before."""
        rater, task = self._own(token, place)
        if rater is None:
            return invalid_screen(language)
        tasks = list(self._study.tasks[rater])
        if place == DONE:
            return self.screen(token, language, tasks[-1].task)
        number = tasks.index(task) if task is not None else 0
        return self.screen(token, language, tasks[number - 1].task if number else WELCOME)

    def _own(self, token: str, place: str) -> tuple[str | None, Task | None]:
        """The rater and his task, if the token is one's and the task is his; a place that nobody has belongs to nobody."""
        rater = self._study.rater_of(token)
        task = self._study.find_task(rater, place) if rater is not None else None
        return (rater, task) if task is not None or place in (WELCOME, DONE) else (None, None)
