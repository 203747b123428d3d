"""`gemma-poetry check`: reads poems and says what is right and wrong with them.

In: a file of poems, or `-` for standard input: poems apart by empty lines, lines by punctuation or line ends.
Out: each poem with its faults on standard output.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from gemma_poetry.prosody.scansion import Scansion, scan, scan_auto

_HAN = r"\u3400-\u9fff\U00020000-\U0003ffff〇□"


def split_poems(text: str) -> list[list[str]]:
    """The poems of a text, each as lines of Han characters."""
    poems = []
    for block in re.split(r"\n\s*\n", text):
        rows = [row for row in block.splitlines() if not row.lstrip().startswith(("#", "《", "<"))]
        lines = [line for row in rows for line in re.split(rf"[^{_HAN}]+", row) if line]
        if lines:
            poems.append(lines)
    return poems


def plain(scansion: Scansion) -> str:
    """A scansion as text: a line of characters, then its tones (平 仄, 通 for both), then the faults."""
    rows = [f"{scansion.form} {scansion.pattern} {scansion.rhyme_group}: {scansion.verdict.value}"]
    for line, places in zip(scansion.lines, scansion.places):
        tones = "".join("通" if len(place.tones) > 1 else place.tones or "？" for place in places)
        rows.append(f"  {line}  {tones}  {''.join(place.expected for place in places)}")
    for kind, found in (("FAULT", scansion.faults), ("licence", scansion.licences)):
        for fault in found:
            char = scansion.lines[fault.line - 1][fault.position - 1]
            rows.append(
                f"  {kind}: line {fault.line}, position {fault.position} ({char}): {fault.rule.chinese} {fault.rule.english};"
                f" expected {fault.expected}, found {fault.actual}"
            )
    rows += [f"  UNKNOWN: line {line}, position {position}: {char}" for line, position, char in scansion.unknown]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    text = sys.stdin.read() if arguments[0] == "-" else Path(arguments[0]).read_text(encoding="utf-8")
    passed = True
    for lines in split_poems(text):
        scansion = scan(lines, arguments[1]) if len(arguments) > 1 else scan_auto(lines)
        passed &= scansion.verdict.passes
        print(plain(scansion) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
