"""A template makes the prompt of a domain, for training and inference alike.

In: what a poem is asked to be (体裁, 题目, 作者, 意象), and the labels that say so in the domain's language.
Out: the prompt text that stands before the completion; in training, title, author and words are dropped at
random (seeded by the poem, so that two runs drop alike) and any subset works at inference.

A domain may name one thing more that it finds in a text itself (the season word of a haiku): its feature.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.words import draw_words

FORM_LABEL = "体裁："
TITLE_LABEL = "\n题目："
AUTHOR_LABEL = "\n作者："
WORDS_LABEL = "\n意象："
POEM_LABEL = "\n诗："
CLASSICAL = "classical-chinese"
"""The name of the domain that these labels are of, the default one."""
LABELS = (FORM_LABEL, TITLE_LABEL, AUTHOR_LABEL, WORDS_LABEL, POEM_LABEL)
WORD_MARK = "、"
"""What stands between the words of a prompt."""


@dataclass(frozen=True, slots=True)
class Template:
    """The labels of a prompt, each in front of what it names; the last stands at the prompt's end.

    Attributes:
        form: In front of the form.
        title: In front of the title.
        author: In front of the author.
        poem: In front of the completion.
        feature: In front of the feature; empty: the domain has none.
        feature_of: Finds the feature of a poem; empty where it has none.
        words: In front of the words to write about; empty: the domain has none.
    """

    form: str = FORM_LABEL
    title: str = TITLE_LABEL
    author: str = AUTHOR_LABEL
    poem: str = POEM_LABEL
    feature: str = ""
    feature_of: Callable[[Poem], str] | None = None
    words: str = ""

    def find_feature(self, poem: Poem) -> str:
        """The feature of a poem; empty where it has none, or the domain knows none."""
        return self.feature_of(poem) if self.feature_of is not None else ""


CHINESE = Template(words=WORDS_LABEL)
"""The template of classical Chinese poetry."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the prompt says of the poem; an empty field is left out of the prompt.

    Attributes:
        form: 体裁 or 词牌.
        title: 题目.
        author: 作者, whose style is asked for.
        template: The labels that say so.
        feature: What else the domain's prompts name.
        words: 意象, words that the poem is to be about.
    """

    form: str
    title: str = ""
    author: str = ""
    template: Template = CHINESE
    feature: str = ""
    words: tuple[str, ...] = ()

    def prompt(self) -> str:
        """The prompt text; the completion follows it without a space."""
        labels = self.template
        text = labels.form + self.form
        if self.title:
            text += labels.title + self.title
        if self.author:
            text += labels.author + self.author
        if self.words and labels.words:
            text += labels.words + WORD_MARK.join(self.words)
        if self.feature:
            text += labels.feature + self.feature
        return text + labels.poem


def conditions_of(poem: Poem, template: Template = CHINESE) -> Conditions:
    """All that is known of a poem but words of its own, which would give the poem away."""
    feature = template.find_feature(poem)
    return Conditions(form=poem.kind, title=poem.title, author=poem.author, template=template, feature=feature)


def dropped_conditions(
    poem: Poem,
    *,
    title_dropout: float,
    author_dropout: float,
    words_dropout: float = 1.0,
    seed: int,
    template: Template = CHINESE,
) -> Conditions:
    """The conditions of a poem with title, author and words each dropped at random, its feature as often as titles.

    The draw depends on `seed` and on the poem's own text, never on its place in a file.

    Args:
        poem: The poem.
        title_dropout: Probability that the title is left out, 0 to 1.
        author_dropout: Probability that the author is left out, 0 to 1.
        words_dropout: Probability that no word of the poem is named, 0 to 1.
        seed: Seed of the draw.
        template: The labels of the prompt.
    """
    digest = hashlib.sha256(f"{seed}\x00{poem.source_id}\x00{poem.text}".encode()).digest()
    title_draw, author_draw, feature_draw, words_draw = (
        int.from_bytes(digest[start : start + 8], "big") / 2**64 for start in (0, 8, 16, 24)
    )
    wordy = template.words and words_draw >= words_dropout
    return Conditions(
        form=poem.kind,
        title="" if title_draw < title_dropout else poem.title,
        author="" if author_draw < author_dropout else poem.author,
        template=template,
        feature="" if feature_draw < title_dropout else template.find_feature(poem),
        words=draw_words(poem.lines, random.Random(digest)) if wordy else (),
    )
