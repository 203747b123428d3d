"""The poems of a prepared folder.

In: a folder that `prepare` wrote, and a split. Out: its poems, in the order of the tokenized file beside them.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.splits import SPLITS
from gemma_poetry.errors import DataError, UsageError


def load_poems(folder: Path, split: str) -> list[Poem]:
    """The poems of one split.

    Args:
        folder: The folder that `prepare` wrote.
        split: `train`, `val` or `test`.

    Raises:
        UsageError: No split is called so.
        DataError: The file is missing, or a line of it is no poem (the line is named).
    """
    if split not in SPLITS:
        raise UsageError(f"no split is called {split!r}", expected=" or ".join(SPLITS), action="correct --split")
    path = Path(folder) / f"{split}.jsonl"
    poems = []
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    poems.append(Poem.from_record(orjson.loads(line)))
                except (orjson.JSONDecodeError, KeyError, TypeError, AssertionError) as error:
                    raise DataError(
                        f"not the record of a poem ({type(error).__name__}: {error})",
                        where=f"{path}:{number}",
                        expected="a JSON object with `lines` and `marks` of one length, as prepare writes it",
                        action="prepare the data again",
                    ) from error
    except FileNotFoundError as error:
        raise DataError("no such file", where=path, action="run gemma-poetry prepare first") from error
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", where=path, action="check the permissions") from error
    return poems
