"""`gemma-poetry doctor`: a training looked over before an hour is spent on it.

In: a base model, a DATA folder, a recipe. Out: findings, worst news included, and whether training would be in vain.

    DATA ──manifest, tokenizer──> samples ──sample_checks──┐
    disk, memory for the weights ──────────────────────────┼──> findings
    model ──diagnosis (one real step)──────────────────────┘
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import Recipe
from gemma_poetry.doctor.findings import Finding, fault_of, judge
from gemma_poetry.errors import DataError, ModelError, RunError, TokenizerMismatchError, UsageError
from gemma_poetry.folders import check_data_folder
from gemma_poetry.languages import _, localized
from gemma_poetry.manifests import check_manifest

if TYPE_CHECKING:
    from rich.table import Table
    from transformers import PreTrainedTokenizerBase

    from gemma_poetry.data.tokenization import TokenizedPoem

_COLOURS = {"ok": "green", "warning": "yellow", "fault": "bold red"}
_VERDICT_WORDS = {"ok": _("ok"), "warning": _("warning"), "fault": _("fault")}


def doctor(model: str, data: Path, recipe: Recipe, *, out: Path | None = None) -> Iterator[Finding]:
    """Looks a training over.

    Args:
        model: The base model: preset, folder, GGUF file, published name or Hub id.
        data: A DATA folder.
        recipe: The recipe that training would use.
        out: Where the run would be written, for the space on its disk; `None`: here.

    Yields:
        Findings as they come; those that need what a fault took away are left out.

    Raises:
        ModelError: The model, or its tokenizer, cannot be found.
        RunError: The model is a run, not a base model.
        DataError: There is no DATA folder.
    """
    from gemma_poetry.model.loading import load_tokenizer
    from gemma_poetry.model.locating import is_run, run_base

    if is_run(Path(model)):
        raise RunError(
            _("the model is a run, not a base model"),
            where=model,
            action=_("name its base, {run_base}", run_base=run_base(Path(model))),
        )
    check_data_folder(data)
    tokenizer = load_tokenizer(model)
    findings, samples = _check_data(data, tokenizer, recipe)
    yield from findings
    yield check_disk(out or Path(), model, recipe)
    dtype = weights_dtype(model, recipe)
    available, room = check_room(model, recipe, dtype)
    yield room
    if room.verdict == "fault" or samples is None:
        return
    yield from _check_model(model, tokenizer, samples, data, recipe, available, dtype)


def _check_data(
    data: Path, tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> tuple[list[Finding], list[TokenizedPoem] | None]:
    """Findings on DATA, and its samples where they can be read."""
    from gemma_poetry.data.tokenization import check_tokenizer, read_tokenized
    from gemma_poetry.doctor.sample_checks import check_samples

    findings: list[Finding] = []
    try:
        manifest = check_manifest(data, ["train.txt", "val.txt", "train.jsonl", "val.jsonl"])
    except DataError as error:
        return [fault_of(_("data"), error)], None
    findings.append(Finding(_("data"), "ok", _("{data}: as its manifest tells", data=data), _("the files that prepare wrote")))
    try:
        check_tokenizer(manifest, tokenizer, data)
        findings.append(
            Finding(_("tokenizer"), "ok", _("the one that the data was made with"), _("the same for model and data"))
        )
        samples = read_tokenized(data / "train.txt", tokenizer)
    except DataError as error:
        check = _("tokenizer") if isinstance(error, TokenizerMismatchError) else _("data")
        return [*findings, fault_of(check, error)], None
    return [*findings, *check_samples(samples, tokenizer, recipe.train.max_tokens)], samples


def _check_model(
    model: str,
    tokenizer: PreTrainedTokenizerBase,
    samples: list[TokenizedPoem],
    data: Path,
    recipe: Recipe,
    available: int,
    dtype: str,
) -> Iterator[Finding]:
    from gemma_poetry.doctor.diagnosis import diagnose
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.progress import stage
    from gemma_poetry.training.arithmetic import multiplies_in_bfloat16

    try:
        with stage(_("Loading the model")):
            loaded = load_model(model, dtype=dtype, four_bit=recipe.lora.four_bit)
    except (ModelError, UsageError) as error:
        yield fault_of(_("model"), error)
        return
    rows = kept_rows(loaded.model, tokenizer, samples, data, recipe)
    full = recipe.train.method == "full"
    bfloat16 = full and multiplies_in_bfloat16(None, recipe.train.dtype, loaded.model.config)
    yield from diagnose(loaded.model, tokenizer, samples, recipe, available=available, vocabulary_rows=rows, bfloat16=bfloat16)


def kept_rows(
    model: Any, tokenizer: PreTrainedTokenizerBase, samples: list[TokenizedPoem], data: Path, recipe: Recipe
) -> int | None:
    """How many rows the head will have in training, `None` where it keeps all."""
    from gemma_poetry.model.vocabulary import head_rows, kept_ids

    kept = kept_ids(model, tokenizer, samples, data, recipe.train)
    rows = int(model.get_input_embeddings().weight.shape[0])
    return None if kept is None else head_rows(kept, rows, recipe.train)


def weights_dtype(model: str, recipe: Recipe) -> str:
    """What training would load the weights in; a CPU is timed here once, so that every finding speaks of the same.

    Args:
        model: The base model.
        recipe: Its `train` section is used.
    """
    from gemma_poetry.model.families import FASTEST, choose_dtype
    from gemma_poetry.model.loading import widths_in
    from gemma_poetry.model.locating import locate

    if recipe.train.method == "full":
        return "float32"  # as training holds them, whatever it multiplies in
    if recipe.train.dtype != "auto":
        return recipe.train.dtype
    folder = Path(locate(model))
    if not folder.is_dir():
        return FASTEST  # not downloaded yet, and settled when it is
    return str(choose_dtype("", FASTEST, widths=widths_in(folder))).removeprefix("torch.")


def check_room(model: str, recipe: Recipe, dtype: str) -> tuple[int, Finding]:
    """Whether the weights find room at all, told from their files before they are loaded.

    Args:
        model: The base model.
        recipe: Its `train` and `lora` sections are used.
        dtype: What the weights are loaded in, from `weights_dtype`.

    Returns:
        Bytes that are free, and the finding.
    """
    import torch

    from gemma_poetry.model.checkpoint import weight_files
    from gemma_poetry.model.free_memory import available_memory, gib
    from gemma_poetry.model.locating import locate
    from gemma_poetry.model.towers import weight_bytes

    available = available_memory("cuda" if torch.cuda.is_available() else "cpu")
    folder = Path(locate(model))
    if not folder.is_dir():
        return available, Finding(
            _("room"), "ok", _("{available} free", available=gib(available)), _("room for the weights (not downloaded yet)")
        )
    element, four_bit = 2 if dtype == "bfloat16" else 4, recipe.lora.four_bit
    wanted = sum(weight_bytes(path, element, four_bit=four_bit) for path in weight_files(folder))
    return available, judge(
        _("room"),
        wanted <= available,
        _(
            "{wanted} of weights in {value}, {available} free",
            wanted=gib(wanted),
            value=_("4 bits and {kind}", kind=dtype) if four_bit else dtype,
            available=gib(available),
        ),
        _("room for the weights"),
        _("choose a smaller model, or a machine with more memory")
        + ("" if four_bit or recipe.train.method == "full" else _("; on a GPU: lora.four_bit=true")),
    )


def check_disk(out: Path, model: str, recipe: Recipe) -> Finding:
    """Space for the checkpoints of a run: what is trained, its two moments, and one more while the oldest is removed; the best.

    The adapter's size is not known before the model is; 2% of the weights is more than rank 64 takes. Where every weight is
    trained, in float32, a vocabulary that may be pruned is left out.
    """
    from gemma_poetry.model.free_memory import gib
    from gemma_poetry.model.locating import locate

    folder = Path(locate(model))
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder.is_dir() else 0
    full = recipe.train.method == "full"
    trained = 4 * _parameters(folder, recipe) if full else weights // 50
    wanted = (recipe.train.save_limit + 1) * 3 * trained + trained + 64 * 2**20
    place = next(path for path in [out.absolute(), *out.absolute().parents] if path.exists())
    free = shutil.disk_usage(place).free
    found = _(
        "{free} free at {place}, {wanted} for {save_limit} checkpoints, {weights} for a whole model",
        free=gib(free),
        place=place,
        wanted=gib(wanted),
        save_limit=recipe.train.save_limit,
        weights=gib(weights),
    )
    expected = _("space for checkpoints, and for the trained or merged model")
    if full:
        wanted, weights = wanted + weights, 0  # the run itself holds it
    action = _("free some space, choose another --out, or lower train.save_limit")
    if free < wanted:
        return Finding(_("disk"), "fault", found, expected, action)
    return judge(_("disk"), free >= wanted + weights, found, expected, action, otherwise="warning")


def _parameters(folder: Path, recipe: Recipe) -> int:
    """Parameters of a checkpoint that a training of every weight has for certain; 0 where it is not downloaded yet."""
    from gemma_poetry.model.checkpoint import read_header, weight_files
    from gemma_poetry.model.towers import is_tower

    if not folder.is_dir():
        return 0
    whole = recipe.train.vocabulary == "whole"
    entries = [entry for path in weight_files(folder) for entry in read_header(path)[0].items()]
    return sum(
        math.prod(entry["shape"])
        for name, entry in entries
        if name != "__metadata__" and not is_tower(name) and (whole or ".layers." in name)
    )


def findings_table(findings: list[Finding]) -> Table:
    """The findings for a terminal."""
    from rich.table import Table

    table = Table(title=localized(_("doctor")), title_justify="left")
    for name in (_("check"), "", _("found"), _("expected"), _("what to do")):
        table.add_column(localized(name), overflow="fold")
    for finding in findings:
        verdict = f"[{_COLOURS[finding.verdict]}]{localized(_VERDICT_WORDS[finding.verdict])}[/]"
        table.add_row(localized(finding.check), verdict, *map(_plain, (finding.found, finding.expected, finding.action)))
    return table


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(localized(text))
