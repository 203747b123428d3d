"""The language of the command line: `--lang zh|en` before or after the verb, else that of the environment.

In: the words of the command line; the tree of commands. Out: the session's language; the tree with `--lang` in every command
and its help in that language.

The libraries of the command line say their own messages through gettext: they find ours in the same catalogue. Some of them
are looked up while typer is imported, so the language is chosen before.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator, Sequence
from typing import Any

from gemma_poetry.languages import LANGUAGES, LOCALES, Language, session_language, translated, use_language

OPTION = "--lang"


def choose_language(words: Sequence[str]) -> None:
    """Chooses the language of this session and of the processes that it starts, and finds the libraries their catalogue."""
    for language in LANGUAGES:
        if language == _asked(words):
            speak(language)
    if session_language() == "zh":
        speak("zh")
        gettext.bindtextdomain("messages", LOCALES)


def speak(language: Language) -> None:
    """Makes a language that of this session and of the processes that it starts."""
    os.environ["LANGUAGE"] = language
    use_language(language)


def _asked(words: Sequence[str]) -> str:
    for place, word in enumerate(words):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == OPTION:
            return value if equals else "".join(words[place + 1 : place + 2])
    return ""


def with_language(tree: Any) -> Any:
    """The tree of commands with `--lang` in each, its help in the session's language."""
    language = session_language()
    option = next(param for param in tree.params if OPTION in param.opts)
    for command in commands_of(tree):
        if option not in command.params:
            command.params.append(option)
        if language != "en":
            for described in (command, *command.params):
                for name in _SHOWN:
                    if text := getattr(described, name, None):
                        setattr(described, name, translated(text, language))
    return tree


_SHOWN = ("help", "short_help", "epilog", "rich_help_panel")


def help_texts(tree: Any) -> Iterator[tuple[str, str]]:
    """Every text of the help, with the words of the command that it stands in: what the catalogue needs twins of."""
    for words, command in _walk(tree, "gemma-poetry"):
        for described in (command, *command.params):
            for name in _SHOWN:
                if text := getattr(described, name, None):
                    yield text, words


def commands_of(tree: Any) -> list[Any]:
    """Every command of a tree, groups included."""
    return [command for _words, command in _walk(tree, "")]


def _walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, f"{words} {name}")
