"""The rating page: one poem or one pair a screen, every click saved.

In: a study. Out: a web application that knows a rater by the token of the private link alone, and nothing of who wrote what.

    click ──save──> the database has it ──> "saved 3/5" on the page
    next  ──forward──> the whole screen once more, in case a click was lost on its way ──> the next screen
    open  ──what the browser could not send before──> the database ──> the first screen that is not answered

A click that does not reach the server (it is down, or the network) is kept in the browser's tab (`rating_page.js`). Gradio
loads the page again as soon as a server answers there, and opening sends what was kept.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.questions import (
    ASPECT_NAMES,
    ASPECTS,
    BACKGROUND,
    BACKGROUNDS,
    CHINESE,
    CHOICES,
    ENGLISH,
    LONGEST_COMMENT,
    PREFERENCE,
    SCALE,
    Wording,
)
from gemma_poetry.evaluation.human.study import ANSWERS, COMPARE, RATE, read_study
from gemma_poetry.studio.page_frame import framed_application, quiet_gradio, serve_application
from gemma_poetry.studio.rating_screens import DONE, TITLE, WELCOME, Screen, question_label, say
from gemma_poetry.studio.rating_session import RatingSession

if TYPE_CHECKING:
    from fastapi import FastAPI

_STYLE = Path(__file__).parent / "rating_page.css"
_SCRIPT = Path(__file__).parent / "rating_page.js"
_ASKED = (BACKGROUND, *ASPECT_NAMES, PREFERENCE)
"""All questions of the page, in the order of its components."""

_KIND_OF = {BACKGROUND: WELCOME, PREFERENCE: COMPARE, **dict.fromkeys(ASPECT_NAMES, RATE)}

# The token and the reader's language come from the browser with every call; the server reads them nowhere else.
_READ_ADDRESS = """() => {
  const given = new URLSearchParams(location.search);
  return [given.get('r') || '', given.get('lang') || (navigator.language || 'zh').slice(0, 2), unsaved.open()];
}"""
# What a call carries of the kept answers is noted when it is sent, and forgotten when it has come back.
_NEXT = "(...sent) => { unsaved.carry('next', sent[2]); return sent; }"
_TO_TOP = "() => window.scrollTo({top: 0, behavior: 'instant'})"


def _language(sent: Any) -> str:
    return CHINESE if str(sent).startswith("zh") else ENGLISH


def _options(question: str, language: str) -> list[tuple[str, str]]:
    """What a rater can choose from, as (text, answer); the number of a step and its meaning on two lines."""
    for aspect in ASPECTS:
        if aspect.name == question:
            return [(f"{step}\n{meaning.said(language)}", str(step)) for step, meaning in zip(SCALE, aspect.steps)]
    offered: dict[str, Wording] = BACKGROUNDS if question == BACKGROUND else CHOICES
    return [(wording.said(language), answer) for answer, wording in offered.items()]


def _explanation(question: str, language: str) -> str | None:
    return next((aspect.question.said(language) for aspect in ASPECTS if aspect.name == question), None)


def _sending(question: str) -> str:
    """What the browser does when it sends the answer."""
    return f"(...sent) => {{ unsaved.carry('{question}', sent[2], '{question}'); return sent; }}"


def _sent(call: str) -> str:
    """What the browser does when the server has what a call carried."""
    return f"() => {{ unsaved.carried('{call}'); return []; }}"


def _kept_answers(sent: Any) -> dict[str, dict[str, str]]:
    """Place -> question -> answer out of what a browser sent; what is no such thing is nothing."""
    try:
        found = json.loads(sent or "{}")
        return {str(place): {str(name): str(answer) for name, answer in given.items()} for place, given in found.items()}
    except (TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _script() -> str:
    """What the browser keeps answers with, and what it says while it does."""
    words = {language: say("unsent", language) for language in (CHINESE, ENGLISH)}
    return f"<script>const NOT_SAVED = {json.dumps(words)};\n{_SCRIPT.read_text(encoding='utf-8')}</script>"


class _Page:
    """The components and what happens to them."""

    def __init__(self, session: RatingSession) -> None:
        self._session = session
        gradio = self._gradio = quiet_gradio()
        with gradio.Blocks(title=f"{TITLE.zh} · {TITLE.en}", analytics_enabled=False, fill_width=True) as self.blocks:
            self.token = gradio.Textbox(visible=False)
            self.language = gradio.Textbox(CHINESE, visible=False)
            self.place = gradio.Textbox(visible=False)
            self.unsent = gradio.Textbox(visible=False)
            self.head = gradio.HTML("", elem_id="head", container=False)
            self.body = gradio.HTML("", elem_id="body", container=False)
            self.choices = {question: self._radio(question) for question in _ASKED}
            self.comment = gradio.Textbox(visible=False, elem_id="comment", lines=2, max_lines=6, max_length=LONGEST_COMMENT)
            with gradio.Row(elem_id="foot"):
                self.back = gradio.Button("", visible=False, elem_id="back")
                self.status = gradio.HTML("", elem_id="status", container=False)
                self.next = gradio.Button("", visible=False, elem_id="next", variant="primary")
            self.other_language = gradio.Button("", visible=False, elem_id="language", size="sm")
            self._wire()

    def _radio(self, question: str) -> Any:
        return self._gradio.Radio(
            _options(question, CHINESE), label=question, visible=False, elem_id=question, elem_classes=[_KIND_OF[question]]
        )

    @property
    def _shown(self) -> list[Any]:
        """Everything that a screen sets, in the order of `_updates`."""
        radios = list(self.choices.values())
        return [self.language, self.place, self.head, self.body, self.status, *radios, self.comment, *self._buttons]

    @property
    def _buttons(self) -> list[Any]:
        return [self.back, self.next, self.other_language]

    def _wire(self) -> None:
        calling: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        who = [self.token, self.language, self.place]
        load = self.blocks.load(
            self._open,
            [self.token, self.language, self.unsent],
            [self.token, *self._shown],
            js=_READ_ADDRESS,
            api_name="open",
            **calling,
        )
        load.success(None, js=_sent("open")).then(None, js=_TO_TOP)
        for question, radio in self.choices.items():
            # `always_last`: a click during the saving of another one is sent when that has come back, so that none overtakes.
            saved = radio.input(
                functools.partial(self._save, question),
                [*who, radio],
                [self.status],
                trigger_mode="always_last",
                js=_sending(question),
                api_name=f"save_{question}",
                **calling,
            )
            saved.success(None, js=_sent(question))
        screen = [*who, *self.choices.values(), self.comment]
        moved = self.next.click(self._forward, screen, self._shown, js=_NEXT, api_name="forward", **calling)
        moved.success(None, js=_sent("next")).then(None, js=_TO_TOP)
        self.back.click(self._back, who, self._shown, api_name="back", **calling).then(None, js=_TO_TOP)
        self.other_language.click(self._translate, who, self._shown, api_name="translate", **calling)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """Runs it; our own errors reach the rater as words, so that nobody takes an unsaved answer for a saved one."""
        try:
            return work()
        except GemmaPoetryError as error:
            raise self._gradio.Error(error.found, print_exception=False) from error

    def _open(self, token: Any, language: Any, unsent: Any) -> list[Any]:
        chosen = _language(language)
        kept = _kept_answers(unsent)
        if kept:
            self._guarded(lambda: self._session.restore(str(token), kept))
        screen = self._guarded(lambda: self._session.resume(str(token), chosen))
        return [str(token)[:64], *self._updates(screen, chosen)]

    def _save(self, question: str, token: Any, language: Any, place: Any, answer: Any) -> str:
        saved: str = self._guarded(
            lambda: self._session.save(str(token), _language(language), str(place), question, str(answer))
        )
        return saved

    def _forward(self, token: Any, language: Any, place: Any, *given: Any) -> list[Any]:
        *answers, comment = given
        chosen = _language(language)
        answered = {question: str(answer) for question, answer in zip(_ASKED, answers) if answer is not None}
        result = self._guarded(lambda: self._session.forward(str(token), chosen, str(place), answered, str(comment or "")))
        if isinstance(result, Screen):
            return self._updates(result, chosen)
        skipped = [self._gradio.skip() for _ in self._shown]
        skipped[self._shown.index(self.status)] = result
        return skipped

    def _back(self, token: Any, language: Any, place: Any) -> list[Any]:
        chosen = _language(language)
        return self._updates(self._guarded(lambda: self._session.back(str(token), chosen, str(place))), chosen)

    def _translate(self, token: Any, language: Any, place: Any) -> list[Any]:
        chosen = ENGLISH if _language(language) == CHINESE else CHINESE
        return self._updates(self._guarded(lambda: self._session.screen(str(token), chosen, str(place))), chosen)

    def _updates(self, screen: Screen, language: str) -> list[Any]:
        """What a screen sets, in the order of `_shown`."""
        update = self._gradio.update
        given = screen.answers or {}
        radios = [
            update(
                visible=_KIND_OF[question] == screen.kind,
                choices=_options(question, language),
                label=question_label(question, language),
                info=_explanation(question, language),
                value=given.get(question),
            )
            for question in _ASKED
        ]
        working = screen.kind in (RATE, COMPARE)
        comment = update(visible=working, value=screen.comment, label=say("comment", language))
        onward = "start" if screen.kind == WELCOME else "finish" if screen.last else "next"
        buttons = [
            update(visible=working or screen.place == DONE, value=say("back", language)),
            update(visible=working or screen.place == WELCOME, value=say(onward, language)),
            update(visible=bool(screen.place), value=say("language", language)),
        ]
        return [language, screen.place, screen.head, screen.body, screen.status, *radios, comment, *buttons]


def rating_application(folder: Path, names: Sequence[str] = ()) -> FastAPI:
    """The application of a study.

    Raises:
        DataError: The folder is no study, or was altered.
        OutputError: The database of answers cannot be written.
    """
    session = RatingSession(read_study(folder), AnswerStore(folder / ANSWERS))
    return framed_application(_Page(session).blocks, css=_STYLE, head=_script(), hosts=names)


def serve_study(folder: Path, host: str, port: int, names: Sequence[str] = ()) -> None:
    """Serves the rating page of a study until it is told to end.

    Raises:
        DataError: The folder is no study, or was altered.
        OutputError: The database of answers cannot be written.
    """
    serve_application(rating_application(folder, (host, *names)), host, port)
