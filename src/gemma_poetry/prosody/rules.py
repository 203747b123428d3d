"""The rules that a scansion can name, and the verdicts that they lead to.

In: the rules that a poem breaks or makes use of. Out: the verdict. 诗 and 词 share both.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from gemma_poetry.languages import _


class Verdict(str, Enum):
    """What a poem, or a line, amounts to, from best to worst."""

    STRICT = "strict"
    """Every place is as the pattern has it."""
    MINOR = "minor"
    """With a departure that needs no mending (小拗, 三仄尾, 通韵; of 词 a place that most keep, 宋人通押, a rare 又一体)."""
    RESCUED = "rescued"
    """With a departure that is mended (拗救: 孤平自救, 大拗对句救, 特拗)."""
    FAIL = "fail"
    """A rule is broken."""
    NOT_JUDGED = "not-judged"
    """There is nothing to judge it by (a tune without a template, too many unknown characters)."""

    @property
    def passes(self) -> bool:
        """Whether the poem keeps the rules."""
        return self in (Verdict.STRICT, Verdict.MINOR, Verdict.RESCUED)


VERDICT_NAMES: dict[Verdict, str] = {
    Verdict.STRICT: _("strict"),
    Verdict.MINOR: _("minor"),
    Verdict.RESCUED: _("rescued"),
    Verdict.FAIL: _("fail"),
    Verdict.NOT_JUDGED: _("not-judged"),
}
"""What a verdict is called where people read it."""

MAX_UNKNOWN_SHARE = 0.1
"""A poem is not judged if more of its characters than this have no known reading, or half of its rhyme words."""


class Rule(Enum):
    """A rule by its Chinese and its English name, and the verdict on a poem that meets it."""

    TONE = ("平仄不合", "wrong tone", Verdict.FAIL)
    BEAT = ("节奏点平仄不合", "wrong tone on a beat (position 2, 4, 6)", Verdict.FAIL)
    LINE_END = ("句脚平仄不合", "wrong tone at the end of the line", Verdict.FAIL)
    LONE_LEVEL = ("孤平", "lone level tone", Verdict.FAIL)
    LONE_LEVEL_MENDED = ("孤平自救", "lone level tone, mended in its own line", Verdict.RESCUED)
    THREE_LEVEL = ("三平尾", "three level tones at the end", Verdict.FAIL)
    THREE_OBLIQUE = ("三仄尾", "three oblique tones at the end (authorities differ)", Verdict.MINOR)
    SWAP = ("特拗首字非平", "swapped tail without the level tone that it needs before it", Verdict.FAIL)
    SWAP_ALLOWED = ("特拗", "swapped tail 平仄平仄, allowed", Verdict.RESCUED)
    MINOR_TWIST = ("小拗", "minor twist: the third place from the end is oblique", Verdict.MINOR)
    MAJOR_TWIST = ("大拗未救", "major twist that the next line does not mend", Verdict.FAIL)
    MAJOR_TWIST_MENDED = ("大拗对句救", "major twist, mended in the next line", Verdict.RESCUED)
    FIFTH_OF_SIX = ("六言第五字拗", "fifth of six characters other than nine in ten lines have it", Verdict.MINOR)
    OBLIQUE_FIRST = ("首句仄脚", "first line ends oblique and does not rhyme (仄韵; most 五绝 of the Tang so)", Verdict.MINOR)
    CONTRAST = ("失对", "no contrast within the couplet", Verdict.FAIL)
    ADHESION = ("失粘", "no adhesion between the couplets", Verdict.FAIL)
    RHYME = ("出韵", "out of rhyme", Verdict.FAIL)
    NEIGHBOUR_RHYME = ("邻韵", "first line in a neighbouring rhyme, allowed", Verdict.STRICT)
    MIXED_RHYME = ("宋人通押", "rhymes of parts that Song poets took together in 词", Verdict.MINOR)
    JOINED_RHYME = ("通韵", "rhymes of one part taken together, allowed in 古体", Verdict.MINOR)
    REPEATED_RHYME = ("重韵", "rhyme word repeated", Verdict.FAIL)
    CHARACTER = ("字不合", "not the character that was asked for", Verdict.FAIL)
    ECHO = ("叠句不合", "does not repeat the line that it should, forwards or backwards", Verdict.FAIL)
    REPEAT = ("叠字不合", "does not repeat the character before, as it should", Verdict.FAIL)
    USUAL_TONE = ("平仄从宽", "a tone that most poems of the tune have here, and not all", Verdict.MINOR)
    USUAL_RHYME = ("可韵可不韵", "no rhyme where most poems of the tune have one, and not all", Verdict.MINOR)
    PADDING = ("衬字", "more characters than the song has, those that its tones do without taken as padding", Verdict.MINOR)
    RARE_SHAPE = ("又一体", "line lengths that few poems of the tune have", Verdict.MINOR)
    DIVISION = ("句读", "sentence divided otherwise than usual, rhymes in place (editors differ)", Verdict.MINOR)
    SHAPE = ("句式不合", "wrong number of lines or of characters in a line", Verdict.FAIL)

    @property
    def key(self) -> str:
        """Its name in JSON: `lone-level`."""
        return self.name.lower().replace("_", "-")

    @property
    def chinese(self) -> str:
        """Its Chinese name."""
        return self.value[0]

    @property
    def english(self) -> str:
        """Its English name."""
        return self.value[1]

    @property
    def verdict(self) -> Verdict:
        """The verdict on a line in which nothing else is worth a remark."""
        return self.value[2]


_ORDER = {verdict: rank for rank, verdict in enumerate(Verdict)}


def verdict_of(rules: Iterable[Rule]) -> Verdict:
    """The worst verdict that these rules lead to; strict without any."""
    return max((rule.verdict for rule in rules), key=_ORDER.__getitem__, default=Verdict.STRICT)
