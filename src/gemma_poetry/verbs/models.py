"""`gemma-poetry models`: which Gemmas there are, and which of them this machine can fine-tune.

In: a recipe (its batch size, pass, LoRA section and dtype decide) and a length in tokens. Out: one record a model: family,
parameters, licence, memory for LoRA and QLoRA, and what of it fits into the memory that is free here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gemma_poetry.config import Recipe
from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _, localized

_EXPECTED = _("That is what the processor lets expect: train and doctor time a product, and take bfloat16 where it is faster.")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a training would run.

    Attributes:
        device: `cpu` or `cuda:0`.
        dtype: The arithmetic that it would have there; on a CPU what its abilities let expect.
        free: Memory that is free, in bytes.
    """

    device: str
    dtype: str
    free: int

    @property
    def quantizes(self) -> bool:
        """Whether 4-bit weights can be trained on: their kernels want a GPU."""
        return self.device != "cpu"


def this_machine(recipe: Recipe) -> Machine:
    """The device that a training with this recipe would take, and its free memory."""
    from gemma_poetry.model.families import choose_device, cpu_has_bfloat16, gpu_has_bfloat16
    from gemma_poetry.model.free_memory import available_memory, may_have_accelerator

    device = choose_device() if may_have_accelerator() else "cpu"
    dtype = recipe.train.dtype
    if dtype == "auto":
        dtype = "bfloat16" if (cpu_has_bfloat16() if device == "cpu" else gpu_has_bfloat16()) else "float32"
    return Machine(device, dtype, available_memory(device))


def model_records(
    recipe: Recipe, machine: Machine, *, tokens: int, vocabulary_rows: int | None = None
) -> Iterator[dict[str, Any]]:
    """One record a model, the smallest family first.

    Args:
        recipe: Its `train` and `lora` sections are used.
        machine: Where the training would run.
        tokens: Tokens of a poem with its prompt.
        vocabulary_rows: Rows that pruning leaves of the vocabulary; `None`: all.

    Raises:
        UsageError: A length or a number of rows below one.
    """
    from gemma_poetry.model.families import FAMILIES
    from gemma_poetry.model.known_shapes import known_models
    from gemma_poetry.model.memory import estimate_training
    from gemma_poetry.model.named_models import where_at_hand

    if tokens < 1 or (vocabulary_rows is not None and vocabulary_rows < 1):
        raise UsageError(_("a length of no tokens or a vocabulary of no rows"), expected=_("numbers from 1"))
    for model in known_models():
        shape = model.shape
        rows = None if vocabulary_rows is None else min(vocabulary_rows, shape.vocabulary)
        on_gpu = {"lora": machine.device != "cpu", "qlora": True}
        estimates = {
            method: max(
                stage.total
                for stage in estimate_training(
                    shape,
                    batch=recipe.train.rows_of_pass(tokens, on_gpu=on_gpu[method]),
                    tokens=tokens,
                    dtype="bfloat16" if method == "qlora" or machine.dtype == "bfloat16" else "float32",
                    lora_rank=recipe.lora.rank,
                    targets=recipe.lora.targets,
                    dropout=recipe.lora.dropout > 0,
                    vocabulary_rows=rows,
                    gradient_checkpointing=recipe.train.gradient_checkpointing,
                    quantized=method == "qlora",
                    on_gpu=on_gpu[method],
                    titles=recipe.train.watched_titles,
                ).values()
            )
            for method in ("lora", "qlora")
        }
        yield {
            "name": model.name,
            "tuned": model.tuned,
            "family": FAMILIES[model.model_type],
            "parameters": shape.parameters,
            "vocabulary": shape.vocabulary,
            "licence": model.licence,
            "here": _where(model.name, where_at_hand),
            "tuned_here": where_at_hand(model.tuned) if model.tuned else None,
            "lora_parameters": shape.lora_parameters(recipe.lora.rank, recipe.lora.targets),
            "lora_bytes": estimates["lora"],
            "qlora_bytes": estimates["qlora"],
            "fits": [
                method
                for method, needed in estimates.items()
                if needed <= machine.free and (method == "lora" or machine.quantizes)
            ],
        }


def _where(name: str, where_at_hand: Callable[[str], str | None]) -> str | None:
    """Where a model is on this machine already, `None` where it is not."""
    from gemma_poetry.model.locating import packaged_model

    if "/" in name:
        return where_at_hand(name)
    return "embedded" if packaged_model(name) is not None else None


def models_table(records: list[dict[str, Any]], recipe: Recipe, machine: Machine, *, tokens: int) -> Any:
    """The records as a table for the terminal."""
    from rich.table import Table

    from gemma_poetry.model.free_memory import gib

    table = Table(
        title=localized(
            _(
                "LoRA of rank {rank}, {batch_size} poems of {tokens} tokens a step",
                rank=recipe.lora.rank,
                batch_size=recipe.train.batch_size,
                tokens=tokens,
            )
        ),
        caption=localized(
            _(
                "{free} free on {device}, LoRA in {dtype} there; QLoRA in bfloat16, on GPUs. Parameters and memory are of the "
                "language model: the towers for pictures and sound, which poems never use, are not loaded.",
                free=gib(machine.free),
                device=machine.device,
                dtype=machine.dtype,
            )
            + ("" if machine.device != "cpu" or recipe.train.dtype != "auto" else " " + _EXPECTED)
        ),
        title_justify="left",
        caption_justify="left",
    )
    for heading in (
        _("model"), _("family"), _("parameters"), _("LoRA"), _("QLoRA"), _("fits here"), _("here already"), _("licence"),
    ):  # fmt: skip
        table.add_column(localized(heading), justify="right" if heading in {"parameters", "LoRA", "QLoRA"} else "left")
    for record in records:
        names = {"lora": "LoRA", "qlora": "QLoRA"}
        table.add_row(
            record["name"],
            record["family"],
            f"{record['parameters'] / 1e6:,.0f}M",
            gib(record["lora_bytes"]),
            gib(record["qlora_bytes"]),
            ", ".join(names[method] for method in record["fits"]) or localized(_("no")),
            localized(record["here"] or "")
            or (localized(_("tuned: {place}", place=record["tuned_here"])) if record["tuned_here"] else ""),
            record["licence"],
        )
    return table
