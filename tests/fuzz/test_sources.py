"""Hostile sources, drawn by seed: read, or refused with an error of ours; in seconds, and nothing of the user's is changed.

`GEMMA_POETRY_FUZZ=long` draws 200 in place of 20. Every draw is a kind of source (in turn) and damage to it; a failure names
the number, which gives the same source again.
"""

# ruff: noqa: E501
from __future__ import annotations

import bz2
import codecs
import contextlib
import hashlib
import io
import json
import os
import random
import signal
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import build_collection
from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.verbs.check import check

DRAWS = 200 if os.environ.get("GEMMA_POETRY_FUZZ") == "long" else 20
SECONDS = 20
LAYOUTS = Path(__file__).parents[1] / "assets" / "layouts"
POEM = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
SIGNS = " 　\t\n\r，。、；：？！:;,.|\"'《》（）()【】〔〕[]{}「」#-—*~0123456789一二三首其題题曰\x00\x1b[31m\u202e\ufeff\u200b�□○○…⿰𠀀"


class TooLongError(BaseException):
    """Not of ours, and no `Exception`: nothing on the way may take it for a damaged file."""


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Ends the block after so many seconds."""

    def ring(*_: object) -> None:
        raise TooLongError(f"no answer after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, taken out, repeated or cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(0, 8)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 400)]
            case 3:
                data[at:at] = rng.choice(SIGNS).encode("utf-8", "replace") * rng.choice((1, 3, 5000))
            case _:
                del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


def runs(rng: random.Random) -> bytes:
    """Long runs of what patterns stumble over."""
    count = rng.choice((3_000, 16_000, 64_000))
    piece = rng.choice(
        (
            *SIGNS.replace("\x00", ""),
            "（",
            "（〈",
            "《",
            "其一",
            "：",
            "春，",
            "春。\n",
            "春\n\n",
            "春 ",
            "》卷",
            "其 ",
            "一首",
            POEM,
            f"{POEM}\n",
        )
    )
    end = rng.choice(("", "月", "）", "。", "》", "\n正文：月。", "\n" + POEM))
    return (rng.choice(("", "春", POEM, f"题目：春\n正文：{POEM}", "春:")) + piece * count + end).encode()


def text(rng: random.Random) -> bytes:
    return damaged(rng.choice([path for path in sorted(LAYOUTS.iterdir()) if path.suffix == ".txt"]).read_bytes(), rng)


def signs(rng: random.Random) -> bytes:
    return "".join(rng.choice(SIGNS + POEM * 3) for _ in range(rng.randint(1, 4000))).encode("utf-8", "replace")


def value(rng: random.Random, depth: int = 0) -> object:
    """Any JSON value."""
    leaves = (None, True, 0, -1, 1e308, 10**18, "", POEM, "静夜思", "\x1b[2J", "\u202e", [], {}, "明月 " * 50)
    if depth > 3 or rng.random() < 0.4:
        return rng.choice(leaves)
    names = ("title", "author", "paragraphs", "text", "lines", "marks", "messages", "conversations", "role", "from", "content", "value",
             "instruction", "input", "output", "columns", "data", "静夜思", "李白", "", "\x1b]0;x\x07", "rhythmic", "form")  # fmt: skip
    if rng.random() < 0.5:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {rng.choice(names): value(rng, depth + 1) for _ in range(rng.randint(0, 5))}


def json_file(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return rng.choice(
            (b"[" * 50_000, b'{"a":' * 20_000, b'["\\ud800"]', b'{"title": "' + b" " * 64_000 + b'x", "text": "a"}')
        )
    content = json.dumps([value(rng) for _ in range(rng.randint(1, 5))] if rng.random() < 0.5 else value(rng)).encode()
    return damaged(content, rng) if rng.random() < 0.5 else content


def json_lines(rng: random.Random) -> bytes:
    return b"\n".join(json.dumps(value(rng)).encode() for _ in range(rng.randint(1, 6)))


def table(rng: random.Random) -> bytes:
    path = rng.choice([path for path in sorted(LAYOUTS.iterdir()) if path.suffix == ".csv"])
    content = path.read_bytes()
    if rng.random() < 0.3:
        content = codecs.BOM_UTF16_BE + content.decode("utf-8-sig" if path.stem != "utf16" else "utf-16").encode("utf-16-be")
    return damaged(content, rng)


def tar_file(rng: random.Random) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(
        fileobj=raw, mode="w", format=rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)), errors="surrogateescape"
    ) as archive:
        for number in range(rng.randint(1, 4)):
            names = (
                f"{number}.txt",
                os.fsdecode(b"\xcc\xc6.txt"),
                "\x1b[31m.txt",
                "d/" * rng.randint(1, 60) + "x.json",
                f"{'9' * 5000}.txt",
                "²1²2.txt",
            )
            info = tarfile.TarInfo(rng.choice(names))
            content = text(rng)
            info.size = len(content)
            info.type = rng.choice((tarfile.REGTYPE,) * 8 + (tarfile.GNUTYPE_SPARSE, tarfile.SYMTYPE, tarfile.FIFOTYPE))
            archive.addfile(info, io.BytesIO(content))
    data = bytearray(raw.getvalue())
    for _ in range(rng.randint(0, 6)):
        # In headers, where sizes and kinds stand.
        data[rng.randrange(0, len(data) // 512) * 512 + rng.randint(100, 160)] = rng.randrange(256)
    packed = zlib.compressobj(wbits=31)
    whole = packed.compress(bytes(data)) + packed.flush()
    return damaged(whole, rng) if rng.random() < 0.3 else whole


def sparse_tar(rng: random.Random) -> bytes:
    """A GNU sparse file that is said to hold half a gigabyte."""
    info = tarfile.TarInfo("x.txt")
    info.size = 512
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\x00%011o\x00" % (0, 512)
    header[483:495] = b"%011o\x00" % rng.choice((2**29 - 1, 2**32, 700))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\x00 " % sum(header)
    packed = zlib.compressobj(wbits=31)
    return packed.compress(bytes(header) + POEM.encode().ljust(512) + bytes(1024)) + packed.flush()


def zip_file(rng: random.Random) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(
        raw, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED))
    ) as archive:
        for number in range(rng.randint(1, 4)):
            archive.writestr(
                rng.choice((f"{number}.txt", "唐/诗.txt", "\x1b[31m.txt", f"{number}.json")), text(rng) * rng.choice((1, 40))
            )
    data = bytearray(raw.getvalue())
    for _ in range(rng.randint(0, 10)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


KINDS: tuple[tuple[str, Callable[[random.Random], bytes]], ...] = (
    ("p.txt", runs), ("p.txt", text), ("p.txt", signs), ("p.json", json_file), ("p.jsonl", json_lines), ("p.csv", table),
    ("p.tar.gz", tar_file), ("p.zip", zip_file), ("p.csv", runs), ("p.tgz", sparse_tar),
)  # fmt: skip


def digest(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", range(DRAWS))
def test_a_hostile_source_is_read_or_refused(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, make = KINDS[number % len(KINDS)]
    path = tmp_path / name
    path.write_bytes(make(random.Random(number)))
    before = digest(tmp_path)
    for job in (
        lambda: build_collection(str(path), PrepareSettings(min_characters=1)),
        *((lambda: check(str(path)), lambda: check(str(path), as_json=True)) if path.suffix != ".gz" else ()),
    ):
        with within(SECONDS), contextlib.suppress(GemmaPoetryError):
            try:
                job()
            except GemmaPoetryError as error:
                assert "\x1b" not in str(error) and str(error).encode()
                raise
    assert digest(tmp_path) == before
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "\x07" not in said.out + said.err


def test_the_words_of_a_damaged_bz2_are_ours(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", POEM * 50)
    content = raw.getvalue()
    at = content.index(bz2.compress(b"")[:3]) + 20
    (tmp_path / "p.zip").write_bytes(content[:at] + b"\xff\xff\xff" + content[at + 3 :])
    with pytest.raises(GemmaPoetryError, match="damaged or cut short"):
        build_collection(str(tmp_path / "p.zip"), PrepareSettings())


@pytest.mark.parametrize("name", ["p.txt", "p.zip", "p.tar.gz"])
def test_a_pipe_that_nobody_writes_to_is_no_source(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / f"zero-{name}").symlink_to("/dev/zero")
    for path in (tmp_path / name, tmp_path / f"zero-{name}"):
        for job in (lambda p=path: build_collection(str(p), PrepareSettings()), lambda p=path: check(str(p))):
            with within(SECONDS), pytest.raises(GemmaPoetryError, match=r"this is a pipe|no regular file"):
                job()


def test_a_folder_with_names_that_are_not_utf8_is_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xcc\xc6.txt")).write_text(f"静夜思\n{POEM}", encoding="utf-8")
    (tmp_path / "\x1b[31m.txt").write_text(f"静夜思\n{POEM.replace('霜', '雪')}", encoding="utf-8")
    found = build_collection(str(tmp_path), PrepareSettings(validation_share=0, test_share=0))
    assert sorted(poem.source_id for poem in found.train) == ["\\x1b[31m.txt#1", "\\xcc\\xc6.txt#1"]


@pytest.mark.parametrize("name", ["\x00", "x" * 5000, "loop"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(GemmaPoetryError):
        build_collection(str(tmp_path / name), PrepareSettings())
    with pytest.raises(GemmaPoetryError):
        check(str(tmp_path / name))


def test_escapes_of_a_title_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"title": "春\x1b[2J\x07\u202e晓", "author": "\x1b]0;x\x07", "text": POEM}), encoding="utf-8")
    check(str(path))
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\u202e") and "春\\x1b[2J\\x07\\u202e晓" in shown
