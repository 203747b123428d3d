"""Who may reach the server, before a model is loaded."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import UsageError
from gemma_poetry.verbs.serve import ServeOptions, check_options, serve

KEY = "0123456789abcdef"


def test_other_machines_need_a_key():
    for host in ("0.0.0.0", "::", "192.168.1.5", "poetry.example"):
        with pytest.raises(UsageError, match="no key is given") as refused:
            check_options(ServeOptions(host=host))
        assert "GEMMA_POETRY_API_KEY" in refused.value.action
        check_options(ServeOptions(host=host, key=KEY))
    for host in ("127.0.0.1", "localhost", "::1"):
        check_options(ServeOptions(host=host))


@pytest.mark.parametrize("key", ["short", "0123456789abcde\n", "春" * 20, "0123456789 abcdef"])
def test_what_is_no_key(key: str):
    with pytest.raises(UsageError) as refused:
        check_options(ServeOptions(key=key))
    assert key not in str(refused.value)


def test_a_port_that_is_taken_is_told_before_a_model_is_loaded():
    import socket

    pytest.importorskip("fastapi")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="cannot listen"):
            serve(ServeOptions(model="no such model", port=taken.getsockname()[1]))
