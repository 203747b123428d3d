"""A finding records what the doctor saw of one thing.

In: the outcome of a check, or the error that ended it. Out: `Finding`s, which a table or JSON lines show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.languages import _

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at, in a few words.
        verdict: `ok`; `warning`: training works but wastes something; `fault`: its hours would be lost.
        found: What was met.
        expected: What should be there.
        action: What to do next; empty where all is well.
    """

    check: str
    verdict: Verdict
    found: str
    expected: str
    action: str = ""

    def to_record(self) -> dict[str, Any]:
        """The finding as a JSON value."""
        return {name: getattr(self, name) for name in ("check", "verdict", "found", "expected", "action")}


def judge(check: str, good: bool, found: str, expected: str, action: str, *, otherwise: Verdict = "fault") -> Finding:
    """A finding that is `ok` where `good`, else `otherwise` with what to do."""
    return Finding(check, "ok", found, expected) if good else Finding(check, otherwise, found, expected, action)


def fault_of(check: str, error: GemmaPoetryError) -> Finding:
    """The fault that one of our own errors tells of."""
    found = _("{where}: {found}", where=error.where, found=error.found) if error.where else error.found
    return Finding(check, "fault", found, error.expected, error.action)


def has_fault(findings: Iterable[Finding]) -> bool:
    """Whether training would be in vain."""
    return any(finding.verdict == "fault" for finding in findings)
