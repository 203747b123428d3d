"""What a prepared collection is like, for machines (`stats.json`) and for people (the dataset card).

In: a `Collection` and the settings that made it. Out: a JSON value, and the card as Markdown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import Collection, iterate
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.languages import _, localized

_LARGEST_CLUSTER_SAMPLE = 5
_SCANNED_POEMS = 1000
REGULATED_FORMS = ("五言绝句", "七言绝句", "五言律诗", "七言律诗", "五言排律", "七言排律")


def collection_stats(collection: Collection) -> dict[str, Any]:
    """The figures of stats.json.

    Counts are poems; lengths are Han characters; `clusters` counts the clusters that the kept poems are in, a poem
    without near-duplicates being a cluster of its own.
    """
    poems = [poem for _, poem in iterate(collection)]
    splits_of: dict[str, set[str]] = defaultdict(set)
    for split, poem in iterate(collection):
        splits_of[poem.cluster_id].add(split)
    sizes = Counter(poem.cluster_id for poem in poems)
    largest, size = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return {
        "read": collection.read,
        "kept": len(poems),
        "rejected": collection.rejected,
        "passed_over": collection.source.passed_over,
        "splits": {name: len(members) for name, members in collection.splits.items()},
        "by_form": _counts(poem.form for poem in poems),
        "by_era": _counts(poem.era or "unknown" for poem in poems),
        "tunes": len({poem.tune for poem in poems if poem.tune}),
        "authors": len({poem.author for poem in poems if poem.author}),
        "with_title": sum(bool(poem.title) for poem in poems),
        "with_author": sum(bool(poem.author) for poem in poems),
        "characters": sum(poem.characters for poem in poems),
        "mean_characters": round(sum(poem.characters for poem in poems) / len(poems), 3),
        "clusters": len(sizes),
        "duplicates": {
            "exact_dropped": collection.exact_duplicates,
            "similar_pairs": collection.similar_pairs,
            "excerpt_pairs": collection.excerpt_pairs,
            "poems_with_near_duplicates": sum(count for count in sizes.values() if count > 1),
            "largest_cluster": {
                "cluster_id": largest,
                "poems": size,
                "examples": [
                    {"title": poem.title, "author": poem.author, "source_id": poem.source_id}
                    for poem in poems
                    if poem.cluster_id == largest
                ][:_LARGEST_CLUSTER_SAMPLE],
            },
        },
        "prosody": prosody_stats(poems),
        "leakage": {"clusters_in_two_splits": sum(len(names) > 1 for names in splits_of.values())},
    }


def prosody_stats(poems: Sequence[Poem]) -> dict[str, Any]:
    """Tones and rhyme of the regulated forms: the human figure that written poems are later held against.

    Of each form up to 1,000 poems are scanned, evenly spaced over the collection; `n` says how many.

    Returns:
        For each regulated form `n`, the share of each verdict (`strict`, `minor`, `rescued`, `fail`), the share that
        passes under every reading, and how often each rhyme group (韵部) occurs, the most frequent first.
    """
    from gemma_poetry.prosody.scansion import scan

    found = {}
    for form in REGULATED_FORMS:
        members = [poem for poem in poems if poem.form == form]
        step = -(-len(members) // _SCANNED_POEMS) or 1
        scansions = [scan(poem.lines, form) for poem in members[::step]]
        if scansions:
            verdicts = Counter(scansion.verdict.value for scansion in scansions)
            found[form] = {
                "n": len(scansions),
                "verdicts": {name: round(count / len(scansions), 4) for name, count in sorted(verdicts.items())},
                "every_reading": round(sum(scansion.every_reading for scansion in scansions) / len(scansions), 4),
                "rhyme_groups": _counts(scansion.rhyme_group for scansion in scansions if scansion.rhyme_group),
            }
    return found


def dataset_card(collection: Collection, stats: Mapping[str, Any], settings: PrepareSettings, tokenizer_name: str) -> str:
    """The README.md of a prepared folder."""
    source = collection.source
    origin = f"`{source.name}`" + (_(" at commit `{commit}`", commit=source.commit) if source.commit else "")
    duplicates, splits = stats["duplicates"], stats["splits"]
    example = next(iter(collection.train or collection.val or collection.test))
    return _(
        "# Prepared poems\n\n"
        "{kept:,} poems, {mean_characters:.1f} Han characters a poem on average, in {script} characters,\n"
        "from {origin} ({files} files, content sha256 `{sha256}`). Written by `gemma-poetry prepare`; "
        "`manifest.json`\n"
        "holds recipe, seed, versions and the sha256 of every file.\n\n"
        "## Files\n\n"
        "| file | contents |\n"
        "|---|---|\n"
        "| `train.txt` `val.txt` `test.txt` | one poem a line as pieces of the tokenizer of `{tokenizer_name}`: "
        "prompt, TAB, completion |\n"
        "| `train.jsonl` `val.jsonl` `test.jsonl` | the same poems in the same order as records |\n"
        "| `known_lines.npz` | hashes of the lines of the training split: `generate` keeps them out of new poems "
        "|\n"
        "| `stats.json` | all figures of this page |\n\n"
        "A record: title, author, era, form (体裁), tune (词牌), lines, marks (one closing mark a line), script, "
        "source_id (file and\n"
        "number in the source) and cluster_id (near-duplicates share it). Unknown fields are empty. For "
        "example:\n\n"
        "> {one_line}\n\n"
        "## Splits\n\n"
        "{table}\n\n"
        "Held-out poems were drawn by cluster of near-duplicates with seed {seed}, from the whole source, before "
        "any choice\n"
        "of forms, eras or a number of poems. Clusters that span two splits: {clusters_in_two_splits}.\n\n"
        "## Duplicates\n\n"
        "Two poems count as near-duplicates if the Jaccard similarity of their character bigrams is at least\n"
        "{near_duplicate_threshold:g} or if they have two lines of five or more characters in common; script, "
        "glyph variants,\n"
        "punctuation, title and author do not matter. Exact duplicates were dropped, near-duplicates kept in one "
        "split.\n\n"
        "{table_2}\n\n"
        "## Forms and eras\n\n"
        "{table_3}\n\n"
        "{table_4}\n\n"
        "## Left out\n\n"
        "{read:,} records were read; {read_2:,} of them were left out:\n\n"
        "{table_5}\n\n"
        "Files of the source that were passed over:\n\n"
        "{passed_over}\n\n"
        "## Limits\n\n"
        "Titles lost their serial numbers and notes, and those of more than thirty characters were dropped. "
        "Notes in the text were\n"
        "removed; a poem with a character that is lost or has no code was left out, never repaired. Attributions "
        "are those of\n"
        "the source. Forms were assigned by rule, not by an editor.\n",
        kept=stats["kept"],
        mean_characters=stats["mean_characters"],
        script=settings.script,
        origin=origin,
        files=source.files,
        sha256=source.sha256,
        tokenizer_name=tokenizer_name,
        one_line=_one_line(example),
        table=_table((_("split"), _("poems")), splits.items()),
        seed=settings.seed,
        clusters_in_two_splits=stats["leakage"]["clusters_in_two_splits"],
        near_duplicate_threshold=settings.near_duplicate_threshold,
        table_2=_table(
            ("", _("count")),
            (
                (_("exact duplicates dropped"), duplicates["exact_dropped"]),
                (_("pairs above the similarity threshold"), duplicates["similar_pairs"]),
                (_("pairs with two lines in common"), duplicates["excerpt_pairs"]),
                (_("clusters"), stats["clusters"]),
                (_("poems kept that have near-duplicates"), duplicates["poems_with_near_duplicates"]),
                (_("poems in the largest cluster"), duplicates["largest_cluster"]["poems"]),
            ),
        ),
        table_3=_table((_("form"), _("poems")), stats["by_form"].items()),
        table_4=_table((_("era"), _("poems")), stats["by_era"].items()),
        read=stats["read"],
        read_2=stats["read"] - stats["kept"],
        table_5=_table((_("reason"), _("records")), stats["rejected"].items()),
        passed_over=_passed_over(stats["passed_over"]),
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _one_line(poem: Poem) -> str:
    name = poem.title or poem.kind
    return _(
        "{name}{value}: {text}",
        name=name,
        value=_(" ({author})", author=poem.author) if poem.author else "",
        text=poem.text[:60],
    )


def _passed_over(parts: Mapping[str, Mapping[str, Any]]) -> str:
    rows = (
        localized(
            _(
                "- {name}: {files:,} files, {records:,} records ({reason})",
                name=name,
                files=part["files"],
                records=part["records"],
                reason=part["reason"],
            )
        )
        for name, part in parts.items()
    )
    return "\n".join(rows) or localized(_("none"))


def _table(header: tuple[str, str], rows: Iterable[tuple[str, int]]) -> str:
    body = "\n".join(f"| {localized(name)} | {count:,} |" for name, count in rows)
    return f"| {localized(header[0])} | {localized(header[1])} |\n|---|---:|\n{body}" if body else localized(_("none"))
