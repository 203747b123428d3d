"""Prepared poems are written in the formats that other trainers and `load_dataset` take as they are.

In: for each split its rows of (`Conditions`, `Poem`), as they stand in `DATA/*.txt`. Out: one folder a format:

    exports/arrow/      a DatasetDict                   datasets.load_from_disk(FOLDER)
    exports/parquet/    train.parquet ... README.md     datasets.load_dataset(FOLDER)
    exports/jsonl/      train.jsonl ... README.md       TRL (prompt, completion); LLaMA-Factory (dataset_info.json)

Each row has `prompt` and `completion` as text; in Arrow and Parquet the fields of the poem's record as well. An empty split is
left out: readers of these formats refuse files without rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from gemma_poetry.artifacts import write_json, write_jsonl, write_text
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.languages import _, listed, localized

Format = Literal["arrow", "parquet", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
EXPORTS = "exports"
# Readers of these formats find a split by its customary name.
SPLIT_NAMES = {"val": "validation"}
_BATCH_ROWS = 4096

Rows = Sequence[tuple[Conditions, Poem]]


def write_exports(
    folder: Path, splits: Mapping[str, Rows], formats: Iterable[Format], seed: int, languages: Sequence[str] = ()
) -> list[str]:
    """Writes the wanted formats under `folder/exports`.

    Args:
        folder: The DATA folder.
        splits: The rows of each split, in the order of `DATA/*.txt`, each with the conditions that its prompt names.
        formats: What to write.
        seed: The seed that the conditions were dropped with, for the card.
        languages: ISO 639 codes of the texts, for the card; empty: not known.

    Returns:
        The files that were written, as paths relative to `folder`.

    Raises:
        OutputError: A file cannot be written.
    """
    named = {SPLIT_NAMES.get(name, name): rows for name, rows in splits.items() if rows}
    writers = {"arrow": _write_arrow, "parquet": _write_parquet, "jsonl": _write_jsonl}
    for name in dict.fromkeys(formats):
        target = folder / EXPORTS / name
        target.mkdir(parents=True)
        writers[name](target, named)
        write_text(target / "README.md", localized(_card(name, named, seed, languages)))
    written = (folder / EXPORTS).rglob("*") if (folder / EXPORTS).is_dir() else ()
    return sorted(path.relative_to(folder).as_posix() for path in written if path.is_file())


def _write_arrow(folder: Path, splits: Mapping[str, Rows]) -> None:
    from datasets import DatasetDict

    with _silent_datasets():
        DatasetDict({name: _dataset(name, rows) for name, rows in splits.items()}).save_to_disk(str(folder))


def _write_parquet(folder: Path, splits: Mapping[str, Rows]) -> None:
    with _silent_datasets():
        for name, rows in splits.items():
            _dataset(name, rows).to_parquet(folder / f"{name}.parquet")


def _write_jsonl(folder: Path, splits: Mapping[str, Rows]) -> None:
    for name, rows in splits.items():
        write_jsonl(folder / f"{name}.jsonl", (_pair(conditions, poem) for conditions, poem in rows))
    # LLaMA-Factory looks its data sets up in this file of its `dataset_dir`.
    columns = {"prompt": "prompt", "response": "completion"}
    info = {f"poems_{name}": {"file_name": f"{name}.jsonl", "columns": columns} for name in splits}
    write_json(folder / "dataset_info.json", info)


def _dataset(name: str, rows: Rows) -> Any:
    """A `datasets.Dataset` of one split, with the columns prompt, completion and those of the record."""
    import pyarrow
    from datasets import Dataset, NamedSplit

    text, texts = pyarrow.string(), pyarrow.list_(pyarrow.string())
    fields = rows[0][1].to_record()
    columns = [(name, texts if isinstance(value, list) else text) for name, value in fields.items()]
    schema = pyarrow.schema([("prompt", text), ("completion", text), *columns])
    batches = [pyarrow.RecordBatch.from_pylist(batch, schema) for batch in _batches(rows)]
    # Without a given name for the state of the data, one is drawn at random: the same input would give other bytes.
    return Dataset(pyarrow.Table.from_batches(batches, schema), split=NamedSplit(name), fingerprint=f"gemma-poetry-{name}")


def _batches(rows: Rows) -> Iterator[list[dict[str, Any]]]:
    records = ({**_pair(conditions, poem), **poem.to_record()} for conditions, poem in rows)
    while batch := list(islice(records, _BATCH_ROWS)):
        yield batch


def _pair(conditions: Conditions, poem: Poem) -> dict[str, Any]:
    return {"prompt": conditions.prompt(), "completion": poem.text}


@contextlib.contextmanager
def _silent_datasets() -> Iterator[None]:
    """Its bars would stand on standard error between our own; the setting of the process is given back."""
    from datasets import disable_progress_bars, enable_progress_bars
    from datasets.utils import are_progress_bars_disabled

    silent = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not silent:
            enable_progress_bars()


_USE = {
    "arrow": _('```python\nfrom datasets import load_from_disk\n\npoems = load_from_disk("FOLDER")  # a DatasetDict\n```'),
    "parquet": _('```python\nfrom datasets import load_dataset\n\npoems = load_dataset("FOLDER")\n```'),
    "jsonl": _(
        "TRL takes `prompt` and `completion` as they are, with the loss on completions alone:\n\n"
        "```python\n"
        "from datasets import load_dataset\n"
        "from trl import SFTTrainer\n\n"
        'SFTTrainer(model="MODEL", train_dataset=load_dataset("FOLDER", split="train"))\n'
        "```\n\n"
        "LLaMA-Factory: `dataset_dir: FOLDER` and `dataset: poems_train`; `dataset_info.json` names the "
        "columns."
    ),
}


def _card(name: str, splits: Mapping[str, Rows], seed: int, languages: Sequence[str]) -> str:
    """The dataset card: what load_dataset reads in front, what a person reads behind."""
    front = ["---", "pretty_name: Prepared poems", "task_categories:", "- text-generation"]
    if languages:
        front += ["language:", *(f"- {language}" for language in languages)]
    if name != "arrow":
        front += ["configs:", "- config_name: default", "  data_files:"]
        front += [f"  - split: {split}\n    path: {split}.{name}" for split in splits]
    front.append("---")
    counts = "\n".join(f"| {split} | {len(rows):,} |" for split, rows in splits.items())
    conditions, poem = next(iter(splits.values()))[0]
    fields = _("`prompt` and `completion`")
    if name != "jsonl":
        fields += _(", and the fields of the poem's record: ") + listed(f"`{field}`" for field in poem.to_record())
    prompt, completion = (text.rstrip("\n").replace("\n", "\n    ") for text in (conditions.prompt(), poem.text))
    head = "\n".join(front)
    return _(
        "{head}\n\n"
        "# Prepared poems\n\n"
        "Written by `gemma-poetry prepare`; how the poems were cleaned, deduplicated and split, and from what "
        "source, stands in\n"
        "the `README.md` two folders above, with every figure.\n\n"
        "| split | poems |\n"
        "|---|---:|\n"
        "{counts}\n\n"
        "Columns: {fields}. In the training split titles and authors are left out of some prompts at random "
        "(seed {seed}).\n\n"
        "A prompt:\n\n    "
        "{prompt}\n\n"
        "and its completion:\n\n    "
        "{completion}\n\n"
        "## How to read it\n\n"
        "{name}\n\n"
        "Prompt and completion follow each other without a space. The text is plain: for an instruction-tuned "
        "model the trainer must put\n"
        "it into the model's chat template. BOS and the terminator are the trainer's to add; the exact ids "
        "that `gemma-poetry train`\n"
        "uses stand in the `.txt` files two folders above.\n",
        head=head,
        counts=counts,
        fields=fields,
        seed=seed,
        prompt=prompt,
        completion=completion,
        name=_USE[name],
    )
