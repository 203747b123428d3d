"""The rating page as a service: thirty raters at once and a server that is killed; links, paths and sizes."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.building import BuildSettings
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, BACKGROUND, BACKGROUNDS, CHOICES, PREFERENCE, SCALE
from gemma_poetry.evaluation.human.study import ANSWERS, RATE, read_study
from tests.browser.serving import Server
from tests.rating import make_study

RATERS = 30
SETTINGS = BuildSettings(poems=6, raters=RATERS, ratings=4, pairs=1, checks=1, repeats=0)


class Browser:
    """What the page in a rater's browser sends, event by event; closed and opened again at will."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.open()

    def open(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def close(self) -> None:
        self.client.close()

    def send(self, numbers: Mapping[str, int], event: str, *data: Any) -> list[Any]:
        """One event; raises unless the server has acknowledged it."""
        body = {"fn_index": numbers[event], "data": list(data), "session_hash": "x", "event_data": None, "trigger_id": None}
        reply = self.client.post("/gradio_api/run/predict", json=body)
        reply.raise_for_status()
        return reply.json()["data"]


def events(url: str) -> dict[str, int]:
    """Event -> its number, as the page learns it."""
    config = httpx.get(f"{url}/config", timeout=30, trust_env=False).json()
    return {dependency["api_name"]: dependency["id"] for dependency in config["dependencies"] if dependency["api_name"]}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("service") / "study"
    tokens = make_study(folder, SETTINGS)
    server = Server("rate", "serve", str(folder))
    yield folder, tokens, server
    server.stop()


@pytest.fixture
def client(served):
    with httpx.Client(base_url=served[2].url, timeout=30, trust_env=False) as own:
        yield own


class Rater(threading.Thread):
    """Answers everything, each click until it is acknowledged; changes some answers, and closes the browser now and then."""

    def __init__(self, rater: str, token: str, url: str, numbers: Mapping[str, int], tasks: Any) -> None:
        super().__init__(name=rater)
        self.rater, self._browser, self._numbers, self._tasks = rater, Browser(url, token), numbers, tasks
        self._draw = random.Random(rater)
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.clicks = self.failures = self.reopened = 0

    def run(self) -> None:
        self._click("welcome", BACKGROUND, self._draw.choice(list(BACKGROUNDS)))
        for task in self._tasks:
            questions = ASPECT_NAMES if task.kind == RATE else (PREFERENCE,)
            offered = list(map(str, SCALE)) if task.kind == RATE else list(CHOICES)
            for question in questions:
                for _ in range(1 + (self._draw.random() < 0.2)):
                    self._click(task.task, question, self._draw.choice(offered))

    def _click(self, place: str, question: str, answer: str) -> None:
        if self._draw.random() < 0.1:
            self._browser.close()
            self._browser.open()
            self.reopened += 1
        for _ in range(400):
            try:
                (status,) = self._browser.send(self._numbers, f"save_{question}", self._browser.token, "zh", place, answer)
            except httpx.HTTPError:
                self.failures += 1
                time.sleep(0.2)
                continue
            assert "已保存" in status, status
            self.clicks += 1
            self.acknowledged["" if place == "welcome" else place, question] = answer
            return
        raise AssertionError(f"{self.rater}: no answer from the server")


def test_thirty_raters_at_once_lose_nothing_when_the_server_is_killed(served):
    folder, tokens, server = served
    numbers, study = events(server.url), read_study(folder)
    raters = [Rater(rater, token, server.url, numbers, study.tasks[rater]) for rater, token in tokens.items()]
    expected = sum(1 + sum(5 if task.kind == RATE else 1 for task in tasks) for tasks in study.tasks.values())
    for rater in raters:
        rater.start()
    while sum(rater.clicks for rater in raters) < expected / 3:
        time.sleep(0.05)
    server.stop(signal.SIGKILL)
    at_kill = {(rater.rater, *key) for rater in raters for key in list(rater.acknowledged)}
    stored = {(row.rater, row.task, row.question) for row in AnswerStore(folder / ANSWERS).all_answers()}
    assert at_kill <= stored, "acknowledged before the kill, and gone"
    assert 0 < len(at_kill) < expected, "the kill came in between"
    server.start()
    for rater in raters:
        rater.join(timeout=300)
        assert not rater.is_alive()
    rows = AnswerStore(folder / ANSWERS).all_answers()
    assert len(rows) == len({(row.rater, row.task, row.question) for row in rows}) == expected, "none is missing, none twice"
    for rater in raters:
        own = {(row.task, row.question): row.answer for row in rows if row.rater == rater.rater}
        assert own == rater.acknowledged
    assert sum(rater.failures for rater in raters) > 0 and sum(rater.reopened for rater in raters) > RATERS
    print(f"{expected} answers, {sum(one.clicks for one in raters)} clicks, {sum(one.failures for one in raters)} failed calls")


def test_a_link_opens_its_own_tasks_only(served):
    folder, tokens, server = served
    numbers = events(server.url)
    browser = Browser(server.url, tokens["R01"])
    before = [row for row in AnswerStore(folder / ANSWERS).all_answers() if row.rater != "R01"]
    for token, place in (("a" * 32, "001"), ("", "001"), ("R02", "001"), (tokens["R01"], "R02"), (tokens["R01"], "../001")):
        (status,) = browser.send(numbers, "save_fluency", token, "zh", place, "1")
        assert "链接无效" in status
    assert before == [row for row in AnswerStore(folder / ANSWERS).all_answers() if row.rater != "R01"]


@pytest.mark.parametrize("answer", ["6", "'; DROP TABLE answers; --", "<script>", "../../key.json", None, ["5"], {"a": 1}])
def test_answers_that_the_page_does_not_offer_are_refused(served, answer):
    folder, tokens, server = served
    rows = AnswerStore(folder / ANSWERS).all_answers()
    with pytest.raises(httpx.HTTPStatusError):
        Browser(server.url, tokens["R01"]).send(events(server.url), "save_fluency", tokens["R01"], "zh", "001", answer)
    assert AnswerStore(folder / ANSWERS).all_answers() == rows


NOWHERE = [
    ("POST", "/gradio_api/upload"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/file=key.json"),
    ("GET", "/gradio_api/file/..%2f..%2fkey.json"),
    ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
    ("POST", "/gradio_api/component_server"),
    ("POST", "/gradio_api/call/forward"),
    ("GET", "/key.json"),
    ("GET", "/%2e%2e/key.json"),
    ("GET", "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd"),
    ("GET", "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
    ("GET", "/static/..%2f..%2fpage_frame.py"),
]


@pytest.mark.parametrize(("method", "path"), NOWHERE, ids=lambda value: value[-30:])
def test_paths_that_the_page_does_not_need_lead_nowhere(client, method, path):
    reply = client.request(method, path)
    assert reply.status_code in (403, 404) and "root:" not in reply.text and "model-x" not in reply.text


def test_a_long_address_is_refused(client):
    assert client.get("/?r=" + "a" * 5000).status_code == 414


@pytest.mark.parametrize("chunked", [False, True])
def test_oversized_requests_are_refused(client, chunked):
    body = b'{"fn_index": 0, "data": ["' + b"a" * 200_000 + b'"]}'
    content = (body[start : start + 8192] for start in range(0, len(body), 8192)) if chunked else body
    try:
        reply = client.post("/gradio_api/run/predict", content=content, headers={"content-type": "application/json"})
    except httpx.WriteError:
        return  # The connection was closed while we were still sending.
    assert reply.status_code == 413


def test_an_oversized_comment_is_refused(served):
    folder, tokens, server = served
    store = AnswerStore(folder / ANSWERS)
    answers = [None, *["3"] * len(ASPECT_NAMES), None]
    with pytest.raises(httpx.HTTPStatusError):
        Browser(server.url, tokens["R01"]).send(
            events(server.url), "forward", tokens["R01"], "zh", "001", *answers, "长" * 5000
        )
    assert store.comment_on("R01", "001") == ""


def test_addresses_are_given_to_nobody(client):
    reply = client.get("/")
    assert reply.headers["referrer-policy"] == "no-referrer" and reply.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in reply.headers["content-security-policy"]


def test_the_page_tells_nobody_who_wrote_what(served):
    config = httpx.get(f"{served[2].url}/config", timeout=30, trust_env=False).text
    assert not any(name in config for name in ("model-x", "human", "tiny#", *served[1].values()))


def test_tokens_are_not_printed(served):
    assert not any(token in served[2].printed() for token in served[1].values())
