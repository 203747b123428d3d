"""Modern readings: finals, spelling, the table."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import DataError
from gemma_poetry.prosody.modern_readings import FINALS, final_of, modern_table, parse_modern_table, spelt


@pytest.mark.parametrize(
    ("syllable", "final", "marked"),
    [
        ("ma1", "a", "mā"), ("jia4", "ia", "jià"), ("wa2", "ua", "wá"), ("bo1", "o", "bō"), ("wo3", "uo", "wǒ"),
        ("ge1", "e", "gē"), ("ye4", "ie", "yè"), ("yue4", "ve", "yuè"), ("lve4", "ve", "lüè"), ("xue2", "ve", "xué"),
        ("wai4", "uai", "wài"), ("gui4", "uei", "guì"), ("wei2", "uei", "wéi"), ("liu2", "iou", "liú"), ("you3", "iou", "yǒu"),
        ("yan2", "ian", "yán"), ("yuan2", "van", "yuán"), ("juan4", "van", "juàn"), ("chun1", "uen", "chūn"),
        ("yun2", "vn", "yún"), ("jun1", "vn", "jūn"), ("yin1", "in", "yīn"), ("wen2", "uen", "wén"), ("weng1", "ueng", "wēng"),
        ("yang2", "iang", "yáng"), ("wang3", "uang", "wǎng"), ("ying2", "ing", "yíng"), ("yong3", "iong", "yǒng"),
        ("zhi1", "-i", "zhī"), ("ri4", "-i", "rì"), ("si1", "-i", "sī"), ("xi1", "i", "xī"), ("yi1", "i", "yī"),
        ("yu2", "v", "yú"), ("nv3", "v", "nǚ"), ("qu4", "v", "qù"), ("shu1", "u", "shū"), ("wu3", "u", "wǔ"),
        ("er2", "er", "ér"), ("me5", "e", "me"), ("hm5", "", "hm"), ("ng2", "", ""),
    ],
)  # fmt: skip
def test_finals_and_marks(syllable, final, marked):
    assert final_of(syllable) == final
    if marked:
        assert spelt(syllable) == marked


def test_the_table_is_whole_and_consistent():
    table = modern_table()
    assert len(table.readings) > 20_000
    assert {final_of(syllable) for own in table.readings.values() for syllable in own} == FINALS
    assert all(syllable in table.readings[char] for word in table.words.values() for char, syllable in word.items())
    assert all(2 <= len(word) <= 4 and set(own) <= set(word) for word, own in table.words.items())


@pytest.mark.parametrize("text", ["[readings]\nno tab", "[nowhere]\na1\t啊", "a1\t啊"])
def test_a_damaged_table_is_named_with_its_line(text):
    with pytest.raises(DataError) as error:
        parse_modern_table(text)
    assert error.value.where.endswith(f":{len(text.splitlines())}")


def test_the_table_is_what_its_script_makes():
    pytest.importorskip("pypinyin_dict")
    from scripts import build_modern_readings as script

    table = modern_table()
    readings = {char: own for char in script.known_characters() if (own := script.syllables_of(char))}
    assert readings == table.readings
    words = script.settled_words(readings)
    assert {(char, syllable, word) for (char, syllable), own in words.items() for word in own} == {
        (char, syllable, word) for word, own in table.words.items() for char, syllable in own.items()
    }
