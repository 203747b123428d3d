"""Script conversion keeps every text as long as it was."""

from __future__ import annotations

from gemma_poetry.corpus import script
from gemma_poetry.corpus.script import convert, detect_script


def test_conversion_reads_phrases() -> None:
    assert convert(["乾坤萬里雲", "皇后後庭花"], "simplified") == ["乾坤万里云", "皇后后庭花"]
    assert convert(["皇后后庭花", "万里云"], "traditional") == ["皇后後庭花", "萬里雲"]
    assert convert([], "simplified") == []


def test_batches_keep_their_order() -> None:
    texts = [f"雲{'山' * (index % 7)}" for index in range(10_000)]
    assert convert(texts, "simplified") == [f"云{'山' * (index % 7)}" for index in range(10_000)]


def test_a_conversion_that_changes_the_length_is_done_by_character(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def lengthening(text: str) -> str:
        return text.replace("雲", "云").replace("云山", "云山山").replace("里", "裏裏")

    monkeypatch.setattr(script, "_converter", lambda _: lengthening)
    assert convert(["雲山", "里雲"], "simplified") == ["云山", "里云"]


def test_detection_is_not_misled_by_characters_of_both_scripts() -> None:
    assert detect_script(["白雲千里余亦去后土", "江上幾人在"]) == "traditional"
    assert detect_script(["白云千里余亦去后土", "江上几人在"]) == "simplified"
    assert detect_script(["著意乾坤大，鸟飞万里云。"]) == "simplified"
    assert detect_script([]) == "simplified"
