"""`gemma-poetry serve`: an HTTP API for programs: poems, checks, tunes, and the usual chat shape.

In: a model, where the server listens, and a key where that is not this machine alone. Out: a server that runs until SIGTERM or
Ctrl-C; a line for each request on standard error, without its texts.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemma_poetry as gp
from gemma_poetry.config import GenerateSettings, Recipe
from gemma_poetry.errors import UsageError
from gemma_poetry.extras import require
from gemma_poetry.hosts import check_free, is_loopback, shown_host
from gemma_poetry.languages import _, localized

if TYPE_CHECKING:
    from gemma_poetry.serving.service import Service

KEY_VARIABLE = "GEMMA_POETRY_API_KEY"
"""The environment variable of the key: what stands on a command line, everybody on the machine can read."""

SHORTEST_KEY = 16
"""Characters of a key at least."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line asks for.

    Attributes:
        model: A run, a model folder, a preset or a Hub id.
        host: The address to listen on.
        port: The port.
        key: What a request must know; empty: nothing.
        queue: Requests that wait at most.
        time_limit: Seconds that a request may take, its wait counted.
        names: Names beside those of this machine that the server is reached under.
        data: A DATA folder whose training lines new poems do without.
        domain: The language or style; empty: that of the run.
        settings: Sampling and batch size.
    """

    model: str = "mini"
    host: str = "127.0.0.1"
    port: int = 8000
    key: str = ""
    queue: int = 64
    time_limit: float = 120.0
    names: tuple[str, ...] = ()
    data: Path | None = None
    domain: str = ""
    settings: GenerateSettings = field(default_factory=lambda: GenerateSettings())


def serve(options: ServeOptions) -> None:
    """Serves until it is told to end.

    Raises:
        UsageError: It would listen beyond this machine without a key, the key is no key, or the port is taken.
        ModelError: The model cannot be used.
    """
    check_options(options)
    require("fastapi", "uvicorn", extra="serve")
    check_free(options.host, options.port)
    from gemma_poetry.serving.routes import application
    from gemma_poetry.serving.server import serve_until_told

    log_requests()
    service = open_service(options)
    address = f"http://{shown_host(options.host)}:{options.port}"
    print(
        localized(_("serve: {address}/docs, model {name} (interrupt to end)", address=address, name=service.name)),
        file=sys.stderr,
        flush=True,
    )
    app = application(service, gp.__version__)
    serve_until_told(app, service.batcher, host=options.host, port=options.port, time_limit=options.time_limit)


def check_options(options: ServeOptions) -> None:
    """Makes sure that the options make sense, before a model is loaded.

    Raises:
        UsageError: The server would be open to other machines without a key, or the key is no key.
    """
    if not options.key and not is_loopback(options.host):
        raise UsageError(
            _("{host} can be reached from other machines, and no key is given", host=options.host),
            expected=_("a key wherever the server is not bound to this machine alone"),
            action=_("set {key_variable} (or --api-key), or leave --host at 127.0.0.1", key_variable=KEY_VARIABLE),
        )
    if options.key and not (len(options.key) >= SHORTEST_KEY and options.key.isascii() and options.key.isprintable()):
        raise UsageError(
            _("the key has {count} characters", count=len(options.key)),
            expected=_("at least {shortest_key} letters, digits and signs of ASCII", shortest_key=SHORTEST_KEY),
            action=_("take for example what `openssl rand -hex 32` prints"),
        )
    if " " in options.key:
        raise UsageError(_("the key holds a space"), expected=_("one word"), action=_("choose another"))


def open_service(options: ServeOptions) -> Service:
    """The model, loaded, and what the routes work with.

    Raises:
        ModelError: The model cannot be used.
    """
    from gemma_poetry.generation.poem_generator import PARTICLES
    from gemma_poetry.prosody.tunes import shipped_tunes
    from gemma_poetry.serving.batching import Batcher
    from gemma_poetry.serving.chat import classical_names
    from gemma_poetry.serving.service import Service
    from gemma_poetry.verbs.check import check_record
    from gemma_poetry.verbs.tunes import known_tune, list_records, show_record

    settings = options.settings
    poet = gp.load(
        options.model, domain=options.domain, data=options.data, recipe=Recipe(generate=settings), progress=sys.stderr.isatty()
    )
    domain = poet.domain
    slots = domain.engine == "slots"
    # The likeliest tokens have no chance in them that could be tried twice; other domains know no effort.
    drafts = PARTICLES if slots and settings.temperature else {}

    def check(text: str, form: str, feature: str, book: str) -> list[dict[str, Any]]:
        return [check_record(one) for one in gp.check_all(text, form, domain=domain.name, feature=feature, book=book)]

    return Service(
        name=Path(options.model).name or options.model,
        batcher=Batcher(
            poet,
            rows=settings.batch_size,
            each=drafts.get(settings.effort, 1),
            drafts=drafts,
            waiting=options.queue,
        ),
        check_wish=lambda wish, feature: poet.writer.check_request(domain, wish, feature),
        check=check,
        tunes=lambda: list_records(shipped_tunes()),
        tune=lambda name, book: show_record(known_tune(name), book),
        forms=classical_names() if slots else domain.forms,
        time_limit=options.time_limit,
        key=options.key,
        names=(options.host, *options.names),
    )


def log_requests() -> None:
    """Lets the log of requests, and what failed, be written to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    log = logging.getLogger("gemma_poetry.serving")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
