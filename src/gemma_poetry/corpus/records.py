"""Records as poems: objects of JSON and rows of tables, whatever their fields are called.

In: a mapping. Out: its `SourcePoem`, or several where a conversation holds several poems; a record that cannot be one is a
`SourceError` that names what was found and what is known.

Beside records with a text of their own these are read: instruction and answer (alpaca, prompt and completion, question and
answer), and conversations (`messages`, ShareGPT's `conversations`): the answer is the poem, 《…》 of the question its title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gemma_poetry.corpus.headings import PAUSES
from gemma_poetry.corpus.plain_text import divide_text
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.corpus.stanzas import UntoldError
from gemma_poetry.corpus.verse_shapes import verse_lines
from gemma_poetry.errors import SourceError
from gemma_poetry.languages import _, listed

TEXT_COLUMNS = (
    "paragraphs", "lines", "content", "text", "para", "body", "poem", "正文", "内容", "內容", "诗文", "詩文", "原文", "全文",
    "诗歌内容", "诗词内容", "古诗内容", "诗歌正文", "诗句", "詩句", "诗词", "詩詞", "诗歌", "詩歌", "古诗", "古詩", "诗", "詩",
    "poetry", "verse", "verses", "paragraph", "output", "completion", "response", "answer",
)  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "title": (
        "title",
        "题目",
        "題目",
        "标题",
        "標題",
        "诗题",
        "詩題",
        "诗名",
        "詩名",
        "题",
        "題",
        "篇名",
        "name_of_poem",
        "poem_title",
    ),
    "author": ("author", "poet", "作者", "诗人", "詩人", "作者名", "poet_name", "author_name"),
    "era": ("era", "dynasty", "朝代", "时代", "時代", "年代"),
    "tune": ("tune", "rhythmic", "词牌", "詞牌", "词牌名", "詞牌名"),
    "form": ("form", "体裁", "體裁"),
}
_FIELD_OF = {name: field for field, names in COLUMNS.items() for name in names} | dict.fromkeys(TEXT_COLUMNS, "text")
_ERA_NAMES = {"tang": "唐", "song": "宋", "yuan": "元", "ming": "明", "qing": "清", "t": "唐", "s": "宋"}
_DYNASTIES = ("唐", "宋", "元", "明", "清", "汉", "漢", "晋", "晉", "隋", "金", "辽", "遼", "秦", "周")
ERAS = frozenset(
    (*_ERA_NAMES, *_DYNASTIES, *(f"{name}{word}" for name in _DYNASTIES for word in ("代", "朝")), "先秦", "两汉", "兩漢",
     "五代", "魏晋", "南北朝", "近代", "现代", "当代", "民国", "近现代")
)  # fmt: skip
_ANSWERS = (("instruction", "output"), ("prompt", "completion"), ("prompt", "response"), ("query", "response"),
            ("question", "answer"), ("input", "output"), ("问题", "回答"), ("指令", "输出"))  # fmt: skip
_TURNS = (("messages", "role", "content"), ("conversations", "from", "value"), ("conversations", "role", "content"),
          ("conversation", "role", "content"), ("conversation", "from", "value"))  # fmt: skip
_ASKS, _ANSWERS_AS = {"user", "human", "prompter"}, {"assistant", "gpt", "bot", "model", "chatgpt"}
_TITLE = re.compile(
    r"《([^《》]{1,40})》|(?:题为|題為|题目为|题目是|题目[:：]|題目[:：]|以)[“「\"']?([^，。”」\"'《》\s]{1,20})[”」\"']?(?:为题|為題|$)"
)


def field_of(name: object) -> str:
    """What a field of this name holds, as `SourcePoem` calls it; `text` for the poem; empty where the name is not known."""
    return _FIELD_OF.get(str(name).strip().strip("\ufeff").lower(), "")


def poems_of(record: Mapping[str, Any], where: str, source_id: str) -> Iterator[SourcePoem]:
    """The poem or poems of a record.

    Raises:
        SourceError: It holds no poem, or fields of the wrong kind.
    """
    turns = _turns(record, where)
    if turns is None:
        yield _poem_of(record, where, source_id)
        return
    for number, (asked, answer) in enumerate(turns, 1):
        yield _answered(record, asked, answer, where, source_id if len(turns) == 1 else f"{source_id}.{number}")


def _turns(record: Mapping[str, Any], where: str) -> list[tuple[str, str]] | None:
    """(question, answer) of each turn of a conversation; `None` where the record is none."""
    for name, role, content in _TURNS:
        turns = record.get(name)
        if not isinstance(turns, list) or not turns or not isinstance(turns[0], Mapping) or role not in turns[0]:
            continue
        pairs, asked = [], ""
        for turn in turns:
            if not isinstance(turn, Mapping) or not isinstance(turn.get(content), str):
                raise _wrong(
                    _("a turn of {name!r} has no text {content!r}", name=name, content=content),
                    where,
                    _("an object with who speaks and what is said"),
                )
            speaker = str(turn.get(role, "")).lower()
            if speaker in _ANSWERS_AS:
                pairs.append((asked, turn[content]))
            elif speaker in _ASKS:
                asked = turn[content]
        if not pairs:
            speakers = ", ".join(sorted({str(turn.get(role)) for turn in turns}))[:100]
            raise _wrong(
                _("no turn of {name!r} is an answer (found {speakers})", name=name, speakers=speakers),
                where,
                _("a turn of `assistant` or `gpt`"),
            )
        return pairs
    names = {str(name).strip().lower(): name for name in record}
    if any(_FIELD_OF.get(name) in ("title", "author", "tune") for name in names):
        return None
    for asked, answer in _ANSWERS:
        if asked in names and answer in names:
            question, found = record[names[asked]], record[names[answer]]
            if not isinstance(found, str) or not isinstance(question, str | None):
                raise _wrong(
                    _("the fields {asked!r} and {answer!r} are no texts", asked=asked, answer=answer), where, _("texts")
                )
            more = record.get(names.get("input", ""), "") if asked != "input" else ""
            return [("\n".join(part for part in (question, more) if isinstance(part, str) and part), found)]
    return None


def _answered(record: Mapping[str, Any], asked: str, answer: str, where: str, source_id: str) -> SourcePoem:
    if _is_opening(asked):
        raise _wrong(
            _("the question holds verse that the answer may go on with, so that the poem would be cut"),
            where,
            _("answers that are whole poems"),
        )
    # 好的，这是一首七言绝句：
    said = re.sub(r"^[^\n]{0,60}[:：]\s*\n", "", answer.strip())
    try:
        poems = list(divide_text(said, source_id))
    except UntoldError as error:
        raise _wrong(_("the answer is no single poem ({found})", found=error.found), where, _("one poem an answer")) from error
    if len(poems) > 1:
        raise _wrong(
            _("the answer holds {count} texts", count=len(poems)), where, _("one poem an answer, and nothing beside it")
        )
    if not poems:
        return SourcePoem((), source_id)
    match = _TITLE.search(asked)
    title = poems[0].title or ((match[1] or match[2]) if match else "")
    author = poems[0].author or next((str(record[name]) for name in record if field_of(name) == "author"), "")
    return SourcePoem(poems[0].paragraphs, source_id, title=title, author=author)


def _is_opening(asked: str) -> bool:
    """Whether a question ends with verse of its own: two lines or more of one length."""
    last = asked.strip().split("\n")[-1]
    quoted = re.split(r"[:：]", last)[-1]
    lines = verse_lines(quoted)
    return len(lines) >= 2 and len(set(map(len, lines))) == 1 and len(lines[0]) in (5, 7) and bool(PAUSES.search(quoted))


def _poem_of(record: Mapping[str, Any], where: str, source_id: str) -> SourcePoem:
    values: dict[str, str] = {}
    for name, value in record.items():
        field = field_of(name)
        if field in ("", "text") or not value or field in values:
            continue
        if not isinstance(value, str):
            raise _wrong(_("the field {name!r} is a {json_type}", name=name, json_type=json_type(value)), where, _("a text"))
        values[field] = value
    paragraphs = _paragraphs(record, where)
    marks = record.get("marks", "")
    if not isinstance(marks, str) or (marks and (len(marks) != len(paragraphs) or marks.strip("，。\n "))):
        raise SourceError(
            _("the field 'marks' does not fit {count} lines (found {marks!r})", count=len(paragraphs), marks=marks),
            where=where,
            expected=_("one ， or 。 a line (or a line break or space)"),
            action=_("mend the field or leave it out"),
        )
    if "era" in values:
        values["era"] = era_name(values["era"])
    return SourcePoem(paragraphs, source_id, marks=marks, **values)


def era_name(text: str) -> str:
    """朝代 in one character where it is written `唐代`, `[唐]` or `tang`; else as it is."""
    name = text.strip().strip("[]【】（）()〔〕")
    short = name[:-1] if name[-1:] in ("代", "朝") and name[:-1] in _DYNASTIES else name
    return _ERA_NAMES.get(short.lower(), short)


def _paragraphs(record: Mapping[str, Any], where: str) -> tuple[str, ...]:
    by_name = {str(name).strip().strip("\ufeff").lower(): name for name in reversed(list(record))}
    for known in TEXT_COLUMNS:
        if known not in by_name:
            continue
        name = by_name[known]
        value = record[name]
        if value is None:
            return ()
        if isinstance(value, str):
            return tuple(value.splitlines())
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise _wrong(
            _("the field {name!r} is a {json_type}", name=name, json_type=json_type(value))
            + (_(" with other things than texts") if value else ""),
            where,
            _("a text, or a list of texts"),
        )
    raise SourceError(
        _("the record has no text (found the fields {record})", record=", ".join(map(str, record))[:200] or _("none")),
        where=where,
        expected=_(
            "a field called one of {text_columns}; or `messages`, `conversations`, `instruction` and `output`",
            text_columns=listed(TEXT_COLUMNS),
        ),
        action=_("rename the field that holds the poem, or take files of other content out of the source"),
    )


def json_type(value: object) -> str:
    """What JSON calls a value."""
    kinds = {dict: "object", list: "list", str: "text", bool: _("truth value"), int: "number", float: "number"}
    return kinds.get(type(value), "null" if value is None else type(value).__name__)


def titled(title: str, value: Sequence[str] | str) -> dict[str, Any]:
    """The record of a poem that a mapping holds under its title."""
    return {"title": title, "paragraphs": value if isinstance(value, str) else list(value)}


def _wrong(found: str, where: str, expected: str) -> SourceError:
    return SourceError(found, where=where, expected=expected, action=_("mend the record"))
