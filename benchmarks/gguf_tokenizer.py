"""Whether the tokenizer that is built from a GGUF file gives the ids of the genuine one, in llama.cpp and SentencePiece.

In: a GGUF file, the collection, and, where it is at hand, the genuine SentencePiece model of Gemma 1 and 2. Out: for each
kind of text how many were compared, and the first that differ.

llama.cpp reads the file itself and is asked through its server: `pip install xllamacpp`.

    python benchmarks/gguf_tokenizer.py --file FILE.gguf --collection ARCHIVE [--sentencepiece tokenizer.model] [--lines 100000]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gemma_poetry.corpus.script import convert
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.model.gguf_header import GgufHeader, read_gguf_header
from gemma_poetry.model.gguf_tokenizer import gguf_tokenizer
from tests.llama_cpp import LlamaCpp

BATCH = 200
WHITE = " \t\n\r\u3000\u00a0\u200b\u2003▁"


def collection_lines(archive: str, lines: int) -> list[str]:
    """Lines of poems, half as the collection has them and half in simplified characters."""
    found = list(islice(_paragraphs(archive), lines // 2))
    return found + convert(found, "simplified")


def _paragraphs(archive: str) -> Iterable[str]:
    for _, file in open_source(archive).files():
        if file.name.endswith(".json"):
            poems = json.loads(file.content)
            for poem in poems if isinstance(poems, list) else ():
                if isinstance(poem, dict):
                    yield from (line for line in poem.get("paragraphs", ()) if isinstance(line, str))


def fuzz(pieces: list[str], count: int, seed: int = 1) -> Iterable[str]:
    """Texts that no poem has: pieces glued at random, runs of a character, any code point."""
    draw = random.Random(seed)
    for number in range(count):
        kind = number % 4
        if kind == 0:
            yield "".join(draw.choice(pieces) for _ in range(draw.randint(1, 12)))
        elif kind == 1:
            yield "".join(draw.choice("aA哈一，。!=-_*#.") * draw.randint(1, 40) for _ in range(draw.randint(1, 4)))
        elif kind == 2:
            codes = (draw.choice((draw.randrange(1, 0xD800), draw.randrange(0xE000, 0x30000))) for _ in range(20))
            yield "".join(map(chr, codes))
        else:
            words = "".join(draw.choice("abcdefghijklmnopqrstuvwxyzABC0123456789'") for _ in range(draw.randint(1, 9)))
            yield f"{words} {draw.choice(pieces)} {words.upper()}"


def white_space(marks: str, count: int, seed: int = 2) -> Iterable[str]:
    """Runs of white space of every kind and length, alone and between words."""
    yield from (mark * length for mark in marks[:6] for length in range(1, 70))
    draw = random.Random(seed)
    for _ in range(count):
        yield "".join(
            draw.choice(marks) * draw.randint(1, 5) if draw.random() < 0.6 else draw.choice(("春", "a", "月光", "the"))
            for _ in range(12)
        )


def byte_pieces() -> Iterable[str]:
    """Byte pieces written out, and characters that have no piece of their own."""
    yield from (f"<0x{byte:02X}>" for byte in range(256))
    yield from (chr(code) for code in range(0x20000, 0x2A6D0, 7))
    yield from (chr(code) for code in range(1, 0x100))


def special_pieces(header: GgufHeader) -> Iterable[str]:
    """Reserved pieces alone, between words and one after the other."""
    pieces, types = header.metadata["tokenizer.ggml.tokens"], header.metadata["tokenizer.ggml.token_type"]
    marked = [piece for piece, kind in zip(pieces, types) if kind in (3, 4)]
    yield from marked
    yield from (f"诗：{piece}明月{piece}{piece} x" for piece in marked)


def _batches(texts: list[str]) -> Iterable[list[str]]:
    return (texts[begin : begin + BATCH] for begin in range(0, len(texts), BATCH))


def compare(
    name: str,
    texts: Iterable[str],
    ours: Callable[[list[str]], list[list[int]]],
    theirs: Callable[[list[str]], list[int]],
) -> None:
    """Compares batches; a batch that differs is compared text by text."""
    count, apart = 0, []
    for batch in _batches([text for text in texts if text]):
        cuts = ours(batch)
        count += len(batch)
        if [index for cut in cuts for index in cut] != theirs(batch):
            apart += [(text, cut, other) for text, cut in zip(batch, cuts) if cut != (other := theirs([text]))]
    print(f"{name}: {count:,} texts, {len(apart):,} differ", flush=True)
    for text, cut, other in apart[:5]:
        print(f"    {text[:40]!r}: {cut[:12]} against {other[:12]}")


def main() -> None:
    """Compares every kind of text with both."""
    options = argparse.ArgumentParser()
    options.add_argument("--file", type=Path, required=True)
    options.add_argument("--collection", required=True)
    options.add_argument("--sentencepiece", type=Path)
    options.add_argument("--lines", type=int, default=100_000)
    options.add_argument("--fuzz", type=int, default=20_000)
    chosen = options.parse_args()
    header = read_gguf_header(chosen.file)
    lines = collection_lines(chosen.collection, chosen.lines)
    check(header, lines, LlamaCpp(chosen.file).tokens, "llama.cpp", count=chosen.fuzz)
    if chosen.sentencepiece:
        genuine, theirs = sentencepiece_table(chosen.sentencepiece)
        check(genuine, lines, theirs, "SentencePiece of Gemma 1 and 2", count=chosen.fuzz, controls=False)


def check(
    header: GgufHeader,
    lines: list[str],
    theirs: Callable[[list[str]], list[int]],
    name: str,
    *,
    count: int,
    controls: bool = True,
) -> None:
    """Every kind of text against one other tokenizer."""
    tokenizer = gguf_tokenizer(header)

    def ours(texts: list[str]) -> list[list[int]]:
        return tokenizer(texts, add_special_tokens=False)["input_ids"]

    print(f"against {name}:")
    table = (header.metadata[f"tokenizer.ggml.{part}"] for part in ("tokens", "token_type"))
    # A ▁ in a text is a blank to SentencePiece and itself to llama.cpp, which is asked about real blanks alone.
    pieces = [piece.replace("▁", " ") if controls else piece for piece, kind in zip(*table) if kind == 1]
    compare("  lines of the collection", lines, ours, theirs)
    compare("  fuzz", fuzz(pieces, count), ours, theirs)
    compare("  white space", white_space(WHITE.replace("▁", "") if controls else WHITE, count // 4), ours, theirs)
    compare("  byte pieces", byte_pieces(), ours, theirs)
    if controls:
        compare("  special pieces", special_pieces(header), ours, theirs)


def sentencepiece_table(path: Path) -> tuple[GgufHeader, Callable[[list[str]], list[int]]]:
    """The table that llama.cpp's converter writes for a SentencePiece model, and the model's own ids."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    size = model.get_piece_size()
    kinds = [
        2 if model.is_unknown(index) else 3 if model.is_control(index) else 6 if model.is_byte(index) else 1
        for index in range(size)
    ]
    pieces = [model.id_to_piece(index) for index in range(size)]
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    kinds = [4 if piece.type == 4 else kind for piece, kind in zip(proto.pieces, kinds)]
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [piece.replace("▁", " ") if kind == 4 else piece for piece, kind in zip(pieces, kinds)],
        "tokenizer.ggml.scores": [model.get_score(index) for index in range(size)],
        "tokenizer.ggml.token_type": kinds,
    }
    header = GgufHeader(path, metadata, {})
    return header, lambda texts: [index for text in texts for index in model.encode(text)]


if __name__ == "__main__":
    main()
