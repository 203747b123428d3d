"""Korean sijo (시조) as a domain: three lines of four groups, each of so many syllables.

In: texts in Hangul, groups apart by spaces. Out: poems whose lines are the groups; a check of their syllables; and what a
syllable block costs, so that generation keeps every group.
"""

from pathlib import Path

from gemma_poetry.corpus.poem import Poem, RefusedError
from gemma_poetry.data.prompts import Template
from gemma_poetry.domains.domain import Domain, check_result, fault
from gemma_poetry.prosody.measures import Measure, MeasuredLine, Unit
from gemma_poetry.prosody.wordstock import Wordstock

SYLLABLES = (3, 4, 4, 4, 3, 4, 4, 4, 3, 5, 4, 3)
MARKS = "   \n" * 3  # a space behind a group, a line break behind the fourth


def is_hangul(char: str) -> bool:
    return "가" <= char <= "힣"


class Sijo(Domain):
    """시조."""

    name = "korean-sijo"
    description = "Korean sijo (시조): three lines of four groups of syllables"
    forms = ("시조",)
    template = Template("형식: ", "\n제목: ", "\n지은이: ", "\n시:\n")

    def sample(self):
        return Path(__file__).parent / "sample"

    def clean(self, source):
        groups = " ".join(source.paragraphs).split()
        if not all(is_hangul(char) for group in groups for char in group):
            raise RefusedError("not Hangul alone")
        if len(groups) != len(SYLLABLES):
            raise RefusedError("not twelve groups")
        return Poem(
            tuple(groups), MARKS, source.title, source.author, form=self.forms[0], script="", source_id=source.source_id
        )

    def check(self, lines, form):
        faults = [] if len(lines) == len(SYLLABLES) else [fault(0, 0, "groups", len(SYLLABLES), len(lines))]
        for number, (group, wanted) in enumerate(zip(lines, SYLLABLES), 1):
            if len(group) != wanted or not all(map(is_hangul, group)):
                faults.append(fault(number, 0, "syllables", wanted, group))
        return check_result(form, lines, faults)

    def measure(self, form):
        return Measure(form, tuple(MeasuredLine(cost, mark) for cost, mark in zip(SYLLABLES, MARKS)))

    def wordstock(self, characters):
        return Wordstock({char: Unit(1) for char in characters if is_hangul(char)})
