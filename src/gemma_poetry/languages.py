"""Messages in the language of whoever reads them: written in English, rendered in Chinese from a gettext catalogue.

In: an English template and its values; the environment, or a choice. Out: a `Message`, which is its English text to
everything that takes a `str`, and which `in_language("zh")` renders from `assets/locale/zh/LC_MESSAGES/messages.mo`.

`scripts/update_catalogue.py` collects every `_("...")` of the package into `messages.po` and compiles it.
"""

from __future__ import annotations

import functools
import gettext
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
LOCALES = Path(__file__).parent / "assets" / "locale"

# In the order in which gettext asks them.
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
# Control characters but tab and line feed, marks that turn the direction of text, and halves of UTF-16 pairs.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_chosen: Language | None = None


def visible(text: str) -> str:
    """A text of others as a terminal may have it: what would move, colour or hide text is written out (`\\x1b`).

    Names that are not UTF-8 come from the file system with their bytes as halves of pairs; each is written as the byte.
    A `Message` is visible as it is made, and stays a `Message`.
    """
    return text if isinstance(text, Message) else _UNSEEN.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Message(str):
    """A text for a person: English to whoever takes it for a `str`, with what it takes to say it in another language.

    Nothing in it moves the cursor or hides text, in whatever language it is rendered (see `visible`).

    Attributes:
        template: The English text with named places as `str.format` has them; without values, the text itself.
        values: What stands in the places; messages and errors among them are rendered in the same language.
    """

    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, values: Mapping[str, Any] | None = None) -> Message:
        message = super().__new__(cls, _UNSEEN.sub(_written_out, _filled(template, values or {}, "en")))
        message.template, message.values = template, values or {}
        return message

    def in_language(self, language: Language) -> str:
        """The text in one language; in English where the catalogue has no twin."""
        if language == "en":
            return str(self)
        return _UNSEEN.sub(_written_out, _filled(translated(self.template, language), self.values, language))

    def __str__(self) -> str:
        return str.__str__(self)

    def __add__(self, other: str) -> Message:
        return _Sequence((self, other))

    def __radd__(self, other: str) -> Message:
        return _Sequence((other, self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Message, (self.template, {name: _lasting(value) for name, value in self.values.items()})


class _Sequence(Message):
    """Messages and texts one after the other, with a separator between them."""

    parts: tuple[str, ...]
    separator: str

    def __new__(cls, parts: Iterable[str], separator: str = "") -> _Sequence:
        parts = tuple(parts)
        sequence: Any = super().__new__(cls, separator.join(parts))
        sequence.parts, sequence.separator = parts, separator
        return sequence

    def in_language(self, language: Language) -> str:
        separator = _SEPARATORS.get(self.separator, self.separator) if language == "zh" else self.separator
        return separator.join(visible(localized(part, language)) for part in self.parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Sequence, (self.parts, self.separator)


_SEPARATORS = {", ": "、", ". ": "。", "; ": "；", " -> ": " → ", " and ": "和", " or ": "或", ": ": "："}


def _(template: str, /, **values: Any) -> str:
    """A `Message`: `_("{form} has {count:,} lines", form=form, count=len(lines))`. Babel finds it by this name."""
    return Message(template, values)


def listed(items: Iterable[Any], separator: str = ", ") -> str:
    """A `Message`: texts or messages with a separator between them, as each language writes it: `, ` is 、 in Chinese."""
    return _Sequence((item if isinstance(item, str) else str(item) for item in items), separator)


def localized(text: Any, language: Language | None = None) -> str:
    """A message, or an error of ours, in a language (`None`: the session's); any other text as it is."""
    said: str = text.in_language(language or session_language()) if hasattr(text, "in_language") else str(text)
    return said


def reason_of(error: BaseException, longest: int = 200) -> str:
    """What an error says, for the message of another one: its own message where it has one, else the begin of its text."""
    said = error.args[0] if len(error.args) == 1 else None
    return said if isinstance(said, Message) else str(error)[:longest]


def translated(template: str, language: Language) -> str:
    """The twin of an English template; the template itself where the catalogue has none."""
    if language == "en" or not template:
        return template
    return _catalogue(language).gettext(template)


@functools.cache
def _catalogue(language: Language) -> gettext.NullTranslations:
    return gettext.translation("messages", LOCALES, [language], fallback=True)


def session_language() -> Language:
    """The language of this session: the one chosen, else that of the environment."""
    return _chosen or language_of(os.environ)


def use_language(language: Language | None) -> None:
    """Chooses the language of this session; `None`: the environment chooses again."""
    global _chosen
    _chosen = language


def language_of(environment: Mapping[str, str]) -> Language:
    """The language that an environment asks for, as gettext reads it: of the first variable that is set the first of ours."""
    asked = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    for name in asked.lower().split(":"):
        code = re.split("[_.@-]", name)[0]
        if code in LANGUAGES:
            return "zh" if code == "zh" else "en"
    return "en"


def _filled(template: str, values: Mapping[str, Any], language: Language) -> str:
    if not values:
        return template
    return template.format_map({name: _rendered(value, language) for name, value in values.items()})


def _rendered(value: Any, language: Language) -> Any:
    if isinstance(value, BaseException) and not hasattr(value, "in_language"):
        value = reason_of(value, len(str(value)))
    return value.in_language(language) if hasattr(value, "in_language") else value


def _lasting(value: Any) -> Any:
    """A value as it can be pickled anywhere: what is neither text nor number (an error of a library) as its text."""
    return value if isinstance(value, (str, int, float)) or hasattr(value, "in_language") else str(value)
