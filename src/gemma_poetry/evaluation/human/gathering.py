"""Answers joined with the key: who said what about whose poem.

In: a study, its key, and the stored answers. Out: `Gathered`: ratings and choices on real material, and what the checks showed.
Only here do the blind files and the key meet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gemma_poetry.evaluation.human.answers import Answer
from gemma_poetry.evaluation.human.preference import Choice
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, BACKGROUND, EQUAL, LEFT, PREFERENCE, RIGHT
from gemma_poetry.evaluation.human.ratings import Rating
from gemma_poetry.evaluation.human.study import COMPARE, RATE, Key, Study, Task

_WON = {LEFT: 1.0, EQUAL: 0.5, RIGHT: 0.0}
CHECKED_ASPECTS = ("fluency", "coherence", "meaning")
"""What a poem loses whose characters are shuffled; its images and its old words it keeps."""

PASSING_MEAN = 2.5
"""A shuffled poem must get at most this, on average over `CHECKED_ASPECTS`."""

Steps = Mapping[str, int]
"""Aspect -> step."""


@dataclass(slots=True)
class RaterAnswers:
    """What one rater did.

    Attributes:
        rater: Who.
        tasks: Tasks that were dealt.
        finished: Tasks answered in full.
        background: The answer to `BACKGROUND`, empty if none.
        rated: Item -> steps, of real poems rated in full, repeats left out.
        passed: Attention checks passed or not, in order.
        repeats: Pairs of answers to the same poem.
        seconds: Time of each finished task, from its first view to its last new answer, by task.
    """

    rater: str
    tasks: int
    finished: int = 0
    background: str = ""
    rated: dict[str, Steps] = field(default_factory=dict)
    passed: list[bool] = field(default_factory=list)
    repeats: list[tuple[Steps, Steps]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The answers of a study, ready to be counted.

    Attributes:
        systems: The systems, in the order of reports.
        ratings: Ratings of real poems; checks and repeats are left out.
        choices: Choices between real poems.
        raters: What each rater did, those included who did nothing.
    """

    systems: tuple[str, ...]
    ratings: list[Rating]
    choices: list[Choice]
    raters: list[RaterAnswers]

    def only(self, raters: Sequence[str]) -> Gathered:
        """The same from some raters only; the list of raters stays whole."""
        kept = set(raters)
        return Gathered(
            self.systems,
            [one for one in self.ratings if one.rater in kept],
            [one for one in self.choices if one.rater in kept],
            self.raters,
        )


def gather(study: Study, key: Key, answers: Sequence[Answer], views: Mapping[tuple[str, str], float]) -> Gathered:
    """Joins answers with the key; answers to tasks that the study does not have are passed over."""
    given: dict[tuple[str, str], dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        given[answer.rater, answer.task][answer.question] = answer
    ratings: list[Rating] = []
    choices: list[Choice] = []
    raters = []
    for rater, tasks in study.tasks.items():
        done = RaterAnswers(rater, len(tasks))
        background = given.get((rater, ""), {}).get(BACKGROUND)
        done.background = background.answer if background else ""
        again: list[tuple[str, Steps]] = []
        for task in tasks:
            own = given.get((rater, task.task), {})
            if not _is_finished(task, own):
                continue
            done.finished += 1
            if (rater, task.task) in views:
                done.seconds[task.task] = max(one.first_at for one in own.values()) - views[rater, task.task]
            if task.kind == RATE:
                _add_rating(task, key, own, done, again, ratings)
            elif task.kind == COMPARE:
                _add_choice(task, key, own, done, choices)
        done.repeats = [(done.rated[item], steps) for item, steps in again if item in done.rated]
        raters.append(done)
    return Gathered(key.systems, ratings, choices, raters)


def _is_finished(task: Task, own: Mapping[str, Answer]) -> bool:
    return own.keys() >= (set(ASPECT_NAMES) if task.kind == RATE else {PREFERENCE})


def _add_rating(
    task: Task,
    key: Key,
    own: Mapping[str, Answer],
    done: RaterAnswers,
    again: list[tuple[str, Steps]],
    ratings: list[Rating],
) -> None:
    (item,) = task.items
    source = key.sources[item]
    steps = {aspect: int(own[aspect].answer) for aspect in ASPECT_NAMES}
    if source.shuffled_from:
        done.passed.append(sum(steps[aspect] for aspect in CHECKED_ASPECTS) / len(CHECKED_ASPECTS) <= PASSING_MEAN)
    elif source.repeats:
        again.append((source.repeats, steps))
    else:
        done.rated[item] = steps
        ratings += [Rating(done.rater, item, source.title, source.system, aspect, step) for aspect, step in steps.items()]


def _add_choice(task: Task, key: Key, own: Mapping[str, Answer], done: RaterAnswers, choices: list[Choice]) -> None:
    left, right = (key.sources[item] for item in task.items)
    won = _WON[own[PREFERENCE].answer]
    if left.shuffled_from or right.shuffled_from:
        done.passed.append(won == (0.0 if left.shuffled_from else 1.0))
    else:
        choices.append(Choice(done.rater, left.title, left.system, right.system, won))
