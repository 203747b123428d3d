"""A run as others load it: a PEFT folder, or the base model with the adapter merged into its weights.

    RUN ──load in float32──> base, tuned ──fixed poems──> Reference ──┐
              └── adapter files, or merge ──> folder ──load afresh────┴──> compare ──> ExportCheck, or ExportError

In: a RUN folder. Out: a folder that plain PEFT or transformers loads, and the figures that say that it does. A run whose
model is whole (`train.method=full`, or of the KerasHub backend) has no adapter to give, and nothing to merge.

No export is trusted: the same poems are scored by the run and by what was written, loaded afresh, and a difference that
arithmetic does not explain is an error. The merge is made in float32 from the unquantized weights, whatever the run was
trained in; tied embeddings stay one tensor, and both stops stand in `generation_config.json`.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.errors import ExportError, OutputError, RunError
from gemma_poetry.folders import ADAPTER, model_hint
from gemma_poetry.languages import _
from gemma_poetry.model.fixed_poems import score_fixed_poems
from gemma_poetry.model.loading import LoadedModel, load_model
from gemma_poetry.model.locating import is_run, is_whole_run, run_base
from gemma_poetry.model.published_layout import write_model

# The widest difference of a poem, in nats a token, that arithmetic explains.
TOLERANCES = {"float32": 1e-3, "bfloat16": 5e-2, "q8_0": 1e-1, "q5_k_m": 2.5e-1, "q4_k_m": 5e-1}
# And its share of what the adapter changes: an export that is nearer to the base model than that is not the run.
_SHARE_OF_EFFECT = 0.25
_FINER = {"bfloat16": "float32", "q8_0": "bfloat16", "q5_k_m": "q8_0", "q4_k_m": "q8_0"}


@dataclass(frozen=True, slots=True)
class Reference:
    """How likely the fixed poems are to a run and to its base, in nats a token of each poem.

    A run whose model is whole needs its base for nothing, and may have outlived it: `base` is `None`.
    """

    tuned: tuple[float, ...]
    base: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """The fixed poems on both sides.

    Attributes:
        poems: How many there are.
        run: Nats a token by the run, mean over the poems.
        export: The same by the export.
        difference: The widest difference of a poem between the two, in nats a token.
        effect: The widest difference of a poem between run and base; `None` where the run's model is whole.
        tolerance: What the difference may be.
    """

    poems: int
    run: float
    export: float
    difference: float
    effect: float | None
    tolerance: float

    def to_record(self) -> dict[str, Any]:
        """The figures as a JSON value."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ExportSource:
    """A run, loaded for export.

    Attributes:
        run: The RUN folder.
        loaded: Base and adapter, or the whole model, in float32 on the CPU.
        reference: What they make of the fixed poems.
    """

    run: Path
    loaded: LoadedModel
    reference: Reference


def open_run(run: Path) -> ExportSource:
    """Loads a run in float32 on the CPU and scores the fixed poems.

    Raises:
        RunError: The folder is no complete RUN, or its base is another than it was.
        ModelError: The base model cannot be used.
    """
    if is_whole_run(run):
        run_base(run)  # the manifest is written last: without it the training has not ended
        whole = load_model(str(run), device="cpu", dtype="float32")
        return ExportSource(run, whole, Reference(score_fixed_poems(whole.model, whole.tokenizer), None))
    if not is_run(run):
        found, action = model_hint(run)
        raise RunError(
            _("the folder is no finished run{detail}", detail=_(": {found}", found=found) if found else ""),
            where=run,
            expected=_("a RUN folder with adapter/ or merged/, and manifest.json"),
            action=action or _("name the folder that gemma-poetry train wrote"),
        )
    loaded = load_model(str(run), device="cpu", dtype="float32")
    tuned = score_fixed_poems(loaded.model, loaded.tokenizer)
    with loaded.model.disable_adapter():
        base = score_fixed_poems(loaded.model, loaded.tokenizer)
    return ExportSource(run, loaded, Reference(tuned, base))


def compare(reference: Reference, exported: Sequence[float], dtype: str, where: Path) -> ExportCheck:
    """Compares an export with its run.

    Args:
        reference: What run and base make of the fixed poems.
        exported: What the export makes of them, loaded afresh.
        dtype: The dtype that the weights were written in.
        where: The export, for the message.

    Raises:
        ExportError: It is not the run.
    """
    difference = max(abs(ours - theirs) for ours, theirs in zip(reference.tuned, exported))
    effect = None
    if reference.base is not None:
        effect = max(abs(ours - base) for ours, base in zip(reference.tuned, reference.base))
    tolerance = min(TOLERANCES[dtype], _SHARE_OF_EFFECT * effect) if effect else TOLERANCES[dtype]
    check = ExportCheck(len(exported), _mean(reference.tuned), _mean(exported), difference, effect, tolerance)
    if not difference <= tolerance:
        nearer_to_base = reference.base is not None and (
            max(abs(ours - base) for ours, base in zip(exported, reference.base)) < difference
        )
        action = _("report it with the versions of torch, transformers and peft")
        # What 4 bits lose of a small model has no bound that would tell a fault.
        if dtype == "q4_k_m" or (dtype in _FINER and difference <= TOLERANCES[dtype]):
            action = _("{dtype} is too coarse for what was trained: add --dtype {finer}", dtype=dtype, finer=_FINER[dtype])
            if dtype != "bfloat16" and reference.base is not None:
                action += _(", or put the adapter on a GGUF file of the base model (--to gguf-adapter --with-base)")
        expected = _("at most {tolerance:.4f} on {poems} fixed poems", tolerance=tolerance, poems=check.poems)
        if effect is not None:
            expected += _(" (the adapter changes {effect:.4f})", effect=effect)
        raise ExportError(
            _("the export differs from the run by up to {difference:.4f} nats a token", difference=difference)
            + (_("; it is the base model without the adapter") if nearer_to_base else ""),
            where=where,
            expected=expected,
            action=_("{action}; nothing was left behind", action=action),
        )
    return check


def write_adapter(source: ExportSource, folder: Path) -> ExportCheck:
    """Writes a PEFT folder: adapter, tokenizer, chat template.

    Raises:
        ExportError: Loaded afresh, it is not the run.
    """
    for path in sorted((source.run / ADAPTER).iterdir()):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    source.loaded.tokenizer.save_pretrained(str(folder))
    return check_folder(source.reference, folder, "float32")


def write_merged(source: ExportSource, folder: Path, dtype: str, sampling: GenerateSettings) -> ExportCheck:
    """Merges the adapter and writes a model folder in the published layout; the source cannot be used afterwards.

    Args:
        source: The run.
        folder: An empty folder.
        dtype: `float32`, `bfloat16`, or `auto` for that of the base checkpoint.
        sampling: What `generation_config.json` recommends.

    Raises:
        ExportError: Loaded afresh, it is not the run.
        OutputError: The folder cannot be written.
    """
    from safetensors import SafetensorError

    loaded = source.loaded
    dtype = loaded.stored_dtype() if dtype == "auto" else dtype
    model = merge(source)
    try:
        write_model(model, loaded.tokenizer, folder, base=loaded.folder, dtype=dtype, sampling=sampling)
    except SafetensorError as error:
        raise OutputError(
            _("cannot write the weights ({error})", error=error), where=folder, action=_("free some space")
        ) from error
    del model
    gc.collect()
    return check_folder(source.reference, folder, dtype)


def merge(source: ExportSource) -> Any:
    """The base model with the adapter added to its weights, in float32; a whole model as it is.

    Raises:
        ExportError: The sum is not finite.
    """
    if not source.loaded.adapted:
        return source.loaded.model
    try:
        return source.loaded.model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ExportError(
            _("the adapter cannot be merged ({error})", error=error),
            where=source.run,
            action=_("train again; the adapter holds broken numbers"),
        ) from error


def check_folder(reference: Reference, folder: Path, dtype: str) -> ExportCheck:
    """Loads an adapter or model folder afresh, in float32 on the CPU, and compares it with the run."""
    loaded = load_model(str(folder), device="cpu", dtype="float32")
    return compare(reference, score_fixed_poems(loaded.model, loaded.tokenizer), dtype, folder)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
