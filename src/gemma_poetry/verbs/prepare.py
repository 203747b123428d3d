"""`gemma-poetry prepare`: from a collection to a DATA folder.

In: a source, the prepare section of a recipe, and the tokenizer of the model that will be trained. Out: DATA with
tokenized text, records, the known lines of the training split, statistics, dataset card and manifest; all of it, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gemma_poetry.artifacts import atomic_writer, write_json, write_text
from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import Collection, build_collection
from gemma_poetry.corpus.known_lines import KNOWN_LINES, KnownLines
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.readers import card_of, reader_of, stats_of
from gemma_poetry.corpus.splits import SPLITS
from gemma_poetry.data.interchange import write_exports
from gemma_poetry.data.prompts import dropped_conditions
from gemma_poetry.data.tokenization import tokenize_poems, tokenizer_fingerprint, write_tokenized
from gemma_poetry.domains.domain import Domain
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import OutputError
from gemma_poetry.languages import _, listed, localized
from gemma_poetry.manifests import atomic_folder, check_folder, write_manifest
from gemma_poetry.progress import track

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KIND = "data"
FILES = (*(f"{name}.{ending}" for name in SPLITS for ending in ("txt", "jsonl")), KNOWN_LINES, "stats.json", "README.md")


def prepare(
    source: str,
    out: Path,
    settings: PrepareSettings,
    tokenizer: PreTrainedTokenizerBase,
    tokenizer_name: str,
    domain: Domain | None = None,
) -> dict[str, Any]:
    """Prepares a collection; returns what stands in stats.json.

    Args:
        source: `sample`, `chinese-poetry`, or the path of a folder, archive or file.
        out: The DATA folder; an older one is replaced, anything else is refused.
        settings: The prepare section of a recipe.
        tokenizer: The tokenizer of the model to be trained.
        tokenizer_name: What the person called that model; it goes into manifest and card.
        domain: The language or style of the texts; `None`: classical Chinese poetry.

    Raises:
        SourceError: The source cannot be read, or nothing of it can be kept.
        UsageError: The settings ask for what the collection cannot give.
        OutputError: `out` is in use for something else, or cannot be written.
    """
    out = Path(out)
    check_output(out, source)
    domain = domain or load_domain(DEFAULT)
    settings = settings.model_copy(update={"forms": tuple(map(domain.form_name, settings.forms))})
    collection = build_collection(source, settings, reader_of(domain))
    stats = stats_of(collection, domain)
    with atomic_folder(out, KIND) as folder:
        for name, poems in collection.splits.items():
            _write_records(folder / f"{name}.jsonl", poems)
            dropout = settings if name == "train" else None
            lines = tokenize_poems(
                poems,
                tokenizer,
                title_dropout=dropout.title_dropout if dropout else 0.0,
                author_dropout=dropout.author_dropout if dropout else 0.0,
                words_dropout=dropout.words_dropout if dropout else 1.0,
                seed=settings.seed,
                template=domain.template,
            )
            write_tokenized(folder / f"{name}.txt", track(lines, _("Tokenizing {name}", name=name), len(poems)))
        _known_lines(collection).save(folder / KNOWN_LINES)
        write_json(folder / "stats.json", stats)
        write_text(folder / "README.md", localized(card_of(domain, collection, stats, settings, tokenizer_name)))
        exported = _write_exports(folder, collection, settings, domain) if settings.exports else []
        contents = {**_manifest(collection, settings, tokenizer, tokenizer_name), "domain": domain.name}
        write_manifest(folder, contents, [*FILES, *exported])
    return stats


def check_output(out: Path, source: str) -> None:
    """Refuses to write over what `prepare` did not write.

    Raises:
        OutputError: `out` is a file, a folder with other contents, or holds the source.
    """
    out = Path(out)
    given = Path(source)
    if given.exists() and given.resolve().is_relative_to(out.resolve()):
        raise OutputError(
            _("the output folder holds the source"),
            where=out,
            expected=_("another place"),
            action=_("name another folder as --out"),
        )
    check_folder(out, KIND)


def summary(stats: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know of prepared data, as (name, value) rows."""
    rejected = sum(stats["rejected"].values())
    return [
        (_("poems read"), f"{stats['read']:,}"),
        (_("kept"), f"{stats['kept']:,}"),
        (_("rejected"), f"{rejected:,} ({listed(f'{name} {count:,}' for name, count in stats['rejected'].items())})"),
        *(
            [(_("passed over"), listed(f"{name} {part['records'] or part['files']:,}" for name, part in passed.items()))]
            if (passed := stats.get("passed_over"))
            else []
        ),
        (_("splits"), "  ".join(f"{name} {count:,}" for name, count in stats["splits"].items())),
        (_("forms"), "  ".join(f"{name} {count:,}" for name, count in stats["by_form"].items())),
        (_("characters a poem"), f"{stats['mean_characters']:.1f}"),
        (
            _("forms that pass") if "checks" in stats else _("regulated verse that passes"),
            "  ".join(
                f"{form} {1 - found['verdicts'].get('fail', 0):.0%}"
                for form, found in (stats.get("checks") or stats["prosody"]).items()
            ),
        ),
        *([(_("words in no dictionary"), f"{stats['unknown_words']['count']:,}")] if "unknown_words" in stats else []),
    ]


def _known_lines(collection: Collection) -> KnownLines:
    """The lines of the training split: what a model that is trained on it must not be found to repeat."""
    source = collection.source
    provenance = f"training split of {source.name}" + (f", commit {source.commit}" if source.commit else "")
    return KnownLines.build((line for poem in collection.splits["train"] for line in poem.lines), provenance=provenance)


def _write_records(path: Path, poems: Iterable[Poem]) -> None:
    with atomic_writer(path, binary=True) as stream:
        for poem in poems:
            stream.write(orjson.dumps(poem.to_record()) + b"\n")


def _write_exports(folder: Path, collection: Collection, settings: PrepareSettings, domain: Domain) -> list[str]:
    dropout = {
        "title_dropout": settings.title_dropout,
        "author_dropout": settings.author_dropout,
        "words_dropout": settings.words_dropout,
    }
    whole = {"title_dropout": 0.0, "author_dropout": 0.0}
    rows = {
        name: [
            (
                dropped_conditions(
                    poem, **(dropout if name == "train" else whole), seed=settings.seed, template=domain.template
                ),
                poem,
            )
            for poem in poems
        ]
        for name, poems in collection.splits.items()
    }
    return write_exports(folder, rows, settings.exports, settings.seed, domain.languages)


def _manifest(
    collection: Collection, settings: PrepareSettings, tokenizer: PreTrainedTokenizerBase, tokenizer_name: str
) -> dict[str, Any]:
    source = collection.source
    return {
        "kind": KIND,
        "source": {"name": source.name, "commit": source.commit, "sha256": source.sha256, "files": source.files},
        "recipe": {"prepare": settings.model_dump(mode="json")},
        "seed": settings.seed,
        "poems": {name: len(poems) for name, poems in collection.splits.items()},
        "tokenizer": {"name": tokenizer_name, "fingerprint": tokenizer_fingerprint(tokenizer)},
    }
