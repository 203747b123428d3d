"""Whom a page answers: by the names and origins of requests."""

from __future__ import annotations

import socket

import pytest

from gemma_poetry.hosts import LOOPBACK, is_foreign

NAMED = LOOPBACK | {"studio.example.org"}

CASES = [
    ("localhost:7860", None, False, "this machine"),
    ("127.0.0.1:7860", None, False, "this machine, in numbers"),
    ("[::1]:7860", None, False, "and in more of them"),
    ("LOCALHOST", None, False, "names have no case"),
    ("192.168.1.20:7860", None, False, "an address in numbers cannot be rebound"),
    (f"{socket.gethostname()}:7860", None, False, "the machine's own name"),
    ("studio.example.org", None, False, "a name that was given"),
    ("evil.example.com:7860", None, True, "a name that leads here without being ours"),
    ("localhost.evil.example.com", None, True, "a name that begins like ours"),
    ("127.0.0.1.evil.example.com", None, True, "or like an address"),
    ("localhost@evil.example.com", None, True, "a user name"),
    ("", None, True, "none"),
    ("localhost:x", None, True, "a port that is none"),
    ("localhost:7860", "http://localhost:7860", False, "the page itself"),
    ("localhost:7860", "http://localhost:8888", True, "another page of this machine"),
    ("localhost:7860", "http://127.0.0.1:7860", True, "this machine by another name has other cookies"),
    ("127.0.0.1:7860", "https://evil.example.com", True, "another site"),
    ("127.0.0.1:7860", "null", True, "a page in a sandbox"),
    ("studio.example.org", "https://studio.example.org", False, "behind a proxy with TLS"),
    ("studio.example.org", "https://studio.example.org.evil.com", True, "a site that begins like it"),
]


@pytest.mark.parametrize(("host", "origin", "foreign", "why"), CASES, ids=[case[3] for case in CASES])
def test_who_is_foreign(host: str, origin: str | None, foreign: bool, why: str):
    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    assert is_foreign(headers, NAMED) is foreign, why


def test_a_request_names_one_host():
    assert is_foreign([], NAMED)
    assert is_foreign([(b"host", b"localhost"), (b"host", b"evil.example.com")], NAMED)
