"""The known lines that stand behind a model, found by what a person writes after `--model`.

In: a run, a model folder, a preset or a Hub id, and a DATA folder where there is one. Out: `KnownLines`s; none where it is not
known what the model was trained on, and then nobody may promise new lines.
"""

from __future__ import annotations

from pathlib import Path

from gemma_poetry.corpus.known_lines import KnownLines, build_list, carried_lists
from gemma_poetry.errors import ModelAccessError
from gemma_poetry.model.locating import is_run, model_folder, run_base


def find_guards(model: str, data: Path | None = None) -> list[KnownLines]:
    """The known lines of the corpora behind a model: those that it carries, and those of a DATA folder.

    Args:
        model: A run, a model folder, a preset or a Hub id.
        data: A DATA folder; its list is made from its training poems where `prepare` left none.

    Returns:
        A guard a list. None where the model carries no list and no DATA is named: a run without the list of its training,
        or a model of others.

    Raises:
        ModelError: There is no such model.
        DataError: A list, or the DATA folder, cannot be read.
    """
    try:
        paths = carried_lists(model_folder(model))
    except ModelAccessError:  # of a model out of reach nothing is known; whoever loads it is told
        paths = []
    if not paths and data is not None and is_run(Path(model)):
        # A run from before runs carried lists: its base may have one.
        paths = carried_lists(model_folder(run_base(Path(model))))
    return [*map(KnownLines.load, paths), *([build_list(data)] if data is not None else [])]
