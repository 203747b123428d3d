"""These results are those that the project was described with, to stand beside what is measured here.

In: nothing. Out: the figures, the metrics that they could be compared with, and why they cannot be compared strictly.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma_poetry.languages import _


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A figure of the description.

    Attributes:
        label: What it is.
        value: The figure, as it was given.
        metrics: The metrics of ours that come nearest, the first by preference.
        note: What is not known of it.
    """

    label: str
    value: float
    metrics: tuple[str, ...]
    note: str


DESCRIBED = (
    PublishedResult(
        "perplexity", 15.2, ("ppl_token",), _("unit, tokenizer and test poems are not known; read here as a token's")
    ),
    PublishedResult(
        "BLEU-4",
        0.48,
        ("bleu4_title", "bleu4_couplet"),
        _(
            "scale, references and protocol are not known; drawn here on the scale "
            "of 0 to 100, 48 would be its place if 0 to 1 was meant"
        ),
    ),
)

CAVEAT = _(
    "The described results (perplexity 15.2, BLEU-4 0.48) were reported for another "
    "model, with protocols that are not known: they stand here for orientation, and "
    "are no target that a figure of this page can be held against."
)
