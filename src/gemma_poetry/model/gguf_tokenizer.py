"""The tokenizer in a GGUF file, as a fast tokenizer with the ids of the genuine one.

In: the pieces, scores and types of a `GgufHeader`. Out: a tokenizer of transformers, ready to be saved.

SentencePiece joins the two neighbours that form the piece of the highest score, the leftmost among equals, and only normal
pieces take part; user-defined ones are cut out before. The merges of a fast tokenizer say the same, piece by piece in order
of score, for each piece every way to form it from two. Gemma 4's files hold the merges themselves.

transformers reads such files too, but adds each of Gemma's 6,000 reserved pieces one at a time, which takes twenty
seconds, and joins runs of more than 31 blanks otherwise than SentencePiece and llama.cpp do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.errors import IncompleteModelError, ModelError
from gemma_poetry.languages import _
from gemma_poetry.model.gguf_header import GgufHeader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_KINDS = ("llama", "gemma4")
# llama.cpp's types of tokens.
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
_BLANK = "▁"
_MASK = "<mask>"


def gguf_tokenizer(header: GgufHeader) -> PreTrainedTokenizerBase:
    """Builds the tokenizer.

    Raises:
        ModelError: The file has a tokenizer of another kind.
        IncompleteModelError: Its lists are missing or of different lengths.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    pieces, types = _table(header)
    ids = {piece: index for index, piece in enumerate(pieces)}
    if len(ids) != len(pieces):
        raise _broken(header, _("has one piece under two ids"))
    special = _special_pieces(header, pieces)
    merges = _stored_merges(header) or _merges(header, pieces, types, ids)
    tokenizer = Tokenizer(BPE(vocab=ids, merges=merges, fuse_unk=True, unk_token=special["unk_token"], byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", _BLANK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()])
    controls = [AddedToken(piece, special=True, normalized=False) for piece, kind in zip(pieces, types)
                if kind in (_UNKNOWN, _CONTROL)]  # fmt: skip
    tokenizer.add_special_tokens(controls)
    # Runs of blanks are found after blanks have become ▁, the others in the text as it is.
    tokenizer.add_tokens(
        [AddedToken(piece, normalized=_BLANK in piece) for piece, kind in zip(pieces, types) if kind == _USER_DEFINED]
    )
    bos = special["bos_token"]
    if header.metadata.get("tokenizer.ggml.add_bos_token", True):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, ids[bos])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=header.metadata.get("tokenizer.chat_template"),
        **special,
        **({"mask_token": _MASK} if _MASK in ids else {}),
    )


def _table(header: GgufHeader) -> tuple[list[str], list[int]]:
    """Pieces as SentencePiece spells them, and their types."""
    kind = header.metadata.get("tokenizer.ggml.model")
    if kind not in _KINDS:
        raise ModelError(
            _("the tokenizer in the file is of the kind {kind!r}", kind=kind),
            where=header.path,
            expected=_("a SentencePiece tokenizer, as every published Gemma has"),
            action=_("name a file that llama.cpp's converter made from a Gemma"),
        )
    pieces, types = (header.metadata.get(f"tokenizer.ggml.{name}") for name in ("tokens", "token_type"))
    if not isinstance(pieces, list) or not isinstance(types, list) or len(pieces) != len(types):
        raise _broken(header, _("lacks pieces or types"))
    if not all(isinstance(piece, str) for piece in pieces):
        raise _broken(header, _("has pieces that are no text"))
    # llama.cpp's converter writes runs of blanks, which are user-defined, with the blanks that they stand for.
    return [piece.replace(" ", _BLANK) if kind == _USER_DEFINED else piece for piece, kind in zip(pieces, types)], types


def _special_pieces(header: GgufHeader, pieces: list[str]) -> dict[str, str]:
    """Which pieces begin and end texts, fill rows and stand for what is unknown."""
    keys = {"bos_token": ("bos", 2), "eos_token": ("eos", 1), "unk_token": ("unknown", 3), "pad_token": ("padding", 0)}
    found = {}
    for name, (key, published) in keys.items():
        index = header.metadata.get(f"tokenizer.ggml.{key}_token_id", published)
        if not isinstance(index, int) or not 0 <= index < len(pieces):
            raise _broken(header, _("names {index!r} as its {name}", index=index, name=name))
        found[name] = pieces[index]
    return found


def _stored_merges(header: GgufHeader) -> list[tuple[str, str]]:
    """The merges that a file holds, none for SentencePiece's own."""
    merges = []
    for merge in header.metadata.get("tokenizer.ggml.merges") or ():
        left, separator, right = str(merge).partition(" ")
        if not separator or not left or not right:
            raise _broken(header, _("has the merge {merge!r}", merge=merge))
        merges.append((left, right))
    return merges


def _merges(header: GgufHeader, pieces: list[str], types: list[int], ids: dict[str, int]) -> list[tuple[str, str]]:
    """Every way to form a normal piece from two, by falling score, the longer first part first."""
    scores = header.metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(pieces):
        raise _broken(header, _("lacks scores"))
    normal = {piece for piece, kind in zip(pieces, types) if kind == _NORMAL}
    order = sorted((piece for piece in normal if len(piece) > 1), key=lambda piece: (-scores[ids[piece]], ids[piece]))
    return [
        (piece[:cut], piece[cut:])
        for piece in order
        for cut in range(len(piece) - 1, 0, -1)
        if piece[:cut] in normal and piece[cut:] in normal
    ]


def _broken(header: GgufHeader, what: str) -> IncompleteModelError:
    return IncompleteModelError(
        _("the tokenizer in the file {what}", what=what),
        where=header.path,
        expected=_("pieces, scores and types of a SentencePiece model, one each"),
        action=_("download the file again, or another conversion of the same model"),
    )
