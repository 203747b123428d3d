"""Modern Chinese poetry: lines, stanzas, scripts."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.poem import RefusedError, SourcePoem
from gemma_poetry.domains.modern_chinese import LINE_CHARACTERS, ModernChinesePoetry

DOMAIN = ModernChinesePoetry()
LONG = "雪" * (LINE_CHARACTERS + 1)


@pytest.mark.parametrize(
    ("paragraphs", "lines", "form"),
    [
        (("雪落下来", "", "", "落在 屋顶上"), ("雪落下来", "", "落在 屋顶上"), "小诗"),
        (("一",) * 7, ("一",) * 7, "现代诗"),
        ((LONG,), (LONG,), "散文诗"),
        (("　我给你发了一封email　",), ("我给你发了一封email",), "小诗"),
    ],
)
def test_cleaning(paragraphs, lines, form):
    poem = DOMAIN.clean(SourcePoem(paragraphs, "x#1"))
    assert (poem.lines, poem.form, poem.marks) == (lines, form, "\n" * len(lines))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the snow falls", "not Chinese"),
        ("雪が降る夜雪雪雪", "mixed scripts (Kana)"),
        ("……", "no text"),
        ("雪\ufffd", "damaged"),
    ],
)
def test_what_is_left_out_has_a_reason(text, reason):
    with pytest.raises(RefusedError) as caught:
        DOMAIN.clean(SourcePoem((text,), "x#1"))
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("lines", "form", "faults"),
    [
        (["雪落下来", "落在屋顶上"], "小诗", []),
        (["雪"] * 7, "小诗", [(0, "lines")]),
        (["雪"], "现代诗", [(0, "lines")]),
        (["雪", LONG], "现代诗", [(2, "line")]),
        ([LONG], "散文诗", []),
        (["雪が", "夜"], "现代诗", [(1, "script")]),
        (["snow", "night"], "小诗", [(0, "script")]),
    ],
)
def test_faults(lines, form, faults):
    found = DOMAIN.check(lines, form).to_record()
    assert [(one["line"], one["rule"]) for one in found["faults"]] == faults
    assert found["verdict"] == ("fail" if faults else "strict")
