"""Both languages say the same things, and what the engine says is known in Chinese."""

from __future__ import annotations

import re
import string

import pytest

from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.generation.requests import PoemRequest, prescribe
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.studio.in_chinese import translated
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.texts import _TEXTS, complaint, preferred_language, say, verdict_text
from gemma_poetry.verbs.studio import check_pasted


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", _TEXTS)
def test_both_languages_have_the_same_places_to_fill(key: str):
    chinese, english = _TEXTS[key]
    assert chinese and english
    assert places(chinese) == places(english)


def test_every_verdict_has_words():
    assert {verdict_text(verdict, "zh") for verdict in Verdict} == {"合律", "合律（小拗）", "合律（拗救）", "出律", "不判"}
    assert all(verdict_text(verdict, "en").isascii() for verdict in Verdict)


def test_a_complaint_is_an_error_with_what_to_do():
    error = complaint("often", "en", count=30, limit=30, seconds=12)
    assert (error.found, error.expected, error.action) == (
        "30 requests within a minute",
        "at most 30 a minute",
        "try again in 12 seconds",
    )


@pytest.mark.parametrize(
    "header, language",
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9", "en"),
        ("fr-FR,en;q=0.3,zh-TW;q=0.8", "zh"),
        ("de", "zh"),
        ("", "zh"),
        ("en;q=nonsense,zh", "zh"),
    ],
)
def test_the_browser_says_which_language_comes_first(header: str, language: str):
    assert preferred_language(header) == language


# What people will ask in vain: the engine's refusal, and a phrase of its Chinese.
REFUSED = [
    (PoemRequest(form="五言绝句", acrostic="春夏秋冬梅"), "藏头有 5 字"),
    (PoemRequest(form="五言绝句", acrostic="春a"), "「a」不是汉字"),
    (PoemRequest(form="五言绝句", template="空山□□"), "留白第 1 句有 4 字"),
    (PoemRequest(form="五言绝句", acrostic="春", template="秋□□□□"), "藏头要「春」"),
    (PoemRequest(form="七言绝句", rhymes=("一屋",)), "一屋 是入声韵"),
    (PoemRequest(form="七言绝句", rhymes=("没有",)), "没有名为「没有」的韵部"),
    (PoemRequest(form="七言绝句", pattern="歪起"), "没有名为「歪起」的格式"),
    (PoemRequest(form="九言绝句"), "没有名为「九言绝句」的体裁或词牌"),
    (PoemRequest(form="杂言诗"), "杂言诗 没有固定的样式"),
]


@pytest.mark.parametrize("request_, phrase", REFUSED, ids=[phrase for _, phrase in REFUSED])
def test_refusals_of_the_engine_are_said_in_chinese(request_: PoemRequest, phrase: str):
    with pytest.raises(GemmaPoetryError) as raised:
        prescribe(request_)
    shown = re.sub(r"<[^>]*>", "", problem_html(raised.value, "zh"))
    assert phrase in shown
    assert not re.search(r"[a-zA-Z]{4,}", shown.replace("&#x27;", "")), shown
    assert raised.value.found.split(":")[0] in problem_html(raised.value, "en").replace("&#x27;", "'").replace("&amp;", "&")


def test_remarks_of_the_scansion_are_said_in_chinese():
    (octave,) = check_pasted(
        "空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。", "auto"
    )
    remarks = [translated(remark, "zh") for remark in octave.scansion.remarks]
    assert remarks[0].startswith("第 3、4 句对仗")
    assert all(not re.search("[a-z]{3}", remark) for remark in remarks)


def test_what_is_not_known_stays_as_it_is():
    assert translated("some new message", "zh") == "some new message"
    assert translated("the template is empty", "en") == "the template is empty"


def test_advice_of_the_command_line_is_turned_into_advice_for_the_page():
    with pytest.raises(GemmaPoetryError) as raised:
        prescribe(PoemRequest(form="杂言诗"))
    assert "give a template with blanks" in problem_html(raised.value, "en")
    assert "--" not in problem_html(raised.value, "en")


def test_errors_nobody_raised_on_purpose_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture):
    shown = problem_html(ValueError("/secret/path"), "en")
    assert "secret" not in shown and say("failure", "en") in shown
    assert "/secret/path" in caplog.text
