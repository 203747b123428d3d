"""Do induced templates say what the handbook of 1715 (钦定词谱) says?

    python benchmarks/handbook.py SOURCE [--handbook FILE] [--shipped] [--failing N]

In: a source of 词, and a transcription of the handbook (`GEMMA_POETRY_HANDBOOK`), which is read for measuring only. Every
poem of the source that is an exemplar of the handbook is put aside; templates are induced from the rest. With --shipped the
table that comes with the package is measured, into which exemplars went too. Out: Markdown tables: of the tunes that have a
poem left, how the exemplars of first forms are judged, by evidence and by cause; and of all their forms whether line lengths,
rhyme places and fixed tones are found, by the evidence of the variant.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gemma_poetry.corpus.variants import fold
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.tune_scan import rivals, scan_tune, suited_tune
from gemma_poetry.prosody.tune_variants import TuneVariant, line_ends
from gemma_poetry.prosody.tunes import Tune, TuneTable, shipped_tunes
from gemma_poetry.verbs.tunes import TunePoem, read_tune_poems, tune_table

_TONES = {"平": Tone.LEVEL, "仄": Tone.OBLIQUE}
_SAME_CHARACTERS = 0.8


@dataclass(frozen=True)
class HandbookForm:
    """One form of the handbook.

    Attributes:
        pattern: 平 仄 中, a place a character.
        rhymes: The places that rhyme, from 0.
        lines: The lines of its exemplar, simplified, Han characters only.
    """

    pattern: str
    rhymes: frozenset[int]
    lines: tuple[str, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(map(len, self.lines))


@dataclass(frozen=True)
class HandbookTune:
    """One tune of the handbook: its names and forms, the first form first."""

    names: tuple[str, ...]
    forms: tuple[HandbookForm, ...]


def read_handbook(path: Path) -> list[HandbookTune]:
    """The tunes whose exemplars are as long as their patterns; the transcription has errors."""
    tunes = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        forms = []
        for form in record["forms"]:
            text = re.sub(r"[^\u3400-\u9fff\U00020000-\U0003ffff，。！？；]", "", form["exemplar"])
            lines = tuple(part for part in re.split("[，。！？；]", text) if part)
            if len("".join(lines)) == len(form["pattern"]):
                places = frozenset(place for rhyme in form["rhymes"] for place in rhyme)
                forms.append(HandbookForm(form["pattern"], places, lines))
        if forms:
            tunes.append(HandbookTune(tuple(record["names"]), tuple(forms)))
    return tunes


def without_exemplars(poems: Iterable[TunePoem], handbook: Iterable[HandbookTune]) -> list[TunePoem]:
    """The poems that are no exemplar: of each exemplar most lines, or nearly all characters in place, are in one poem."""
    exemplars: dict[str, list[str]] = defaultdict(list)
    texts = [("".join(form.lines), form.lines) for tune in handbook for form in tune.forms]
    folded = fold("\n".join(text for text, _ in texts)).split("\n")
    for text, (_, lines) in zip(folded, texts):
        rest = text
        for length in map(len, lines):
            if length >= 4:
                exemplars[rest[:length]].append(text)
            rest = rest[length:]
    poems = list(poems)
    running = fold("\n".join("，".join(poem.lines) for poem in poems)).split("\n")
    kept = []
    for poem, line_text in zip(poems, running):
        own = line_text.replace("，", "")
        near = {text for line in line_text.split("，") for text in exemplars.get(line, ())}
        if not any(_alike(own, text) for text in near):
            kept.append(poem)
    return kept


def _alike(one: str, other: str) -> bool:
    shared = sum((Counter(one) & Counter(other)).values())
    return shared >= _SAME_CHARACTERS * min(len(one), len(other))


def evidence(tune: Tune, lengths: tuple[int, ...]) -> str:
    """How well the variant that a poem fits is attested; of a poem that fits none, the commonest variant of its tune."""
    if not tune.judged:
        return "not judged"
    return next((variant for variant in tune.variants if variant.fits(lengths)), tune.variants[0]).tier.value


def tunes_of(named: HandbookTune, table: TuneTable) -> list[Tune]:
    """Our tunes under any of the handbook's names; a namesake that has no variant of such length is none."""
    found: dict[str, Tune] = {}
    for name in named.names:
        for tune in table.called(name):
            found.setdefault(tune.name, tune)
    return list(found.values())


def cause(scansion: Scansion, tune: Tune, lengths: tuple[int, ...]) -> str:
    """Why a first exemplar does not pass, in a few words: the first kind of fault."""
    faults = Counter(found.rule.chinese for found in scansion.faults)
    if "句式不合" in faults:
        totals = {variant.characters for variant in tune.variants}
        return "no variant has its length" if sum(lengths) not in totals else "divided otherwise, rhymes displaced"
    if len(faults) > 1:
        return "tone and rhyme"
    if "平仄不合" in faults:
        return "one wrong tone" if faults["平仄不合"] == 1 else "several wrong tones"
    return "out of rhyme (出韵)" if "出韵" in faults else "、".join(faults)


def judged_by_name(names: Iterable[str], lines: tuple[str, ...], table: TuneTable) -> tuple[Tune, Scansion]:
    """The verdict as `scan_tune` gives it by name: of the tunes that are called so the first that the lines keep."""
    lengths = tuple(map(len, lines))
    called = {name: table.called(name) for name in names}
    fitting = [tune for name, tunes in called.items() for tune in rivals(name, tunes, lengths)]
    if not fitting:
        tunes = [tune for own in called.values() for tune in own]
        fitting = [suited_tune(tunes, lengths) or tunes[0]]
    found = [(tune, scan_tune(lines, tune)) for tune in fitting]
    return next((pair for pair in found if pair[1].verdict.passes), found[0])


def judge_first_exemplars(handbook: Iterable[HandbookTune], table: TuneTable) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Counts by (evidence, outcome), and a line for each exemplar that does not pass."""
    outcomes: Counter[tuple[str, str]] = Counter()
    failing = []
    for named in handbook:
        tunes = tunes_of(named, table)
        if not tunes:
            continue
        first = named.forms[0]
        tune, scansion = judged_by_name(named.names, first.lines, table)
        tier = evidence(tune, first.lengths)
        if scansion.verdict is Verdict.NOT_JUDGED:
            outcome = "not judged"
        else:
            outcome = "passes" if scansion.verdict.passes else cause(scansion, tune, first.lengths)
        outcomes[tier, outcome] += 1
        if outcome != "passes":
            faults = " ".join(f"{f.rule.chinese}{f.line}.{f.position}{f.expected}>{f.actual}" for f in scansion.faults[:6])
            failing.append(f"{named.names[0]} ({tune.name} {scansion.pattern}, {tier}): {outcome}; {faults}")
    return outcomes, failing


@dataclass
class Found:
    """What is found of the handbook's forms.

    Attributes:
        forms: Forms of these tunes.
        lengths: Those whose line lengths a variant fits.
        rhymes: Of these, those with the same rhyme places.
        fixed: Places, rhymes left out, in which those fitting forms ask for a tone that also have free places.
        same: Those in which the variant asks for the same tone.
        opposite: Those in which it asks for the other.
        asked: Places in which the fitting variants ask for a tone.
        free: Those that the form leaves free.
        required: Places in which the variants require a tone (fixed, not usual).
        required_free: Those that the form leaves free.
    """

    forms: int = 0
    lengths: int = 0
    rhymes: int = 0
    fixed: int = 0
    same: int = 0
    opposite: int = 0
    asked: int = 0
    free: int = 0
    required: int = 0
    required_free: int = 0


def compare_forms(handbook: Iterable[HandbookTune], table: TuneTable) -> dict[str, Found]:
    """What is found of all forms, of first forms, and by the evidence of the variant that fits best."""
    found: dict[str, Found] = defaultdict(Found)
    for named in handbook:
        tunes = tunes_of(named, table)
        if not any(tune.judged for tune in tunes):
            continue
        for number, form in enumerate(named.forms):
            fitting = [variant for tune in tunes for variant in tune.variants if variant.fits(form.lengths)]
            kinds = ["all", *(["first"] if number == 0 else [])]
            for kind in kinds:
                found[kind].forms += 1
            if not fitting:
                continue
            variant = min(fitting, key=lambda one: _distance(one, form))
            for kind in (*kinds, variant.tier.value):
                _compare(found[kind], variant, form)
    return found


def _distance(variant: TuneVariant, form: HandbookForm) -> tuple[int, int, int]:
    wrong = sum(
        slot.tone is not None and symbol in _TONES and slot.tone is not _TONES[symbol]
        for slot, symbol in zip(variant.slots, form.pattern)
    )
    return len(variant.rhyme_ends ^ form.rhymes), wrong, -variant.poems


def _compare(tally: Found, variant: TuneVariant, form: HandbookForm) -> None:
    tally.lengths += 1
    ends = set(line_ends(form.lengths))
    tally.rhymes += variant.rhyme_ends == form.rhymes & ends
    if "中" not in form.pattern:
        # Of most further forms the handbook gives the tones of the exemplar, not what is free.
        return
    shares = [share for row in variant.level_shares for share in row]
    for place, (slot, share, symbol) in enumerate(zip(variant.slots, shares, form.pattern)):
        if place in form.rhymes or slot.rhyme:
            continue
        asked = slot.tone is not None
        tally.asked += asked
        tally.free += asked and symbol == "中"
        required = asked and variant.is_fixed(slot, share)
        tally.required += required
        tally.required_free += required and symbol == "中"
        if symbol in _TONES:
            tally.fixed += 1
            tally.same += slot.tone is _TONES[symbol]
            tally.opposite += asked and slot.tone is not _TONES[symbol]


def outcome_table(outcomes: Mapping[tuple[str, str], int]) -> list[str]:
    """Exemplars of first forms by evidence and outcome, as Markdown."""
    tiers = [tier for tier in ("solid", "thin", "single", "not judged") if any(one == tier for one, _ in outcomes)]
    totals = {tier: sum(count for (one, _), count in outcomes.items() if one == tier) for tier in tiers}
    every = sum(totals.values())
    by_outcome = Counter[str]()
    for (_, outcome), count in outcomes.items():
        by_outcome[outcome] += count
    rows = ["| first exemplars | all | " + " | ".join(tiers) + " |", "|---" * (len(tiers) + 2) + "|"]
    rows.append(f"| tunes | {every} | " + " | ".join(str(totals[tier]) for tier in tiers) + " |")
    for outcome, count in by_outcome.most_common():
        parts = (f"{outcomes.get((tier, outcome), 0)}" for tier in tiers)
        rows.append(f"| {outcome} | {count} ({100 * count / every:.1f}%) | " + " | ".join(parts) + " |")
    return rows


def found_table(found: Mapping[str, Found]) -> list[str]:
    """What is found of all forms, as Markdown."""

    def share(part: int, whole: int) -> str:
        return f"{100 * part / whole:.1f}%" if whole else ""

    kinds = [kind for kind in ("all", "first", "solid", "thin", "single") if kind in found]
    rows = ["| forms | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    tallies = [found[kind] for kind in kinds]
    figures = [
        ("forms", [f"{one.forms:,}" if one.forms else "" for one in tallies]),
        ("line lengths found", [f"{one.lengths:,} ({share(one.lengths, one.forms or found['all'].forms)})" for one in tallies]),
        ("of these, rhyme places the same", [share(one.rhymes, one.lengths) for one in tallies]),
        ("of the tones that the form fixes, asked for", [share(one.same, one.fixed) for one in tallies]),
        ("the other tone asked for", [share(one.opposite, one.fixed) for one in tallies]),
        ("of the places with a tone, free in the form", [share(one.free, one.asked) for one in tallies]),
        ("of the fixed places, free in the form", [share(one.required_free, one.required) for one in tallies]),
    ]
    return rows + [f"| {name} | " + " | ".join(parts) + " |" for name, parts in figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--handbook", type=Path, default=os.environ.get("GEMMA_POETRY_HANDBOOK"))
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--failing", type=int, default=0, metavar="N")
    options = parser.parse_args()
    if not options.handbook:
        parser.error("name the handbook with --handbook or GEMMA_POETRY_HANDBOOK")

    handbook = read_handbook(Path(options.handbook))
    poems, _ = read_tune_poems(options.source)
    left = without_exemplars(poems, handbook)
    table = tune_table(left)
    having = [named for named in handbook if tunes_of(named, table)]
    print(f"{len(poems):,} poems, {len(left):,} of them no exemplar; {len(having)} of {len(handbook)} tunes have one.\n")
    measured = shipped_tunes() if options.shipped else table
    outcomes, failing = judge_first_exemplars(having, measured)
    print("\n".join([*outcome_table(outcomes), "", *found_table(compare_forms(having, measured))]))
    print("\n".join(["", *failing[: options.failing]]))


if __name__ == "__main__":
    main()
