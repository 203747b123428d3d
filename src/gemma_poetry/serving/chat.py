"""What somebody who talks to the model wishes for.

In: the last message of a person, free text. Out: a `PoemBody`.

    《秋夜》                     a title; 《如梦令·秋夜》 names the tune as well
    体裁：七律  题目：… 作者：…     the labels of the prompt, a line each
    words: 轨, 窗                words to write about; 意象：… as well
    写一首五律，以春雨为题          a form by its name, a title behind 以 … 为题

Where no form is named it is 七言绝句 (of other domains the first form). Where no title is marked, what is left of the first
line is the title: 写一首关于大海的七律 is a 七律 with the title 大海.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gemma_poetry.corpus.script import convert
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.request import PoemRequest, check_words, split_words
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import FORM_NAMES, SHORT_NAMES
from gemma_poetry.prosody.tunes import shipped_tunes
from gemma_poetry.serving.bodies import ChatBody, PoemBody

LONGEST_MESSAGE = 4000
"""Characters of a message at most."""

LONGEST_TITLE = 40
"""Characters that a title keeps; longer ones are no titles."""

_LABELS = {
    "form": r"体裁|詞牌|词牌|form",
    "title": r"题目|題目|标题|標題|title",
    "author": r"作者|风格|風格|author|style",
    "words": r"意象|words?",
}
_NAMED = {name: re.compile(rf"(?:{label})[ \t]*[:：][ \t]*([^\n]*)", re.IGNORECASE) for name, label in _LABELS.items()}
_QUOTED = re.compile("《([^《》\n]{1,60})》")
_TOPIC = re.compile("以(.{1,30}?)为题")
_END_LABEL = re.compile(r"(?m)^诗[:：]\s*$")
_ASKING = re.compile(
    r"^(?:请|請|帮我|幫我|给我|給我|为我|為我|能否|可以|再|写|寫|作|做|填|赋|賦|来|來|吟|题|題|一首|首|一阕|一闋|个|個|的|关于|關於|有关|咏|詠|以|为|為"
    r"|\b(?:please|write|compose|make|an?|the|poem|about|on|of|me)\b|[\s，。,.!！?？:：、])+",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?:的诗|的詩|的词|的詞|的|诗|詩|一首|吧|吗|嗎|呢|为题|為題|\bpoem\b|please|[\s，。,.!！?？:：、])+$", re.IGNORECASE
)


def wish_of(body: ChatBody, forms: Sequence[str]) -> PoemBody:
    """The wish of the last message that a person wrote.

    Raises:
        UsageError: There is no such message, it is not text, or it names too many words.
    """
    text = _last_text(body)
    (plain,) = convert([text], "simplified")
    if len(plain) != len(text):
        text = plain
    found = {name: match[1].strip() for name, pattern in _NAMED.items() if (match := pattern.search(plain))}
    quoted = _QUOTED.search(plain)
    title = found.get("title", "")
    rest = plain
    for pattern in _NAMED.values():
        rest = pattern.sub("", rest)
    rest = _END_LABEL.sub("", rest)
    form = _first_named(found["form"], forms) or found["form"] if found.get("form") else ""
    if quoted:
        rest = rest.replace(quoted[0], "", 1)
        head, mark, tail = quoted[1].partition("·")
        if not form and not _first_named(rest, forms) and head in forms and (mark or head in shipped_tunes().judged):
            form, title = head, title or tail
        else:
            title = title or quoted[1].strip()
    form = form or _first_named(rest, forms)
    topic = _TOPIC.search(rest)
    if not title and topic:
        title = topic[1]
    if not title and not any(found.get(name) for name in ("form", "words")):
        title = _left_over(rest, form)
    words = [word[:20] for word in split_words(found.get("words", ""))]
    check_words(PoemRequest(words=tuple(words)))
    return PoemBody(
        form=(form or forms[0])[:40],
        title=title[:LONGEST_TITLE],
        author=found.get("author", "")[:20],
        words=words,
        n=body.n or 1,
        seed=body.seed,
        stream=bool(body.stream),
    )


def classical_names() -> list[str]:
    """The names of 诗, 词 and 曲 that may be named: 七言绝句 first, short names and tunes with all their names behind."""
    shapes = [name for name in FORM_NAMES if name not in ("词", "曲", "杂言诗")]
    tunes = shipped_tunes().judged.values()
    return ["七言绝句", *shapes, *SHORT_NAMES, *(name for tune in tunes for name in (tune.name, *tune.aliases))]


def _last_text(body: ChatBody) -> str:
    asked = [message.content for message in body.messages if message.role == "user"]
    if not asked:
        raise UsageError(_("the conversation has no message of a user"), expected=_('a message with "role": "user"'))
    content = asked[-1]
    if isinstance(content, list):
        parts: list[Any] = [part.get("text") for part in content if part.get("type") in ("text", "input_text")]
        if len(parts) != len(content) or not all(isinstance(part, str) for part in parts):
            raise UsageError(
                _("the message holds something else than text"), expected=_("text"), action=_("leave pictures and files out")
            )
        content = "\n".join(parts)
    # Any end of a line: a line of text may not hold U+2028 either.
    plain = re.sub("\r\n|[\u2028\u2029]", "\n", content or "").replace("\t", " ")
    text = re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "", plain)
    if not text.strip() or len(text) > LONGEST_MESSAGE:
        raise UsageError(
            _("the message has {count} characters", count=len(text)),
            expected=_("a wish of at most {longest_message}", longest_message=LONGEST_MESSAGE),
            action=_("name a form and a title: 七律《登楼》"),
        )
    return text.strip()


def _first_named(text: str, forms: Sequence[str]) -> str:
    """The longest name of a form in a text, then the first; of 诗 before 词, whose names are words of the language too."""
    text = text.casefold()
    for names in ([name for name in forms if name in (*FORM_NAMES, *SHORT_NAMES)], forms):
        found = [name for name in names if name.casefold() in text]
        if found:
            return max(found, key=lambda name: (len(name), -text.index(name.casefold())))
    return ""


def _left_over(rest: str, form: str) -> str:
    line = next((line for line in rest.splitlines() if line.strip()), "")
    if form:
        line = line.replace(form, "", 1)
    return _ASKED.sub("", _ASKING.sub("", line.strip())).strip()
