"""Bytes become text, in the encodings that Chinese collections come in.

In: the bytes of a file. Out: its text, or a `SourceError` where the encoding cannot be told for sure: a wrong guess
would make every later figure worthless.

A byte order mark decides (UTF-8, UTF-16, UTF-32); else UTF-8 if the bytes are valid; else GB18030 (which includes
GBK) or Big5 if the text is made of common characters in one and clearly not in the other.
"""

from __future__ import annotations

import codecs

from gemma_poetry.errors import SourceError
from gemma_poetry.languages import _

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LEGACY = ("gb18030", "big5hkscs")
# The characters that make up about 30% of classical verse, in both scripts, and the marks between its lines.
_COMMON = frozenset(
    "不人山风風日无無一云雲来來花春天上有年中月时時水秋何心自生如江清夜长長君知白此相行"
    "空归歸高门門里裏三老得下明酒去千在雨寒声聲头頭我事出香子青诗詩入万萬烟煙金家落更新"
    "玉其今古处處是为為与與以于於之而可所也，。、？！；："
)
_MIN_SHARE = 0.12
_MIN_LEAD = 2.0
_SAMPLE_BYTES = 64 * 2**10


def decode(content: bytes, where: str) -> tuple[str, str]:
    """The text of a file and the name of its encoding.

    Raises:
        SourceError: The bytes are in no encoding that can be told, or damaged.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise _damaged(content, error, where) from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        # Long valid UTF-8 before the fault is no accident: the file is UTF-8 and damaged there.
        if sum(byte >= 0xE0 for byte in content[: error.start]) >= 12:
            raise _damaged(content, error, where) from error
    else:
        if "\x00" in text:
            raise _unknown(where, _("zero bytes, as in UTF-16 without a byte order mark"))
        return text, "utf-8"
    return _decode_legacy(content, where)


def _decode_legacy(content: bytes, where: str) -> tuple[str, str]:
    scores: dict[str, float] = {}
    texts: dict[str, str] = {}
    for encoding in _LEGACY:
        try:
            texts[encoding] = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        sample = [character for character in texts[encoding][:_SAMPLE_BYTES] if character > "\x7f"]
        scores[encoding] = sum(character in _COMMON for character in sample) / max(1, len(sample))
    if not scores:
        raise _unknown(where, _("bytes that are no UTF-8, GB18030 or Big5"))
    best = max(scores, key=scores.__getitem__)
    rival = max((score for encoding, score in scores.items() if encoding != best), default=0.0)
    if scores[best] < _MIN_SHARE or scores[best] < _MIN_LEAD * rival:
        raise _unknown(where, _("bytes that are no UTF-8, and no clear GB18030 or Big5"))
    return texts[best], best


def _unknown(where: str, found: str) -> SourceError:
    return SourceError(
        found,
        where=where,
        expected=_("UTF-8; UTF-16 with a byte order mark; or unmistakable GB18030 or Big5"),
        action=_("convert the file, e.g. iconv -f GB18030 -t UTF-8 FILE > NEW"),
    )


def _damaged(content: bytes, error: UnicodeDecodeError, where: str) -> SourceError:
    line = content.count(b"\n", 0, error.start) + 1
    return SourceError(
        _(
            "byte {start} of the file is no valid {encoding} ({reason})",
            start=error.start + 1,
            encoding=error.encoding.upper(),
            reason=error.reason,
        ),
        where=f"{where}:{line}",
        expected=_("whole characters to the end of the file"),
        action=_("fetch the file again, or mend that line"),
    )
