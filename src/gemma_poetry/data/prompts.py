"""The one prompt template, for training and inference alike.

In: what a poem is asked to be (体裁, 题目, 作者).
Out: the prompt text that stands before the completion; in training, title and author are dropped at
random (seeded by the poem, so that two runs drop alike) and any subset works at inference.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gemma_poetry.corpus.poem import Poem

FORM_LABEL = "体裁："
TITLE_LABEL = "\n题目："
AUTHOR_LABEL = "\n作者："
POEM_LABEL = "\n诗："
LABELS = (FORM_LABEL, TITLE_LABEL, AUTHOR_LABEL, POEM_LABEL)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the prompt says of the poem; an empty field is left out of the prompt.

    Attributes:
        form: 体裁 or 词牌.
        title: 题目.
        author: 作者, whose style is asked for.
    """

    form: str
    title: str = ""
    author: str = ""

    def prompt(self) -> str:
        """The prompt text; the completion follows it without a space."""
        text = FORM_LABEL + self.form
        if self.title:
            text += TITLE_LABEL + self.title
        if self.author:
            text += AUTHOR_LABEL + self.author
        return text + POEM_LABEL


def conditions_of(poem: Poem) -> Conditions:
    """All that is known of a poem."""
    return Conditions(form=poem.kind, title=poem.title, author=poem.author)


def dropped_conditions(poem: Poem, *, title_dropout: float, author_dropout: float, seed: int) -> Conditions:
    """The conditions of a poem with title and author each dropped at random.

    The draw depends on `seed` and on the poem's own text, never on its place in a file.

    Args:
        poem: The poem.
        title_dropout: Probability that the title is left out, 0 to 1.
        author_dropout: Probability that the author is left out, 0 to 1.
        seed: Seed of the draw.
    """
    digest = hashlib.sha256(f"{seed}\x00{poem.source_id}\x00{poem.text}".encode()).digest()
    title_draw = int.from_bytes(digest[:8], "big") / 2**64
    author_draw = int.from_bytes(digest[8:16], "big") / 2**64
    return Conditions(
        form=poem.kind,
        title="" if title_draw < title_dropout else poem.title,
        author="" if author_draw < author_dropout else poem.author,
    )
