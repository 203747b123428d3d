"""The language of the command line: `--lang zh|en` before or after the verb, else that of the environment.

In: the words of the command line; the tree of commands. Out: the session's language; the tree with `--lang` in every command
and its help in that language.

The libraries of the command line say their own messages through gettext: they find ours in the same catalogue. Some of them
are looked up while typer is imported, so the language is chosen before.
"""

from __future__ import annotations

import functools
import gettext
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gemma_poetry.languages import (
    LANGUAGES,
    LOCALES,
    Language,
    _,
    listed,
    localized,
    session_language,
    translated,
    use_language,
)

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


_SHOWN = ("help", "short_help", "epilog", "rich_help_panel")


def with_language(tree: Any) -> Any:
    """The tree of commands with `--lang` in each; help and errors of use in the session's language."""
    language = session_language()
    option = next(param for param in tree.params if OPTION in param.opts)
    for _words, command in _walk(tree, ""):
        if option not in command.params:
            command.params.append(option)
        if language != "en":
            _translate(command, language)
    return tree


def _translate(command: Any, language: Language) -> None:
    for described in (command, *command.params):
        for name in _SHOWN:
            if text := getattr(described, name, None):
                setattr(described, name, translated(text, language))
    of_help, make_context, invoke = command.get_help_option, command.make_context, command.invoke

    def get_help_option(context: Any) -> Any:
        option = of_help(context)
        if option is not None:
            option.help = translated(HELP_OF_HELP, language)
        return option

    def format_usage(context: Any, formatter: Any) -> None:
        pieces = " ".join(command.collect_usage_pieces(context))
        formatter.write_usage(context.command_path, pieces, prefix=localized(_("Usage: "), language))

    command.get_help_option, command.format_usage = get_help_option, format_usage
    command.make_context, command.invoke = _with_errors(make_context, language), _with_errors(invoke, language)


HELP_OF_HELP = "Show this message and exit."


def _with_errors(action: Callable[..., Any], language: Language) -> Callable[..., Any]:
    """The action, whose errors of use say what is wrong in a language."""

    @functools.wraps(action)
    def spoken(*arguments: Any, **options: Any) -> Any:
        try:
            return action(*arguments, **options)
        except Exception as error:
            if hasattr(error, "format_message") and (explained := _explained(error)):
                said = localized(explained, language)
                error.format_message = lambda: said
            raise

    return spoken


def _explained(error: Any) -> str:
    """What an error of the library means, told by its kind; empty where its own text has a twin already."""
    kind = type(error).__name__
    hint = error.param.get_error_hint() if getattr(error, "param", None) is not None else ""
    if kind == "MissingParameter":
        return _("{hint} must be given", hint=hint)
    if kind == "NoSuchOption":
        name, near = error.option_name, sorted(error.possibilities or ())
        if near:
            return _("there is no option {name}; did you mean {near}?", name=name, near=listed(near, " or "))
        return _("there is no option {name}", name=name)
    if kind == "BadOptionUsage":
        return _("the option {name} is used in another way: {message}", name=error.option_name, message=error.message)
    if kind == "BadParameter":
        return _("{hint} has no usable value: {message}", hint=hint or "?", message=error.message)
    return ""


def help_texts(tree: Any) -> Iterator[tuple[str, str]]:
    """Every text of the help, with the words of the command that it stands in: what the catalogue needs twins of."""
    for words, command in _walk(tree, "gemma-poetry"):
        for described in (command, *command.params):
            for name in _SHOWN:
                if text := getattr(described, name, None):
                    yield text, words


def _walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, f"{words} {name}")
