"""A choice of poems: by form, era, author and title, and a seeded draw of a number of them with a wanted mean length.

In: all kept poems and the settings. Out: some of them, in the same order. The draw is keyed by the text of a poem,
so that it depends on the seed and the poems, not on their order.

Method of the draw: each poem has a key E/w, E exponential (from the hash of seed and text) and w its weight; the
poems with the smallest keys are taken, which draws without replacement in proportion to w (Efraimidis and Spirakis
2006). The weight is exp(tilt * characters / 100): of all ways to reach another mean length this one departs least
from the collection (exponential tilting minimises relative entropy). The tilt is found by bisection on the drawn mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.splits import unit_draw
from gemma_poetry.errors import UsageError, nearest_names
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.forms import form_name

MEAN_TOLERANCE = 0.02
_MAX_TILT = 50.0
_BISECTIONS = 60
_NAMES_SHOWN = 12


def choose(poems: Sequence[Poem], settings: PrepareSettings, source: str) -> list[Poem]:
    """The poems that the settings ask for.

    Args:
        poems: All kept poems.
        settings: `forms`, `eras`, `authors`, `title_words`, `max_poems`, `mean_characters` and `seed` are read.
        source: How an error names the collection.

    Raises:
        UnknownFormError: No form or tune of the collection is called as asked.
        UsageError: The collection has no such poems, too few, or none of the wanted length.
    """
    chosen = list(poems)
    if settings.forms:
        chosen = _of_forms(chosen, settings.forms, source)
    if settings.eras:
        chosen = _named(chosen, poems, "era", settings.eras, source)
    if settings.authors:
        chosen = _named(chosen, poems, "author", settings.authors, source)
    if settings.title_words:
        chosen = [poem for poem in chosen if any(word in poem.title for word in settings.title_words)]
    if not chosen:
        asked = {name: getattr(settings, name) for name in ("forms", "eras", "authors", "title_words")}
        given = {f"prepare.{name}": " ".join(words) for name, words in asked.items() if words}
        raise UsageError(
            _(
                "no poem meets all of the forms, eras, authors and title words asked for ({given})",
                given=listed((f"{name} {words}" for name, words in given.items()), "; "),
            ),
            where=source,
            expected=_("at least one poem that meets all of them"),
            action=_("widen {given}", given=listed(given, " or ")),
        )
    if settings.max_poems is None:
        if settings.mean_characters is not None:
            raise UsageError(
                _("prepare.mean_characters is set without prepare.max_poems"),
                expected=_("a number of poems to draw"),
                action=_("set prepare.max_poems too"),
            )
        return chosen
    return _draw(chosen, settings.max_poems, settings.mean_characters, settings.seed, source)


def _named(
    chosen: list[Poem], poems: Sequence[Poem], field: Literal["era", "author"], wanted: Sequence[str], source: str
) -> list[Poem]:
    """Those of the chosen poems whose era or author is one of the wanted."""
    counts = Counter[str](getattr(poem, field) for poem in poems)
    present = [known for known, _ in counts.most_common() if known]
    if not present:
        raise UsageError(
            _("{field}s are asked for, and the collection names none", field=field),
            where=source,
            expected=_("poems that say their {field}", field=field),
            action=_("leave prepare.{field}s (--{field}s) out, or name another --source", field=field),
        )
    for name in wanted:
        if name not in counts:
            # A name of two or three characters is near where it shares one of them, the more the better.
            near = nearest_names(name, present) or [known for known in present if set(known) & set(name)][:3]
            more = _(" and {count:,} others", count=len(present) - _NAMES_SHOWN) if len(present) > _NAMES_SHOWN else ""
            raise UsageError(
                _("the collection has no poems of the {field} {name!r}", field=field, name=name),
                where=source,
                expected=_("one of {present}{more}", present=" ".join(present[:_NAMES_SHOWN]), more=more),
                action=_("did you mean {near}?", near=listed(near, " or "))
                if near
                else _("correct prepare.{field}s (--{field}s)", field=field),
            )
    return [poem for poem in chosen if getattr(poem, field) in wanted]


def _of_forms(poems: list[Poem], wanted: Sequence[str], source: str) -> list[Poem]:
    tunes = {poem.tune for poem in poems}
    forms = {poem.form for poem in poems}
    names = {name if name in tunes or name in forms else form_name(name) for name in wanted}
    for name in names:
        if name not in tunes and name not in forms:
            present = sorted(forms)
            near = nearest_names(name, present)
            raise UsageError(
                _("the collection has no poems of the form {name!r}", name=name),
                where=source,
                expected=_("one of {present}, or a tune of it", present=" ".join(present)),
                action=_("did you mean {near}?", near=listed(near, " or ")) if near else _("correct prepare.forms"),
            )
    return [poem for poem in poems if poem.form in names or poem.tune in names]


def _draw(poems: list[Poem], count: int, mean: float | None, seed: int, source: str) -> list[Poem]:
    if count >= len(poems) and mean is None:
        return poems
    lengths = np.array([poem.characters for poem in poems], dtype=np.float64)
    # -log(1 - u) is exponential for uniform u.
    log_draws = np.log([-math.log1p(-unit_draw("draw", seed, poem.text)) or 1e-300 for poem in poems])
    count = min(count, len(poems))

    def drawn(tilt: float) -> np.ndarray:
        keys = log_draws - tilt * lengths / 100
        return np.argpartition(keys, count - 1)[:count]

    rows = drawn(0.0)
    if mean is not None:
        low, high = -_MAX_TILT, _MAX_TILT
        for _unused in range(_BISECTIONS):
            tilt = (low + high) / 2
            rows = drawn(tilt)
            reached = lengths[rows].mean()
            if abs(reached - mean) <= mean * MEAN_TOLERANCE / 20:
                break
            low, high = (tilt, high) if reached < mean else (low, tilt)
        reached = float(lengths[rows].mean())
        if abs(reached - mean) > mean * MEAN_TOLERANCE:
            raise UsageError(
                _(
                    "{count} of {poems_count} poems with {mean:g} characters on "
                    "average cannot be drawn (nearest: {reached:.1f})",
                    count=count,
                    poems_count=len(poems),
                    mean=mean,
                    reached=reached,
                ),
                where=source,
                expected=_("a mean length that so many poems of the collection can have"),
                action=_("change prepare.mean_characters, lower prepare.max_poems, or widen prepare.forms"),
            )
    return [poems[row] for row in np.sort(rows)]
