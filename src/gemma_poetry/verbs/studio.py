"""`gemma-poetry studio`: a page to write poems with, to check them, to compare models, and to look at runs.

In: the models and runs that the page may use, where it listens, and a password where that is not this machine alone.
Out: a server that runs until it is interrupted.
"""

from __future__ import annotations

import hmac
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gemma_poetry as gp
from gemma_poetry.config import GenerateSettings, Recipe
from gemma_poetry.errors import InputError, RunError, UsageError
from gemma_poetry.extras import require
from gemma_poetry.folders import distinct_names
from gemma_poetry.hosts import check_free, is_loopback, shown_host
from gemma_poetry.languages import _, listed, localized

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.studio.limits import Limits
    from gemma_poetry.studio.workshop import Workshop

SHORTEST_PASSWORD = 8
"""Characters of a password at least."""

_WRONG_A_MINUTE = 20


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """What the command line asks for.

    Attributes:
        models: Models that can be chosen besides those of the runs.
        runs: RUN folders: each with its base, its curves shown.
        host: The address to listen on.
        port: The port.
        password_file: A file whose first line is the password.
        requests: Requests a visitor and minute.
        poems: Poems a request.
        characters: Characters of input a request.
        settings: Sampling.
        names: Names beside those of this machine that the page is reached under.
        folder: Where trainings from the page are kept.
        training: Whether the page may start trainings; `None`: where it can be reached from this machine alone.
    """

    models: tuple[str, ...] = ()
    runs: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 7860
    password_file: Path | None = None
    requests: int = 30
    poems: int = 4
    characters: int = 2000
    settings: GenerateSettings = field(default_factory=lambda: GenerateSettings())
    names: tuple[str, ...] = ()
    folder: Path = Path("runs/studio")
    training: bool | None = None


def studio(options: StudioOptions) -> None:
    """Serves the page until it is interrupted.

    Raises:
        UsageError: It would listen beyond this machine without a password, the port is taken, or a limit makes no sense.
        InputError: The password file cannot be used.
        RunError: A run is none.
        ModelError: A model does not exist.
    """
    from gemma_poetry.studio.page_frame import serve_application

    password = read_password(options)
    workshop = open_workshop(options)
    require("gradio", extra="studio")
    check_free(options.host, options.port)
    print(
        localized(
            _("studio: http://{shown_host}:{port} (interrupt to end)", shown_host=shown_host(options.host), port=options.port)
        ),
        file=sys.stderr,
        flush=True,
    )
    print(localized(_("studio: models {models}", models=listed(workshop.models))), file=sys.stderr, flush=True)
    page = application(workshop, password, (options.host, *options.names))
    workshop.warm_up()
    serve_application(page, options.host, options.port)


def application(workshop: Workshop, password: str = "", names: Sequence[str] = ()) -> FastAPI:
    """The page as an application that a server of any kind can run."""
    from gemma_poetry.studio.page_frame import framed_application, quiet_gradio

    quiet_gradio()
    from gemma_poetry.studio.app import SCRIPT, STYLE, build, theme
    from gemma_poetry.studio.texts import say

    return framed_application(
        build(workshop),
        css=Path(str(STYLE)),
        head=f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
        theme=theme(),
        door=_door(password) if password else None,
        door_message=f"{say('password', 'zh')} · {say('password', 'en')}",
        waiting=8 * workshop.limits.waiting,
        hosts=names,
        largest_upload=workshop.training.largest_upload if workshop.training else 0,
    )


def open_workshop(options: StudioOptions) -> Workshop:
    """What the page works with: the models and runs that were named, each under a name of its own.

    Raises:
        UsageError: A limit makes no sense.
        RunError: A run is none.
        ModelError: A model does not exist.
    """
    from gemma_poetry.model.locating import DEFAULT_MODEL, is_run, is_whole_run, lasting_spec, locate, run_base
    from gemma_poetry.studio.limits import Limits
    from gemma_poetry.studio.training_job import TrainingJobs
    from gemma_poetry.studio.workshop import Checker, Workshop

    for name, value in (("requests", options.requests), ("poems", options.poems), ("characters", options.characters)):
        if value < 1:
            raise UsageError(_("--max-{name} {value} is asked for", name=name, value=value), expected=_("at least 1"))
    for run in options.runs:
        if not (is_run(run) or is_whole_run(run)):
            raise RunError(
                _("no run is here"), where=run, expected=_("a RUN folder, as train writes it"), action=_("check the path")
            )
    # A run names its base from the root: the same model is to be there once.
    named_so = {lasting_spec(spec): spec for spec in options.models}
    bases = [named_so.get(lasting_spec(base), base) for base in map(run_base, options.runs)]
    specs = list(dict.fromkeys([*options.models, *bases, *map(str, options.runs)])) or [DEFAULT_MODEL]
    for spec in specs:
        locate(spec)
    trainable = _trainable(options, list(dict.fromkeys([*options.models, *bases])))
    named = list(dict.fromkeys([*specs, *trainable]))
    names = dict(zip(named, distinct_names(named)))
    limits: Limits = Limits(requests=options.requests, poems=options.poems, characters=options.characters)
    order = list(dict.fromkeys([*options.models, *map(str, options.runs), *specs]))
    return Workshop(
        loaders={names[spec]: _loader(spec, options.settings) for spec in order if spec in names},
        checker=cast(Checker, gp.check_all),
        runs={names[str(run)]: run for run in options.runs},
        pairs=tuple((names[base], names[str(run)]) for base, run in zip(bases, options.runs)),
        limits=limits,
        settings=options.settings,
        training=TrainingJobs(options.folder.resolve(), {names[spec]: spec for spec in trainable}) if trainable else None,
        opener=lambda spec: _loader(spec, options.settings),
    )


def _trainable(options: StudioOptions, specs: Sequence[str]) -> list[str]:
    """What the page may train: the embedded model, those named, those at hand here; none where it may start no training."""
    from gemma_poetry.model.locating import DEFAULT_MODEL, is_run
    from gemma_poetry.model.named_models import published_names, where_at_hand

    allowed = is_loopback(options.host) if options.training is None else options.training
    if not allowed or not hasattr(os, "killpg"):  # Windows has no groups of processes
        return []
    at_hand = [name for name, (repository, _licence) in published_names().items() if where_at_hand(repository) is not None]
    return list(dict.fromkeys([DEFAULT_MODEL, *(spec for spec in specs if not is_run(Path(spec))), *at_hand]))


def _loader(spec: str, settings: GenerateSettings) -> Callable[[], PoemGenerator]:
    def load() -> PoemGenerator:
        from gemma_poetry.domains.registry import DEFAULT

        writer: Any = gp.load(spec, domain=DEFAULT, recipe=Recipe(generate=settings)).writer
        generator: PoemGenerator = writer.generator
        return generator

    return load


def read_password(options: StudioOptions) -> str:
    """The password that the page asks for; empty where it asks for none.

    Raises:
        UsageError: The page would be open to other machines without one.
        InputError: The file cannot be read, or its password is too short.
    """
    if options.password_file is None:
        if not is_loopback(options.host):
            raise UsageError(
                _("{host} can be reached from other machines, and no password is given", host=options.host),
                expected=_("a password wherever the studio is not bound to this machine alone"),
                action=_("write one into a file and name it as --password-file, or leave --host at 127.0.0.1"),
            )
        return ""
    try:
        lines = options.password_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            _("the password file cannot be read ({error})", error=error),
            where=options.password_file,
            action=_("check its path and permissions"),
        ) from error
    password = lines[0].strip() if lines else ""
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(
            _("the password has {count} characters", count=len(password)),
            where=options.password_file,
            expected=_("at least {shortest_password} characters in the first line", shortest_password=SHORTEST_PASSWORD),
            action=_("choose a longer one"),
        )
    return password


def _door(password: str, clock: Callable[[], float] = time.monotonic) -> Callable[[str, str], bool]:
    """Who may come in: whoever knows the password; after too many wrong ones within a minute nobody, until it is over."""
    wrong: deque[float] = deque()
    guard = threading.Lock()

    def enter(user: str, given: str) -> bool:
        with guard:
            now = clock()
            while wrong and wrong[0] <= now - 60:
                wrong.popleft()
            if len(wrong) >= _WRONG_A_MINUTE:
                return False
            right = hmac.compare_digest(given.encode(), password.encode())
            if not right:
                wrong.append(now)
            return right

    return enter
