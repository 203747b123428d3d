"""Texts of other languages and styles as a collection: read, compared, described.

In: a source, and what a domain says of its texts (a `TextDomain`: the interface of `domains.domain`, seen from below).
Out: a `Reader` for `collection.build_collection`; figures and a dataset card for what came out.

    files ──divide, or records──> SourcePoem ──clean──> Poem (or a reason, counted) ──symbols──> clusters

Near-duplicates are sought among symbols, words for English, characters for Japanese: two long English texts share most
pairs of letters, but not pairs of words. Each symbol stands for one code point there, so that one search serves all.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import Collection
from gemma_poetry.corpus.containers import SourceFile, natural_key
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.corpus.sources import SAMPLE, Source, open_source
from gemma_poetry.corpus.variants import fold
from gemma_poetry.errors import SourceError
from gemma_poetry.languages import _, localized
from gemma_poetry.progress import track
from gemma_poetry.prosody.check_result import CheckResult

_PLANES = (0x10000, 0x10FFFF)
_EXAMPLES = 20


class TextDomain(Protocol):
    """What this room asks of a domain."""

    name: ClassVar[str]
    reader: ClassVar[str]
    forms: ClassVar[tuple[str, ...]]
    unit: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    def sample(self) -> Path | None: ...
    def divide(self, text: str, name: str) -> Iterator[SourcePoem]: ...
    def clean(self, source: SourcePoem) -> Poem: ...
    def symbols(self, line: str) -> Sequence[str]: ...
    def count(self, lines: Sequence[str]) -> int: ...
    def check(self, lines: Sequence[str], form: str) -> CheckResult: ...


@dataclass(frozen=True, slots=True)
class DomainTexts:
    """The reader of a domain's texts."""

    domain: TextDomain

    @property
    def contents(self) -> str:
        """What a source should hold."""
        return _("texts of the domain {name}", name=self.domain.name)

    def open(self, source: str, sections: Sequence[str] = ()) -> Source:
        """Opens a source; `sample` is the domain's own.

        Raises:
            UsageError: It has no sections.
            SourceError: It is missing or unreadable, or the domain has no sample.
        """
        if source != SAMPLE or sections:
            return open_source(source, self.domain.endings, sections)
        folder = self.domain.sample()
        if folder is None or not folder.is_dir():
            raise SourceError(
                _("the domain {name} has no sample", name=self.domain.name),
                where=folder or "",
                expected=_("a domain that brings one, or a source of one's own"),
                action=_("name a folder or file as --source"),
            )
        opened = open_source(str(folder), self.domain.endings)
        opened.info.name = SAMPLE
        return opened

    def read(self, source: Source) -> tuple[list[Poem], Counter[str]]:
        """The texts that can be kept, by file name and place, and how many cannot, by reason."""
        refused: Counter[str] = Counter()
        files: list[tuple[list[tuple[int, str]], list[Poem]]] = []
        for _unused, file in track(source.files(), _("Reading and cleaning"), source.file_count):
            kept = []
            for record in read_poems(file, self.domain.divide):
                try:
                    kept.append(self.domain.clean(record))
                except RefusedError as refusal:
                    refused[refusal.reason] += 1
            files.append((natural_key(file.name), kept))
        files.sort(key=lambda entry: entry[0])
        return [poem for _, poems in files for poem in poems], refused

    def symbols(self, drafts: Sequence[Poem]) -> list[list[str]]:
        """Lines in which each symbol of the domain is one character."""
        return [["".join(map(_code_point, self.domain.symbols(line))) for line in poem.lines] for poem in drafts]

    def characters(self, draft: Poem) -> int:
        """Characters, white space left out."""
        return sum(len(re.sub(r"\s", "", line)) for line in draft.lines)

    def finish(self, drafts: Sequence[Poem], cluster_ids: Sequence[str], settings: PrepareSettings) -> list[Poem]:
        """The texts with their clusters."""
        return [replace(poem, cluster_id=cluster) for poem, cluster in zip(drafts, cluster_ids)]

    def records(self, file: SourceFile) -> Iterator[SourcePoem]:
        """Plain text as the domain divides it."""
        return iter(read_poems(file, self.domain.divide))

    def strictly(self, record: SourcePoem) -> Poem:
        """A text, cleaned."""
        return self.domain.clean(record)

    def leniently(self, records: Sequence[SourcePoem], judged: Sequence[Poem] = ()) -> list[Poem]:
        """Texts of another system; what the domain would leave out of training is kept as it is.

        The form is the one that the file names; else that of the judged text of the same title, which was asked for; else the
        one that the domain finds.
        """
        asked: dict[str, set[str]] = defaultdict(set)
        for text in judged:
            asked[fold(text.title)].add(text.kind)
        known = {form.casefold(): form for form in self.domain.forms}
        poems = []
        for record in records:
            try:
                poem = self.domain.clean(record)
            except RefusedError:
                lines = tuple(line for part in record.paragraphs for line in part.split("\n") if line.strip())
                poem = Poem(lines, "\n" * len(lines), form=self.domain.forms[0])
            own = asked.get(fold(record.title), set()) if record.title else set()
            form = known.get(record.form.casefold()) or (min(own) if len(own) == 1 else poem.form)
            about: dict[str, Any] = {"title": record.title, "author": record.author, "source_id": record.source_id}
            poems.append(replace(poem, **about, form=form, tune=""))
        return poems


def _code_point(symbol: str) -> str:
    """One character for a symbol, the same on every machine: itself, or a code point by its hash."""
    if len(symbol) == 1:
        return symbol
    low, high = _PLANES
    digest = hashlib.sha256(symbol.encode("utf-8", "surrogatepass")).digest()
    return chr(low + int.from_bytes(digest[:8], "big") % (high - low))


def texts_stats(collection: Collection, domain: TextDomain) -> dict[str, Any]:
    """What stats.json says beside the figures of every collection.

    Returns:
        The domain, its unit and the units of all texts; for each form `n` and the share of each verdict of its check; the
        words that no dictionary has, the most frequent first.
    """
    poems = [poem for members in collection.splits.values() for poem in members]
    verdicts: dict[str, Counter[str]] = {}
    unknown: Counter[str] = Counter()
    for poem in track(poems, _("Checking forms")):
        found = domain.check(poem.lines, poem.form)
        verdicts.setdefault(poem.form, Counter())[found.verdict.value] += 1
        unknown.update(one.word for one in found.unknown)
    return {
        "domain": domain.name,
        "unit": domain.unit,
        "units": sum(domain.count(poem.lines) for poem in poems),
        "checks": {
            form: {
                "n": own.total(),
                "verdicts": {name: round(count / own.total(), 4) for name, count in sorted(own.items())},
            }
            for form, own in sorted(verdicts.items())
        },
        "unknown_words": {"count": unknown.total(), "most_frequent": dict(unknown.most_common(_EXAMPLES))},
    }


def texts_card(collection: Collection, stats: Mapping[str, Any], settings: PrepareSettings, tokenizer_name: str) -> str:
    """The README.md of a prepared folder of another domain."""
    source = collection.source
    example = next(iter(collection.train or collection.val or collection.test))
    shown = "\n".join(f"> {line}" for line in example.lines[:8])
    return _(
        "# Prepared texts of the domain {domain}\n\n"
        "{kept:,} texts, {mean_characters:.1f} characters a text on average, {units:,} units of perplexity\n"
        "({unit}), from `{name}` ({files} files, content sha256 `{sha256}`). Written by\n"
        "`gemma-poetry prepare --domain {domain}`; `manifest.json` holds recipe, seed, versions and the sha256 of "
        "every file.\n\n"
        "| file | contents |\n"
        "|---|---|\n"
        "| `train.txt` `val.txt` `test.txt` | one text a line as pieces of the tokenizer of `{tokenizer_name}`: "
        "prompt, TAB, completion |\n"
        "| `train.jsonl` `val.jsonl` `test.jsonl` | the same texts in the same order as records |\n"
        "| `known_lines.npz` | hashes of the lines of the training split |\n"
        "| `stats.json` | all figures of this page |\n\n"
        "For example ({form}):\n\n"
        "{shown}\n\n"
        "## Splits\n\n"
        "{table}\n\n"
        "Held-out texts were drawn by cluster of near-duplicates with seed {seed}. Clusters that span two splits:\n"
        "{clusters_in_two_splits}. Two texts are near-duplicates if the Jaccard similarity of their pairs of\n"
        "symbols (words or characters, as the domain says) is at least {near_duplicate_threshold:g}, or if they "
        "share two\n"
        "lines of five symbols or more.\n\n"
        "## Forms\n\n"
        "{table_2}\n\n"
        "{table_3}\n\n"
        "Words that no dictionary has: {count:,}. They are reported, and nothing is guessed of them.\n\n"
        "## Left out\n\n"
        "{read:,} records were read; {read_2:,} of them were left out:\n\n"
        "{table_4}\n",
        domain=stats["domain"],
        kept=stats["kept"],
        mean_characters=stats["mean_characters"],
        units=stats["units"],
        unit=stats["unit"],
        name=source.name,
        files=source.files,
        sha256=source.sha256,
        tokenizer_name=tokenizer_name,
        form=example.form,
        shown=shown,
        table=_table((_("split"), _("texts")), stats["splits"]),
        seed=settings.seed,
        clusters_in_two_splits=stats["leakage"]["clusters_in_two_splits"],
        near_duplicate_threshold=settings.near_duplicate_threshold,
        table_2=_table((_("form"), _("texts")), stats["by_form"]),
        table_3=_table((_("form: verdict of its check"), _("share")), _shares(stats["checks"])),
        count=stats["unknown_words"]["count"],
        read=stats["read"],
        read_2=stats["read"] - stats["kept"],
        table_4=_table((_("reason"), _("records")), stats["rejected"]),
    )


def _shares(checks: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{form} ({found['n']}): {verdict}": f"{share:.1%}"
        for form, found in checks.items()
        for verdict, share in found["verdicts"].items()
    }


def _table(header: tuple[str, str], rows: Mapping[str, Any]) -> str:
    body = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| {localized(header[0])} | {localized(header[1])} |\n|---|---:|\n{body}" if body else localized(_("none"))
