"""A whole collection: read, cleaned, clustered, split, converted, classified.

    Source ──read, clean──> Draft ──fold──> canonical lines ──cluster──> cluster ids ──assign──> splits
                              │                                              │
                              └──drop duplicates, convert script, classify──>┴──> Poem ──choose──> Collection

In: a source name, `PrepareSettings`, and a `Reader` (`HanVerse` here; `texts.DomainTexts` for other languages and styles).
Out: a `Collection`. Clusters and splits come from the whole source, before
any choice of forms, eras or a number of poems, so that a choice never moves a poem from one split to another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.cleaning import RejectedError, Rejection, clean_lines
from gemma_poetry.corpus.containers import SourceFile, natural_key
from gemma_poetry.corpus.dedup import Clusters, find_clusters
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import Poem, SourcePoem
from gemma_poetry.corpus.script import Script, convert, detect_script
from gemma_poetry.corpus.selection import choose
from gemma_poetry.corpus.single_poems import read_leniently, read_strictly
from gemma_poetry.corpus.sources import Part, Source, SourceInfo, open_source
from gemma_poetry.corpus.splits import SPLITS, assign_splits
from gemma_poetry.corpus.titles import clean_author, clean_title, is_fragment
from gemma_poetry.corpus.tune_names import TuneNames, split_tune, standard_tunes
from gemma_poetry.corpus.variants import fold
from gemma_poetry.errors import SourceError
from gemma_poetry.languages import _, listed
from gemma_poetry.progress import stage, track
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.forms import FORM_NAMES, FULL_STOP, SHORT_NAMES

_SCRIPT_SAMPLE_POEMS = 300
_BEFORE_QIN_POETS = {"屈原", "宋玉", "景差", ""}


@dataclass(frozen=True, slots=True)
class Collection:
    """What `build_collection` makes of a source.

    Attributes:
        train: Poems to train on.
        val: Poems to watch training with.
        test: Poems that only the evaluation sees.
        source: What was read.
        read: Records read.
        rejected: Records left out, by reason; `read` is their sum and the poems kept.
        exact_duplicates: Records whose text another record has, script and variants aside.
        similar_pairs: Pairs of distinct poems that reach the similarity threshold.
        excerpt_pairs: Pairs of distinct poems that share two long lines.
    """

    train: list[Poem]
    val: list[Poem]
    test: list[Poem]
    source: SourceInfo
    read: int
    rejected: dict[str, int]
    exact_duplicates: int
    similar_pairs: int
    excerpt_pairs: int

    @property
    def splits(self) -> dict[str, list[Poem]]:
        """The poems by the name of their split."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(slots=True)
class _Draft:
    """A poem that was cleaned and is not yet placed; in the script of its source."""

    lines: tuple[str, ...]
    marks: str
    title: str
    author: str
    era: str
    form: str
    tune_names: tuple[str, str]
    source_id: str
    script: Script = "simplified"

    @property
    def characters(self) -> int:
        return sum(map(len, self.lines))


class Reader(Protocol):
    """How one kind of text is read; a draft is whatever it makes of a record, cleaned but not yet placed."""

    @property
    def contents(self) -> str:
        """What a source should hold, for messages."""

    def open(self, source: str, sections: Sequence[str] = ()) -> Source:
        """Opens a source, with sections that are read only where asked for."""

    def read(self, source: Source) -> tuple[list[Any], Counter[str]]:
        """All drafts in a fixed order, and how many records could not be kept, by reason."""

    def symbols(self, drafts: Sequence[Any]) -> list[list[str]]:
        """The lines of each draft in the form in which near-duplicates are sought."""

    def characters(self, draft: Any) -> int:
        """The length of a draft."""

    def finish(self, drafts: Sequence[Any], cluster_ids: Sequence[str], settings: PrepareSettings) -> list[Poem]:
        """The drafts as poems."""

    def records(self, file: SourceFile) -> Iterator[SourcePoem]:
        """The records of one file."""

    def strictly(self, record: SourcePoem) -> Poem:
        """A record that is to be checked; what is in the way of reading it is a `TextError` or a `RefusedError`."""

    def leniently(self, records: Sequence[SourcePoem], judged: Sequence[Poem] = ()) -> list[Poem]:
        """Texts of another system, nothing left out, beside judged ones."""


class HanVerse:
    """The reader of classical Chinese poems."""

    contents = _("classical Chinese poems")

    def open(self, source: str, sections: Sequence[str] = ()) -> Source:
        """See `sources.open_source`."""
        return open_source(source, sections=sections)

    def read(self, source: Source) -> tuple[list[_Draft], Counter[str]]:
        """Poems with notes taken out and marks made alike; see `cleaning`."""
        return _read_drafts(source)

    def symbols(self, drafts: Sequence[_Draft]) -> list[list[str]]:
        """Simplified characters with variants folded; see `variants`."""
        folded = fold("\n".join("，".join(draft.lines) for draft in drafts))
        return [lines.split("，") for lines in folded.split("\n")] if drafts else []

    def characters(self, draft: _Draft) -> int:
        """Han characters."""
        return draft.characters

    def finish(self, drafts: Sequence[_Draft], cluster_ids: Sequence[str], settings: PrepareSettings) -> list[Poem]:
        """Poems in one script, with form and tune."""
        return _finish(list(drafts), list(cluster_ids), settings.script)

    def records(self, file: SourceFile) -> Iterator[SourcePoem]:
        """See `formats.read_poems`."""
        return iter(read_poems(file))

    def strictly(self, record: SourcePoem) -> Poem:
        """See `single_poems.read_strictly`."""
        return read_strictly(record)

    def leniently(self, records: Sequence[SourcePoem], judged: Sequence[Poem] = ()) -> list[Poem]:
        """See `single_poems.read_leniently`."""
        return read_leniently(records, judged)


def build_collection(source: str, settings: PrepareSettings, reader: Reader | None = None) -> Collection:
    """Reads a source and makes a clean, deduplicated and split collection of it.

    Args:
        source: `sample`, `chinese-poetry`, or the path of a folder, archive or file.
        settings: Script, choice, lengths, shares and seed.
        reader: How its texts are read; `None`: as classical Chinese poems.

    Raises:
        SourceError: The source cannot be read, or nothing of it can be kept.
        UsageError: The settings ask for what the collection cannot give.
    """
    reader = reader or HanVerse()
    opened = reader.open(source, settings.sections)
    drafts, rejected = reader.read(opened)
    read = len(drafts) + rejected.total()
    with stage(_("Finding near-duplicates")):
        clusters = find_clusters(reader.symbols(drafts), settings.near_duplicate_threshold)
    splits = assign_splits(
        clusters.ids,
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=settings.seed,
    )
    kept = _keep([reader.characters(draft) for draft in drafts], clusters, settings, rejected)
    if not kept:
        raise SourceError(
            _("none of its {read} records can be kept ({reasons})", read=read, reasons=_reasons(rejected)),
            where=source,
            expected=reader.contents,
            action=_("check what the source holds, and prepare.min_characters and max_characters"),
        )
    poems = reader.finish([drafts[index] for index in kept], [clusters.ids[index] for index in kept], settings)
    chosen = choose(poems, settings, source)
    by_split: dict[str, list[Poem]] = {name: [] for name in SPLITS}
    for poem in chosen:
        by_split[splits[poem.cluster_id]].append(poem)
    if len(chosen) < len(poems):
        rejected[Rejection.NOT_CHOSEN.value] += len(poems) - len(chosen)
    return Collection(
        **by_split,
        source=opened.info,
        read=read,
        rejected=dict(rejected.most_common()),
        exact_duplicates=rejected[Rejection.DUPLICATE.value],
        similar_pairs=clusters.similar_pairs,
        excerpt_pairs=clusters.excerpt_pairs,
    )


def _read_drafts(source: Source) -> tuple[list[_Draft], Counter[str]]:
    """All poems of a source that can be cleaned, in a fixed order, and how many could not, by reason."""
    rejected: Counter[str] = Counter()
    files: list[tuple[int, list[tuple[int, str]], list[_Draft]]] = []
    for part, file in track(source.files(), _("Reading and cleaning"), source.file_count):
        drafts = []
        for poem in read_poems(file):
            try:
                drafts.append(_clean(poem, part))
            except RejectedError as rejection:
                rejected[rejection.reason.value] += 1
        script = detect_script("".join(draft.lines) for draft in drafts[:_SCRIPT_SAMPLE_POEMS])
        for draft in drafts:
            draft.script = script
        files.append((part.order, natural_key(file.name), drafts))
    files.sort(key=lambda entry: (entry[0], entry[1]))
    return [draft for _, _, drafts in files for draft in drafts], rejected


def _clean(poem: SourcePoem, part: Part) -> _Draft:
    lines, marks = clean_lines(poem.marked)
    title = clean_title(poem.title)
    if is_fragment(title):
        raise RejectedError(Rejection.FRAGMENT)
    author = clean_author(poem.author) or part.author
    era = poem.era or part.era
    if era == "先秦" and author not in _BEFORE_QIN_POETS:
        # 楚辞 closes with the imitations of Han poets.
        era = "汉"
    form = SHORT_NAMES.get(poem.form, poem.form)
    return _Draft(
        lines, marks, title, author, era, form if form in FORM_NAMES else part.form, split_tune(poem.tune), poem.source_id
    )


def _keep(lengths: Sequence[int], clusters: Clusters, settings: PrepareSettings, rejected: Counter[str]) -> list[int]:
    """The indices of the drafts that are no duplicates and of a length asked for."""
    kept = []
    for index, characters in enumerate(lengths):
        if clusters.duplicate_of[index] != index:
            rejected[Rejection.DUPLICATE.value] += 1
        elif characters < settings.min_characters:
            rejected[Rejection.SHORT.value] += 1
        elif characters > settings.max_characters:
            rejected[Rejection.LONG.value] += 1
        else:
            kept.append(index)
    return kept


def _finish(drafts: list[_Draft], cluster_ids: list[str], script: Script) -> list[Poem]:
    """The drafts as poems in one script, with form and tune."""
    texts = _in_script(["".join(map("".join, zip(draft.lines, draft.marks))) for draft in drafts], drafts, script)
    titles = _in_script([draft.title for draft in drafts], drafts, script)
    authors = _in_script([draft.author for draft in drafts], drafts, script)
    tunes, names = _tunes(drafts, titles, script)
    poems = []
    for index, draft in enumerate(track(drafts, _("Classifying forms"))):
        tune, title = tunes[index], titles[index]
        lines = tuple(texts[index][:-1].replace(FULL_STOP, "，").split("，"))
        assert len(lines) == len(draft.lines), (lines, draft)
        form = "词" if tune else draft.form or classify(draft.lines)
        if tune:
            title = names.subject(title, lines[0])
        poems.append(
            Poem(
                lines,
                draft.marks,
                title,
                authors[index],
                draft.era,
                form,
                tune,
                script,
                draft.source_id,
                cluster_ids[index],
            )
        )
    return poems


def _in_script(texts: list[str], drafts: list[_Draft], script: Script) -> list[str]:
    """Texts of the drafts in a script; traditional text stays as it is where traditional is asked for."""
    if script == "simplified":
        return convert(texts, script)
    indices = [index for index, draft in enumerate(drafts) if draft.script != script]
    for index, converted in zip(indices, convert([texts[index] for index in indices], script)):
        texts[index] = converted
    return texts


def _tunes(drafts: list[_Draft], titles: list[str], script: Script) -> tuple[list[str], TuneNames]:
    """The tune of each draft in a script, empty for those that are no 词 or whose tune is lost."""
    named = [index for index, draft in enumerate(drafts) if draft.tune_names[0]]
    standard = standard_tunes(drafts[index].tune_names for index in named)
    spelled = sorted({*standard.values(), *(alias for alias, _ in standard)})
    in_script: Mapping[str, str] = dict(zip(spelled, convert(spelled, script)))
    tunes = [""] * len(drafts)
    names = TuneNames() if named else TuneNames.shipped(script)
    for index in named:
        draft = drafts[index]
        tunes[index] = in_script[standard[draft.tune_names]]
        names.add(tunes[index], draft.lines, alias=in_script[draft.tune_names[0]])
    for index, draft in enumerate(drafts):
        if not tunes[index] and draft.form in ("", "词"):
            tunes[index] = names.tune_of(titles[index], draft.lines)
    return tunes, names


def _reasons(rejected: Mapping[str, int]) -> str:
    return listed(reason + f": {count}" for reason, count in rejected.items()) or _("no records")


def iterate(collection: Collection) -> Iterator[tuple[str, Poem]]:
    """(split, poem) for every poem of a collection."""
    for name, poems in collection.splits.items():
        for poem in poems:
            yield name, poem
