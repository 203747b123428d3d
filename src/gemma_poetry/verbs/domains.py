"""`gemma-poetry domains`: which languages and styles there are.

In: the registry. Out: one record a domain, those that cannot be used with the reason.
"""

from __future__ import annotations

from typing import Any

from gemma_poetry.domains.registry import Listing, list_domains
from gemma_poetry.languages import _, listed, localized


def domain_records() -> list[dict[str, Any]]:
    """One JSON record a domain: name, package, description, forms, whether lines are counted, and what hinders its use."""
    return [_record(listing) for listing in list_domains()]


def domain_lines() -> list[str]:
    """The same as rows of text."""
    lines = []
    for record in domain_records():
        lines.append(_("{name}  ({package})", name=record["name"], package=record["package"]))
        if record["description"]:
            lines.append("    " + localized(record["description"]))
        if record["forms"]:
            lines.append(localized(_("    forms: {forms}", forms=listed(record["forms"]))))
        if record["feature"]:
            lines.append(_("    --feature: ") + localized(record["feature"]))
        if record["error"]:
            lines.append(localized(_("    cannot be used: {error}", error=record["error"])))
    return lines


def _record(listing: Listing) -> dict[str, Any]:
    domain = listing.domain
    return {
        "name": listing.name,
        "package": listing.package,
        "description": domain.description if domain else "",
        "forms": list(domain.forms) if domain else [],
        "unit": domain.unit if domain else "",
        "feature": domain.feature if domain else "",
        "extra": domain.extra if domain else "",
        "error": listing.error,
    }
