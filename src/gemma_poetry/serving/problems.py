"""Errors as JSON: what was found, what was expected, what to do, under the status that says whose fault it is.

In: an error, or what is wrong with a request. Out: the status and the body. `message`, `type` and `code` stand beside our own
fields because programs written for the usual chat API look for them.

    400, 401, 403, 404, 405, 408, 413, 414, 415, 431   a request that is none
    422   a wish that cannot be granted, a poem that cannot be read, a field that is wrong
    429   too many wait (Retry-After)     503  the server is ending (Retry-After)     504  the time is over
    500   the server's fault; the log has the trace
"""

from __future__ import annotations

import logging
from typing import Any

from gemma_poetry.errors import (
    EndingError,
    FullError,
    GemmaPoetryError,
    GenerationError,
    InputError,
    TooLateError,
    UsageError,
    ran_out_of_memory,
)
from gemma_poetry.languages import _

_LOG = logging.getLogger("gemma_poetry.serving")

_STATUSES: tuple[tuple[type[GemmaPoetryError], int], ...] = (
    (FullError, 429),
    (EndingError, 503),
    (TooLateError, 504),
    (UsageError, 422),
    (InputError, 422),
    (GenerationError, 422),
)


def problem_body(error: GemmaPoetryError, status: int) -> dict[str, Any]:
    """The JSON body of an error."""
    return {
        "error": {
            "kind": type(error).__name__,
            "found": error.found,
            "expected": error.expected,
            "action": error.action,
            "where": error.where,
            "message": error.describe(),
            "type": "server_error" if status >= 500 else "invalid_request_error",
            "code": status,
        }
    }


def problem_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of any error; what nobody raised on purpose goes to the log, and its text to nobody."""
    if isinstance(error, GemmaPoetryError):
        status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
        return status, problem_body(error, status)
    if ran_out_of_memory(error):
        lacking = GemmaPoetryError(
            _("memory ran out"), expected=_("room for a batch"), action=_("lower --batch, or ask for less at once")
        )
        return 500, problem_body(lacking, 500)
    _LOG.error("a request failed", exc_info=error)
    return 500, problem_body(GemmaPoetryError(_("the server failed"), action=_("look into its log")), 500)


REFUSALS: dict[int, tuple[str, str, str]] = {
    400: (_("the request is no JSON"), _("a JSON object in UTF-8"), _("mend the body")),
    401: (
        _("no key, or a wrong one, is given"),
        _("the header `Authorization: Bearer KEY`"),
        _("ask who runs the server for its key"),
    ),
    403: (
        _("the request was meant for another host, or sent by a page of another"),
        _("a name that the server has"),
        _("see --name"),
    ),
    404: (_("nothing is served here"), _("a path of /openapi.json"), _("check the path")),
    405: (_("this path is not asked that way"), _("a method of /openapi.json"), _("check the method")),
    408: (_("the body did not come in time"), _("the whole body within seconds"), _("send it at once")),
    413: (_("the body is too large"), _("at most 131,072 bytes"), _("send less at once")),
    414: (_("the address is too long"), _("at most 2,048 bytes"), _("send texts in the body")),
    415: (_("the body is not said to be JSON"), "Content-Type: application/json", _("set the header")),
    431: (_("the headers are too large"), _("at most 16,384 bytes"), _("send texts in the body")),
}
"""Found, expected, and what to do, by the status of a request that is none."""


def refusal_body(status: int) -> dict[str, Any]:
    """The JSON body of a request that is none; of a status that has no words of its own, those of 400."""
    found, expected, action = REFUSALS.get(status, REFUSALS[400])
    return problem_body(UsageError(found, expected=expected, action=action), status)
