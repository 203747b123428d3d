"""From the text of a source to clean lines: notes out, marks normalised, damaged poems refused with a reason.

In: the paragraphs of one poem as its source has them. Out: its lines (Han characters only) and one closing mark a
line, or a `Rejection`, so that statistics can count every poem that is left out.

What the marks of a source mean here:

    （） () 〈〉 【】 〖〗   an editor's note or a variant reading: left out with its contents
    〔〕                    a note if longer than two characters (〔黄鍾宮〕), else a supplied character: kept
    [] ［］                 characters that an editor supplied: kept
    《》 「」 『』 “” ‘’      titles and speech inside a line: the marks go, the text stays
    ，                      close a line inside a sentence
    ：                      closes a line -> ，, or stands inside one (see `prosody.lines`)
    。 ？ ！ ；              close a sentence -> 。
    、                      a pause inside a line: left out
    □ ○ ● … {…} ⿰…          lost characters, or characters that have no code: the poem is refused
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from enum import Enum

from gemma_poetry.corpus.poem import CELL, SAME
from gemma_poetry.corpus.verse_shapes import rhyme_together
from gemma_poetry.languages import _
from gemma_poetry.prosody.characters import LOST_CHARACTER, UNIFIED
from gemma_poetry.prosody.forms import COMMA, FULL_STOP, alternating_marks
from gemma_poetry.prosody.lines import settle_colons

_MAX_LINE_CHARACTERS = 20
_MAX_NESTED_NOTES = 8
# Poems without marks or white space whose lines their length tells: characters -> characters a line.
_RUN_ON = {20: 5, 28: 7, 40: 5, 56: 7}
_MAX_RUN_ON = 16


class Rejection(Enum):
    """Why a poem is left out; the values are the keys of `rejected` in stats.json."""

    EMPTY = _("no text")
    FRAGMENT = _("fragment (句)")
    LOST = _("lost characters (□ ？ …)")
    UNENCODED = _("characters without a code ({…} ⿰…)")
    DAMAGED = _("damaged characters (mojibake)")
    LATIN = _("Latin letters or digits")
    SYMBOLS = _("symbols or emoji")
    BRACKETS = _("unbalanced brackets")
    EDITORIAL = _("editorial text among the lines")
    GAP = _("gap inside a line")
    PROSE = _("prose (a line of more than {max_line_characters} characters)", max_line_characters=_MAX_LINE_CHARACTERS)
    SHORT = _("too short")
    LONG = _("too long")
    DUPLICATE = _("exact duplicate")
    NOT_CHOSEN = _("not chosen (form, era, author, title, number)")


class RejectedError(Exception):
    """Internal to the corpus package: carries the reason out of the cleaning steps."""

    def __init__(self, reason: Rejection) -> None:
        super().__init__(reason.value)
        self.reason = reason


_HAN = re.compile(f"[{UNIFIED}]")
_PLAIN = re.compile(f"[{UNIFIED}，。]+")
_LINE = re.compile(f"([{UNIFIED}]+)([，。]*)")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_COMPATIBILITY = re.compile("[\uf900-\ufaff\U0002f800-\U0002fa1f]")

# Half-width and rare marks to the four that are read below; an ASCII full stop is a mark only behind a Han character.
_MARKS = str.maketrans({",": "，", ";": "；", ":": "：", "?": "？", "!": "！", "．": "。", "｡": "。", "﹐": "，", "，": "，"})
_ASCII_STOP = re.compile(f"(?<=[{UNIFIED}])\\.")
_DROPPED_MARKS = str.maketrans("", "", "《》「」『』“”‘’\"'﹁﹂﹃﹄·・•‧")
_CLOSING = str.maketrans({"；": FULL_STOP, "？": FULL_STOP, "！": FULL_STOP, "、": None})

_FOOTNOTE = re.compile(r"[\[［〔【〖（(]\s*(?:注|註)?[0-9０-９]{1,3}\s*[\]］〕】〗）)]|[①-⑳⑴-⒇]")
_NOTE = re.compile(r"（[^（）]*）|\([^()]*\)|〈[^〈〉]*〉|【[^【】]*】|〖[^〖〗]*〗|〔[^〔〕]{3,}〕")
_SUPPLIED = re.compile(r"[\[\]［］〔〕]")
_LOSS_NOTE = re.compile(r"[缺闕阙佚][一二三四五六七八九十數数]?[字句行詞词文首]|[上下中前後后][缺闕阙]|^.[缺闕阙]")
_BRACKET = re.compile(r"[（）()〈〉【】〖〗<>]")
_EDITORIAL = re.compile(
    r"(?:詩題|诗题|首句|句首|出處|出处|附注|附註|按語|按语|題下原|题下原)[：:]"
    r"|》(?:前集|後集|续集|續集|别集|別集|外集)?卷[上中下一二三四五六七八九十○〇]"
    r"|[（(](?:[^（）()]*)$"
)

_STAND_IN = "\u9fff"  # A Han character, the last of its block, that no text has.
_LOST = re.compile(r"[□○●■◻▢◯◇☐〇…⋯]|\.{3,}|？？|[，。；：、]？|^？|囗囗")
_UNENCODED = re.compile(r"[{}⿰-⿻\ue000-\uf8ff\u2e80-\u2fdf|｜+=／]|(?<!^)/(?![，。；：！？\\s]|$)|[\U000f0000-\U0010ffff]")
_LATIN = re.compile(r"[A-Za-z0-9Ａ-Ｚａ-ｚ０-９]")
_DAMAGED = re.compile(
    r"[\ufffd\u0080-\u009f\u00a1-\u024f\u0370-\u052f\u2160-\u217f\u2500-\u257f\u3041-\u312f\u31f0-\u31ff\ufe30-\ufe4f\uff66-\uff9f]"
)


def clean_lines(paragraphs: Sequence[str], lost: int = 0) -> tuple[tuple[str, ...], str]:
    """The lines and closing marks of one poem.

    Args:
        paragraphs: The text as the source divides it; a division without a mark closes a line.
        lost: How many lost characters, each written □, it may have, one in ten of all at most; they stay in its lines.

    Raises:
        RejectedError: The poem is refused; the reason says why.
    """
    text = "".join(paragraphs)
    if 0 < text.count(LOST_CHARACTER) <= min(lost, len(text) // 10):
        told, closing = clean_lines([paragraph.replace(LOST_CHARACTER, _STAND_IN) for paragraph in paragraphs])
        return tuple(line.replace(_STAND_IN, LOST_CHARACTER) for line in told), closing
    if not _PLAIN.fullmatch(text) or any(paragraph[-1:] not in (COMMA, FULL_STOP) for paragraph in paragraphs):
        text = _normalise("\n".join(paragraphs))
        if COMMA not in text and FULL_STOP not in text:
            return _unmarked(text)
        text = _close_paragraphs(text)
    found = _LINE.findall(text)
    if not found:
        raise RejectedError(Rejection.EMPTY)
    marks = [COMMA if mark and FULL_STOP not in mark else FULL_STOP for _, mark in found[:-1]]
    return _checked(tuple(line for line, _ in found)), "".join(marks) + FULL_STOP


def layout_of(text: str, lines: Sequence[str]) -> str:
    """How a text sets the lines that were read from it, as `Poem` has layouts; empty where they are not all of its characters.

    Args:
        text: The text as its source has it.
        lines: Its lines, as `clean_lines` gives them.
    """
    text = _INVISIBLE.sub("", text)
    # Characters of notes are none of a line, and notes stand within notes.
    bare = _FOOTNOTE.sub(_hidden, text)
    for _unused in range(_MAX_NESTED_NOTES):
        bare = _NOTE.sub(_hidden, bare)
    if CELL in text or text.count(SAME) != bare.count(SAME):
        return ""
    cells: list[str] = []
    found = ""
    for char, shown in zip(text, bare):
        if shown == SAME:
            cells.append(SAME)
            found += found[-1:]
        elif _HAN.match(own := unicodedata.normalize("NFC", shown)):
            cells.append(CELL)
            found += own
        else:
            cells.append(char)
    return "".join(cells) if found == "".join(lines) else ""


def _hidden(note: re.Match[str]) -> str:
    return "\0" * len(note[0])


def _unmarked(text: str) -> tuple[tuple[str, ...], str]:
    """Lines of a text without marks: white space parts them, and the marks are those of a 诗."""
    lines = tuple(text.split())
    if not lines:
        raise RejectedError(Rejection.EMPTY)
    if len(lines) == 1 and len(lines[0]) > _MAX_RUN_ON:
        lines = _run_on(lines[0])
    return _checked(lines), alternating_marks(len(lines))


def _run_on(text: str) -> tuple[str, ...]:
    """The lines of a 绝句 or 律诗 that is written without marks and white space."""
    length = _RUN_ON.get(len(text), 0)
    lines = tuple(text[start : start + length] for start in range(0, len(text), length)) if length else ()
    if not lines or not rhyme_together(lines[1::2]):
        raise RejectedError(Rejection.PROSE)
    return lines


def _close_paragraphs(text: str) -> str:
    """The text without white space; a paragraph that ends without a mark ends a sentence."""
    # Runs of white space become one character first: a pattern that looks for their ends is quadratic in their length.
    text = "\n".join(" ".join(row.split()) for row in text.split("\n") if row.strip())
    text = re.sub(r"(?<=[，。])\s|\s(?=[，。])", "", text).replace("\n", FULL_STOP)
    if re.search(r"\s", text):
        # A space between two characters is a lost one as often as a line break.
        raise RejectedError(Rejection.GAP)
    return text


def _checked(lines: tuple[str, ...]) -> tuple[str, ...]:
    if max(map(len, lines)) > _MAX_LINE_CHARACTERS:
        raise RejectedError(Rejection.PROSE)
    return lines


def _normalise(text: str) -> str:
    """The text with Han characters, ，, 。 and white space only."""
    if _COMPATIBILITY.search(text):
        text = unicodedata.normalize("NFC", text)
    text = _INVISIBLE.sub("", text)
    text = strip_notes(text)
    if _EDITORIAL.search(text):
        raise RejectedError(Rejection.EDITORIAL)
    if _BRACKET.search(text):
        raise RejectedError(Rejection.BRACKETS)
    text = _ASCII_STOP.sub("。", text).translate(_MARKS).translate(_DROPPED_MARKS)
    text = re.sub(f"([{UNIFIED}])々", r"\1\1", text)
    for pattern, reason in (
        (_UNENCODED, Rejection.UNENCODED),
        (_LOST, Rejection.LOST),
        (_LATIN, Rejection.LATIN),
        (_DAMAGED, Rejection.DAMAGED),
    ):
        if pattern.search(text):
            raise RejectedError(reason)
    _refuse_lost_question_marks(text)
    text = settle_colons(text).translate(_CLOSING).replace("/", "")
    if not re.fullmatch(f"[{UNIFIED}，。\\s]*", text):
        raise RejectedError(Rejection.SYMBOLS)
    return text


def strip_notes(text: str) -> str:
    """The text without notes and footnote numbers; supplied characters lose their brackets.

    Raises:
        RejectedError: A note says that text is missing here (下缺, 缺二字).
    """
    text = _FOOTNOTE.sub("", text)
    for _unused in range(_MAX_NESTED_NOTES):
        for note in _NOTE.findall(text):
            if _LOSS_NOTE.search(note[1:-1]):
                raise RejectedError(Rejection.LOST)
        stripped = _NOTE.sub("", text)
        if stripped == text:
            return _SUPPLIED.sub("", text)
        text = stripped
    raise RejectedError(Rejection.BRACKETS)


def _refuse_lost_question_marks(text: str) -> None:
    """Refuses a ？ that stands for a character: filled in, it makes two pieces a line as long as all the others."""
    if "？" not in text:
        return
    pieces = re.split(r"([，。；：！？\n])", text)
    lines = [piece.strip() for piece in pieces[::2]]
    closers = pieces[1::2]
    others = Counter(len(line) for line, closer in zip(lines, closers) if closer != "？" and line)
    usual = max(sorted(others), key=others.__getitem__) if others else 0
    for index, closer in enumerate(closers):
        if closer == "？" and index + 1 < len(lines) and lines[index + 1]:
            joined = len(lines[index]) + 1 + len(lines[index + 1])
            if joined == usual and others[usual] >= 2:
                raise RejectedError(Rejection.LOST)
