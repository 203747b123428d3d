"""From answers to figures: what the report says is what the raters said."""

from __future__ import annotations

import pytest

from gemma_poetry.evaluation.human.answers import Answer
from gemma_poetry.evaluation.human.gathering import gather
from gemma_poetry.evaluation.human.quality import judge_raters
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES
from gemma_poetry.evaluation.human.report import anonymous_records, report_study
from gemma_poetry.evaluation.human.study import RATE, read_key, read_study
from tests.rating import make_study

LIKED = {"human": 5, "model-x": 3, "model-y": 2}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "study"
    make_study(folder)
    return read_study(folder), read_key(folder)


def answers_of(study, key, careless=(), slow=30.0):
    """Raters who like systems as `LIKED` says and see through checks; the careless ones answer 4 to everything."""
    answers, views = [], {}
    for rater, tasks in study.tasks.items():
        clock = 1000.0
        answers.append(Answer(rater, "", "background", "often", 0, 0, 0))
        for task in tasks:
            views[rater, task.task] = clock
            clock += 2.0 if rater in careless else slow
            sources = [key.sources[item] for item in task.items]
            if task.kind == RATE:
                step = 4 if rater in careless else 1 if sources[0].shuffled_from else LIKED[sources[0].system]
                # One aspect is a step off, so that careful raters are not straight-lining.
                given = {name: str(step - (name == "style" and step > 1 and rater not in careless)) for name in ASPECT_NAMES}
            else:
                likes = [0 if one.shuffled_from else LIKED.get(one.system, 4) for one in sources]
                left = "left" if likes[0] >= likes[1] else "right"
                given = {"preference": "left" if rater in careless else left}
            answers += [Answer(rater, task.task, question, answer, clock, clock, 0) for question, answer in given.items()]
    return answers, views


def test_means_are_those_of_the_raters(study):
    report, gathered = report_study(*study, *answers_of(*study))
    assert len(gathered.ratings) == 6 * 9 * 5 and len(gathered.choices) == 6 * 4
    for system, step in LIKED.items():
        assert report.means["fluency"].systems[system].value == step
        assert report.means["style"].systems[system].value == step - 1
        assert report.means["overall"].systems[system].value == pytest.approx(step - 0.2)
    assert report.means["fluency"].differences["model-x", "human"].value == -2
    assert report.alphas["fluency"].value == 1.0
    assert len(report.counted) == 6 and all(rater.attentive for rater in report.raters)


def test_preferences_follow_the_choices(study):
    report, _ = report_study(*study, *answers_of(*study))
    strengths = report.preferences.strengths
    assert strengths["human"].value > strengths["model-x"].value > strengths["model-y"].value
    assert report.preferences.win_rates["model-y", "human"].value == 0


def test_checks_and_repeats_are_counted_and_kept_out(study):
    gathered = gather(*study, *answers_of(*study))
    (quality, *_) = judge_raters(gathered.raters)
    assert (quality.finished, quality.tasks) == (18, 18)
    assert (quality.checks_passed, quality.checks) == (3, 3)
    assert (quality.repeat_distance, quality.median_seconds, quality.background) == (0, 30, "often")
    assert all(one.system in LIKED for one in gathered.ratings)


def test_a_careless_rater_is_named_and_left_out_only_if_asked(study):
    answers, views = answers_of(*study, careless={"R02"})
    everyone, _ = report_study(*study, answers, views)
    reasons = {rater.rater: rater.reasons for rater in everyone.raters}
    assert [rater for rater, found in reasons.items() if found] == ["R02"]
    assert "same step on every aspect for 100% of the poems" in reasons["R02"]
    assert "median of 2.0 seconds a task" in reasons["R02"]
    assert "R02" in everyone.counted and everyone.means["fluency"].systems["human"].value < 5
    attentive, _ = report_study(*study, answers, views, only_attentive=True)
    assert "R02" not in attentive.counted and attentive.means["fluency"].systems["human"].value == 5


def test_half_a_screen_is_no_rating_and_strangers_tasks_are_passed_over(study):
    answers, views = answers_of(*study)
    first = study[0].tasks["R01"][0].task
    fewer = [one for one in answers if not (one.rater == "R01" and one.task == first and one.question == "style")]
    foreign = [Answer("R99", "001", "fluency", "5", 0, 0, 0), Answer("R01", "999", "fluency", "5", 0, 0, 0)]
    gathered = gather(*study, [*fewer, *foreign], views)
    assert gathered.raters[0].finished == 17
    assert len(gathered.ratings) in (6 * 9 * 5 - 5, 6 * 9 * 5), "a check is no rating either"


def test_published_records_name_nobody(study):
    _, gathered = report_study(*study, *answers_of(*study))
    records = list(anonymous_records(study[0], gathered))
    assert len(records) == 6 * 9 * 5 + 6 * 4
    assert {record["rater"] for record in records} == {f"P{number:02}" for number in range(1, 7)}
    assert not any(str(value).startswith("R0") or "10" in str(value)[:4] for record in records for value in record.values())
    assert {tuple(record) for record in records if record["kind"] == "rating"} == {
        ("kind", "rater", "background", "title", "poem", "system", "aspect", "step", "task_seconds")
    }


def test_a_study_that_nobody_finished_has_a_report_without_figures(study):
    report, _ = report_study(*study, [], {})
    assert report.counted == [] and report.to_record()["means"]["overall"]["systems"] == {}
