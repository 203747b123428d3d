"""Titles and authors as a prompt can name them.

In: a title with serial numbers and notes (`帝京篇十首 一`, `別蘇徯（赴湖南幕）`), an author with notes.
Out: the meaningful part, or an empty text where nothing meaningful is left.
"""

from __future__ import annotations

import re

from gemma_poetry.corpus.cleaning import RejectedError, strip_notes
from gemma_poetry.prosody.characters import UNIFIED

MAX_TITLE_CHARACTERS = 30
# Longer texts are prefaces, whatever their notes and numbers; patterns that look for an end need not read them.
_MAX_TEXT = 400
_NUMBER = "[一二三四五六七八九十百千零○〇廿卅兩两]"
# What most titles are: a name, then perhaps how many poems it heads and which of them this is.
_USUAL = re.compile(rf"([{UNIFIED}]+?)(?:{_NUMBER}+首)?(?:\s*其{_NUMBER}+|\s+{_NUMBER}+)?")
_SERIAL = re.compile(
    rf"{_NUMBER}+首(?=\s|$)|\s*[（(]?其\s*{_NUMBER}+[)）]?$|\s+第?{_NUMBER}+首?$|\s+又一?$|\s+其\s*\d+$|[（(][一二三四五六七八九十]+[)）]$"
)
_MEANINGLESS = re.compile(rf"其?{_NUMBER}+首?|又|又{_NUMBER}+首|同前|同上|[缺闕阙失]題|[缺阙失]题|前題|前题")
_QUOTES = str.maketrans("", "", "《》「」『』“”‘’\"'[]［］〔〕<>")
_PAUSES = re.compile(r"[，。、；：？！,.;:?!]+")
_SPACES = re.compile(r"\s+")
_TITLE = re.compile(f"[{UNIFIED}，、·]+")
_NAME = re.compile(f"[{UNIFIED}]+(?:·[{UNIFIED}]+)*")
_FRAGMENT = re.compile("(?:斷|断|殘|残|佚|逸|摘|散)?句(?:圖|图)?")
_NO_NAME = {"佚名", "無名氏", "无名氏", "闕名", "阙名", "缺名", "不詳", "不详", "失名", "匿名", "无名", "無名"}


def clean_title(title: str) -> str:
    """The title without notes, serial numbers and outer marks.

    Empty where nothing meaningful is left, where other signs than Han characters remain (lost characters above all),
    and where it is longer than `MAX_TITLE_CHARACTERS`: such titles are prefaces.
    """
    title = " ".join(title.split("\t")[0].split())
    if len(title) > _MAX_TEXT:
        return ""
    usual = _USUAL.fullmatch(title)
    if usual:
        title = usual[1]
    else:
        try:
            title = strip_notes(title)
        except RejectedError:
            return ""
        title = re.split(r"[（(〖【]", title)[0].translate(_QUOTES).strip()
        shorter = _SERIAL.sub("", title).strip()
        while shorter != title and shorter:
            title, shorter = shorter, _SERIAL.sub("", shorter).strip()
        title = _PAUSES.sub(lambda pause: "、" if pause.group() == "、" else "，", title).strip("，、 \u3000")
        title = _SPACES.sub("·", title.replace("・", "·").replace("•", "·")).strip("·")
    if not _TITLE.fullmatch(title) or len(title) > MAX_TITLE_CHARACTERS or _MEANINGLESS.fullmatch(title):
        return ""
    return title


def is_fragment(title: str) -> bool:
    """Whether a cleaned title says that the text is a loose line or couplet (句, 断句), not a poem."""
    return bool(_FRAGMENT.fullmatch(title))


def clean_author(author: str) -> str:
    """The author's name without notes; empty for unknown authors and for anything that is no Chinese name."""
    name = re.split(r"[（(〔\[【]", author.strip(), maxsplit=1)[0].strip().replace("・", "·")
    name = "".join(name.split())[:_MAX_TEXT]
    return name if _NAME.fullmatch(name) and name not in _NO_NAME and len(name) <= 12 else ""
