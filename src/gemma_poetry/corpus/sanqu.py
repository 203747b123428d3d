"""The short songs (小令) of 散曲 out of records in which several of one tune run together.

In: the records of the collection's 元曲 in their order: author, title, paragraphs. Out: `SanquSong`s: the tune (曲牌) with its
mode (宫调), lines and marks of one song each.

    record ──mode in its title, no suite, no 带过曲──> tune, lines ──divided by the line lengths of the tune──> songs

A record of songs begins its title with a mode: `越调・天净沙闲题` is the tune 天净沙 under the subject 闲题. Records without
a mode are the arias of plays, and the songs of suites (套数) behind the first, which is left out too; what mixes two tunes
(雁儿落过清江引) is left out. The text of a record is song after song, without a break; subjects of later songs stand at
the head of their first lines. Where a song ends, the lines tell: of all runs of lines that records begin with, that is the
shape of the tune which covers most of the text of its records. Further shapes are taken from what it leaves, as long as
several songs have them. What no shape covers (songs with padding characters, 衬字, damaged lines) is left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.prosody.characters import UNIFIED
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.prosody.known_names import SONG_NAMES

_MODES = (
    "黄钟", "正宫", "大石调", "小石调", "仙吕", "中吕", "南吕", "双调", "越调", "商调", "商角调", "般涉调",
)  # fmt: skip
_SEPARATOR = "・"
_MODE = re.compile(f"({'|'.join(_MODES)}){_SEPARATOR}(.+)")
_NAME = re.compile(f"[{UNIFIED}]{{2,5}}")
_MIXED = re.compile("过|兼|带")
# Headings of the source's edition that stand at the end of an author's songs.
_HEADINGS = re.compile("(?:套数|小令)。?$")
_LONGEST, _SHORTEST = 130, 20
_LONGEST_SUBJECT = 12
_COST = 12
"""So many characters must a song account for before it tells anything."""
_MIN_RECORDS = 2
"""A shape counts that songs of so many records have, or that so many songs have if it is near to the usual one."""
_MOST_SHAPES = 12
# How long other shapes of a tune are beside its first.
_KIN = (0.6, 1.6)
_ALIKE = 0.8
_MOST_CHANGED = 3

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SanquSong:
    """One short song.

    Attributes:
        mode: 宫调.
        tune: 曲牌.
        lines: Its lines, Han characters only.
        marks: One closing mark a line.
        author: 作者.
        era: 朝代.
    """

    mode: str
    tune: str
    lines: tuple[str, ...]
    marks: str
    author: str
    era: str = "元"


@dataclass(frozen=True, slots=True)
class SanquRecord:
    """The running text of a record.

    Attributes:
        mode: 宫调.
        tune: 曲牌.
        author: 作者.
        lines: Its lines; an empty one stands for a damaged sentence.
        marks: One closing mark a line.
    """

    mode: str
    tune: str
    author: str
    lines: tuple[str, ...]
    marks: str


def sanqu_songs(poems: Sequence[SourcePoem]) -> list[SanquSong]:
    """The songs of records, of which those of one tune are divided alike."""
    by_tune: dict[str, list[SanquRecord]] = defaultdict(list)
    for record in song_records(poems):
        by_tune[SONG_NAMES.get(record.tune, record.tune)].append(record)
    return [song for records in by_tune.values() for song in divided(records)]


def song_records(poems: Sequence[SourcePoem]) -> list[SanquRecord]:
    """The records that hold short songs."""
    named = _tune_names(poem.title for poem in poems)
    found = []
    for poem, following in zip(poems, [*poems[1:], None]):
        heading = _MODE.fullmatch(poem.title)
        if not heading or (following and following.author == poem.author and _is_suite(following.title, named)):
            continue
        tune = max((name for name in named if heading[2].startswith(name)), key=len, default="")
        if not tune or _MIXED.match(heading[2], len(tune)):
            continue
        lines, marks = _clean(poem.paragraphs)
        if lines:
            found.append(SanquRecord(heading[1], tune, poem.author, lines, marks))
    return found


def _tune_names(titles: Iterable[str]) -> frozenset[str]:
    """The names of tunes: what stands alone behind a mode, and behind the name of a play."""
    counts: Counter[str] = Counter()
    for title in titles:
        head, _unused, name = title.rpartition(_SEPARATOR)
        if head and _NAME.fullmatch(name):
            counts[name] += 1
    told = {name for name, count in counts.items() if count >= _MIN_RECORDS and not _MIXED.search(name)} | {
        *SONG_NAMES,
        *SONG_NAMES.values(),
    }
    # 蟾宫曲叹世 is 蟾宫曲 under a subject that two writers took.
    return frozenset(name for name in told if not any(name != other and name.startswith(other) for other in told))


def _is_suite(title: str, named: frozenset[str]) -> bool:
    """Whether a record goes on with a suite: a tune alone, with the first line of its text behind it."""
    head = title.split(_SEPARATOR)[0]
    return head in named or head in ("幺", "幺篇", "尾", "尾声", "煞", "随煞", "赚煞")


def _clean(paragraphs: Sequence[str]) -> tuple[tuple[str, ...], str]:
    lines: list[str] = []
    marks = ""
    for paragraph in paragraphs:
        text = _HEADINGS.sub("", paragraph)
        if not text:
            continue
        try:
            own, own_marks = clean_lines([text])
        except RejectedError:
            own, own_marks = ("",), FULL_STOP
        lines += own
        marks += own_marks
    return tuple(lines), marks


def divided(records: Sequence[SanquRecord]) -> list[SanquSong]:
    """The songs of the records of one tune."""
    begun = Counter(shape for record in records for shape in _openings(record) if not _is_several(shape))
    begun = Counter({shape: count for shape, count in begun.items() if any(_ends_with(record, shape) for record in records)})
    shapes: list[Shape] = []
    candidates = frozenset(begun)
    near: frozenset[Shape] = frozenset()
    while len(shapes) < _MOST_SHAPES:
        ordered = sorted(candidates - set(shapes), key=lambda shape: (-begun[shape], sum(shape), shape))
        shape = _best_shape(records, shapes, ordered, near)
        if shape is None:
            break
        if not shapes:
            least, most = (share * sum(shape) for share in _KIN)
            near = frozenset(run for record in records for run in _near_runs(record, shape))
            candidates = near | {other for other in begun if least <= sum(other) <= most}
        shapes.append(shape)
    return [song for record in records for song in _songs(record, shapes)]


def _best_shape(
    records: Sequence[SanquRecord], known: Sequence[Shape], candidates: Iterable[Shape], near: frozenset[Shape]
) -> Shape | None:
    """The shape that, beside those known, accounts for most of the text; `None` if none accounts for more.

    Songs of two records must have it, or two songs if it is near to the usual one.
    """
    best, most = None, _told(records, known)
    for shape in candidates:
        told = _told(records, [*known, shape])
        if told > most:
            counts = [sum(one[2] == shape for one in _placed(record, [*known, shape])) for record in records]
            if sum(map(bool, counts)) >= _MIN_RECORDS or (shape in near and sum(counts) >= _MIN_RECORDS):
                best, most = shape, told
    return best


def _is_several(shape: Shape) -> bool:
    """Whether a run of lines is several songs: what follows some beginning of it has nearly the same lines."""
    for end in range(2, len(shape) - 1):
        first, rest = shape[:end], shape[end:]
        if sum(first) >= _SHORTEST and len(rest) >= end - 1:
            same = sum(one == other for one, other in zip(first[1:], rest[1:]))
            if same >= _ALIKE * (end - 1):
                return True
    return False


def _near_runs(record: SanquRecord, usual: Shape) -> Iterator[Shape]:
    """Line lengths of runs that may be songs of the usual shape with a character more or less in some lines."""
    lengths = tuple(map(len, record.lines))
    for begin in range(len(lengths) - len(usual) + 1):
        end = begin + len(usual)
        if (begin and record.marks[begin - 1] != FULL_STOP) or record.marks[end - 1] != FULL_STOP:
            continue
        first = lengths[begin] if abs(lengths[begin] - usual[0]) <= 1 else usual[0]
        run = (first, *lengths[begin + 1 : end])
        changes = [abs(one - other) for one, other in zip(run, usual)]
        if max(changes) <= 2 and sum(map(bool, changes)) <= _MOST_CHANGED and all(run) and _is_opening(record, begin, run):
            yield run


def _told(records: Sequence[SanquRecord], shapes: Sequence[Shape]) -> int:
    """How many characters songs of the shapes account for, less what it costs to say where a song ends."""
    placed = [(record, begin, end) for record in records for begin, end, _shape in _placed(record, shapes)]
    return sum(sum(map(len, record.lines[begin:end])) - _COST for record, begin, end in placed)


def _openings(record: SanquRecord) -> list[Shape]:
    """The line lengths from the head of a record to each full stop."""
    found: list[Shape] = []
    lengths: list[int] = []
    for line, mark in zip(record.lines, record.marks):
        if not line or sum(lengths) + len(line) > _LONGEST:
            break
        lengths.append(len(line))
        if mark == FULL_STOP and sum(lengths) >= _SHORTEST and len(lengths) > 1:
            found.append(tuple(lengths))
    return found


def _ends_with(record: SanquRecord, shape: Shape) -> bool:
    lengths = tuple(map(len, record.lines[-len(shape) :]))
    if len(lengths) < len(shape) or lengths[1:] != shape[1:]:
        return False
    return _is_opening(record, len(record.lines) - len(shape), shape)


def _is_opening(record: SanquRecord, begin: int, shape: Shape) -> bool:
    """Whether a song of a shape may begin with a line: it has the length, or a subject stands before it."""
    subject = len(record.lines[begin]) - shape[0]
    starts = begin == 0 or record.marks[begin - 1] == FULL_STOP
    return starts and (subject == 0 or (begin > 0 and 2 <= subject <= _LONGEST_SUBJECT))


def _songs(record: SanquRecord, shapes: Sequence[Shape]) -> list[SanquSong]:
    songs = []
    for begin, end, shape in _placed(record, shapes):
        first, *rest = record.lines[begin:end]
        # The subject of a later song stands before its first line.
        lines = (first[-shape[0] :], *rest)
        songs.append(
            SanquSong(
                record.mode,
                SONG_NAMES.get(record.tune, record.tune),
                lines,
                record.marks[begin : end - 1] + FULL_STOP,
                record.author,
            )
        )
    return songs


def _placed(record: SanquRecord, shapes: Sequence[Shape]) -> list[tuple[int, int, Shape]]:
    """Where songs stand, so that they cover most of the text: first line, line behind, shape."""
    lengths = tuple(map(len, record.lines))
    # best[i]: the most characters accounted for up to line i, and the last song of that.
    best: list[tuple[int, tuple[int, int, Shape] | None]] = [(0, None)]
    for end in range(1, len(lengths) + 1):
        found: tuple[int, tuple[int, int, Shape] | None] = (best[end - 1][0], None)
        if record.marks[end - 1] == FULL_STOP:
            for shape in shapes:
                begin = end - len(shape)
                if begin < 0 or lengths[begin + 1 : end] != shape[1:]:
                    continue
                if _is_opening(record, begin, shape):
                    told = best[begin][0] + sum(lengths[begin:end]) - _COST
                    if told > found[0]:
                        found = told, (begin, end, shape)
        best.append(found)
    songs = []
    end = len(lengths)
    while end:
        song = best[end][1]
        if song:
            songs.append(song)
        end = song[0] if song else end - 1
    return songs[::-1]
