"""What each route answers, with a stand-in that writes at once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import threading
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed (pip install 'gemma-poetry[serve]')")
import httpx
from starlette.testclient import TestClient

from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.serving.bodies import PoemBody
from gemma_poetry.serving.routes import application
from tests.serving.conftest import IMPOSSIBLE, LINES, StandIn, make_service


def client_of(poet: StandIn, **changes: Any) -> TestClient:
    return TestClient(application(make_service(poet, **changes)), base_url="http://127.0.0.1")


@pytest.fixture
def client(poet: StandIn) -> TestClient:
    return client_of(poet)


def test_every_field_of_a_wish_can_be_asked_for():
    """What `placement` and the generator fill in themselves apart."""
    own = {field.name for field in dataclasses.fields(PoemRequest)} - {"placed", "offered"}
    added = {"n", "seed", "effort", "best_of", "assess", "feature", "stream"}
    assert set(PoemBody.model_fields) == own | added
    plain = PoemRequest()
    assert PoemBody().wish() == plain


def test_a_wish_reaches_the_engine_as_it_was_said(client: TestClient, poet: StandIn):
    body = {
        "form": "七绝", "title": "秋夜", "author": "杜甫", "rhymes": ["一东"], "words": ["月", "江"], "must": ["风"], "n": 2,
        "seed": 9, "best_of": 4, "assess": True, "distinct": False, "script": "traditional", "novel": False,
    }  # fmt: skip
    answer = client.post("/v1/poems", json=body)
    assert answer.status_code == 200
    ((requests, how),) = poet.calls
    assert requests == [
        PoemRequest(
            "七绝", "秋夜", "杜甫", rhymes=("一东",), words=("月", "江"), must=("风",), distinct=False, script="traditional",
            novel=False,
        )
    ] * 2  # fmt: skip
    assert how == {"seed": 9, "effort": None, "best_of": 4, "assess": True, "feature": ""}


def test_poems_are_records_and_a_seed_is_told_only_where_it_gives_them_again(client: TestClient):
    plain = client.post("/v1/poems", json={"form": "五绝", "n": 2}).json()
    assert plain["seed"] is None and [poem["seed"] for poem in plain["poems"]] == [None, None]
    assert plain["poems"][0]["lines"] == list(LINES) and plain["model"] == "stand-in"
    seeded = client.post("/v1/poems", json={"form": "五绝", "seed": 0}).json()
    assert seeded["seed"] == 0 == seeded["poems"][0]["seed"]


def test_an_effort_reaches_the_engine_as_one(client: TestClient, poet: StandIn):
    """As a number of drafts alone it would be without polishing, and without what couplets of that effort favour."""
    client.post("/v1/poems", json={"form": "五绝", "effort": 4})
    client.post("/v1/poems", json={"form": "五绝", "best_of": 5})
    client.post("/v1/poems", json={"form": "五绝"})
    assert [(how["effort"], how["best_of"]) for _, how in poet.calls] == [(4, None), (None, 5), (None, None)]
    both = client.post("/v1/poems", json={"form": "五绝", "effort": 3, "best_of": 5})
    assert both.status_code == 422 and both.json()["error"]["found"] == "effort=3 is asked for, and also best_of=5"
    assert len(poet.calls) == 3


def test_too_many_words_are_refused(client: TestClient, poet: StandIn):
    many = client.post("/v1/poems", json={"form": "五绝", "words": list("轨窗风月雪")})
    assert many.status_code == 422 and many.json()["error"]["found"].startswith("words: List should have at most 4 items")
    asked = {"messages": [{"role": "user", "content": "五绝《夜》 意象：轨、窗、风、月、雪"}]}
    said = client.post("/v1/chat/completions", json=asked)
    assert said.status_code == 422 and said.json()["error"]["found"] == "5 words to write about are asked for"
    assert not poet.calls


EVENTS = [
    *({"event": "line", "poem": 1, "line": number} for number in range(1, 5)), {"event": "poem", "poem": 1},
    *({"event": "line", "poem": 2, "line": number} for number in range(1, 5)), {"event": "poem", "poem": 2},
    {"event": "end", "poems": 2},
]  # fmt: skip


def test_a_stream_gives_the_lines_of_each_poem_then_its_record(client: TestClient):
    answer = client.post("/v1/poems", json={"form": "五绝", "n": 2, "stream": True})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert [{name: value for name, value in event.items() if name not in ("text", "record")} for event in events] == EVENTS
    assert [event["text"] for event in events if event["event"] == "line"][:2] == ["白日依山尽，", "黄河入海流。"]
    assert events[4]["record"]["lines"] == list(LINES)


def test_the_same_as_server_sent_events(client: TestClient):
    answer = client.post("/v1/poems", json={"form": "五绝", "stream": True}, headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [part.splitlines() for part in answer.text.strip().split("\n\n")]
    assert [part[0] for part in parts] == ["event: line"] * 4 + ["event: poem", "event: end"]
    assert json.loads(parts[0][1].removeprefix("data: "))["text"] == "白日依山尽，"


def test_what_cannot_be_granted_has_its_status_before_a_stream_begins(client: TestClient):
    for stream in (False, True):
        answer = client.post("/v1/poems", json={"form": "五绝", "title": IMPOSSIBLE, "stream": stream})
        assert answer.status_code == 422 and answer.json()["error"]["action"] == "wish for less"


def test_an_error_behind_the_first_poem_is_the_last_event():
    class Short(StandIn):
        def stream(self, form: Any, **how: Any) -> Any:
            if len(self.calls) == 1:
                self.calls.append((form, how))
                raise RuntimeError("secret")
            return super().stream(form, **how)

    poet = Short()
    poet.gate.set()
    answer = client_of(poet, rows=1).post("/v1/poems", json={"form": "五绝", "n": 2, "stream": True})
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert events[-1]["event"] == "error" and events[-1]["error"]["code"] == 500 and "secret" not in answer.text


def test_time_is_limited_and_the_place_is_free_then():
    poet = StandIn()
    service = make_service(poet, time_limit=0.2)
    with TestClient(application(service), base_url="http://127.0.0.1") as client:
        answer = client.post("/v1/poems", json={"form": "五绝"})
    assert answer.status_code == 504 and "0.2 seconds" in answer.json()["error"]["found"]
    assert service.batcher.waiting == 0


def test_a_full_line_says_when_to_come_again():
    poet = StandIn()
    with client_of(poet, waiting=1, rows=1, time_limit=5.0) as client:
        waits = [threading.Thread(target=client.post, args=("/v1/poems",), kwargs={"json": {"form": "五绝"}}) for _ in range(2)]
        waits[0].start()
        while not poet.calls:
            pass
        waits[1].start()
        while client.get("/health").json()["waiting"] < 1:
            pass
        answer = client.post("/v1/poems", json={"form": "五绝"})
        poet.gate.set()
        for one in waits:
            one.join()
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["kind"] == "FullError"


def test_a_server_that_ends_says_so(poet: StandIn):
    service = make_service(poet)
    service.batcher.close()
    client = TestClient(application(service), base_url="http://127.0.0.1")
    answer = client.post("/v1/poems", json={"form": "五绝"})
    assert answer.status_code == 503 and answer.headers["connection"] == "close" and "retry-after" in answer.headers
    assert client.get("/health").status_code == 503


def test_poems_are_checked(client: TestClient):
    answer = client.post("/v1/check", json={"text": "白日依山尽，黄河入海流。\r\n欲穷千里目，更上一层楼。", "form": "五绝"})
    (found,) = answer.json()["poems"]
    assert found["verdict"] == "strict" and found["form"] == "五言绝句"
    assert client.post("/v1/check", json={"text": "hello"}).status_code == 422
    assert client.post("/v1/check", json={"text": ""}).status_code == 422


def test_checks_take_turns_and_their_time_is_limited(poet: StandIn):
    gate, at_once = threading.Event(), []

    def slow(text: str, form: str, feature: str, book: str) -> list[dict[str, Any]]:
        at_once.append(text)
        gate.wait(10)
        return []

    async def four_at_once() -> list[int]:
        transport = httpx.ASGITransport(application(make_service(poet, check=slow, time_limit=0.5)))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asked = [asyncio.create_task(client.post("/v1/check", json={"text": "春"})) for _ in range(4)]
            await asyncio.wait(asked, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.2)
            assert len(at_once) == 2
            gate.set()
            return [(await one).status_code for one in asked]

    # Two had no turn within the time; the two that had one took longer than it.
    assert asyncio.run(four_at_once()) == [504] * 4 and len(at_once) == 2


def test_tunes_are_listed_and_told_by_either_name(client: TestClient):
    assert len(client.get("/v1/tunes").json()["tunes"]) > 50
    assert client.get("/v1/tunes/如梦令").json()["name"] == "如梦令"
    assert client.get("/v1/tunes/忆仙姿").json()["name"] == "如梦令"
    assert client.get("/v1/tunes/如梦令?book=xinyun").json()["exemplar_scansion"]["form"] == "如梦令"
    unknown = client.get("/v1/tunes/如梦令?book=xinyum")
    assert unknown.status_code == 422 and "xinyun" in unknown.text
    missing = client.get("/v1/tunes/如梦")
    assert missing.status_code == 404 and "did you mean" in missing.json()["error"]["action"]


def test_a_conversation_is_answered_with_a_poem(client: TestClient, poet: StandIn):
    body = {"model": "stand-in", "messages": [{"role": "user", "content": "七律《登楼》"}], "temperature": 0.3, "n": 2}
    answer = client.post("/v1/chat/completions", json=body).json()
    assert answer["object"] == "chat.completion" and len(answer["choices"]) == 2
    assert answer["choices"][0]["message"]["content"].splitlines() == [
        "《登楼》",
        "白日依山尽，黄河入海流。",
        "欲穷千里目，更上一层楼。",
    ]
    assert [(one.form, one.title) for one in poet.calls[0][0]] == [("七律", "登楼")] * 2


def test_a_conversation_is_streamed_in_the_usual_chunks(client: TestClient):
    body = {"stream": True, "messages": [{"role": "user", "content": [{"type": "text", "text": "《登楼》"}]}]}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *parts, last = answer.text.strip().split("\n\n")
    chunks = [json.loads(part.removeprefix("data: ")) for part in parts]
    assert last == "data: [DONE]" and {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text.splitlines()[1] == "白日依山尽，黄河入海流。"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop" and len({chunk["id"] for chunk in chunks}) == 1


def test_another_model_is_not_here(client: TestClient):
    body = {"model": "gpt", "messages": [{"role": "user", "content": "《登楼》"}]}
    assert client.post("/v1/chat/completions", json=body).status_code == 404
    assert client.get("/v1/models").json()["data"][0]["id"] == "stand-in"


def test_the_reference_names_every_route_and_field_and_asks_no_other_host(client: TestClient):
    description = client.get("/openapi.json").json()
    page = client.get("/docs").text
    assert {"/v1/poems", "/v1/check", "/v1/tunes", "/v1/tunes/{name}", "/v1/models", "/v1/chat/completions", "/health"} == set(
        description["paths"]
    )
    for word in (*description["paths"], *PoemBody.model_fields):
        assert word in page
    assert "<script" not in page and "http:" not in page and "https:" not in page


def test_the_log_has_no_text_of_anybody(client: TestClient, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "gemma_poetry.serving")
    client.post("/v1/poems", json={"form": "五绝", "title": "机密", "n": 2})
    client.get("/v1/tunes/机密?机密=1")
    client.get("/机密")
    client.post("/v1/poems", json={"form": "机密"})
    client.request("机密".encode().hex(), "/v1/poems")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("gemma_poetry.serving")]
    assert [line.rsplit(" ms", 1)[0].rsplit(" ", 1)[0] for line in lines] == [
        "POST /v1/poems 200", "GET /v1/tunes/{name} 404", "GET (none) 404", "POST /v1/poems 422", "OTHER /v1/poems 405",
    ]  # fmt: skip
    assert lines[0].endswith("poems=2") and "机密" not in "".join(lines)
