"""Templates of 曲 (小令), learned from songs by their commonest shapes.

In: songs with tune and mode, lines and marks. Out: a `Tune` for every tune of which several songs have the same line lengths.

    songs of a tune ──same line lengths──> groups ──ends in one group of 中原音韵──> rhyming lines
                    ──tones counted, or told by what is usual in places (`tune_places`)──> variants

A song rhymes throughout in one group of 中原音韵, whatever the tone (平仄通押): a line rhymes that ends in the commonest group
of its song in most songs. Where the ends of a rhyming line have one tone, it is asked for. A shape that one song alone has
is no variant: padding characters (衬字) make lines longer at will. Songs of a shape with as many characters that end a line
wherever a commoner one rhymes belong to that one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from gemma_poetry.prosody.forms import Form, Slot, Tone
from gemma_poetry.prosody.interpretation import interpret
from gemma_poetry.prosody.tune_grouping import FIXED_SHARE, PoemGroup, SungPoem, TunePoem, fixed_tone
from gemma_poetry.prosody.tune_induction import relabelled
from gemma_poetry.prosody.tune_places import Line, PlaceModel, learn
from gemma_poetry.prosody.tune_repetition import repetitions, unite_repeats
from gemma_poetry.prosody.tune_sounds import parts_of, sounds_of
from gemma_poetry.prosody.tune_thin import ASKED, commonest_marks, expected_share
from gemma_poetry.prosody.tune_variants import SOLID_POEMS, TuneVariant, line_ends
from gemma_poetry.prosody.tunes import Tune, shipped_tunes
from gemma_poetry.prosody.yuan_rhyme import yuan_heard

MIN_SONGS = 2
"""A shape that fewer songs have may be one with padding characters."""
_RHYMES = 0.7
_MIN_RHYMES = 2


class Song(TunePoem, Protocol):
    """What induction reads of a song; `corpus.sanqu.SanquSong` has it."""

    @property
    def mode(self) -> str: ...


def induce_songs(songs: Iterable[Song]) -> dict[str, Tune]:
    """The tunes of songs by name, most songs first; those of which no shape comes again are not judged."""
    by_tune: dict[str, dict[tuple[str, ...], Song]] = defaultdict(dict)
    for song in songs:
        by_tune[song.tune].setdefault(song.lines, song)
    groups = {
        name: [(group, _rhymes(group)) for group in _groups(list(map(_sing, own.values())))] for name, own in by_tune.items()
    }
    counted = {
        name: [
            _variant(name, group, rhymes) for group, rhymes in own if len(group) >= SOLID_POEMS and len(rhymes) >= _MIN_RHYMES
        ]
        for name, own in groups.items()
    }
    model = _model(counted)
    tunes = {}
    for name, own in sorted(by_tune.items(), key=lambda item: (-len(item[1]), item[0])):
        few = [(group, rhymes) for group, rhymes in groups[name] if len(group) < SOLID_POEMS and len(rhymes) >= _MIN_RHYMES]
        variants = relabelled([*counted[name], *(_variant(name, group, rhymes, model) for group, rhymes in few)])
        mode = Counter(song.mode for song in own.values()).most_common(1)[0][0]
        tunes[name] = Tune(name, len(own), variants, mode=mode)
    return tunes


def _sing(song: Song) -> SungPoem:
    heard = tuple(sounds_of(yuan_heard(place).readings) for line in interpret(song.lines) for place in line)
    return SungPoem(song.lines, song.marks, tuple(map(len, song.lines)), heard, song.era)


def _groups(songs: Sequence[SungPoem]) -> list[PoemGroup]:
    """Songs of one shape, the largest groups first, with those that merely divide its sentences otherwise."""
    found = []
    rest = list(songs)
    while rest:
        shape, count = Counter(song.lengths for song in rest).most_common(1)[0]
        if count < MIN_SONGS:
            break
        same = PoemGroup(tuple(song for song in rest if song.lengths == shape))
        needed = {line_ends(shape)[line] for line in _rhymes(same)} | {sum(shape) - 1}
        members = [song for song in rest if len(song.sounds) == sum(shape) and needed <= set(line_ends(song.lengths))]
        found.append(PoemGroup(tuple(members)))
        taken = set(map(id, members))
        rest = [song for song in rest if id(song) not in taken]
    return found


def _rhymes(group: PoemGroup) -> dict[int, Tone | None]:
    """The lines that end in the commonest group of their song, and the tone of those that have one."""
    ends = line_ends(group.division)
    kept: Counter[int] = Counter()
    for song in group.poems:
        parts = [parts_of(song.sounds[end]) for end in ends]
        votes = Counter(part for own in parts for part in own)
        common = max(votes, key=lambda part: votes[part], default=0)
        kept.update(line for line, own in enumerate(parts) if common in own)
    counts = group.counts(group.everyone)
    return {line: fixed_tone(*counts[ends[line]]) for line in sorted(kept) if kept[line] >= _RHYMES * len(group)}


def usual_rhymes(group: PoemGroup, rhymes: Iterable[int]) -> tuple[int, ...]:
    """The rhyming lines, from 1, that some songs leave unrhymed: a licence."""
    ends = line_ends(group.division)
    kept: Counter[int] = Counter()
    lines = sorted(rhymes)
    for song in group.poems:
        parts = {line: parts_of(song.sounds[ends[line]]) for line in lines}
        votes = Counter(part for own in parts.values() for part in own)
        common = max(votes, key=lambda part: votes[part], default=0)
        kept.update(line for line, own in parts.items() if not own or common in own)
    return tuple(line + 1 for line in lines if kept[line] < FIXED_SHARE * len(group))


def _model(counted: dict[str, list[TuneVariant]]) -> PlaceModel:
    """What is known of places: by the tunes of 词 and those of 曲 that many poems attest."""
    known = [list(tune.solid) for tune in shipped_tunes().tunes.values() if not tune.mode]
    described = [[(variant.form, variant.level_shares) for variant in own] for own in [*known, *counted.values()] if own]
    return learn(described, lambda form: 0)


def _variant(name: str, group: PoemGroup, rhymes: dict[int, Tone | None], model: PlaceModel | None = None) -> TuneVariant:
    """The variant of a group, its tones counted, or told by a model where that is given."""
    counts = iter(group.counts(group.everyone))
    lines = [
        Line(tuple(next(counts) for _unused in range(length)), rhymes.get(number))
        for number, length in enumerate(group.division)
    ]
    slots: list[list[Slot]] = []
    shares: list[list[int]] = []
    for number, line in enumerate(lines):
        if model:
            (beliefs,) = model.beliefs([line])
            own = [belief.tone(ASKED) for belief in beliefs]
            expected = [expected_share(belief, count) for belief, count in zip(beliefs, line.counts)]
        else:
            own = [fixed_tone(round(level), round(oblique)) for level, oblique in line.counts]
            expected = [round(100 * level / (level + oblique)) if level + oblique else -1 for level, oblique in line.counts]
        if number in rhymes:
            own[-1] = rhymes[number]
        places = [Slot(tone) for tone in own]
        if number in rhymes:
            places[-1] = Slot(own[-1], "a")
        slots.append(places)
        shares.append(expected)
    repeated = repetitions(group)
    unite_repeats(slots, shares, repeated.repeats)
    form = Form(name, tuple(map(tuple, slots)), commonest_marks(group), **repeated._asdict())
    return TuneVariant(form, len(group), tuple(map(tuple, shares)), usual_rhymes(group, rhymes))
