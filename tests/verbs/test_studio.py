"""Who may reach the studio, and what it works with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gemma_poetry.errors import InputError, ModelError, RunError, UsageError
from gemma_poetry.hosts import is_loopback
from gemma_poetry.verbs.studio import StudioOptions, _door, open_workshop, read_password


@pytest.mark.parametrize(
    "host, loopback",
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("poetry.example", False), ("127.0.0.1.example", False),
    ],
)  # fmt: skip
def test_loopback(host: str, loopback: bool):
    assert is_loopback(host) is loopback


def test_other_machines_need_a_password():
    with pytest.raises(UsageError, match="no password is given") as refused:
        read_password(StudioOptions(host="0.0.0.0"))
    assert "--password-file" in refused.value.action
    assert read_password(StudioOptions()) == ""


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("春眠不觉晓，处处\nnotes\n", encoding="utf-8")
    assert read_password(StudioOptions(host="0.0.0.0", password_file=file)) == "春眠不觉晓，处处"
    file.write_text("short\n")
    with pytest.raises(InputError, match="has 5 characters"):
        read_password(StudioOptions(password_file=file))
    with pytest.raises(InputError, match="cannot be read"):
        read_password(StudioOptions(password_file=tmp_path / "none"))


def test_the_door_opens_to_the_password_alone_and_shuts_after_too_many_tries():
    now = [0.0]
    enter = _door("open sesame", lambda: now[0])
    assert enter("anyone", "open sesame")
    assert not enter("anyone", "open")
    assert not enter("open sesame", "")
    for _ in range(18):
        assert not enter("anyone", "guess")
    assert not enter("anyone", "open sesame")
    now[0] = 61
    assert enter("anyone", "open sesame")


def make_run(folder: Path, base: str) -> Path:
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    (folder / "manifest.json").write_text(json.dumps({"base": {"spec": base}}))
    return folder


def test_a_run_brings_its_base_and_stands_first(tmp_path: Path):
    run = make_run(tmp_path / "tuned", "mini")
    workshop = open_workshop(StudioOptions(runs=(run,)))
    assert workshop.models == ("tuned", "mini")
    assert workshop.pairs == (("mini", "tuned"),) and dict(workshop.runs) == {"tuned": run}
    assert open_workshop(StudioOptions(models=("mini",), runs=(run,))).models == ("mini", "tuned")
    assert open_workshop(StudioOptions()).models == ("mini",)


def test_a_base_that_is_named_from_here_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    run = make_run(tmp_path / "tuned", str(tmp_path / "base"))
    monkeypatch.chdir(tmp_path)
    workshop = open_workshop(StudioOptions(models=("base",), runs=(run,)))
    assert workshop.models == ("base", "tuned") and workshop.pairs == (("base", "tuned"),)


def test_a_run_of_every_weight_stands_beside_its_base(tmp_path: Path):
    run = tmp_path / "whole"
    (run / "merged").mkdir(parents=True)
    (run / "merged" / "config.json").write_text("{}")
    (run / "manifest.json").write_text(json.dumps({"kind": "run", "base": {"spec": "mini"}}))
    workshop = open_workshop(StudioOptions(runs=(run,)))
    assert workshop.models == ("whole", "mini") and workshop.pairs == (("mini", "whole"),)


def test_what_is_no_run_and_what_is_no_model(tmp_path: Path):
    with pytest.raises(RunError, match="no run is here"):
        open_workshop(StudioOptions(runs=(tmp_path,)))
    with pytest.raises(ModelError, match="no model is called"):
        open_workshop(StudioOptions(models=("nosuchmodel",)))
    with pytest.raises(UsageError, match="at least 1"):
        open_workshop(StudioOptions(poems=0))
