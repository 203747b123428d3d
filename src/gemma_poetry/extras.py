"""A library that is not installed is named together with the extra that brings it.

In: an `ImportError`, or the name of a library or extra that is about to be used. Out: a `MissingExtraError` that says what to
install.
Which extra brings what is read from the metadata of the installed package, so that `pyproject.toml` alone says it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from gemma_poetry.errors import MissingExtraError
from gemma_poetry.languages import _, listed

DISTRIBUTION = "gemma-poetry"
_REQUIREMENT = re.compile(r"""^([\w.-]+)\s*(?:\[([\w,\s-]+)\])?.*;.*extra\s*==\s*['"]([\w-]+)['"]""")


@contextmanager
def naming_extras() -> Iterator[None]:
    """Turns the `ImportError` of a library that an extra brings into our own error; every other one passes.

    Raises:
        MissingExtraError: A library is not installed.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except ImportError as error:
        explained = missing_extra(error)
        if explained is None:
            raise
        raise explained from error


def missing_extra(error: ImportError) -> MissingExtraError | None:
    """What an `ImportError` means for the person who meets it; `None`: no extra of ours would help."""
    library = distribution_of((error.name or "").split(".")[0])
    homes = [name for name, brings in extras().items() if library in brings]
    if not homes or _installed(library):
        return None  # it is none of ours, or it is there and broken
    return _error([library], homes[0])


def require_extra(extra: str) -> None:
    """Refuses work that needs an extra as a whole, before it begins: not after an hour, when a curve is to be drawn.

    Raises:
        MissingExtraError: Something that the extra brings is not installed.
    """
    absent = [name for name in extras().get(extra, ()) if not _installed(name)]
    if absent:
        raise _error(absent, extra)


def require(*libraries: str, extra: str, purpose: str = "", otherwise: str = "") -> None:
    """Refuses work whose libraries are not installed, before it begins.

    Args:
        libraries: Names that are imported.
        extra: The extra that brings them; empty: none does, they are installed by their own names.
        purpose: What they are needed for, as the subject of a sentence.
        otherwise: What can be done without them.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    absent = [name for name in libraries if find_spec(name) is None]
    if absent:
        raise _error(absent, extra, purpose, otherwise)


@functools.cache
def extras() -> dict[str, tuple[str, ...]]:
    """The distributions that each extra brings, those of the extras within it included, smallest extra first."""
    from importlib import metadata  # takes longer to import than all else here

    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # a source tree on the path
        lines = []
    direct: dict[str, list[str]] = {}
    within: dict[str, list[str]] = {}
    for found in filter(None, map(_REQUIREMENT.match, lines)):
        name, nested, extra = found.groups()
        if distribution_of(name) == DISTRIBUTION:
            within.setdefault(extra, []).extend(part.strip() for part in (nested or "").split(","))
        else:
            direct.setdefault(extra, []).append(distribution_of(name))

    def brings(extra: str) -> set[str]:
        return {*direct.get(extra, ()), *(name for part in within.get(extra, ()) for name in brings(part))}

    found_extras = {extra: tuple(sorted(brings(extra))) for extra in {**direct, **within}}
    return dict(sorted(found_extras.items(), key=lambda item: (len(item[1]), item[0])))


def distribution_of(module: str) -> str:
    """The name on the index of what is imported as `module`: of all libraries that extras bring, the same word."""
    return re.sub(r"[-_.]+", "-", module).lower()


def _installed(distribution: str) -> bool:
    from importlib import metadata

    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _error(absent: list[str], extra: str, purpose: str = "", otherwise: str = "") -> MissingExtraError:
    named = listed(filter(None, [listed(absent[:-1]), absent[-1]]), " and ")
    install = (
        _("pip install '{distribution}[{extra}]'", distribution=DISTRIBUTION, extra=extra)
        if extra
        else _("pip install {absent}", absent=" ".join(absent))
    )
    if len(absent) == 1:
        found = _("{purpose} needs {named}, which is not installed", purpose=purpose, named=named)
        found = found if purpose else _("{named} is not installed", named=named)
    else:
        found = _("{purpose} needs {named}, which are not installed", purpose=purpose, named=named)
        found = found if purpose else _("{named} are not installed", named=named)
    return MissingExtraError(
        found,
        expected=_("the extra `{extra}`", extra=extra) if extra else _("its packages beside this one"),
        action=_("{install}, or {otherwise}", install=install, otherwise=otherwise) if otherwise else install,
    )
