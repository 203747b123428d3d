"""The registry finds domains by name: those of this project and those of other packages.

In: the entry-point group `gemma_poetry.domains` of every installed package, and a name. Out: the `Domain`; an unknown name
is answered with the nearest known ones, a plug-in that cannot be imported is named with its package, and spoils no other.

Nothing is imported before it is asked for: a broken plug-in, or a dictionary that is not installed, costs nothing.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from gemma_poetry.domains.domain import Domain
from gemma_poetry.errors import UsageError, nearest_names
from gemma_poetry.languages import _, listed

GROUP = "gemma_poetry.domains"
DEFAULT = "classical-chinese"

# Entry points of this project would be missing wherever it is run from its sources without being installed anew.
_BUILT_IN = {
    DEFAULT: "gemma_poetry.domains.classical_chinese:ClassicalChinese",
    "modern-chinese-poetry": "gemma_poetry.domains.modern_chinese:ModernChinesePoetry",
    "prose": "gemma_poetry.domains.prose:Prose",
    "english-verse": "gemma_poetry.domains.english_verse:EnglishVerse",
    "japanese-haiku": "gemma_poetry.domains.japanese_haiku:JapaneseHaiku",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of `gemma-poetry domains`.

    Attributes:
        name: The domain's name.
        package: The package that brings it, with its version where it is known.
        domain: The domain; `None` where it cannot be loaded.
        error: Why it cannot be loaded or used; empty: it can.
    """

    name: str
    package: str
    domain: Domain | None
    error: str = ""


def domain_names() -> list[str]:
    """The names of all domains, those of this project first; nothing is imported."""
    return [*_BUILT_IN, *sorted(set(_plug_ins()) - set(_BUILT_IN))]


def load_domain(name: str) -> Domain:
    """The domain of a name, whatever it needs at hand.

    Raises:
        UsageError: No domain is called so, its plug-in cannot be imported, or a package that it needs is missing.
    """
    domain = _load(name)
    domain.require()
    return domain


def list_domains() -> list[Listing]:
    """All domains, those that cannot be loaded with the reason."""
    found = []
    for name in domain_names():
        package = _package(name)
        try:
            domain = _load(name)
        except UsageError as error:
            found.append(Listing(name, package, None, error.found))
            continue
        try:
            domain.require()
        except UsageError as error:
            found.append(Listing(name, package, domain, error.found))
        else:
            found.append(Listing(name, package, domain))
    return found


def _plug_ins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _package(name: str) -> str:
    entry = None if name in _BUILT_IN else _plug_ins().get(name)
    if entry is None or entry.dist is None:
        return "gemma-poetry" if name in _BUILT_IN else ""
    return f"{entry.dist.name} {entry.dist.version}"


@cache
def _load(name: str) -> Domain:
    target = _BUILT_IN.get(name)
    entry = _plug_ins().get(name)
    if target is None and entry is None:
        known = domain_names()
        near = nearest_names(name, known)
        raise UsageError(
            _("no domain is called {name!r}", name=name),
            expected=_("one of {known}", known=listed(known)),
            action=_("did you mean {near}?", near=listed(near, " or "))
            if near
            else _("choose one of these, or install the package that has it"),
        )
    try:
        if target is not None:
            module, _unused, attribute = target.partition(":")
            kind = getattr(importlib.import_module(module), attribute)
        else:
            assert entry is not None
            kind = entry.load()
        domain = kind()
    except Exception as error:  # A stranger's module may raise anything while it is imported.
        raise UsageError(
            _(
                "the domain {name!r} of {package} cannot be loaded ({type_name}: {error})",
                name=name,
                package=_package(name) or _("an unknown package"),
                type_name=type(error).__name__,
                error=error,
            ),
            expected=_("an entry point of the group {group} that names a class of Domain without arguments", group=GROUP),
            action=_("mend or remove that package; the other domains are not touched by it"),
            where=entry.value if entry is not None else target or "",
        ) from error
    if not isinstance(domain, Domain):
        raise UsageError(
            _(
                "the domain {name!r} of {package} is a {type_name}",
                name=name,
                package=_package(name) or _("an unknown package"),
                type_name=type(domain).__name__,
            ),
            expected=_("a class derived from gemma_poetry.domains.domain.Domain"),
            action=_("derive it from Domain (see docs/extending.md)"),
        )
    return domain
