"""Token spelling says what each token of a tokenizer spells; what was found for a large vocabulary is kept on disk.

In: a Hugging Face tokenizer. Out: a `TokenSpelling`: the text of each token, and the bytes of those that are no whole text.

    tokenizer ──fingerprint, this code──> CACHE/tokenizers/TOKENIZER-CODE.json ──whole?──> TokenSpelling
                                                    └── missing or damaged: found anew, and written

A file of the cache begins with the sha256 of the rest, so that one that is damaged is never read.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import cache_folder, write_text
from gemma_poetry.errors import OutputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEPT = "tokenizers"
"""The folder of the cache."""
WORTH_KEEPING = 32_768
"""Pieces from which on a vocabulary takes longer to spell than to look up in the cache."""

_BYTE_PIECE = re.compile("<0x([0-9A-F]{2})>")


@dataclass(frozen=True, slots=True)
class TokenSpelling:
    """What the tokens of a tokenizer spell; special tokens are left out.

    Attributes:
        texts: The text of each token whose bytes are whole characters, by ascending ids.
        partial: The tokens that spell bytes which are no whole characters, by these bytes.
        byte_pieces: The tokens that stand for one byte (`<0xE5>`).
    """

    texts: dict[int, str]
    partial: dict[bytes, list[int]]
    byte_pieces: frozenset[int]


def spell_tokens(tokenizer: PreTrainedTokenizerBase) -> TokenSpelling:
    """What each token spells, from the cache where that has it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or len(tokenizer) < WORTH_KEEPING:
        return _spell(tokenizer)
    fingerprint = _fingerprint(tokenizer, backend)
    code = hashlib.sha256((resources.files(__package__) / "token_spelling.py").read_bytes()).hexdigest()[:16]
    path = cache_folder() / KEPT / f"{fingerprint}-{code}.json"
    spelling = _read(path)
    if spelling is None:
        spelling = _spell(tokenizer)
        with suppress(OutputError):  # without a cache it takes longer, and nothing else
            _write(path, spelling)
            for older in path.parent.glob(f"{fingerprint}-*.json"):
                if older != path:
                    older.unlink(missing_ok=True)
    return spelling


def _fingerprint(tokenizer: PreTrainedTokenizerBase, backend: Any) -> str:
    """What tells a tokenizer from all that spell otherwise."""
    roles = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
    file = Path(tokenizer.name_or_path) / "tokenizer.json"
    if tokenizer.name_or_path and file.is_file():
        # To read the file takes a tenth of the time that writing the tokenizer does. What can be added to it in memory is
        # asked of it.
        told = f"{roles} {len(tokenizer)} {backend.get_added_tokens_decoder()} {hashlib.sha256(file.read_bytes()).hexdigest()}"
    else:
        told = f"{roles} {backend.to_str()}"
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _read(path: Path) -> TokenSpelling | None:
    """What a file of the cache says; `None` where there is none that is whole."""
    try:
        digest, _, body = path.read_bytes().partition(b"\n") if path.is_file() else (b"", b"", b"")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        ids, texts, partial, byte_pieces = json.loads(body)
    except (OSError, ValueError):
        return None
    return TokenSpelling(dict(zip(ids, texts)), {bytes.fromhex(raw): own for raw, own in partial}, frozenset(byte_pieces))


def _write(path: Path, spelling: TokenSpelling) -> None:
    partial = [(raw.hex(), own) for raw, own in spelling.partial.items()]
    fields = [list(spelling.texts), list(spelling.texts.values()), partial, sorted(spelling.byte_pieces)]
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    write_text(path, f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")


def _spell(tokenizer: PreTrainedTokenizerBase) -> TokenSpelling:
    texts: dict[int, str] = {}
    partial: dict[bytes, list[int]] = {}
    # A vocabulary comes in another order each time it is asked for.
    for index, raw in sorted(token_bytes(tokenizer).items()):
        try:
            texts[index] = raw.decode()
        except UnicodeDecodeError:
            partial.setdefault(raw, []).append(index)
    byte_pieces = frozenset(index for piece, index in tokenizer.get_vocab().items() if _BYTE_PIECE.fullmatch(piece))
    return TokenSpelling(texts, partial, byte_pieces)


def token_bytes(tokenizer: PreTrainedTokenizerBase) -> dict[int, bytes]:
    """What each token id spells, in UTF-8; special tokens are left out.

    Knows byte-fallback pieces (`<0xE5>`, SentencePiece and Gemma) and byte-level alphabets (`Ġ` for a blank).
    """
    roles = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
    # Asked for once: it is made anew each time, of 6,414 tokens for Gemma 3.
    added = tokenizer.added_tokens_decoder
    alphabet = _byte_level_alphabet() if _is_byte_level(tokenizer) else None
    spelt: dict[int, bytes] = {}
    for piece, index in tokenizer.get_vocab().items():
        if index in added:
            # An added token that is special to the decoder would vanish from the text, however it is written. A list of
            # special tokens says nothing of that: where Gemma's is made from SentencePiece, the line break stands in it.
            if index not in roles and not added[index].special:
                spelt[index] = str(added[index]).encode()
        elif index in roles:
            continue
        elif alphabet is not None:
            spelt[index] = bytes(alphabet[char] for char in piece if char in alphabet)
        elif byte := _BYTE_PIECE.fullmatch(piece):
            spelt[index] = bytes([int(byte[1], 16)])
        else:
            spelt[index] = piece.replace("▁", " ").encode("utf-8", "surrogatepass")
    return spelt


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return type(getattr(backend, "decoder", None)).__name__ == "ByteLevel"


def _byte_level_alphabet() -> dict[str, int]:
    """The printable stand-ins of byte-level tokenizers: printable Latin-1 bytes stand for themselves, the others for
    the code points from 256 on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in printable)
    stand_ins = {chr(256 + number): byte for number, byte in enumerate(others)}
    return {chr(byte): byte for byte in printable} | stand_ins
