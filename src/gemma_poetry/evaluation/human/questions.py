"""What a rater is asked, in Chinese and English.

In: nothing. Out: the five aspects with a description of every step of their scales, the choices between two poems, and the
question of a rater's background.

Every step is described, not only the ends: raters who share the words of a scale agree more than raters who share numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

SCALE = (1, 2, 3, 4, 5)

CHINESE, ENGLISH = "zh", "en"


@dataclass(frozen=True, slots=True)
class Wording:
    """One text in both languages."""

    zh: str
    en: str

    def said(self, language: str) -> str:
        """The text in one of the two languages."""
        return self.zh if language == CHINESE else self.en


@dataclass(frozen=True, slots=True)
class Aspect:
    """One scale (评分维度).

    Attributes:
        name: What it is called in files.
        label: What raters see.
        question: What it asks.
        steps: The meaning of each step of `SCALE`.
    """

    name: str
    label: Wording
    question: Wording
    steps: tuple[Wording, ...]


ASPECTS: tuple[Aspect, ...] = (
    Aspect(
        "fluency",
        Wording("流畅", "Fluency"),
        Wording("字词是否通顺，合乎文言的说法？", "Are the words and phrases well-formed classical Chinese?"),
        (
            Wording("不成句", "not language"),
            Wording("多处不通", "often broken"),
            Wording("大体通顺", "mostly sound"),
            Wording("通顺", "sound"),
            Wording("流畅自然", "flows naturally"),
        ),
    ),
    Aspect(
        "coherence",
        Wording("连贯", "Coherence"),
        Wording("句与句是否相承，合成一首诗？", "Do the lines follow from one another and make one poem?"),
        (
            Wording("互不相干", "unrelated lines"),
            Wording("勉强相连", "barely linked"),
            Wording("部分相承", "partly linked"),
            Wording("前后相承", "well linked"),
            Wording("浑然一体", "one whole"),
        ),
    ),
    Aspect(
        "meaning",
        Wording("意义", "Meaning"),
        Wording("是否言之有物，与题目相合？", "Does it say something, and does that fit the title?"),
        (
            Wording("不知所云", "makes no sense"),
            Wording("空泛离题", "vague, off topic"),
            Wording("意思浅显", "plain sense"),
            Wording("有物切题", "says it, on topic"),
            Wording("意蕴深厚", "rich and apt"),
        ),
    ),
    Aspect(
        "poeticness",
        Wording("诗意", "Poeticness"),
        Wording("有没有意象、情感和言外之意？", "Are there images, feeling, something left unsaid?"),
        (
            Wording("毫无诗意", "none"),
            Wording("略有诗味", "a trace"),
            Wording("有些意象", "some images"),
            Wording("有意境", "evocative"),
            Wording("意境动人", "moving"),
        ),
    ),
    Aspect(
        "style",
        Wording("风格", "Style"),
        Wording("用语、对仗、声调，像不像古典诗词？", "Does it read like classical verse in diction, parallelism and sound?"),
        (
            Wording("全不像", "not at all"),
            Wording("不太像", "hardly"),
            Wording("有几分像", "somewhat"),
            Wording("很像", "very much"),
            Wording("如出古人", "as if by a master"),
        ),
    ),
)
ASPECT_NAMES: tuple[str, ...] = tuple(aspect.name for aspect in ASPECTS)

PREFERENCE = "preference"
"""The question that a pair of poems asks."""

LEFT, EQUAL, RIGHT = "left", "equal", "right"
CHOICES: dict[str, Wording] = {
    LEFT: Wording("甲更好", "A is better"),
    EQUAL: Wording("不相上下", "About equal"),
    RIGHT: Wording("乙更好", "B is better"),
}

BACKGROUND = "background"
"""The question that is asked once, before the first poem."""

BACKGROUNDS: dict[str, Wording] = {
    "rarely": Wording("很少读", "rarely"),
    "sometimes": Wording("有时读", "sometimes"),
    "often": Wording("经常读", "often"),
    "professional": Wording("研究或创作", "study or write it"),
}

LONGEST_COMMENT = 500
"""A comment on one task, in characters."""


def allowed_answers(question: str) -> tuple[str, ...]:
    """The answers that a question takes, as they are stored; empty for an unknown question."""
    if question in ASPECT_NAMES:
        return tuple(map(str, SCALE))
    return {PREFERENCE: tuple(CHOICES), BACKGROUND: tuple(BACKGROUNDS)}.get(question, ())
