"""The OpenAPI description against the application: requests drawn from it, by Schemathesis (dev only)."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed (pip install 'gemma-poetry[serve]')")
pytest.importorskip("schemathesis", reason="Schemathesis is not installed (pip install 'gemma-poetry[dev]')")
import schemathesis
from hypothesis import HealthCheck, settings

from gemma_poetry.serving.routes import application
from tests.serving.conftest import StandIn, make_service

_POET = StandIn()
_POET.gate.set()
_SCHEMA = schemathesis.openapi.from_asgi(
    "/openapi.json", application(make_service(_POET, waiting=1000)), headers={"Host": "127.0.0.1"}
)


@_SCHEMA.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_whatever_the_description_admits_is_answered_as_it_says(case: schemathesis.Case):
    answer = case.call(headers={**(case.headers or {}), "Host": "127.0.0.1"})
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"][0].startswith("application/")
    if answer.status_code >= 400:
        assert answer.json()["error"]["found"]
    case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error])
