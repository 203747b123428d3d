"""Whether the judged poems may have been in the training of the base model: then low perplexity is partly memory.

In: the judged poems, the base model's manifest and the lines that it was trained on, where its folder has them.
Out: a `Contamination`, with one sentence that a report can print.

Three things can be told apart of the base. A model pretrained here names the clusters of its splits and ships the lines of
its training, so that each poem can be looked up: of held-out poems 0.1% have more than half of their lines there
(quotations, and the guard's one false line in a hundred), of training poems all. A manifest that names the judged clusters
as held out says the same without looking. Of any other model nothing is known, and that is what the sentence says. What a
run was fine-tuned on is in its manifest; of poems from elsewhere its own list of lines tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Protocol

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import SHORTEST_LINE
from gemma_poetry.languages import _

KNOWN_SHARE = 0.5
"""A poem counts as known if more than this share of its lines stands in the training lines."""

TOLERATED_SHARE = 0.01
"""Up to this share of known poems is what quotation and false alarms explain."""


class LinesAtHand(Protocol):
    """Lines that can be asked for one."""

    def __contains__(self, line: str, /) -> bool: ...


class Verdict(str, Enum):
    """What can be told of the judged poems and the base model's training."""

    KEPT_OUT = "kept-out"
    SEEN = "seen"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Contamination:
    """What is known.

    Attributes:
        verdict: Whether the poems were kept out.
        poems: Judged poems that have a line long enough to be looked up.
        known: Of these, poems of which more than half of the lines stand in the training lines; `None`: not looked up.
        sentence: The same for people.
    """

    verdict: Verdict
    poems: int
    known: int | None
    sentence: str

    @property
    def doubtful(self) -> bool:
        """Whether a reader must be warned."""
        return self.verdict is not Verdict.KEPT_OUT

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return {**asdict(self), "verdict": self.verdict.value}


def find_contamination(
    poems: Sequence[Poem],
    base: str,
    digest: str,
    manifest: Mapping[str, Any] | None = None,
    known_lines: LinesAtHand | None = None,
) -> Contamination:
    """What can be told of the judged poems and a base model.

    Args:
        poems: The judged poems.
        base: What people call the base model.
        digest: The digest of the judged clusters, made as that of the manifest's splits is.
        manifest: Its manifest, if it has one.
        known_lines: The lines that it was trained on, if it ships them.
    """
    clusters: Mapping[str, str] = (manifest or {}).get("data", {}).get("clusters", {})
    named = next((split for split, found in clusters.items() if found == digest), "")
    if named and named != "train":
        return Contamination(
            Verdict.KEPT_OUT,
            len(poems),
            None,
            _("The poems are those that {base} was kept from: its manifest names them.", base=base),
        )
    if known_lines is not None:
        return look_up(poems, base, known_lines)
    if named:
        return Contamination(
            Verdict.SEEN, len(poems), len(poems), _("{base} was trained on these very poems: its manifest says so.", base=base)
        )
    return Contamination(
        Verdict.UNKNOWN,
        len(poems),
        None,
        _(
            "What {base} was pretrained on is not recorded. A model that has read the web has very "
            "likely read what is published there: perplexity and BLEU may be partly memory, for base "
            "and tuned alike. New texts (evaluate --data of one's own) are free of this.",
            base=base,
        ),
    )


def find_tuning_contamination(run: str, poems: int, split: str, same_data: bool) -> Contamination:
    """What can be told of the judged poems and the fine-tuning of a run.

    Args:
        run: What people call the run.
        poems: The judged poems.
        split: The split that they are.
        same_data: Whether the run was trained on the very DATA that the poems are from.
    """
    if not same_data:
        sentence = _(
            "{run} was fine-tuned on other data than the poems are from: whether they were "
            "in it is not known. Evaluate with the DATA that it was trained on.",
            run=run,
        )
        return Contamination(Verdict.UNKNOWN, poems, None, sentence)
    if split == "train":
        return Contamination(
            Verdict.SEEN, poems, poems, _("{run} was fine-tuned on these very poems: they are its training split.", run=run)
        )
    return Contamination(
        Verdict.KEPT_OUT, poems, None, _("The {split} split took no part in the fine-tuning of {run}.", split=split, run=run)
    )


def look_up(poems: Sequence[Poem], base: str, known_lines: LinesAtHand) -> Contamination:
    """What the lines that a model was trained on tell of the judged poems."""
    judged = [lines for poem in poems if (lines := [line for line in poem.lines if len(line) >= SHORTEST_LINE])]
    known = sum(sum(line in known_lines for line in lines) > KNOWN_SHARE * len(lines) for lines in judged)
    share = known / len(judged) if judged else 0.0
    found = _(
        "of {count:,} poems {known:,} ({share:.1%}) have more than half of their lines in it",
        count=len(judged),
        known=known,
        share=share,
    )
    if share > TOLERATED_SHARE:
        return Contamination(
            Verdict.SEEN,
            len(judged),
            known,
            _(
                "{base} has read poems that it is judged on. Looked up in the lines of its training: {found}. "
                "Its perplexity on them is partly memory; judge it on poems that it was kept from.",
                base=base,
                found=found,
            ),
        )
    return Contamination(
        Verdict.KEPT_OUT,
        len(judged),
        known,
        _("The poems were looked up in the training of {base}: {found}; it was kept from them.", base=base, found=found),
    )
