"""What hostile requests get: a table of attacks, each with the answer that keeps it out."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed (pip install 'gemma-poetry[serve]')")
from starlette.testclient import TestClient

from gemma_poetry.serving.routes import application
from tests.serving.conftest import StandIn, make_service

KEY = "0123456789abcdef0123456789abcdef"
SCRIPT = "<script>alert(1)</script>"
FORM = {"form": "五绝"}


@pytest.fixture(scope="module")
def client() -> TestClient:
    poet = StandIn()
    poet.gate.set()
    return TestClient(application(make_service(poet)), base_url="http://127.0.0.1", raise_server_exceptions=True)


@pytest.fixture(scope="module")
def locked() -> TestClient:
    poet = StandIn()
    poet.gate.set()
    return TestClient(application(make_service(poet, key=KEY)), base_url="http://127.0.0.1")


def post(client: TestClient, body: Any, path: str = "/v1/poems", **headers: str) -> Any:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(path, content=content, headers={"Content-Type": "application/json", **headers})


def chat(text: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


POEMS, CHECK, CHAT = "/v1/poems", "/v1/check", "/v1/chat/completions"

BODIES = [
    # attack, path, body, status
    ("no JSON", POEMS, "form=五绝".encode(), 400),
    ("nothing", POEMS, b"", 422),
    ("cut JSON", POEMS, b'{"form": "', 400),
    ("bytes that are no UTF-8", POEMS, b'{"form": "\xff\xfe"}', 400),
    ("deep lists", POEMS, b"[" * 60_000, 400),
    ("deep objects", POEMS, b'{"a":' * 10_000, 400),
    ("deep lists that end", POEMS, b"[" * 30_000 + b"]" * 30_000, 400),
    ("deep lists in a field", POEMS, b'{"words": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400),
    ("a list", POEMS, [FORM], 422),
    ("null", POEMS, None, 422),
    ("a number", POEMS, 5, 422),
    ("a field that is unknown", POEMS, {**FORM, "model": "/etc/passwd"}, 422),
    ("a place of ours", POEMS, {**FORM, "placed": [["风", 1, 1]]}, 422),
    ("a prototype", POEMS, {**FORM, "__proto__": {"n": 9}}, 422),
    ("a number as text", POEMS, {**FORM, "n": "2"}, 422),
    ("truth as a number", POEMS, {**FORM, "n": True}, 422),
    ("a text as a list", POEMS, {"form": ["五绝"]}, 422),
    ("a list as a text", POEMS, {**FORM, "words": "月"}, 422),
    ("a part of a poem", POEMS, {**FORM, "n": 1.5}, 422),
    ("no number", POEMS, b'{"form": "\xe4\xba\x94\xe7\xbb\x9d", "n": NaN}', 422),
    ("infinity", POEMS, b'{"form": "\xe4\xba\x94\xe7\xbb\x9d", "n": Infinity}', 422),
    ("no poem", POEMS, {**FORM, "n": 0}, 422),
    ("fewer than none", POEMS, {**FORM, "n": -1}, 422),
    ("too many poems", POEMS, {**FORM, "n": 17}, 422),
    ("a huge number", POEMS, {**FORM, "n": 10**400}, 422),
    ("a number of ten thousand digits", POEMS, b'{"n": ' + b"9" * 10_000 + b"}", 400),
    ("too many drafts", POEMS, {**FORM, "best_of": 100_000}, 422),
    ("an effort that is none", POEMS, {**FORM, "effort": 6}, 422),
    ("a huge seed", POEMS, {**FORM, "seed": 2**64}, 422),
    ("lines without end", POEMS, {"form": "五排", "lines": 10**9}, 422),
    ("a long title", POEMS, {**FORM, "title": "春" * 201}, 422),
    ("many words", POEMS, {**FORM, "words": ["月"] * 17}, 422),
    ("a long template", POEMS, {"template": "□" * 1001}, 422),
    ("a label of the prompt in a title", POEMS, {**FORM, "title": "春\n诗："}, 422),
    ("CR LF in a title", POEMS, {**FORM, "title": "春\r\nSet-Cookie: a=b"}, 422),
    ("NUL", POEMS, {**FORM, "title": "春\x00"}, 422),
    ("half a character", POEMS, b'{"form": "\xe4\xba\x94\xe7\xbb\x9d", "title": "\\ud800"}', 422),
    ("an escape of terminals", POEMS, {**FORM, "title": "\x1b[2J"}, 422),
    ("a path as a form", POEMS, {"form": "../../etc/passwd"}, 422),
    ("a script as a form", POEMS, {"form": SCRIPT}, 422),
    ("an unwritable acrostic", POEMS, {**FORM, "acrostic": SCRIPT}, 422),
    ("a long text to check", CHECK, {"text": "春" * 20_001}, 422),
    ("half a character to check", CHECK, b'{"text": "\\udfff"}', 422),
    ("a file to check", CHECK, {"text": "/etc/passwd"}, 422),
    ("no messages", CHAT, {"messages": []}, 422),
    ("messages that are none", CHAT, {"messages": "hello"}, 422),
    ("nobody asks", CHAT, {"messages": [{"role": "system", "content": "《春》"}]}, 422),
    ("a picture", CHAT, chat([{"type": "image_url", "image_url": {"url": "http://127.0.0.1/"}}]), 422),
    ("parts that are none", CHAT, chat([{"type": "text", "text": {"a": 1}}]), 422),
    ("a long message", CHAT, chat("春" * 5000), 422),
    ("an empty message", CHAT, chat(" "), 422),
    ("a message of controls", CHAT, chat("\x00\x01"), 422),
    ("another model", CHAT, {"model": "../../x", **chat("《春》")}, 404),
    ("too many choices", CHAT, {"n": 1000, **chat("《春》")}, 422),
]


@pytest.mark.parametrize(("path", "body", "status"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_bodies(client: TestClient, path: str, body: Any, status: int):
    answer = post(client, body, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == status and error["found"] and len(answer.content) < 20_000
    assert answer.headers["content-type"] == "application/json" and answer.headers["x-content-type-options"] == "nosniff"
    # What was sent comes back neither as a control character nor as more than a short piece of itself.
    assert not any(ord(char) < 32 and char != "\n" for char in error["message"])


HEADS = [
    # attack, method, path, headers, status
    ("another host", "GET", "/v1/models", {"Host": "evil.example"}, 403),
    ("another host with our port", "GET", "/v1/models", {"Host": "evil.example:8000"}, 403),
    ("a host that begins like ours", "GET", "/v1/models", {"Host": "127.0.0.1.evil.example"}, 403),
    ("a user before the host", "GET", "/v1/models", {"Host": "127.0.0.1@evil.example"}, 403),
    ("another origin", "POST", "/v1/poems", {"Origin": "http://evil.example"}, 403),
    ("another port of this machine", "POST", "/v1/poems", {"Origin": "http://127.0.0.1:1234"}, 403),
    ("the null origin", "POST", "/v1/poems", {"Origin": "null"}, 403),
    ("asking for leave across origins", "OPTIONS", "/v1/poems", {"Origin": "http://evil.example"}, 403),
    ("a form of a page", "POST", "/v1/poems", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("plain text, which needs no leave", "POST", "/v1/poems", {"Content-Type": "text/plain"}, 415),
    ("files", "POST", "/v1/poems", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ("two content types", "POST", "/v1/poems", {"Content-Type": "text/plain, application/json"}, 415),
    ("a size that is none", "POST", "/v1/poems", {"Content-Type": "application/json", "Content-Length": "-1"}, 400),
    ("a size beyond all", "POST", "/v1/poems", {"Content-Type": "application/json", "Content-Length": "9" * 18}, 413),
    ("a long address", "GET", "/v1/tunes/" + "a" * 3000, {}, 414),
    ("a long query", "GET", "/v1/models?" + "a" * 3000, {}, 414),
    ("a path upwards", "GET", "/v1/tunes/..%2f..%2f..%2fetc%2fpasswd", {}, 404),
    ("a path upwards, twice encoded", "GET", "/v1/tunes/%252e%252e%252fetc%252fpasswd", {}, 404),
    ("a file", "GET", "/etc/passwd", {}, 404),
    ("CR LF in a path", "GET", "/v1/tunes/%0d%0aSet-Cookie:%20a=b", {}, 404),
    ("NUL in a path", "GET", "/v1/tunes/%00", {}, 404),
    ("a script in a path", "GET", "/v1/tunes/%3Cscript%3E", {}, 404),
    ("bytes that are no UTF-8", "GET", "/v1/tunes/%ff%fe", {}, 404),
    ("another method", "DELETE", "/v1/poems", {}, 405),
    ("the trace of a request", "TRACE", "/v1/poems", {}, 405),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), [row[1:] for row in HEADS], ids=[row[0] for row in HEADS])
def test_heads(client: TestClient, method: str, path: str, headers: dict[str, str], status: int):
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json" and "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_a_title_of_markup_comes_back_as_data(client: TestClient):
    """It may be a title; the answer is JSON that no browser takes for a page."""
    answer = post(client, {**FORM, "title": SCRIPT})
    assert answer.json()["poems"][0]["title"] == SCRIPT
    assert (
        answer.headers["content-type"] == "application/json"
        and "default-src 'none'" in answer.headers["content-security-policy"]
    )


def test_a_body_over_the_bound_is_refused_however_it_comes(client: TestClient):
    assert post(client, b" " * 140_000).status_code == 413
    parts = (b" " * 1000 for _ in range(140))
    assert client.post("/v1/poems", content=parts, headers={"Content-Type": "application/json"}).status_code == 413


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        KEY,
        "Bearer \xff",
        f"Bearer {KEY}, Bearer x",
    ],
)
def test_no_key_or_a_wrong_one_opens_nothing(locked: TestClient, header: str):
    headers = {"Authorization": header.encode("latin-1")} if header else {}
    for path in ("/v1/models", "/v1/tunes", "/nothing"):
        answer = locked.get(path, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert locked.post("/v1/poems", json=FORM, headers=headers).status_code == 401  # type: ignore[arg-type]


def test_the_key_opens(locked: TestClient):
    assert locked.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert locked.get("/v1/models", headers={"Authorization": f"bearer  {KEY}"}).status_code == 200
    twice = [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer other")]
    assert locked.get("/v1/models", headers=twice).status_code == 401  # type: ignore[arg-type]


def test_without_the_key_only_that_it_runs_and_how_it_is_asked(locked: TestClient):
    for path in ("/health", "/docs", "/openapi.json"):
        answer = locked.get(path)
        assert answer.status_code == 200 and KEY not in answer.text
