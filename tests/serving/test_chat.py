"""What a message wishes for."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import UsageError
from gemma_poetry.serving.bodies import ChatBody
from gemma_poetry.serving.chat import classical_names, wish_of

FORMS = classical_names()

MESSAGES = [
    # message, form, title, author, words
    ("《秋夜》", "七言绝句", "秋夜", "", []),
    ("秋夜", "七言绝句", "秋夜", "", []),
    ("写一首七绝", "七绝", "", "", []),
    ("请写一首关于大海的七律", "七律", "大海", "", []),
    ("帮我写一首五言律诗，以春雨为题。", "五言律诗", "春雨", "", []),
    ("《如梦令·春雨》", "如梦令", "春雨", "", []),
    ("填一首浣溪沙", "浣溪沙", "", "", []),
    ("《浣溪沙》", "浣溪沙", "", "", []),
    ("七绝《浣溪沙》", "七绝", "浣溪沙", "", []),
    ("五律《登高》 words: 江, 月", "五律", "登高", "", ["江", "月"]),
    ("七絕《秋夜》\n意象：雁、霜", "七绝", "秋夜", "", ["雁", "霜"]),
    ("体裁：七言绝句\n题目：秋夜\n作者：杜甫\n诗：", "七言绝句", "秋夜", "杜甫", []),
    ("体裁：五律\n意象：舟", "五律", "", "", ["舟"]),
    ("体裁：没有\n题目：秋夜", "没有", "秋夜", "", []),
    ("题目：秋夜\u2028作者：杜甫\u2029", "七言绝句", "秋夜", "杜甫", []),
    ("五律或七律《春雨》", "五律", "春雨", "", []),
    ("七绝、五绝都行《秋》", "七绝", "秋", "", []),
    ("Please write a poem about 长城", "七言绝句", "长城", "", []),
]


def body(text: str, **changes: object) -> ChatBody:
    return ChatBody.model_validate({"messages": [{"role": "user", "content": text}], **changes})


@pytest.mark.parametrize(("text", "form", "title", "author", "words"), MESSAGES, ids=[row[0][:20] for row in MESSAGES])
def test_messages(text: str, form: str, title: str, author: str, words: list[str]):
    wish = wish_of(body(text), FORMS)
    assert (wish.form, wish.title, wish.author, wish.words) == (form, title, author, words)


def test_the_last_message_of_the_user_counts():
    turns = [("user", "《春》"), ("assistant", "……"), ("user", "再来一首五律《夏》"), ("assistant", "好")]
    talk = ChatBody.model_validate({"messages": [{"role": role, "content": text} for role, text in turns]})
    wish = wish_of(talk, FORMS)
    assert (wish.form, wish.title) == ("五律", "夏")


def test_settings_that_count_are_taken_and_others_ignored():
    wish = wish_of(body("《春》", n=3, seed=5, stream=True, temperature=2, tools=[], presence_penalty=1), FORMS)
    assert (wish.n, wish.seed, wish.stream) == (3, 5, True)


def test_of_names_as_long_the_first_is_meant():
    forms = [f"form{letter}" for letter in "abcdefgh"]
    for number, form in enumerate(forms):
        text = " ".join([form, *forms[number + 1 :], *forms[:number]])
        assert wish_of(body(text), forms).form == form


def test_other_domains_name_their_own_forms():
    assert wish_of(body("A Limerick, please"), ("haiku", "limerick")).form == "limerick"
    assert wish_of(body("《Spring》"), ("haiku", "limerick")).form == "haiku"


def test_nothing_is_no_wish():
    with pytest.raises(UsageError, match="0 characters"):
        wish_of(body(""), FORMS)
