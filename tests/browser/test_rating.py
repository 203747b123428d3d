"""A rater in a real browser: goes through a study, closes, returns, finishes; the report's numbers are theirs."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from pathlib import Path

import pytest

from gemma_poetry.cli.program import app
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.building import BuildSettings
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES
from gemma_poetry.evaluation.human.study import ANSWERS, read_key, read_study
from tests.browser.serving import screenshot
from tests.rating import make_study, tokens_of

SETTINGS = BuildSettings(poems=4, raters=5, ratings=3, pairs=2, checks=1, repeats=1, seed=2)
STEPS = {"fluency": 5, "coherence": 4, "meaning": 3, "poeticness": 4, "style": 2}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rating") / "study"
    make_study(folder, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def server(serving, study):
    return serving("rate", "serve", study)


def open_link(page, server, token, language="zh"):
    page.goto(f"{server.url}/?r={token}&lang={language}")
    page.wait_for_selector("#next:visible, .done")


def choose(page, question, number):
    """A click on the n-th answer (from 1), and its acknowledgement."""
    label = page.locator(f"#{question} label").nth(number - 1)
    label.click()
    label.and_(page.locator(".selected")).wait_for()


def go_on(page):
    """Next, and the next screen whole: the fields of a screen come a moment behind its poem."""
    before = page.inner_html("#body")
    page.locator("#next").click()
    page.wait_for_function("before => document.querySelector('#body').innerHTML !== before", arg=before)
    page.wait_for_timeout(300)
    page.wait_for_selector("#style, #preference, .done")


def rate(page, steps=STEPS):
    for saved, (question, step) in enumerate(steps.items(), 1):
        choose(page, question, step)
        page.wait_for_selector(f'#status [data-saved="{saved}"]')


def begin(page):
    choose(page, "background", 3)
    page.wait_for_selector("#status .ok")
    go_on(page)


def count(page):
    return page.inner_text("header .count")


def test_a_rater_closes_returns_and_finishes_and_the_report_is_his(browser, server, study, tmp_path, phone):
    token = tokens_of(study)["R01"]
    open_link(phone, server, token)
    assert "请您读一些古典诗词并打分" in phone.inner_text("#body")
    begin(phone)
    assert count(phone) == "0 / 8"
    rate(phone)
    go_on(phone)
    assert count(phone) == "1 / 8"
    choose(phone, "fluency", 2)
    phone.wait_for_selector('#status [data-saved="1"]')
    phone.close()

    # The server is killed, and started again, before the rater returns on another device.
    server.stop(signal.SIGKILL)
    server.start()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    open_link(page, server, token)
    assert count(page) == "1 / 8", "it goes on where it was closed"
    assert page.inner_text("#fluency label.selected").startswith("2"), "the click before closing is there"
    page.locator("#next").click()
    page.wait_for_selector("#status .missing")
    assert "连贯" in page.inner_text("#status") and "流畅" not in page.inner_text("#status")
    for question, step in list(STEPS.items()):
        choose(page, question, step)
    page.wait_for_selector('#status [data-saved="5"]')
    page.locator("#comment textarea").fill("<b>好诗</b>'; DROP TABLE answers; --")
    go_on(page)
    while "读诗打分" in page.inner_text("header"):
        rate(page)
        go_on(page)
    for _ in range(3):
        choose(page, "preference", 1)
        page.wait_for_selector("#status .ok")
        go_on(page)
    page.wait_for_selector(".done")
    assert count(page) == "8 / 8" and "谢谢" in page.inner_text("#body")
    context.close()

    store = AnswerStore(study / ANSWERS)
    rows = [row for row in store.all_answers() if row.rater == "R01"]
    assert len(rows) == 1 + 5 * 5 + 3
    assert [text for _, _, text in store.all_comments()] == ["<b>好诗</b>'; DROP TABLE answers; --"]

    out = tmp_path / "report"
    with pytest.raises(SystemExit) as ended:
        app(["rate", "report", str(study), "--out", str(out), "--json"])
    assert ended.value.code in (0, None)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["raters_counted"] == ["R01"]
    for system in report["systems"]:
        for aspect, step in STEPS.items():
            assert report["means"][aspect]["systems"][system]["value"] == step
    key, tasks = read_key(study), read_study(study).tasks["R01"]
    real = [
        [key.sources[item].system for item in task.items]
        for task in tasks
        if task.kind == "compare" and not any(key.sources[item].shuffled_from for item in task.items)
    ]
    real = [pair for pair in real if all(pair)]
    assert len(real) == 2
    assert sum(one["n"] for one in report["bradley_terry"]["win_rates"]) == 2
    won = {(first, second) for first, second in real}
    for one in report["bradley_terry"]["win_rates"]:
        if one["n"]:
            assert one["value"] == (1.0 if (one["first"], one["second"]) in won else 0.0), "the left one was always chosen"
    assert (out / "comparison.png").stat().st_size > 10_000
    records = [json.loads(line) for line in (out / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(records) == 3 * 5 + 2 and {record["background"] for record in records} == {"often"}
    assert "R01" not in (out / "answers.jsonl").read_text(encoding="utf-8")


def test_a_page_left_open_goes_on_by_itself_after_the_server_was_started_again(server, study, page):
    """What was clicked and written meanwhile is kept, said to be unsaved, and saved once when a server is there again."""
    open_link(page, server, tokens_of(study)["R02"])
    begin(page)
    choose(page, "fluency", 2)
    page.wait_for_selector('#status [data-saved="1"]')
    server.stop(signal.SIGKILL)
    page.locator("#fluency label").nth(4).click()
    page.locator("#style label").nth(0).click()
    page.locator("#comment textarea").fill("断线时写的")
    page.wait_for_selector("#unsaved:visible")
    assert "还没有保存" in page.inner_text("#unsaved")
    page.locator("#next").click()
    server.start()
    page.wait_for_selector('#status [data-saved="2"]', timeout=60_000)
    page.wait_for_selector("#unsaved:visible", state="detached")
    page.locator("#fluency label.selected").wait_for()
    assert page.inner_text("#fluency label.selected").startswith("5")
    assert page.inner_text("#style label.selected").startswith("1")
    assert page.input_value("#comment textarea") == "断线时写的"
    assert page.evaluate("() => Object.values(sessionStorage).join()") == "{}"
    choose(page, "meaning", 3)
    page.wait_for_selector('#status [data-saved="3"]')

    rows = [row for row in AnswerStore(study / ANSWERS).all_answers() if row.rater == "R02" and row.task]
    assert [(row.question, row.answer, row.changes) for row in rows] == [
        ("fluency", "5", 1),
        ("meaning", "3", 0),
        ("style", "1", 0),
    ]


def test_hostile_poems_are_text_and_wrong_links_show_nothing(server, page):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for token in ("a" * 32, "<script>alert(1)</script>", "%27%20OR%201=1", ""):
        open_link(page, server, token)
        page.wait_for_selector(".done")
        assert "链接无效" in page.inner_text("#body") and page.locator("article").count() == 0
    assert dialogs == []


def test_english_for_those_who_ask_for_it(server, study, page):
    open_link(page, server, tokens_of(study)["R03"], "en")
    assert "Please read some classical Chinese poems" in page.inner_text("#body")
    begin(page)
    assert "flows naturally" in page.inner_text("#fluency").replace("\n", " ")
    page.locator("#language").click()
    page.wait_for_function("() => document.querySelector('#next').innerText.includes('下一题')")
    assert "流畅自然" in page.inner_text("#fluency")


@pytest.fixture(scope="module")
def pictured(serving, server, study):
    """Where pictures are taken and by which links: GEMMA_POETRY_PICTURED_STUDY names a study with poems worth a picture."""
    named = os.environ.get("GEMMA_POETRY_PICTURED_STUDY")
    tokens = tokens_of(Path(named) if named else study)
    url = serving("rate", "serve", named).url if named else server.url
    return url, dict(zip(("desktop", "phone"), list(tokens.values())[-2:]))


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_screens_fit_their_width(pictured, page, phone, width):
    """No sideways scrolling, fields large enough for a thumb; and pictures of every screen where they are asked for."""
    shown = page if width == "desktop" else phone
    url, tokens = pictured
    shown.goto(f"{url}/?r={tokens[width]}&lang=zh")
    # The fields of a screen come a moment behind its button: without them nobody can say which screen it is.
    shown.wait_for_selector("#background:visible, #style:visible, #preference:visible")
    if shown.locator("#background").is_visible():
        assert_fits(shown)
        picture(shown, f"rate-welcome-{width}.png")
        begin(shown)
    choose(shown, "fluency", 4)
    choose(shown, "coherence", 3)
    shown.wait_for_selector("#status .ok")
    assert_fits(shown)
    for box in (one.bounding_box() for one in shown.locator("#style label").all()):
        assert box["width"] >= 44 and box["height"] >= 44
    picture(shown, f"rate-poem-{width}.png")
    while "读诗打分" in shown.inner_text("header"):
        for question in ASPECT_NAMES:
            choose(shown, question, 4)
        go_on(shown)
    choose(shown, "preference", 1)
    shown.wait_for_selector("#status .ok")
    assert_fits(shown)
    picture(shown, f"rate-pair-{width}.png")


def picture(page, name):
    """A picture of the whole screen; the foot stands at its end, as it does for whoever has scrolled down."""
    size = page.viewport_size
    page.set_viewport_size({**size, "height": max(size["height"], page.evaluate("() => document.body.scrollHeight"))})
    page.wait_for_timeout(300)
    screenshot(page, name)
    page.set_viewport_size(size)


def assert_fits(page):
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{wide} pixels too wide"
    assert re.search("serif|Song", page.evaluate("() => getComputedStyle(document.body).fontFamily"), re.I)


def test_links_csv_has_a_link_for_every_rater(study):
    with open(study / "links.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rater"] for row in rows] == ["R01", "R02", "R03", "R04", "R05"]
