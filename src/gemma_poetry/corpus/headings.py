"""What stands beside the verse in a plain text: titles, authors, numbers, labels.

In: a row. Out: whether it is a heading and what it names, or the heading and the verse of a row that holds both
(`静夜思:床前明月光，…`, `《静夜思》床前明月光，…`, `静夜思 李白 床前明月光，…`, `床前明月光，…——李白《静夜思》`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gemma_poetry.corpus.verse_shapes import is_even_verse, verse_lines

PAUSES = re.compile(r"[，。？！；,?!;｡．]|(?<=[^\x00-\x7f])\.")
_LONGEST_HEADING = 200
_NUMERAL = "[一二三四五六七八九十百]"
_ARABIC = re.compile(r"^[（(\[【]?\s*(\d{1,6})\s*[)）\]】]?\s*[、.．。:：,，)）]?\s*(?=\S)(?!\d)")
_CHINESE = re.compile(rf"^(?:[（(【\[]({_NUMERAL}{{1,4}})[)）】\]]|第?({_NUMERAL}{{1,4}})首?[、.．:：])\s*(?=\S)")
_SERIAL = re.compile(rf"^[（(【\[《]?(?:其|第)?\s*(?:{_NUMERAL}{{1,4}}|\d{{1,4}})\s*首?[)）】\]》]?[、.．:：]?$")
_BULLET = re.compile(r"^(?:[-*+•·●○◆◇■□▪※]\s+|#{1,6}\s*|>\s+)")
_RULE = re.compile(r"^(?:[-=_*~—－#·•※☆★.+]\s?){3,}$")
_NAME = re.compile(r"^[（(\[【〔]?\S{1,2}[)）\]】〕·・:：]\s*|^(?:作者|诗人|詩人)[:：]|^[（(]|[)）]$")
_ERA = re.compile(
    r"^[\[【〔（(]?(?:先秦|两汉|兩漢|魏晋|南北朝|唐代|宋代|元代|明代|清代|唐朝|宋朝|近代|现代|当代|東漢|东汉|西汉|"
    r"[唐宋元明清汉漢魏晋晉隋金辽遼])[\]】〕）)]?[·・:：\s]*"
)
_POET = re.compile(r"[^\W\d_]{2,4}(?:·[^\W\d_]{1,6})?")
_ANNOUNCED = re.compile(rf"({_NUMERAL}{{1,3}}|[0-9]{{1,3}})首$")
_WHOLE_TITLE = re.compile(r"^(?P<before>[^《》]{0,8})《(?P<title>[^《》]{1,60})》\s*(?P<after>[^《》]{0,14})$")
_TITLED_ROW = re.compile(
    r"^(?P<before>[^《》【】「」\s:：，。]{0,8})[《【「](?P<title>[^》】」，。？！]{1,60})[》】」]"
    r"(?:\s*(?P<author>[^\s，。？！；:：《》【】（）()]{1,10})\s*[:：]\s*|\s*[（(](?P<poet>[^（）()，。]{1,10})[)）]\s*[:：]?\s*"
    r"|\s+(?P<name>[^\s，。？！；:：《》【】]{1,10})\s+|\s*[:：]?\s*)(?P<verse>\S.*)$"
)
_ATTRIBUTED = re.compile(
    r"^(?P<verse>.*[，。？！；,.?!;”』」])\s*(?:[—―─–-]{1,3}\s*(?P<dash>[^—―─–，。？！；-]{2,40})"
    r"|[（(](?P<brackets>[^（）()，。]{0,12}《[^《》]{1,40}》[^（）()，。]{0,8})[)）])$"
)
_NAME_FIRST = re.compile(r"^[\[（(〔](?P<author>[^\[\]（()）〔〕]{1,12})[\])）〕]\s*(?P<title>\S+)$")
_STANZA = re.compile(
    r"^[【\[（(]?(?:(?P<first>[上前][片阕闋段])|[下中后後][片阕闋段]|过片|過片)(?:[】\]）)]\s*[:：]?|[:：]|\s|$)\s*"
)
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]")
_HEADING_FIELDS = 5


def number_of(row: str) -> tuple[int, str]:
    """The number before an item (`1. `, `（二）`, `三、`) and the item; 0 where there is none."""
    match = _ARABIC.match(row)
    if match:
        return int(match[1]), row[match.end() :]
    match = _CHINESE.match(row)
    if match:
        return _value(match[1] or match[2]), row[match.end() :]
    return 0, row


def without_bullet(row: str) -> str:
    """The row without what lists and Markdown put before it."""
    row = _BULLET.sub("", row)
    return row[2:-2] if len(row) > 4 and row.startswith("**") and row.endswith("**") else row


def without_stanza_label(row: str) -> tuple[str, str]:
    """The row without `上片：`, `【下片】` and the like, and which stanza that names: `first`, `later`, or none."""
    match = _STANZA.match(row)
    if not match:
        return row, ""
    return row[match.end() :], "first" if match["first"] else "later"


def is_rule(row: str) -> bool:
    """Whether a row is a line drawn between poems (`---`, `* * *`)."""
    return bool(_RULE.match(row))


def is_serial(row: str) -> bool:
    """Whether a row only counts the poems under a title (其二, 第三首, 二)."""
    return bool(_SERIAL.match(row))


def announced(title: str) -> int:
    """How many poems a title says there are (凉州词二首), 0 where it does not."""
    match = _ANNOUNCED.search(title)
    return (int(match[1]) if match[1].isdigit() else _value(match[1])) if match else 0


def named(rows: Sequence[str]) -> tuple[str, str]:
    """Title and author from the rows above a poem.

    Of more than a title and a name the nearest to the poem count: above them stands the title of a book or a part.
    """
    rows = [row[:_LONGEST_HEADING].rstrip(":：").strip() for row in rows]
    if not rows:
        return "", ""
    last = _person(rows[-1])
    if len(rows) > 1 and last:
        title, author = _title_and_author(rows[-2])
        return title, author or last
    if len(rows) > 2 and (author := _person(rows[1])):
        return _title_and_author(rows[0])[0], author
    return _title_and_author(rows[-1])


def parted(row: str) -> tuple[str, str, str] | None:
    """Title, author and verse of a row that holds them all; `None` where the row is verse alone, or a heading alone."""
    for found in (_attributed(row), _titled(row), _by_colon(row), _by_spaces(row)):
        if found:
            return found
    return None


def _titled(row: str) -> tuple[str, str, str] | None:
    match = _TITLED_ROW.match(row)
    if not match or not _is_verse(match["verse"], row):
        return None
    author = match["author"] or match["poet"] or match["name"] or match["before"]
    return match["title"], _person(author) or author, match["verse"]


def _by_colon(row: str) -> tuple[str, str, str] | None:
    pause = PAUSES.search(row)
    head = row[: pause.start()] if pause else ""
    at = max(head.rfind(":"), head.rfind("："))
    if at < 1 or at > 60 or not _is_verse(row[at + 1 :], row):
        return None
    fields = [field.strip() for field in re.split(r"[:：|｜]+", head[:at]) if field.strip()]
    if not fields or len(fields) > 3:
        return None
    if len(fields) == 1:
        return (*_title_and_author(fields[0]), row[at + 1 :].strip())
    author = fields[1] if len(fields) == 2 else next((field for field in fields[1:] if not _ERA.fullmatch(field)), fields[1])
    return fields[0].strip("《》【】"), _person(author) or author, row[at + 1 :].strip()


def _by_spaces(row: str) -> tuple[str, str, str] | None:
    fields = row.split(" ", _HEADING_FIELDS + 1)
    count = next((index for index, part in enumerate(fields) if PAUSES.search(part)), len(fields))
    if not 0 < count <= _HEADING_FIELDS or not _HAN.match(fields[0].lstrip("《【")):
        return None
    verse = " ".join(fields[count:])
    if not _is_verse(verse, row):
        return None
    head = fields[:count]
    author = _person(head[-1]) if count > 1 else ""
    return " ".join(head[:-1] if author else head).strip("《》【】"), author, verse


def _attributed(row: str) -> tuple[str, str, str] | None:
    match = _ATTRIBUTED.match(row)
    if not match or len(verse_lines(match["verse"])) < 2:
        return None
    return (*attribution(match["dash"] or match["brackets"]), match["verse"])


def attribution(text: str) -> tuple[str, str]:
    """Title and author behind a poem: `——李白《静夜思》`, `——[唐]李白`."""
    text = text.strip().lstrip("—―─–- ").strip()
    match = _WHOLE_TITLE.match(text)
    if match:
        author = (match["before"] or match["after"]).strip("·・:： ")
        return match["title"], _person(author) or author
    return "", _person(text) or text


def _is_verse(verse: str, row: str) -> bool:
    """Whether what follows a supposed title is verse, and would not be better verse with it."""
    lines = verse_lines(verse)
    return len(lines) >= 2 and bool(PAUSES.search(verse)) and not is_even_verse(verse_lines(row))


def _title_and_author(row: str) -> tuple[str, str]:
    match = _WHOLE_TITLE.match(row)
    if match:
        author = (match["after"] or match["before"]).strip("·・:： ")
        return match["title"], _person(author) or author
    match = _NAME_FIRST.match(row)
    if match and (_person(match["author"]) or _ERA.fullmatch(match["author"])):
        return match["title"], _person(match["author"])
    match = re.match(r"^(?P<title>[^\s（(]+)[（(](?P<author>[^（）()]{2,12})[)）]$", row)
    if match and _person(match["author"]) and not announced(match["author"]) and not match["author"].startswith(("其", "一作")):
        return match["title"], _person(match["author"])
    parts = row.split()
    # 帝京篇 其一: a serial number is no author.
    if len(parts) == 2 and len(parts[1]) <= 8 and not is_serial(parts[1]) and not parts[1].startswith(("其", "第")):
        return parts[0], _person(parts[1]) or parts[1]
    match = re.match(r"^(?P<title>.+?)\s*[—―─–-]{1,3}\s*(?P<author>\S{2,12})$", row)
    if match and _person(match["author"]):
        return match["title"], _person(match["author"])
    return row.removeprefix("《").removesuffix("》").strip("【】"), ""


def _person(text: str) -> str:
    """The name of a person without era and marks; empty where the text is none."""
    text = text.strip()
    bare = _NAME.sub("", text).strip()
    name = _ERA.sub("", bare).strip() if len(bare) > 3 or (_ERA.match(bare) and not _POET.fullmatch(bare)) else bare
    if _ERA.match(text) and not bare:
        return ""
    return name if _POET.fullmatch(name) and not is_serial(name) else ""


def _value(numeral: str) -> int:
    digits = {char: value for value, char in enumerate("一二三四五六七八九", 1)}
    total = current = 0
    for char in numeral:
        if char in digits:
            current = digits[char]
        else:
            total += (current or 1) * (10 if char == "十" else 100)
            current = 0
    return total + current
