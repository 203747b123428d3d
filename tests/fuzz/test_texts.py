"""200 odd texts for `check`: each is judged, or refused in our own words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.trials import attempt, damage_bytes, damage_json, fingerprint, is_sound, json_text, seeds
from tests.tiny import make_poems

POEM = "静夜思\n李白\n\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n"
TUNE = "浣溪沙\n晏殊\n\n一曲新词酒一杯，去年天气旧亭台，夕阳西下几时回？\n\n无可奈何花落去，似曾相识燕归来，小园香径独徘徊。\n"
ODD = (
    "", "\x00", "\ufeff", "\u200b", "\u202e", "𠮷", "\U000e0100", "⿰木木", "〇", "□", "？", "……", "——", "《", "》", "（", "）",
    "\r", "\x0b", "\x1b]0;x\x07", "é", "🙂", "\ud7ff", "\uffff", "a", "１", "︽", "﹁", "㐀", "豈", "⺮",
    "\u3000", "、", "；", "\t", "\n\n", "{", "[",
)  # fmt: skip


def check_file(path: str) -> None:
    from gemma_poetry.verbs.check import check

    check(path, as_json=Path(path).name.startswith("json"))


def mixed(draw: random.Random) -> str:
    """A poem with characters put in, taken out, said many times, or in another order."""
    text = draw.choice((POEM, TUNE, POEM + "\n\n" + TUNE))
    for _ in range(draw.randint(1, 6)):
        place = draw.randrange(len(text) + 1)
        kind = draw.randrange(6)
        if kind == 0:
            text = text[:place] + draw.choice(ODD) * draw.choice((1, 1, 3, 300)) + text[place:]
        elif kind == 1:
            text = text[:place] + text[place + draw.randint(1, 8) :]
        elif kind == 2:
            text = (
                text[:place]
                + chr(draw.choice((draw.randrange(0x4E00, 0x9FFF), draw.randrange(0x20000, 0x2A6DF))))
                + text[place:]
            )
        elif kind == 3:
            text = text * draw.choice((2, 40))
        elif kind == 4:
            line = list(text)
            draw.shuffle(line)
            text = "".join(line)
        else:
            text = text.replace(draw.choice("，。\n月"), draw.choice(ODD))
    return text


def written(folder: Path, draw: random.Random) -> Path:
    """A file of one of the layouts that `check` reads."""
    records = [{"title": poem.title, "author": poem.author, "paragraphs": list(poem.lines)} for poem in make_poems(3)]
    kind = draw.randrange(5)
    name = draw.choice(("", "json "))
    if kind == 0:
        path = folder / f"{name}poems.txt"
        path.write_bytes(damage_bytes(POEM.encode(draw.choice(("utf-8", "gb18030", "utf-16"))), draw))
    elif kind == 1:
        path = folder / f"{name}poems.json"
        path.write_bytes(json_text(damage_json(records, draw)))
    elif kind == 2:
        path = folder / f"{name}poems.jsonl"
        path.write_bytes(b"\n".join(json_text(damage_json(record, draw)) for record in records))
    elif kind == 3:
        path = folder / f"{name}poems.csv"
        rows = ["title,author,content", *(f'"{poem.title}","{poem.author}","{poem.text}"' for poem in make_poems(3))]
        path.write_bytes(damage_bytes("\n".join(rows).encode(), draw))
    else:
        path = folder / f"{name}poems.txt"
        path.write_text(mixed(draw), encoding="utf-8", errors="surrogatepass")
    return path


@pytest.mark.parametrize("seed", seeds(15, 200))
def test_odd_text(tmp_path: Path, seed: int):
    path = written(tmp_path, random.Random(f"text {seed}"))
    before = fingerprint(tmp_path)
    outcome = attempt(check_file, str(path))
    assert is_sound(outcome), outcome
    assert fingerprint(tmp_path) == before


def test_what_is_whole_is_judged(tmp_path: Path):
    path = tmp_path / "json poem.txt"
    path.write_text(POEM, encoding="utf-8")
    assert attempt(check_file, str(path)) == "done"
