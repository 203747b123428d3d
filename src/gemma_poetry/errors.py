"""Every error that this project raises on purpose, in one tree.

In: what was found, what was expected, what to do next, and where (a file, a line, a field).
Out: one exception whose text a person can act on, and the exit status that the console script ends with.

    GemmaPoetryError
    ├── UsageError                what was asked for cannot be (an unknown option value, an impossible wish)
    │   ├── RecipeError           a recipe with unknown or ill-typed fields (all of them listed at once)
    │   ├── MissingExtraError     a library that is not installed (the extra that brings it is named)
    │   ├── UnknownFormError      a 体裁 or 词牌 that is not known (nearest names offered)
    │   └── ConstraintError       wishes for a poem that contradict each other or cannot be met
    ├── InputError                a file or text that cannot be read as what it should be
    │   ├── SourceError           a poetry collection that is missing, cut, wrongly encoded or hostile
    │   ├── DataError             a prepared DATA folder that is missing, incomplete or altered
    │   │   └── TokenizerMismatchError   DATA was made with another tokenizer than the model's
    │   ├── RunError              a RUN folder that is missing, incomplete or altered
    │   └── TextError             a poem to check that is empty, uneven or no Chinese
    │       └── UnreadableError   a text that is no poem: letters, lost characters, nothing at all
    ├── ModelError                a model that cannot be used
    │   ├── NotAGemmaError        a folder whose configuration is of no known Gemma family
    │   ├── IncompleteModelError  a checkpoint with missing or cut files
    │   ├── UnsafeModelError      pickled weights or remote code: refused
    │   ├── ModelAccessError      a gated or unreachable repository
    │   └── NoRoomError           weights that want more memory than is free
    ├── TrainingError             a training that would waste the hours spent on it (NaN, no labels)
    ├── GenerationError           decoding met a dead end within its stated bound
    ├── ServingError              a server that cannot answer a request now
    │   ├── FullError             too many requests wait already
    │   ├── EndingError           the server is told to end
    │   └── TooLateError          the request's time is over
    └── OutputError               the result could not be written (disk full, no permission)
        └── ExportError           an export that does not write what its run writes
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from gemma_poetry.languages import Language, _, localized, session_language, visible as visible


class GemmaPoetryError(Exception):
    """The root of the tree: catch it to catch everything that this project raises on purpose.

    Args:
        found: What was met, in one sentence without a final full stop.
        expected: What should have been there instead.
        action: What the person can do next.
        where: The file, line or field, as `path`, `path:line` or `section.key`.
    """

    exit_status = 2

    def __init__(self, found: str, *, expected: str = "", action: str = "", where: str | Path = "") -> None:
        # Names and contents of files stand in messages, and messages go to terminals.
        self.found, self.expected, self.action, self.where = map(visible, (found, expected, action, str(where)))
        super().__init__(self.describe())

    def describe(self, language: Language = "en") -> str:
        """The whole message in a language: `where: found. Expected: … What to do: …`."""
        parts = [_("{where}: {found}", where=self.where, found=self.found) if self.where else self.found]
        if self.expected:
            parts.append(_("Expected: {expected}", expected=self.expected))
        if self.action:
            parts.append(_("What to do: {action}", action=self.action))
        return "\n".join(localized(part, language) for part in parts)

    def in_language(self, language: Language) -> str:
        """The whole message, as a value of another message is asked for it."""
        return self.describe(language)

    def __str__(self) -> str:
        return self.describe(session_language())

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling that worker processes use.
        return (_rebuild, (type(self), self.found, self.expected, self.action, self.where))


def _rebuild(kind: type[GemmaPoetryError], found: str, expected: str, action: str, where: str) -> GemmaPoetryError:
    return kind(found, expected=expected, action=action, where=where)


class UsageError(GemmaPoetryError):
    """What was asked for cannot be."""


class RecipeError(UsageError):
    """A recipe with unknown or ill-typed fields."""


class MissingExtraError(UsageError, ImportError):
    """A library that is not installed; an `ImportError` too, so that `try: … except ImportError` works on our names."""


class UnknownFormError(UsageError):
    """A 体裁 or 词牌 that is not known."""


class ConstraintError(UsageError):
    """Wishes for a poem that contradict each other or cannot be met."""


class InputError(GemmaPoetryError):
    """A file or text that cannot be read as what it should be."""


class SourceError(InputError):
    """A poetry collection that is missing, cut, wrongly encoded or hostile."""


class DataError(InputError):
    """A prepared DATA folder that is missing, incomplete or altered."""


class TokenizerMismatchError(DataError):
    """DATA was made with another tokenizer than the model's."""


class RunError(InputError):
    """A RUN folder that is missing, incomplete or altered."""


class TextError(InputError):
    """A poem to check that is empty, uneven or no Chinese."""


class UnreadableError(TextError):
    """A text that is no poem: it holds something else than Chinese characters and marks, or nothing."""


class ModelError(GemmaPoetryError):
    """A model that cannot be used."""


class NotAGemmaError(ModelError):
    """A folder whose configuration is of no known Gemma family."""


class IncompleteModelError(ModelError):
    """A checkpoint with missing or cut files."""


class UnsafeModelError(ModelError):
    """Pickled weights or remote code."""


class ModelAccessError(ModelError):
    """A gated or unreachable repository."""


class NoRoomError(ModelError):
    """Weights that want more memory than is free."""


class TrainingError(GemmaPoetryError):
    """A training that would waste the hours spent on it."""


class GenerationError(GemmaPoetryError):
    """Decoding met a dead end within its stated bound."""


class ServingError(GemmaPoetryError):
    """A server that cannot answer a request now."""


class FullError(ServingError):
    """Too many requests wait already."""


class EndingError(ServingError):
    """The server is told to end."""


class TooLateError(ServingError):
    """The request's time is over."""


class OutputError(GemmaPoetryError):
    """The result could not be written."""


class ExportError(OutputError):
    """An export that does not write what its run writes."""


_Kind = TypeVar("_Kind", bound=GemmaPoetryError)


def unreadable(error: OSError | ValueError, path: Path, kind: type[_Kind]) -> _Kind:
    """What is said of a file or folder that the system does not give.

    Args:
        error: The reason that the system tells.
        path: The file or folder.
        kind: The class of the error, by what the file was read as.
    """
    reason = getattr(error, "strerror", None) or error
    return kind(_("cannot be read ({reason})", reason=reason), where=path, action=_("check the path and its permissions"))


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that look most like `name`, best first (for "did you mean" in messages)."""
    return difflib.get_close_matches(name, list(known), n=count, cutoff=0.3)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, PyTorch or JAX says that there was no memory left, on a device or in the machine."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _NO_MEMORY)


_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "resource_exhausted")
