"""The tab that trains: what it shows of a training, what it takes from a browser, and where it is not there at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="Gradio is not installed (pip install 'gemma-poetry[studio]')")
from starlette.testclient import TestClient

from gemma_poetry.api import check_all
from gemma_poetry.studio.training_job import JobState, TrainingJobs
from gemma_poetry.studio.training_page import data_label, findings_html, log_html, poems_html, state_html
from gemma_poetry.studio.workshop import Workshop
from gemma_poetry.verbs.studio import StudioOptions, application, open_workshop

HOSTILE = "<img src=x onerror=alert(1)>"
REQUEST = {"data": "sample", "model": "mini", "recipe": "quickstart", "settings": ["lora.rank=4"], "evaluate": False}


def state(**changes) -> JobState:
    standing = JobState(
        name="20260101-000000",
        status="running",
        stage="train",
        exit_status=None,
        pid=7,
        request=REQUEST,
        findings=[],
        step=25,
        steps=100,
        points=3,
        readings=[],
        manifest={},
        exports=[],
        log="",
    )
    return replace(standing, **changes)


def readings(*steps: int) -> list[dict]:
    return [
        {"step": step, "title": title, "form": "五言绝句", "lines": [f"{title}{step}句"], "rank": 2, "gain": 0.1}
        for step in steps
        for title in ("秋", "江", "雪", "夜", "山")
    ]


@pytest.mark.parametrize(
    "status, chinese, english",
    [
        ("running", "进程 7 正在：训练", "process 7 is at work: training"),
        ("looked", "可以开始训练", "can be started"),
        ("fault", "诊断有误", "found a fault"),
        ("stopped", "检查点还在", "Its checkpoints are kept"),
        ("failed", "退出码 2", "exit status 2"),
        ("lost", "进程 7 已不在", "Process 7 is gone"),
        ("finished", "已完成", "Finished"),
    ],
)
def test_every_state_is_said_in_both_languages(status: str, chinese: str, english: str):
    now = state(status=status, exit_status=2 if status == "failed" else None)
    assert chinese in state_html(now, Path("/x"), "zh") and english in state_html(now, Path("/x"), "en")


def test_the_bar_is_as_far_as_the_curve():
    html = state_html(state(), Path("/x"), "en")
    assert 'aria-valuenow="25"' in html and 'aria-valuemax="100"' in html and "width:25.0%" in html
    assert "step 25 of 100" in html
    assert "width:100.0%" in state_html(state(step=120), Path("/x"), "en")
    assert "progressbar" not in state_html(state(stage="doctor", step=0), Path("/x"), "en")


def test_a_finished_run_says_what_it_kept_and_where_it_lies():
    manifest = {"kept_step": 75, "steps": 100, "validation": {"ppl_char": 306.4}}
    html = state_html(
        state(status="finished", manifest=manifest, exports=[Path("/jobs/a/run/export/peft")]), Path("/jobs/a/run"), "en"
    )
    for words in ("weights kept: step 75", "306.40", "the run lies in /jobs/a/run", "exported: /jobs/a/run/export/peft"):
        assert words in html


def test_findings_stand_open_until_it_trains():
    record = {"check": "room", "verdict": "fault", "found": HOSTILE, "expected": "more", "action": "less"}
    finding = {"zh": {**record, "check": "内存", "action": "少些"}, "en": record}
    html = findings_html(state(status="fault", stage="doctor", findings=[finding]), "zh")
    assert "内存" in html and "有误" in html and "少些" in html and '<details class="fold" open>' in html
    assert HOSTILE not in html
    assert " open>" not in findings_html(state(findings=[finding]), "en")
    assert findings_html(state(), "en") == ""


def test_poems_of_the_last_evaluation_stand_beside_those_of_the_first():
    html = poems_html(state(readings=readings(0, 25, 50)), "en")
    assert html.index("秋50句") < html.index("秋0句") and "秋25句" not in html
    assert "to the same titles (step 50)" in html and "at the beginning" in html
    assert html.count("<figure") == 8, "four of each are enough"
    assert poems_html(state(readings=readings(0)), "en").count("<section") == 1
    assert poems_html(state(), "en") == ""


def test_what_others_wrote_is_text():
    reading = {"step": 0, "title": HOSTILE, "form": "x", "lines": [HOSTILE], "rank": 1, "gain": 0.0}
    request = {**REQUEST, "data": HOSTILE, "settings": [HOSTILE]}
    now = state(readings=[reading], log=HOSTILE, request=request, stage="train")
    for html in (poems_html(now, "zh"), log_html(now, "zh"), state_html(now, Path(HOSTILE), "zh")):
        assert html and HOSTILE not in html


def test_the_log_opens_where_the_reason_is_in_it():
    assert " open>" in log_html(state(status="failed", log="why"), "en")
    assert " open>" not in log_html(state(log="how"), "en") and log_html(state(), "en") == ""


def test_data_has_names_of_the_page():
    assert data_label("sample", "en") == "the embedded sample"
    assert data_label("uploads/20260101-000000.txt", "zh") == "上传：20260101-000000.txt"
    assert data_label("tang", "en") == "tang"


@pytest.mark.parametrize(
    "host, asked, offered",
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("192.168.1.5", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, False),
    ],
)
def test_trainings_are_offered_where_only_this_machine_can_ask(tmp_path: Path, host: str, asked: bool | None, offered: bool):
    training = open_workshop(StudioOptions(host=host, training=asked, folder=tmp_path / "jobs")).training
    assert (training is not None) == offered
    if training is not None:
        assert training.models["mini"] == "mini" and training.root == tmp_path / "jobs"
    assert not (tmp_path / "jobs").exists()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(
        loaders={"base": lambda: pytest.fail("no model is needed to serve the page")},
        checker=check_all,
        training=TrainingJobs(tmp_path / "jobs", {"mini": "mini"}, largest_upload=100_000),
        opener=lambda spec: lambda: pytest.fail(f"{spec} is not needed to serve the page"),
    )


@pytest.fixture
def client(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    with TestClient(application(workshop), base_url="http://127.0.0.1") as client:
        yield client


def part_of(client: TestClient, element: str) -> dict:
    (found,) = [part for part in client.get("/config").json()["components"] if part["props"].get("elem_id") == element]
    return found


def test_the_page_takes_texts_up_to_a_size_and_serves_none(client: TestClient):
    sent = client.post("/gradio_api/upload", files={"files": ("poems.txt", b"x" * 90_000)})
    assert sent.status_code == 200
    assert client.get(f"/gradio_api/file={sent.json()[0]}").status_code == 403
    assert client.post("/gradio_api/upload", files={"files": ("poems.txt", b"x" * 110_000)}).status_code == 413
    assert client.post("/gradio_api/queue/join", content=b"x" * 70_000).status_code == 413


def test_nobody_sends_texts_without_the_password(workshop: Workshop):
    with TestClient(application(workshop, "open sesame"), base_url="http://127.0.0.1") as guarded:
        assert guarded.post("/gradio_api/upload", files={"files": ("poems.txt", b"x")}).status_code == 401


def test_a_bottomless_request_is_refused(client: TestClient):
    headers = {"content-type": "application/json"}
    assert client.post("/gradio_api/queue/join", content=b"[" * 60_000, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{"host": "evil.example.com"}, {"origin": "http://localhost:8888"}])
def test_no_other_site_sends_texts(client: TestClient, headers: dict[str, str]):
    answer = client.post("/gradio_api/upload", files={"files": ("poems.txt", b"x")}, headers=headers)
    assert answer.status_code == 403


def send(client: TestClient, file: object) -> tuple[int, str]:
    """Has the page take a file that a browser says it sent: the answer's status and events."""
    config = client.get("/config").json()
    button = part_of(client, "train-upload")["id"]
    (event,) = [one for one in config["dependencies"] if [button, "upload"] in [list(target) for target in one["targets"]]]
    payload = {"data": ["en", file], "fn_index": event["id"], "session_hash": "abc"}
    status = client.post("/gradio_api/queue/join", json=payload).status_code
    return status, client.get("/gradio_api/queue/data?session_hash=abc").text if status == 200 else ""


def test_a_text_that_was_sent_is_taken(client: TestClient, workshop: Workshop):
    (path,) = client.post("/gradio_api/upload", files={"files": ("poems.txt", "床前明月光".encode())}).json()
    status, told = send(client, {"path": path, "meta": {"_type": "gradio.FileData"}})
    assert status == 200 and "poems.txt is here" in told
    (kept,) = (workshop.training.root / "uploads").iterdir()
    assert kept.read_text(encoding="utf-8") == "床前明月光" and not Path(path).exists()


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}, {"url": "http://127.0.0.1:1/"}])
@pytest.mark.parametrize("place", ["SECRET", "SENT/../secret.txt", "http://127.0.0.1:1/secret.txt", "\0", 7, None, ["SECRET"]])
def test_a_file_that_was_not_sent_is_not_taken(client, workshop: Workshop, tmp_path: Path, place: object, meta: dict):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret", encoding="utf-8")
    if isinstance(place, str):
        place = place.replace("SECRET", str(secret)).replace("SENT", str(tmp_path / "gradio"))
    assert send(client, {"path": place, **meta}) == (403, "")
    assert send(client, [[{"path": place, **meta}]])[0] == 403
    assert secret.is_file() and not workshop.training.root.exists()


def test_there_is_no_tab_where_trainings_are_not_allowed(client: TestClient, workshop: Workshop):
    def tabs(client: TestClient) -> list[str]:
        parts = client.get("/config").json()["components"]
        return [part["props"]["id"] for part in parts if part["type"] == "tabitem"]

    assert tabs(client) == ["compose", "check", "compare", "training", "runs"]
    with TestClient(application(replace(workshop, training=None)), base_url="http://127.0.0.1") as closed:
        assert tabs(closed) == ["compose", "check", "compare", "runs"]
        assert closed.post("/gradio_api/upload", files={"files": ("poems.txt", b"x")}).status_code == 403


def test_a_run_is_admitted_under_its_name_and_gives_way_to_the_next(workshop: Workshop):
    opened = replace(workshop, opener=lambda spec: lambda: spec, loaders={"mini": lambda: "loaded before"})
    opened.admit({"mini": "mini", "mini · a": "/a"})
    assert opened.models == ("mini", "mini · a")
    assert opened.generator("mini") == "loaded before" and opened.generator("mini · a") == "/a"
    opened.admit({"mini": "mini", "mini · b": "/b"})
    assert opened.models == ("mini", "mini · b") and opened.generator("mini · b") == "/b"
