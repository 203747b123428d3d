"""A rater's session without the page: resume, own tasks only, text that stays text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, CHINESE
from gemma_poetry.evaluation.human.study import RATE, Study, read_study
from gemma_poetry.studio.rating_page import _kept_answers
from gemma_poetry.studio.rating_screens import DONE, WELCOME, Screen
from gemma_poetry.studio.rating_session import RatingSession
from tests.rating import make_study, tokens_of

ALL = dict.fromkeys(ASPECT_NAMES, "4") | {"preference": "left"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("session") / "study"
    make_study(made)
    return made


@pytest.fixture
def desk(folder, tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    return RatingSession(read_study(folder), store), store, tokens_of(folder)


def test_a_rater_goes_through_and_comes_back_to_where_he_was(desk):
    session, store, tokens = desk
    token = tokens["R01"]
    assert session.resume(token, CHINESE).place == WELCOME
    screen = session.forward(token, CHINESE, WELCOME, {"background": "often"}, "")
    places = []
    while screen.place != DONE:
        places.append(screen.place)
        if len(places) == 5:
            assert session.resume(token, CHINESE).place == screen.place, "closed and opened again"
        screen = session.forward(token, CHINESE, screen.place, ALL, "")
        assert isinstance(screen, Screen)
    assert places == [f"{number:03}" for number in range(1, 19)]
    assert session.resume(token, CHINESE).place == DONE
    assert session.back(token, CHINESE, DONE).place == "018"
    assert session.back(token, CHINESE, "001").place == WELCOME
    assert {answer.rater for answer in store.all_answers()} == {"R01"}


def test_a_screen_that_is_not_answered_in_full_stays_and_keeps_what_there_is(desk):
    session, store, tokens = desk
    message = session.forward(tokens["R01"], CHINESE, "001", {"fluency": "2"}, "")
    assert isinstance(message, str) and "风格" in message and "流畅" not in message
    assert store.answers_of("R01") == {"001": {"fluency": "2"}}
    assert session.screen(tokens["R01"], CHINESE, "001").answers == {"fluency": "2"}


def test_what_a_browser_kept_is_saved_once_and_nothing_else(desk):
    session, store, tokens = desk
    session.save(tokens["R01"], CHINESE, "001", "fluency", "2")
    kept = {
        WELCOME: {"background": "often"},
        "001": {"fluency": "4", "style": "1", "comment": "好", "rater": "R02"},
        "002": {"fluency": "nonsense"},
        "999": {"fluency": "4"},
        DONE: {"background": "rarely"},
    }
    for _ in range(2):
        session.restore(tokens["R01"], kept)
        session.restore("nobody's", kept)
    assert store.answers_of("R01") == {"": {"background": "often"}, "001": {"fluency": "4", "style": "1"}}
    assert store.comment_on("R01", "001") == "好"
    assert {(row.rater, row.question, row.changes) for row in store.all_answers()} == {
        ("R01", "background", 0),
        ("R01", "fluency", 1),
        ("R01", "style", 0),
    }
    assert session.resume(tokens["R01"], CHINESE).answers == {"fluency": "4", "style": "1"}


@pytest.mark.parametrize("sent", ["", None, "{", "[]", "1", '{"001": 3}', '{"001": ["fluency"]}', "[" * 100_000])
def test_what_no_page_of_ours_sent_is_nothing(sent):
    assert _kept_answers(sent) == {}


def test_going_on_twice_skips_nothing(desk):
    session, _, tokens = desk
    places = [session.forward(tokens["R01"], CHINESE, "001", ALL, "").place for _ in range(3)]
    assert places == ["002"] * 3


def test_behind_the_last_task_come_those_left_open(desk):
    session, _, tokens = desk
    session.forward(tokens["R01"], CHINESE, WELCOME, {"background": "often"}, "")
    assert session.forward(tokens["R01"], CHINESE, "018", ALL, "").place == "001"


@pytest.mark.parametrize("token", ["", "guess", "a" * 32, "' OR '1'='1", "../key.json"])
def test_a_link_that_is_nobodys_shows_and_saves_nothing(desk, token):
    session, store, _ = desk
    for screen in (session.resume(token, CHINESE), session.screen(token, CHINESE, "001"), session.back(token, CHINESE, "002")):
        assert screen.place == "" and "链接无效" in screen.body
    assert "链接无效" in session.save(token, CHINESE, "001", "fluency", "5")
    assert session.forward(token, CHINESE, "001", ALL, "x").place == ""
    assert store.all_answers() == [] and store.all_comments() == [] and store.all_views() == {}


def test_a_link_saves_for_its_own_rater_whatever_else_is_sent(desk):
    session, store, tokens = desk
    session.save(tokens["R02"], CHINESE, "001", "fluency", "1")
    assert {answer.rater for answer in store.all_answers()} == {"R02"}
    for place, question in (
        ("999", "fluency"),
        ("R01", "fluency"),
        ("001", "preference"),
        ("", "background"),
        ("001", "background"),
    ):
        assert "链接无效" in session.save(tokens["R02"], CHINESE, place, question, "left"), (place, question)
    assert len(store.all_answers()) == 1


def test_what_poems_and_comments_spell_is_text(folder, tmp_path):
    study = read_study(folder)
    evil = '<img src=x onerror="alert(1)">'
    items = {name: replace(item, title=evil, form=evil, lines=(evil,) * 4) for name, item in study.items.items()}
    session = RatingSession(
        Study(study.folder, items, study.tasks, study.token_hashes, study.settings), AnswerStore(tmp_path / "a.sqlite")
    )
    token = tokens_of(folder)["R01"]
    for task in study.tasks["R01"]:
        screen = session.screen(token, CHINESE, task.task)
        assert "<img" not in screen.body and screen.body.count("&lt;img") >= 5
    session.forward(token, CHINESE, "001", ALL, evil)
    assert session.screen(token, CHINESE, "001").comment == evil


def test_progress_counts_finished_screens(desk):
    session, _, tokens = desk
    session.save(tokens["R03"], CHINESE, "001", "fluency", "1")
    assert "0 / 18" in session.screen(tokens["R03"], CHINESE, "001").head
    session.forward(tokens["R03"], CHINESE, "001", ALL, "")
    assert 'data-done="1">1 / 18' in session.screen(tokens["R03"], CHINESE, "001").head


def test_both_languages_say_everything(desk):
    session, _, tokens = desk
    for language in ("zh", "en"):
        kinds = {task.kind: task.task for task in read_study_tasks(session)}
        for place in (WELCOME, DONE, *kinds.values()):
            screen = session.screen(tokens["R01"], language, place)
            assert screen.head and screen.body
    assert RATE in kinds


def read_study_tasks(session):
    return session._study.tasks["R01"]
