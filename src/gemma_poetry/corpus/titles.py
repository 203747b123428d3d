"""Titles and authors as a prompt can name them.

In: a title with serial numbers and notes (`帝京篇十首 一`, `別蘇徯（赴湖南幕）`), an author with notes.
Out: the meaningful part, or an empty text where nothing meaningful is left.
"""

from __future__ import annotations

import re

from gemma_poetry.corpus.cleaning import HAN, RejectedError, strip_notes

MAX_TITLE_CHARACTERS = 30
_NUMBER = "[一二三四五六七八九十百千零○〇廿卅兩两]"
_SERIAL = re.compile(
    rf"\s*其\s*{_NUMBER}+$|\s+第?{_NUMBER}+首?$|\s*[（(]?其{_NUMBER}+[)）]?$|\s+又一?$|{_NUMBER}+首(?=\s|$)|{_NUMBER}+首$"
    rf"|\s+其\s*\d+$|\s*[（(]?[一二三四五六七八九十]+[)）]$"
)
_COUNT_ONLY = re.compile(rf"{_NUMBER}+首$")
_QUOTES = str.maketrans("", "", "《》「」『』“”‘’\"'[]［］〔〕<>")
_PAUSES = re.compile(r"[，。、；：？！,.;:?!]+")
_SPACES = re.compile(r"\s+")
_TITLE = re.compile(f"[{HAN}，、·]+")
_NAME = re.compile(f"[{HAN}]+(?:·[{HAN}]+)*")
_FRAGMENT = re.compile("(?:斷|断|殘|残|佚|逸|摘|散)?句(?:圖|图)?")
_NO_NAME = {"佚名", "無名氏", "无名氏", "闕名", "阙名", "缺名", "不詳", "不详", "失名", "匿名", "无名", "無名"}


def clean_title(title: str) -> str:
    """The title without notes, serial numbers and outer marks; empty where lost characters or other signs remain."""
    title = title.split("\t")[0].strip()
    if not title:
        return ""
    try:
        title = strip_notes(title)
    except RejectedError:
        return ""
    title = re.split(r"[（(〖【]", title)[0].translate(_QUOTES).strip()
    while True:
        shorter = _SERIAL.sub("", title).strip()
        if shorter == title or not shorter:
            break
        title = shorter
    title = _PAUSES.sub(lambda pause: "、" if pause.group() == "、" else "，", title).strip("，、 \u3000")
    title = _SPACES.sub("·", title.replace("・", "·").replace("•", "·")).strip("·")
    if not _TITLE.fullmatch(title) or len(title) > MAX_TITLE_CHARACTERS or _COUNT_ONLY.fullmatch(title):
        return ""
    return title


def is_fragment(title: str) -> bool:
    """Whether a cleaned title says that the text is a loose line or couplet (句, 断句), not a poem."""
    return bool(_FRAGMENT.fullmatch(title))


def clean_author(author: str) -> str:
    """The author's name without notes; empty for unknown authors and for anything that is no Chinese name."""
    name = re.split(r"[（(〔\[【]", author.strip())[0].strip().replace("・", "·")
    name = _SPACES.sub("", name)
    return name if _NAME.fullmatch(name) and name not in _NO_NAME and len(name) <= 12 else ""
