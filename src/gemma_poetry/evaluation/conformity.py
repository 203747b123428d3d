"""Conformity counts the poems that keep their form: lines, tones, rhymes.

In: written poems and the forms that were asked for. Out: sums for five shares of poems:

    form          as many lines, of the lengths that the form asks for
    tones         no tone out of place, under the best choice of readings
    rhyme         no rhyme missed or repeated, under the best choice of readings
    metre_any     all rules of the form kept, licences included, under the best choice of readings
    metre_every   the same under every choice of readings

Poems whose form has no rules that are known (杂言诗, a tune without a template) count for none of the last four. Real
poems do not reach 100%: their own shares stand beside those of the systems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.evaluation.statistics import Floats
from gemma_poetry.prosody.check_result import CheckResult
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import FIXED_SHAPES
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.scansion import scan

CONFORMITY = ("form", "tones", "rhyme", "metre_any", "metre_every")
_RHYME_RULES = frozenset({Rule.RHYME, Rule.REPEATED_RHYME})
_SHAPE_RULES = frozenset({Rule.SHAPE})


@dataclass(frozen=True, slots=True)
class Conformity:
    """What one poem keeps; `None`: it cannot be judged.

    Attributes:
        form: The number and lengths of the lines.
        tones: The tones.
        rhyme: The rhymes.
        metre_any: All rules, under some choice of readings.
        metre_every: All rules, under every choice of readings.
    """

    form: bool | None
    tones: bool | None = None
    rhyme: bool | None = None
    metre_any: bool | None = None
    metre_every: bool | None = None


def judge(lines: Sequence[str], form: str, read: Callable[[Sequence[str], str], Scansion] = scan) -> Conformity:
    """Judges one poem.

    Args:
        lines: Its lines.
        form: The form (体裁) or tune (词牌) that was asked for.
        read: The scansion.
    """
    if form in FIXED_SHAPES:
        count, characters = FIXED_SHAPES[form]
        if len(lines) != count or {len(line) for line in lines} != {characters}:
            return Conformity(False, False, False, False, False)
    try:
        found = read(lines, form)
    except UnknownFormError:
        return Conformity(None)
    except TextError:
        return Conformity(False, False, False, False, False)
    if found.verdict is Verdict.NOT_JUDGED:
        return Conformity(True if form in FIXED_SHAPES else None)
    broken = {fault.rule for fault in found.faults}
    return Conformity(
        form=broken.isdisjoint(_SHAPE_RULES),
        tones=not broken - _RHYME_RULES,
        rhyme=broken.isdisjoint(_RHYME_RULES | _SHAPE_RULES),
        metre_any=found.verdict.passes,
        metre_every=found.every_reading,
    )


def conformity_sums(judged: Sequence[Conformity]) -> dict[str, Floats]:
    """For each share, rows (kept, judged) for `statistics.mean`, one a poem."""
    return {
        name: np.array([_row(getattr(one, name)) for one in judged], dtype=np.float64).reshape(-1, 2) for name in CONFORMITY
    }


Judge = Callable[[Sequence[str], str], CheckResult]
"""Checks lines against a form: the check of a domain."""


def checked_sums(results: Sequence[CheckResult]) -> dict[str, Floats]:
    """Rows (kept, judged) from the results of a domain's own check.

    `conforms`: no fault under some pronunciation; `conforms_every`: under every one. What its domain does not judge (a word
    that no dictionary has, a form without rules) counts for neither.
    """
    judged = [result.verdict is not Verdict.NOT_JUDGED for result in results]
    passing = [result.passes for result in results]
    every = [result.every_reading for result in results]
    return {
        name: np.array([_row(share if counts else None) for share, counts in zip(shares, judged)], dtype=np.float64).reshape(
            -1, 2
        )
        for name, shares in (("conforms", passing), ("conforms_every", every))
    }


def _row(kept: bool | None) -> tuple[float, float]:
    return (0.0, 0.0) if kept is None else (float(kept), 1.0)
