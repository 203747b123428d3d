"""Twenty-two famous poems in every layout that people have: each comes out whole, or the file is refused."""

# ruff: noqa: E501
from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_poetry.corpus.cleaning import clean_lines
from gemma_poetry.corpus.containers import SourceFile
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.errors import SourceError

ASSETS = Path(__file__).parents[1] / "assets" / "layouts"
TABLE = (ASSETS / "utf16.csv").read_bytes().decode("utf-16")
POEMS = [tuple(row) for row in list(csv.reader(io.StringIO(TABLE), delimiter="\t"))[1:]]
"""(title, era, author, text)"""
STANZAS = (
    ("清平乐·村居", "辛弃疾", ("茅檐低小，溪上青青草。醉里吴音相媚好，白发谁家翁媪。", "大儿锄豆溪东，中儿正织鸡笼。最喜小儿亡赖，溪头卧剥莲蓬。")),
    ("水调歌头", "苏轼", (
        "明月几时有，把酒问青天。不知天上宫阙，今夕是何年。我欲乘风归去，又恐琼楼玉宇，高处不胜寒。起舞弄清影，何似在人间。",
        "转朱阁，低绮户，照无眠。不应有恨，何事长向别时圆。人有悲欢离合，月有阴晴圆缺，此事古难全。但愿人长久，千里共婵娟。",
    )),
    ("虞美人", "李煜", (
        "春花秋月何时了，往事知多少。小楼昨夜又东风，故国不堪回首月明中。",
        "雕栏玉砌应犹在，只是朱颜改。问君能有几多愁，恰似一江春水向东流。",
    )),
)  # fmt: skip

Row = tuple[str, str, str, str]


def read(name: str, content: str | bytes) -> list[SourcePoem]:
    return list(read_poems(SourceFile(name, name, content.encode() if isinstance(content, str) else content)))


def lines_of(text: str) -> tuple[str, ...]:
    return clean_lines([text])[0]


def couplets(text: str) -> str:
    """A sentence a row."""
    return text.replace("。", "。\n").strip()


def rows_of_lines(text: str) -> str:
    return couplets(text).replace("，", "，\n")


def unmarked(text: str, space: str = "\n") -> str:
    return text.replace("，", space).replace("。", space).strip()


def each(form: Callable[[str, str, str, str], str], between: str = "\n") -> str:
    return between.join(form(*poem) for poem in POEMS)


def numbered(form: str, between: str = "\n") -> str:
    return between.join(form.format(n=n, t=t, e=e, a=a, x=x) for n, (t, e, a, x) in enumerate(POEMS, 1))


def table(delimiter: str, header: str = "", columns: str = "teax", quoting: int = csv.QUOTE_MINIMAL, end: str = "\r\n") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    if header:
        writer.writerow(header.split())
    for title, era, author, text in POEMS:
        writer.writerow([{"t": title, "e": era, "a": author, "x": text, "c": couplets(text)}[column] for column in columns])
    return out.getvalue()


def records(make: Callable[[str, str, str, str], object]) -> str:
    return "\n".join(json.dumps(make(*poem), ensure_ascii=False) for poem in POEMS)


def whole(make: Callable[[str, str, str, str], object]) -> str:
    return json.dumps([make(*poem) for poem in POEMS], ensure_ascii=False, indent=1)


def said(question: str, answer: str, names: str) -> dict[str, object]:
    field, role, content, user, model = names.split()
    turns = [{role: "system", content: "你是诗人。"}, {role: user, content: question}, {role: model, content: answer}]
    return {field: turns}


ALL, TITLES, BARE = "title author", "title", ""

LAYOUTS: list[tuple[str, str, str | bytes, str]] = [
    # (what, file name, content, which fields come out beside the text)
    ("one poem a row", "p.txt", each(lambda t, e, a, x: x), BARE),
    ("one poem a row, Windows", "p.txt", each(lambda t, e, a, x: x, "\r\n"), BARE),
    ("one poem a row, old Mac", "p.txt", each(lambda t, e, a, x: x, "\r"), BARE),
    ("one poem a row, blank rows", "p.txt", each(lambda t, e, a, x: x, "\n\n"), BARE),
    ("one poem a row, half-width marks", "p.txt", each(lambda t, e, a, x: x.replace("，", ",").replace("。", ".")), BARE),
    ("one poem a row, no marks", "p.txt", each(lambda t, e, a, x: unmarked(x, " ")), BARE),
    ("title:text", "p.txt", each(lambda t, e, a, x: f"{t}:{x}"), TITLES),
    ("title：text", "p.txt", each(lambda t, e, a, x: f"{t}：{x}"), TITLES),
    ("title： text, blank rows, BOM", "p.txt", b"\xef\xbb\xbf" + each(lambda t, e, a, x: f"{t}： {x}", "\n\n").encode(), TITLES),
    ("《title》：text", "p.txt", each(lambda t, e, a, x: f"《{t}》：{x}"), TITLES),
    ("《title》text", "p.txt", each(lambda t, e, a, x: f"《{t}》{x}"), TITLES),
    ("【title】text", "p.txt", each(lambda t, e, a, x: f"【{t}】{x}"), TITLES),
    ("[author] title: text", "p.txt", each(lambda t, e, a, x: f"[{a}] {t}: {x}"), ALL),
    ("（era）title：text", "p.txt", each(lambda t, e, a, x: f"（{e}）{t}：{x}"), TITLES),
    ("《title》author：text", "p.txt", each(lambda t, e, a, x: f"《{t}》{a}：{x}"), ALL),
    ("《title》（author）text", "p.txt", each(lambda t, e, a, x: f"《{t}》（{a}）{x}"), ALL),
    ("《title》 author text", "p.txt", each(lambda t, e, a, x: f"《{t}》 {a} {x}"), ALL),
    ("author《title》：text", "p.txt", each(lambda t, e, a, x: f"{a}《{t}》：{x}"), ALL),
    ("author《title》text", "p.txt", each(lambda t, e, a, x: f"{a}《{t}》{x}"), ALL),
    ("title（author）：text", "p.txt", each(lambda t, e, a, x: f"{t}（{a}）：{x}"), ALL),
    ("title:author:text", "p.txt", each(lambda t, e, a, x: f"{t}:{a}:{x}"), ALL),
    ("title：author：text", "p.txt", each(lambda t, e, a, x: f"{t}：{a}：{x}"), ALL),
    ("title::author::text", "p.txt", each(lambda t, e, a, x: f"{t}::{a}::{x}"), ALL),
    ("title::text", "p.txt", each(lambda t, e, a, x: f"{t}::{x}"), TITLES),
    ("title::era::author::text", "p.txt", each(lambda t, e, a, x: f"{t}::{e}::{a}::{x}"), ALL),
    ("title|author|text", "p.txt", each(lambda t, e, a, x: f"{t}|{a}|{x}"), ALL),
    ("title | author | text", "p.txt", each(lambda t, e, a, x: f"{t} | {a} | {x}"), ALL),
    ("title#author#text", "p.txt", each(lambda t, e, a, x: f"{t}#{a}#{x}"), ALL),
    ("title TAB author TAB text", "p.txt", each(lambda t, e, a, x: f"{t}\t{a}\t{x}"), ALL),
    ("title author text", "p.txt", each(lambda t, e, a, x: f"{t} {a} {x}"), ALL),
    ("title　author　text", "p.txt", each(lambda t, e, a, x: f"{t}　{a}　{x}"), ALL),
    ("title text", "p.txt", each(lambda t, e, a, x: f"{t} {x}"), TITLES),
    ("text——author《title》", "p.txt", each(lambda t, e, a, x: f"{x}——{a}《{t}》"), ALL),
    ("text（author《title》）", "p.txt", each(lambda t, e, a, x: f"{x}（{a}《{t}》）"), ALL),
    ("text —— author", "p.txt", each(lambda t, e, a, x: f"{x} —— {a}"), "author"),
    ("1. text", "p.txt", numbered("{n}. {x}"), BARE),
    ("1、text", "p.txt", numbered("{n}、{x}"), BARE),
    ("（1）text", "p.txt", numbered("（{n}）{x}"), BARE),
    ("1 text", "p.txt", numbered("{n} {x}"), BARE),
    ("1. title：text", "p.txt", numbered("{n}. {t}：{x}"), TITLES),
    ("1. 《title》author：text", "p.txt", numbered("{n}. 《{t}》{a}：{x}"), ALL),
    ("1. title / text", "p.txt", numbered("{n}. {t}\n{x}"), TITLES),
    ("1. title author / text", "p.txt", numbered("{n}、{t} {a}\n{x}", "\n\n"), ALL),
    ("- text", "p.txt", each(lambda t, e, a, x: f"- {x}"), BARE),
    ("title / text", "p.txt", each(lambda t, e, a, x: f"{t}\n{x}"), TITLES),
    ("title / author / text", "p.txt", each(lambda t, e, a, x: f"{t}\n{a}\n{x}"), ALL),
    ("title / author / text, blank rows", "p.txt", each(lambda t, e, a, x: f"{t}\n{a}\n{x}", "\n\n"), ALL),
    ("title / author / couplets", "p.txt", each(lambda t, e, a, x: f"{t}\n{a}\n{couplets(x)}"), ALL),
    ("title / couplets", "p.txt", each(lambda t, e, a, x: f"{t}\n{couplets(x)}"), TITLES),
    ("title / couplets, Windows, blank rows", "p.txt", each(lambda t, e, a, x: f"{t}\n{couplets(x)}", "\n\n").replace("\n", "\r\n"), TITLES),
    ("《title》 / lines", "p.txt", each(lambda t, e, a, x: f"《{t}》\n{rows_of_lines(x)}"), TITLES),
    ("title / [era] author / lines, blank", "p.txt", each(lambda t, e, a, x: f"{t}\n[{e}] {a}\n{rows_of_lines(x)}", "\n\n"), ALL),
    ("title / era·author / lines", "p.txt", each(lambda t, e, a, x: f"{t}\n{e}·{a}\n{rows_of_lines(x)}"), ALL),
    ("title / 〔era〕author", "p.txt", each(lambda t, e, a, x: f"{t}\n〔{e}〕{a}\n{couplets(x)}", "\n\n\n"), ALL),
    ("title / 作者：author", "p.txt", each(lambda t, e, a, x: f"{t}\n作者：{a}\n{couplets(x)}", "\n\n"), ALL),
    ("title author / couplets", "p.txt", each(lambda t, e, a, x: f"{t} {a}\n{couplets(x)}"), ALL),
    ("title (blank) author (blank) text", "p.txt", each(lambda t, e, a, x: f"{t}\n\n{a}\n\n{x}", "\n\n"), ALL),
    ("title (blank) couplets (blank)", "p.txt", each(lambda t, e, a, x: f"{t}\n\n" + couplets(x).replace("\n", "\n\n"), "\n\n"), TITLES),
    ("title：/ couplets", "p.txt", each(lambda t, e, a, x: f"{t}：\n{couplets(x)}", "\n\n"), TITLES),
    ("# title", "p.txt", each(lambda t, e, a, x: f"# {t}\n\n{couplets(x)}", "\n\n"), TITLES),
    ("## title / author", "p.txt", each(lambda t, e, a, x: f"## {t}\n{a}\n\n{couplets(x)}", "\n\n"), ALL),
    ("**title**", "p.txt", each(lambda t, e, a, x: f"**{t}**\n{x}", "\n\n"), TITLES),
    ("rules between", "p.txt", each(lambda t, e, a, x: couplets(x), "\n---\n"), BARE),
    ("rules and blank rows between titled", "p.txt", each(lambda t, e, a, x: f"{t}\n{couplets(x)}", "\n\n* * *\n\n"), TITLES),
    ("couplets, blank rows", "p.txt", each(lambda t, e, a, x: couplets(x), "\n\n"), BARE),
    ("lines, blank rows", "p.txt", each(lambda t, e, a, x: rows_of_lines(x), "\n\n"), BARE),
    ("title / unmarked lines, blank rows", "p.txt", each(lambda t, e, a, x: f"{t}\n{unmarked(x)}", "\n\n"), TITLES),
    ("title / author / unmarked lines, blank", "p.txt", each(lambda t, e, a, x: f"{t}\n{a}\n{unmarked(x)}", "\n\n"), ALL),
    ("labels", "p.txt", each(lambda t, e, a, x: f"题目：{t}\n作者：{a}\n朝代：{e}\n正文：{x}", "\n\n"), ALL),
    ("labels without blank rows", "p.txt", each(lambda t, e, a, x: f"标题：{t}\n作者：{a}\n内容：{x}\n译文：床前的月光。"), ALL),
    ("labels, rows of text", "p.txt", each(lambda t, e, a, x: f"题目: {t}\n作者: {a}\n正文:\n{couplets(x)}", "\n\n"), ALL),
    ("【标题】", "p.txt", each(lambda t, e, a, x: f"【标题】{t}\n【作者】{a}\n【正文】{x}", "\n\n"), ALL),
    ("GB18030", "p.txt", each(lambda t, e, a, x: f"{t}：{x}").encode("gb18030"), TITLES),
    ("UTF-16 BE", "p.txt", codecs.BOM_UTF16_BE + each(lambda t, e, a, x: f"{t}\n{x}", "\r\n").encode("utf-16-be"), TITLES),
    ("comma", "p.csv", table(",", "title dynasty author text"), ALL),
    ("comma, quoted, BOM", "p.csv", b"\xef\xbb\xbf" + table(",", "题目 朝代 作者 正文", quoting=csv.QUOTE_ALL).encode(), ALL),
    ("semicolon", "p.csv", table(";", "标题 诗人 正文", "tax"), ALL),
    ("sep=;", "p.csv", "sep=;\r\n" + table(";", "标题 诗人 正文", "tax"), ALL),
    ("tab in .csv", "p.csv", table("\t", "标题 作者 内容", "tax"), ALL),
    ("tab in .txt, header", "p.txt", table("\t", "标题 作者 内容", "tax"), ALL),
    ("comma in .tsv", "p.tsv", table(",", "标题 作者 内容", "tax"), ALL),
    ("bar", "p.csv", table("|", "title author poem", "tax"), ALL),
    ("UTF-16 LE, tabs", "p.csv", codecs.BOM_UTF16_LE + table("\t", "题目 作者 诗", "tax").encode("utf-16-le"), ALL),
    ("UTF-16 BE, tabs", "p.csv", codecs.BOM_UTF16_BE + table("\t", "题目 朝代 作者 诗词").encode("utf-16-be"), ALL),
    ("GB18030 table", "p.csv", table(",", "题目 作者 诗", "tax").encode("gb18030"), ALL),
    ("lines in cells", "p.csv", table(",", "title author body", "tac"), ALL),
    ("lines in cells, semicolon", "p.csv", table(";", "Title Author Poem", "tac", csv.QUOTE_ALL), ALL),
    ("lines in cells without header", "p.csv", table(",", "", "tac", csv.QUOTE_ALL), ALL),
    ("upper case", "p.csv", table(",", "TITLE AUTHOR POEM", "tax"), ALL),
    *((f"column {name}", "p.csv", table(",", f"标题 {name}", "tx"), TITLES)
      for name in ("诗", "正文", "内容", "poem", "body", "output", "Content", "诗句", "全文", "诗词内容")),
    ("one column", "p.csv", table(",", "诗", "x"), BARE),
    ("one column without header", "p.csv", table(",", "", "x"), BARE),
    ("no header", "p.csv", table(",", "", "teax"), ALL),
    ("no header, semicolon", "p.csv", table(";", "", "tax"), ALL),
    ("no header, tab, author first", "p.tsv", table("\t", "", "atx"), ALL),
    ("no header, title and text", "p.csv", table(",", "", "tx"), TITLES),
    ("mapping", "p.json", json.dumps({t: x for t, _, _, x in POEMS}, ensure_ascii=False), TITLES),
    ("mapping to lists", "p.json", json.dumps({t: couplets(x).split("\n") for t, _, _, x in POEMS}, ensure_ascii=False), TITLES),
    ("mapping to records", "p.json", json.dumps({t: {"author": a, "content": x} for t, _, a, x in POEMS}), ALL),
    ("mapping of authors to records", "p.json",
     json.dumps({a: [{"title": t, "content": x} for t, _, b, x in POEMS if b == a] for _, _, a, _ in POEMS}), "title author sorted"),
    ("mapping of authors to mappings", "p.json",
     json.dumps({a: {t: x for t, _, b, x in POEMS if b == a} for _, _, a, _ in POEMS}), "title author sorted"),
    ("texts", "p.json", whole(lambda t, e, a, x: x), BARE),
    ("texts with titles", "p.json", whole(lambda t, e, a, x: f"{t}\n{a}\n{couplets(x)}"), ALL),
    ("lists", "p.json", whole(lambda t, e, a, x: [t, a, x]), ALL),
    ("columns", "p.json", json.dumps({"title": {str(i): p[0] for i, p in enumerate(POEMS)}, "content": {str(i): p[3] for i, p in enumerate(POEMS)}}), TITLES),
    ("lines in .json", "p.json", records(lambda t, e, a, x: {"title": t, "author": a, "poem": x}), ALL),
    ("a list in .jsonl", "p.jsonl", whole(lambda t, e, a, x: {"title": t, "author": a, "poem": x}), ALL),
    ("texts in .jsonl", "p.jsonl", records(lambda t, e, a, x: f"{t}:{x}"), TITLES),
    ("alpaca", "p.json", whole(lambda t, e, a, x: {"instruction": f"写一首题为《{t}》的诗", "input": "", "output": x}), TITLES),
    ("alpaca, title as input", "p.jsonl", records(lambda t, e, a, x: {"instruction": "写一首诗", "input": f"《{t}》", "output": couplets(x)}), TITLES),
    ("alpaca, title in the answer", "p.jsonl",
     records(lambda t, e, a, x: {"instruction": "写一首诗", "input": "", "output": f"《{t}》\n{a}\n\n{couplets(x)}"}), ALL),
    ("messages", "p.jsonl", records(lambda t, e, a, x: said(f"以《{t}》为题写诗", x, "messages role content user assistant")), TITLES),
    ("messages, said before", "p.jsonl",
     records(lambda t, e, a, x: said(f"写《{t}》", f"好的，这是一首诗：\n\n{couplets(x)}", "messages role content user assistant")), TITLES),
    ("ShareGPT", "p.json", whole(lambda t, e, a, x: said(f"写《{t}》", x, "conversations from value human gpt")), TITLES),
    ("prompt and completion", "p.jsonl", records(lambda t, e, a, x: {"prompt": f"题目：{t}", "completion": x}), TITLES),
]  # fmt: skip


@pytest.mark.parametrize(("what", "name", "content", "fields"), LAYOUTS, ids=[layout[0] for layout in LAYOUTS])
def test_every_poem_comes_out_whole(what: str, name: str, content: str | bytes, fields: str) -> None:
    found = read(name, content)
    expected = POEMS
    if "sorted" in fields:
        found, expected = sorted(found, key=lambda one: one.title), sorted(POEMS)
    assert [clean_lines(poem.paragraphs)[0] for poem in found] == [lines_of(text) for *_, text in expected]
    if "title" in fields:
        assert [poem.title for poem in found] == [title for title, *_ in expected]
    if "author" in fields:
        assert [poem.author for poem in found] == [author for _, _, author, _ in expected]


@pytest.mark.parametrize("path", sorted(ASSETS.iterdir()), ids=lambda path: path.name)
def test_the_files_of_people(path: Path) -> None:
    found = read(path.name, path.read_bytes())
    if path.stem == "stanzas":
        (poem,) = found
        assert (poem.title, poem.author) == STANZAS[0][:2]
        assert clean_lines(poem.paragraphs)[0] == lines_of("".join(STANZAS[0][2]))
        return
    assert [clean_lines(poem.paragraphs)[0] for poem in found] == [lines_of(text) for *_, text in POEMS]


@pytest.mark.parametrize(
    ("form", "between"),
    [
        ("{t}\n{a}\n\n{first}\n\n{second}", "\n\n"),
        ("{t}\n{a}\n{first}\n\n{second}", "\n\n"),
        ("{t}\n{a}\n{first}\n{second}", "\n"),
        ("《{t}》{a}\n{first}\n\n{second}", "\n\n\n"),
        ("{t}：{first}{second}", "\n"),
        ("{first}\n\n{second}", "\n\n"),
        ("{first}\n\n{second}", "\n\n\n"),
        ("{first}\n{second}", "\n\n"),
        ("{first}\n\n{second}", "\n\n---\n\n"),
    ],
)
def test_stanzas_are_no_poems(form: str, between: str) -> None:
    """上片 and 下片 are one poem, among 诗 of which each is one."""
    poems = [(title, author, halves) for title, author, halves in STANZAS]
    poems.insert(1, ("静夜思", "李白", (POEMS[0][3], "")))
    poems.append(("春望", "杜甫", (next(text for title, _, _, text in POEMS if title == "春望"), "")))
    texts = []
    for title, author, (first, second) in poems:
        text = form.format(t=title, a=author, first=couplets(first), second=couplets(second) if second else "\x00")
        texts.append(text.replace("\n\n\x00", "").replace("\n\x00", "").replace("\x00", ""))
    found = read("p.txt", between.join(texts) + "\n")
    assert [clean_lines(poem.paragraphs)[0] for poem in found] == [lines_of("".join(halves)) for *_, halves in poems]
    if "{t}" in form:
        assert [poem.title for poem in found] == [title for title, *_ in poems]


@pytest.mark.parametrize(
    ("labels", "between"),
    [
        (("上片：", "下片："), "\n"),
        (("【上片】", "【下片】"), "\n\n"),
        (("上阕\n", "下阕\n"), "\n"),
        (("前段:\n\n", "后段:\n\n"), "\n\n"),
    ],
)
@pytest.mark.parametrize("form", ["《{t}》 {a}\n", "{t}\n{a}\n\n", ""])
def test_labels_of_stanzas_are_no_titles(form: str, labels: tuple[str, str], between: str) -> None:
    def text(title: str, author: str, halves: tuple[str, str]) -> str:
        return form.format(t=title, a=author) + between.join(label + half for label, half in zip(labels, halves))

    found = read("p.txt", "\n\n".join(text(*stanzas) for stanzas in STANZAS))
    assert [clean_lines(poem.paragraphs)[0] for poem in found] == [lines_of("".join(halves)) for *_, halves in STANZAS]
    assert [poem.title for poem in found] == [title if form else "" for title, *_ in STANZAS]


ONE_RHYME = (
    "空山不见人，但闻人语响。返景入深林，复照青苔上。",
    "日照香炉生紫烟，遥看瀑布挂前川。飞流直下三千尺，疑是银河落九天。",
    "月落乌啼霜满天，江枫渔火对愁眠。姑苏城外寒山寺，夜半钟声到客船。",
    "烟笼寒水月笼沙，夜泊秦淮近酒家。商女不知亡国恨，隔江犹唱后庭花。",
    "远上寒山石径斜，白云生处有人家。停车坐爱枫林晚，霜叶红于二月花。",
)


@pytest.mark.parametrize("between", ["\n", "\n\n", "\n---\n"])
@pytest.mark.parametrize("chosen", [ONE_RHYME[1:3], ONE_RHYME[3:5], ONE_RHYME[:1] * 40, ONE_RHYME])
def test_poems_of_one_rhyme_are_poems(chosen: tuple[str, ...], between: str) -> None:
    """A rhyme word that returns, or a first line that rhymes, begins another poem."""
    found = read("p.txt", between.join(chosen))
    assert [clean_lines(poem.paragraphs)[0] for poem in found] == [lines_of(text) for text in chosen]


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize(
    ("why", "chosen", "told"),
    [
        ("three 绝句 that do not hang together", (ONE_RHYME[1], ONE_RHYME[2], "朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。"), False),
        ("two, of which the second begins with a rhyme", ONE_RHYME[3:5], False),
        ("a rhyme word that returns", (ONE_RHYME[3],) * 3, False),
        ("a 律诗", ("国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。", "烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。"), True),
    ],
)  # fmt: skip
def test_rows_of_one_rhyme_that_may_be_several_poems_are_never_merged(
    why: str, chosen: tuple[str, ...], told: bool, marks: bool
) -> None:
    """A line a row, without titles."""
    content = "\n".join(rows_of_lines(text) if marks else unmarked(text) for text in chosen)
    if told:
        assert [clean_lines(poem.paragraphs)[0] for poem in read("p.txt", content)] == [lines_of("".join(chosen))], why
    else:
        with pytest.raises(SourceError, match="one poem or several"):
            read("p.txt", content)


# What stands for itself below: quatrains of rhymes of their own and of one rhyme, drafts with a fault, an octave, 词.
TOWER, DAWN, SNOW = (
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。",
)
MOON, SPRING, BOATS = (
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。",
    "朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。",
)
UNRHYMED, BROKEN, SHORT = (
    "白日依山尽，黄河入海江。千里穷远目，更上一层楼。",
    "窗外雨声急，灯前人未眠。此夜思故国，明月照窗前。",
    "床前明月光，疑是地上霜。举头望明月。",
)
YU = "\n\n".join(STANZAS[2][2])
RULES = "昨夜雨疏风骤，浓睡不消残酒。试问卷帘人，却道海棠依旧。知否，知否，应是绿肥红瘦。"


@pytest.mark.parametrize(
    "form", ["{t}\n{p}", "{t}\n\n{p}", "《{t}》 王之涣\n{p}", "# {t}\n{p}", "{t}:{p}", "题目：{t}\n正文：{p}"]
)
@pytest.mark.parametrize("gap", ["\n\n", "\n\n\n"])
@pytest.mark.parametrize("couplet_a_row", [True, False])
@pytest.mark.parametrize(
    ("title", "blocks"),
    [
        ("登楼", (TOWER, MOON)),
        ("登楼", (TOWER, MOON, DAWN)),
        ("登楼", (TOWER, BOATS)),
        ("登楼", (TOWER, UNRHYMED)),
        ("登楼", (TOWER, SHORT)),
        ("登楼", (TOWER, SHORT, SNOW)),
        ("登楼", (TOWER, DAWN, "春种一粒粟，秋收万颗子。")),
        ("登楼", (TOWER, "床前明月光，疑是地上霜。举头望月，低头思故乡。")),
        ("习作", (UNRHYMED, MOON)),
        ("习作", (BROKEN, UNRHYMED.replace("江", "流"))),
        ("春望", (SPRING, BOATS)),
        ("泊秦淮", ONE_RHYME[3:5]),
        ("登楼", (TOWER, "空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。")),
        ("登楼", (TOWER, RULES)),
        ("下江陵", (BOATS, YU)),
        ("虞美人", (YU, TOWER)),
        ("虞美人", (YU, TOWER, MOON)),
        ("虞美人·感旧", (YU, "\n\n".join(STANZAS[0][2]))),
        ("虞美人", (YU.replace("知多少", "多少"), TOWER)),
        ("如梦令", (RULES, TOWER)),
        ("如梦令", (RULES, "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。")),
        ("春夜", (YU, TOWER)),
    ],
)  # fmt: skip
def test_blocks_behind_a_titled_poem_are_never_read_into_it(
    title: str, blocks: tuple[str, ...], form: str, gap: str, couplet_a_row: bool
) -> None:
    shown = couplets if couplet_a_row and not form.startswith("{t}:") else str
    with pytest.raises(SourceError, match="one poem or several"):
        read("p.txt", form.format(t=title, p=gap.join(map(shown, blocks))))


@pytest.mark.parametrize(
    ("title", "blocks", "poems"),
    [
        ("绝句二首", (TOWER, MOON), 2),
        ("江雪", (SNOW, DAWN), 2),
        ("春望", (SPRING, TOWER), 2),
        ("虞美人", (YU, YU), 2),
        ("虞美人", (YU.replace("\n", ""),) * 3, 3),
        ("春望", (SPRING[:24], SPRING[24:]), 1),
        ("春望", (SPRING[:12], SPRING[12:24], SPRING[24:36], SPRING[36:]), 1),
        ("虞美人", (YU,), 1),
        ("虞美人", (YU.replace("知多少", "多少"),), 1),
        ("感旧", (YU,), 1),
        ("关雎", ("关关雎鸠，在河之洲。窈窕淑女，君子好逑。", "参差荇菜，左右流之。窈窕淑女，寤寐求之。"), 1),
    ],
)  # fmt: skip
def test_blocks_under_one_title_that_can_be_told(title: str, blocks: tuple[str, ...], poems: int) -> None:
    found = read("p.txt", f"{title}\n" + "\n\n".join(blocks))
    assert len(found) == poems and {poem.title for poem in found} == {title}
    assert [line for poem in found for line in clean_lines(poem.paragraphs)[0]] == list(lines_of("".join(blocks)))


QUATRAINS = [text for *_, text in POEMS if len(lines_of(text)) == 4]


@pytest.mark.parametrize(
    ("why", "name", "content", "found"),
    [
        ("quatrains of one rhyme each without anything between", "p.txt", "\n".join(map(couplets, QUATRAINS[:6])), "one poem or several"),
        ("couplets that do not rhyme", "p.txt", "\n".join(couplets(text).split("\n")[0] for text in QUATRAINS[:12]), "one poem or several"),
        ("a 律诗 in halves, or two 绝句 of one rhyme", "p.txt", "空山新雨后，天气晚来秋。明月松间照，清泉石上流。\n\n竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。", "one poem or several"),
        ("a table that names nothing known", "p.csv", "甲;乙\n一;二\n", "(delimiter: semicolon; columns found: 甲, 乙)"),
        ("two columns of verse", "p.csv", f"静夜思,{POEMS[0][3]},{POEMS[1][3]}\n江雪,{POEMS[4][3]},{POEMS[3][3]}\n", "2 columns hold verse"),
        ("more columns than can be told", "p.csv", f"甲甲,乙乙,丙丙,{POEMS[0][3]}\n丁丁,戊戊,己己,{POEMS[1][3]}\n", "columns cannot be told"),
        ("the answer goes on with the question", "p.jsonl",
         '{"instruction": "续写：床前明月光，疑是地上霜。", "input": "", "output": "举头望明月，低头思故乡。"}', "would be cut"),
        ("nobody answers", "p.jsonl", '{"messages": [{"role": "user", "content": "写诗"}]}', "no turn of 'messages' is an answer (found user)"),
        ("half-width marks part the fields", "p.csv", "title,text\n静夜思,床前明月光,疑是地上霜.\n", "the row has 3 fields"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused(why: str, name: str, content: str, found: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(name, content)
    assert found in caught.value.found, why
    assert caught.value.where.startswith(name) and caught.value.action
