"""The models that the studio writes with: those named at the start, loaded when they are first asked for.

In: names with a way to load each. Out: a `PoemGenerator` by its name; poems, while they are being written.

A page can only say one of the names: no path that it sends is ever opened.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gemma_poetry.config import GenerateSettings
from gemma_poetry.studio.limits import Limits, Line, Ticket
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.training_job import TrainingJobs

if TYPE_CHECKING:
    from gemma_poetry.generation.poem_generator import GeneratedPoem, PoemGenerator
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.prosody.check_result import ScansionResult


PROPOSED_FORM = "七言绝句"
"""The form that the page proposes."""


class Checker(Protocol):
    """Reads a pasted text against a form, or `auto`, by a rhyme book or the usual one."""

    def __call__(self, text: str, form: str, /, *, book: str = "") -> Sequence[ScansionResult]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """A poem in the making.

    Attributes:
        notice: What is going on.
        text: The running text of the first poem so far.
    """

    notice: str
    text: str = ""


class _StoppedError(Exception):
    """Nobody waits for the poem any more."""


@dataclass(frozen=True)
class Workshop:
    """What the pages work with.

    Attributes:
        loaders: By name, what loads a model; the first is the one that is offered first.
        runs: By name, the folder of each run whose curves are shown.
        pairs: Base and tuned, by their names in `loaders`.
        checker: Reads pasted poems.
        limits: What a visitor may ask for.
        settings: Sampling where a visitor asks for nothing else.
        line: The line before the models.
        training: The trainings that the page may start; `None` where it may not.
        opener: What loads a model by its path or name, for runs that are trained while the studio is open.
    """

    loaders: dict[str, Callable[[], PoemGenerator]]
    checker: Checker
    runs: Mapping[str, Path] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str]] = ()
    limits: Limits = field(default_factory=Limits)
    settings: GenerateSettings = field(default_factory=GenerateSettings)
    line: Line = field(default=None)  # type: ignore[assignment]
    training: TrainingJobs | None = None
    opener: Callable[[str], Callable[[], PoemGenerator]] | None = None
    _admitted: set[str] = field(default_factory=set)
    _loaded: dict[str, PoemGenerator] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.line is None:
            object.__setattr__(self, "line", Line(self.limits))

    @property
    def models(self) -> tuple[str, ...]:
        """The names that can be chosen."""
        return tuple(self.loaders)

    def check_model(self, name: str, language: Language) -> None:
        """Makes sure that a name is one of those named at the start.

        Raises:
            UsageError: It is not.
        """
        if name not in self.loaders:
            raise complaint("no_model", language, name=repr(str(name)[:40]), names=", ".join(self.loaders))

    def admit(self, specs: Mapping[str, str]) -> None:
        """Adds models to those that can be named; of those that were added before, only these stay.

        Args:
            specs: By the name that is shown, the path or name of each.
        """
        assert self.opener is not None, "a workshop that trains can open what it trained"
        with self._loading:
            for name in self._admitted - set(specs):
                self.loaders.pop(name)
                self._loaded.pop(name, None)
            new = {name: self.opener(spec) for name, spec in specs.items() if name not in self.loaders}
            self.loaders.update(new)
            kept = self._admitted & set(specs)
            self._admitted.clear()
            self._admitted.update(kept | set(new))

    def generator(self, name: str) -> PoemGenerator:
        """The generator of a model, loaded where it is not yet; only whose turn it is may write with it."""
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self.loaders[name]()
            return self._loaded[name]

    def warm_up(self) -> None:
        """Loads the first model beside everything else, so that the first visitor need not wait for it.

        It writes a poem of the form that the page proposes, for the first of a form takes the time to lay out its tones.
        """

        def load() -> None:
            from gemma_poetry.generation.request import PoemRequest

            ticket = self.line.enter("", "en")
            try:
                generator = self.generator(self.models[0])
                list(generator.write([PoemRequest(PROPOSED_FORM, novel=bool(generator.planner.guards))], seed=1, best_of=1))
            except Exception as error:
                # Whoever asks for the model is told; until then it is worth a line in the log.
                logging.getLogger("gemma_poetry.studio").warning("%s cannot be loaded: %s", self.models[0], error)
            finally:
                ticket.leave()

        threading.Thread(target=load, name="studio-warm-up", daemon=True).start()

    def in_turn(self, ticket: Ticket, language: Language) -> Iterator[Progress]:
        """Waits until it is a ticket's turn, and says how many are before it."""
        while ahead := ticket.ahead():
            yield Progress(say("waiting", language, ahead=ahead))
            ticket.wait(1.0)

    def write(
        self,
        name: str,
        requests: Sequence[PoemRequest],
        seed: int,
        language: Language,
        *,
        settings: GenerateSettings | None = None,
        best_of: int | None = None,
    ) -> Iterator[Progress | list[GeneratedPoem]]:
        """Writes poems; tells how far the first is, character by character, and at last all of them.

        A model that carries no list of known lines writes as it can: the poems' own requests say that no new lines were
        promised.

        Only whose turn it is may ask. Where the visitor leaves, writing ends at the next character.

        Args:
            name: The name of the model.
            requests: The wishes.
            seed: Seed of sampling.
            language: The language of what is told.
            settings: Sampling; `None`: as the model was loaded.
            best_of: Poems written for each that is kept; `None`: as many as the effort says.

        Raises:
            GemmaPoetryError: A wish cannot be met, or the model cannot be loaded.
        """
        yield Progress(say("writing" if name in self._loaded else "loading", language))
        told: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        stopped = threading.Event()

        def watch(texts: Mapping[int, str]) -> None:
            if stopped.is_set():
                raise _StoppedError
            if 0 in texts:
                told.put(("text", texts[0]))

        def work() -> None:
            try:
                generator = self.generator(name)
                generator = generator.sampling(settings) if settings else generator
                promised = [replace(one, novel=one.novel and bool(generator.planner.guards)) for one in requests]
                told.put(("done", list(generator.write(promised, seed=seed, best_of=best_of, assess=True, watch=watch))))
            except _StoppedError:
                pass
            except Exception as error:
                told.put(("error", error))

        thread = threading.Thread(target=work, name="studio-writer", daemon=True)
        thread.start()
        shown = ""
        try:
            while True:
                kind, value = told.get()
                if kind == "error":
                    raise value
                if kind == "done":
                    yield value
                    return
                if value != shown:
                    shown = value
                    yield Progress(say("writing", language), value)
        finally:
            stopped.set()
            # The next visitor's turn must not begin while this one's poem still holds the model.
            thread.join()
