"""Poems from JSON, JSON lines, CSV and plain text, and errors that name file and line."""

from __future__ import annotations

import json

import pytest

from gemma_poetry.corpus.containers import SourceFile
from gemma_poetry.corpus.formats import SourcePoem, read_poems
from gemma_poetry.errors import SourceError

TEXT = "床前明月光，疑是地上霜。"


def poems(name: str, content: str | bytes) -> list[SourcePoem]:
    return list(read_poems(SourceFile(name, name, content.encode() if isinstance(content, str) else content)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", '[{"title": "静夜思", "author": "李白", "dynasty": "tang", "paragraphs": ["床前明月光，疑是地上霜。"]}]'),
        ("p.json", '{"题目": "静夜思", "作者": "李白", "朝代": "唐", "正文": "床前明月光，疑是地上霜。"}'),
        (
            "p.json",
            '{"poems": [{"title": "静夜思", "author": "李白", "era": "唐", "content": ["床前明月光，疑是地上霜。"]}]}',
        ),
        ("p.jsonl", '\n{"title": "静夜思", "author": "李白", "era": "唐", "lines": ["床前明月光，疑是地上霜。"], "id": 7}\n\n'),
        ("p.csv", "title,author,era,text\n静夜思,李白,唐,床前明月光，疑是地上霜。\n"),
        ("p.csv", '标题,作者,朝代,内容\r\n静夜思,李白,唐,"床前明月光，疑是地上霜。"\r\n,,,\r\n'),
        ("p.tsv", "title\tauthor\tera\ttext\n静夜思\t李白\t唐\t床前明月光，疑是地上霜。\n"),
        (
            "p.JSON",
            b"\xef\xbb\xbf"
            + ('[{"title": "静夜思", "poet": "李白", "dynasty": "唐", "para": ["床前明月光，疑是地上霜。"]}]').encode(),
        ),
        (
            "p.json",
            ('[{"title": "静夜思", "author": "李白", "era": "唐", "text": "床前明月光，疑是地上霜。"}]').encode("gb18030"),
        ),
    ],
)
def test_every_format_gives_the_same_poem(name: str, content: str | bytes) -> None:
    assert poems(name, content) == [SourcePoem((TEXT,), f"{name}#1", title="静夜思", author="李白", era="唐")]


def test_tune_form_and_marks() -> None:
    record = {"rhythmic": "长相思", "lines": ["山一程", "水一程"], "marks": "，。", "form": "词", "author": None, "tags": ["a"]}
    (poem,) = poems("p.json", json.dumps([record]))
    assert (poem.tune, poem.form, poem.marks, poem.author) == ("长相思", "词", "，。", "")


@pytest.mark.parametrize(
    ("block", "title", "author", "lines"),
    [
        ("静夜思\n李白\n床前明月光，疑是地上霜。", "静夜思", "李白", [TEXT]),
        ("静夜思 李白\n床前明月光，疑是地上霜。", "静夜思", "李白", [TEXT]),
        ("《静夜思》李白\n床前明月光，疑是地上霜。", "静夜思", "李白", [TEXT]),
        ("《静夜思》\n[唐]李白\n床前明月光，疑是地上霜。", "静夜思", "李白", [TEXT]),
        ("静夜思\n\n床前明月光，疑是地上霜。", "静夜思", "", [TEXT]),
        ("静夜思\n李白\n\n床前明月光，疑是地上霜。", "静夜思", "李白", [TEXT]),
        ("登高\n杜甫\n\n床前明月光，疑是地上霜。", "登高", "杜甫", [TEXT]),
        ("帝京篇 其一\n床前明月光，疑是地上霜。", "帝京篇 其一", "", [TEXT]),
        (TEXT, "", "", [TEXT]),
        ("床前明月光\n疑是地上霜\n举头望明月\n低头思故乡", "", "", ["床前明月光", "疑是地上霜", "举头望明月", "低头思故乡"]),
        ("静夜思\n床前明月光\n疑是地上霜", "静夜思", "", ["床前明月光", "疑是地上霜"]),
        ("床前明月光 疑是地上霜", "", "", ["床前明月光 疑是地上霜"]),
    ],
)
def test_plain_text(block: str, title: str, author: str, lines: list[str]) -> None:
    second = "\r\n 　\r\n\r\n江雪\r\n千山鸟飞绝，万径人踪灭。"
    first, other = poems("p.txt", f"\n{block}\n{second}")
    assert (first.title, first.author, list(first.paragraphs)) == (title, author, lines)
    assert (other.title, other.paragraphs, other.source_id) == ("江雪", ("千山鸟飞绝，万径人踪灭。",), "p.txt#2")


def test_a_title_over_a_name_is_a_heading_over_verse_without_marks_too():
    (poem,) = poems("p.txt", "早发白帝城\n李白\n\n朝辞白帝彩云间\n千里江陵一日还")
    assert (poem.title, poem.author, poem.paragraphs) == ("早发白帝城", "李白", ("朝辞白帝彩云间", "千里江陵一日还"))


GOOD = '{"paragraphs": ["床前明月光，疑是地上霜。"]}'


@pytest.mark.parametrize(
    ("name", "content", "where", "found"),
    [
        ("p.json", f'[\n{GOOD},\n{{"paragraphs": ["床前', "p.json:3", "not valid JSON"),
        ("p.json", "", "p.json:1", "not valid JSON"),
        ("p.json", "[]", "p.json", "holds no poems"),
        ("p.json", "3", "p.json", "holds no poems"),
        ("p.json", f"[{GOOD}, 7]", "p.json (record 2)", "the record is a number"),
        ("p.json", f'[{GOOD}, {{"name": "李白"}}]', "p.json (record 2)", "has no text (found the fields name)"),
        ("p.json", '[{"paragraphs": [["a"]]}]', "p.json (record 1)", "'paragraphs' is a list with other things"),
        ("p.json", '[{"paragraphs": 7}]', "p.json (record 1)", "'paragraphs' is a number"),
        ("p.json", '[{"title": 7, "text": "a"}]', "p.json (record 1)", "'title' is a number"),
        ("p.json", '[{"lines": ["a", "b"], "marks": "。"}]', "p.json (record 1)", "'marks' does not fit 2 lines"),
        ("p.jsonl", f'{GOOD}\n\n{{"paragraphs": [', "p.jsonl:3", "not valid JSON"),
        ("p.jsonl", f'{GOOD}\n{{"a": 1}}', "p.jsonl:2", "has no text"),
        ("p.jsonl", " \n", "p.jsonl", "the file is empty"),
        ("p.csv", "name,stuff\n李白,x", "p.csv:1", "names no text column"),
        ("p.csv", "title,text\na,b,c\n", "p.csv:2", "the row has 3 fields"),
        ("p.csv", 'title,text\na,"b\nc\n', "p.csv:3", "not valid CSV"),
        ("p.txt", "\n", "p.txt", "the file is empty"),
    ],
)
def test_faults_are_named_with_file_and_line(name: str, content: str, where: str, found: str) -> None:
    with pytest.raises(SourceError) as caught:
        poems(name, content)
    assert caught.value.where == where
    assert found in caught.value.found
    assert caught.value.expected and caught.value.action


def test_a_record_with_null_text_is_an_empty_poem() -> None:
    assert poems("p.json", '[{"paragraphs": null}]')[0].paragraphs == ()
