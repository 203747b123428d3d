"""The application behind the page: who is let in, and what it serves to nobody."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio", reason="Gradio is not installed (pip install 'gemma-poetry[studio]')")
from starlette.testclient import TestClient

from gemma_poetry.api import check_all
from gemma_poetry.studio.workshop import Workshop
from gemma_poetry.verbs.studio import application


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return Workshop(loaders={"base": lambda: pytest.fail("no model is needed to serve the page")}, checker=check_all)


@pytest.fixture(scope="module")
def guarded(workshop: Workshop):
    with TestClient(application(workshop, "open sesame"), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def opened(workshop: Workshop):
    with TestClient(application(workshop), base_url="http://127.0.0.1") as client:
        yield client


def test_nothing_is_told_before_the_password(guarded: TestClient):
    assert guarded.get("/config").status_code == 401
    joined = guarded.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0, "session_hash": "x"})
    assert joined.status_code == 401
    assert '"auth_required":true' in guarded.get("/").text.replace(" ", "")


def test_only_the_right_password_opens(guarded: TestClient):
    assert guarded.post("/login", data={"username": "li bai", "password": "guess"}).status_code == 400
    assert guarded.get("/config").status_code == 401
    assert guarded.post("/login", data={"username": "li bai", "password": "open sesame"}).status_code == 200
    assert guarded.get("/config").status_code == 200
    guarded.cookies.clear()


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=/etc/passwd", "/gradio_api/file=pyproject.toml", "/file=/etc/passwd", "/gradio_api/proxy=http://a.b/"],
)
def test_no_file_is_served(opened: TestClient, path: str):
    assert opened.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/etc/hostname", "http://127.0.0.1:1/x", "pyproject.toml"])
@pytest.mark.parametrize("route", ["queue/join", "run/predict"])
def test_no_file_is_opened_and_no_address_fetched_for_a_request(opened: TestClient, route: str, path: str):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file], "fn_index": 0, "session_hash": "x"}
    assert opened.post(f"/gradio_api/{route}", json=body).status_code == 403


def test_nothing_can_be_uploaded_and_large_requests_are_refused(opened: TestClient):
    assert opened.post("/gradio_api/upload", files={"files": ("a.txt", b"x")}).status_code == 403
    assert opened.post("/gradio_api/queue/join", content=b"x" * 70_000).status_code == 413


def test_events_cannot_be_called_as_an_api(opened: TestClient):
    assert opened.get("/gradio_api/info").json().get("named_endpoints", {}) == {}
    assert opened.post("/gradio_api/call/on_write", json={"data": []}).status_code == 403


def test_the_page_asks_no_other_host_for_anything(opened: TestClient):
    answer = opened.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "fonts.googleapis.com/css" not in opened.get("/theme.css").text


def test_models_are_offered_by_name_alone(opened: TestClient):
    (choices,) = [
        part["props"]["choices"]
        for part in opened.get("/config").json()["components"]
        if part["props"].get("elem_id") == "model"
    ]
    assert choices == [["base", "base"]]


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/gradio_api/queue/data?session_hash=a"])
def test_a_foreign_host_is_not_answered(opened: TestClient, path: str):
    assert opened.get(path, headers={"host": "evil.example.com"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost:8888", "https://evil.example.com", "null"])
def test_another_origin_is_not_answered(opened: TestClient, origin: str):
    for answer in (opened.get("/config", headers={"origin": origin}), opened.options("/config", headers={"origin": origin})):
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_page_itself_is_answered_and_lets_nobody_else_read(opened: TestClient):
    answer = opened.get("/config", headers={"origin": "http://127.0.0.1"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc", "/gradio_api/openapi.json"])
def test_how_to_call_it_is_told_to_nobody(opened: TestClient, path: str):
    assert opened.get(path).status_code in (403, 404)
