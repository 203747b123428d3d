"""Fine-tuning, by LoRA or of every weight, from a prepared folder to a RUN.

    DATA/train.txt ─> PoemDataset ─> PoetryTrainer ─> RUN/adapter or RUN/merged, curve, logs, checkpoints, manifest

In: a DATA folder, a model, and the `train` and `lora` sections of a recipe. Out: `RUN/adapter/`, a plain PEFT folder (or
`RUN/merged/`, a plain model folder, where every weight was trained), with the loss curve, the lists of known lines of data
and base model, and a manifest that names base model, data, recipe, seed, wall time and peak memory.

Where the vocabulary is most of the model it is pruned for the training (`model.vocabulary`). The perplexities of the
manifest are over the full vocabulary all the same: the adapter is loaded on the stock model for them, as people will.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, sha256_file
from gemma_poetry.config import GenerateSettings, Recipe, TrainSettings
from gemma_poetry.corpus.known_lines import build_list, hand_on_lists
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.counting import CHARACTERS, Counting, perplexity
from gemma_poetry.data.tokenization import TokenizedPoem, check_tokenizer, padding_id, read_tokenized
from gemma_poetry.errors import DataError, NoRoomError, RunError, TrainingError, ran_out_of_memory
from gemma_poetry.folders import ADAPTER, MERGED, check_data_folder
from gemma_poetry.languages import _
from gemma_poetry.manifests import check_manifest, write_manifest
from gemma_poetry.progress import say
from gemma_poetry.runs import RunFolder, at_work

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel
    from gemma_poetry.model.vocabulary import KeptVocabulary
    from gemma_poetry.training.trainer import Watch

ADAPTER_FILES = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json")
COMPILE_STEPS = 200
"""Compiling takes about a minute; shorter trainings do not earn it back."""
GRAPHS = 64
"""Ways through a layer that are compiled; past it torch takes the layer as it stands."""


Watching = Callable[["LoadedModel", RunFolder], "Watch"]
"""Makes what writes and measures poems at each evaluation, once the model is there."""


def finetune(
    data: Path,
    model_spec: str,
    out: Path,
    recipe: Recipe,
    *,
    resume: bool = False,
    recipe_name: str = "",
    counting: Counting = CHARACTERS,
    watching: Watching | None = None,
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Fine-tunes a model.

    Args:
        data: A DATA folder.
        model_spec: The base model: preset, folder or Hub id.
        out: The RUN folder; new or empty unless `resume`.
        recipe: The recipe; its `train` and `lora` sections are used, and `generate` for what a model trained whole recommends.
        resume: Go on from the newest complete checkpoint in `out`; to a run that is finished nothing is done.
        recipe_name: The recipe's name, for the manifest.
        counting: What perplexity is divided by.
        watching: Makes what measures the model's writing at each evaluation; several processes do without.
        callbacks: `TrainerCallback`s that are told how the training goes, and may end it.

    Returns:
        The manifest of the run.

    Raises:
        DataError: DATA is missing, incomplete or altered.
        TokenizerMismatchError: DATA was made for another tokenizer.
        ModelError: The model cannot be used.
        RunError: `out` holds another run, was begun with other settings, or another training is at work there; or there is
            nothing to resume.
        UsageError: 4-bit weights are wanted where there is no CUDA device, or FSDP where it cannot be.
        TrainingError: There is nothing to train on, the loss became infinite, or memory does not or did not suffice.
        OutputError: The run cannot be written; it says how to go on.
    """
    from gemma_poetry.training.processes import is_main_process, process_count

    check_data_folder(data)
    data_manifest = check_manifest(data, ["train.txt", "val.txt", "train.jsonl", "val.jsonl"])
    start = {
        "data_manifest_sha256": sha256_file(data / MANIFEST),
        "model": model_spec,
        "train": recipe.train.model_dump(mode="json"),
        "lora": recipe.lora.model_dump(mode="json"),
        # A step takes a batch a process: with another number of them, steps and their rates would mean something else.
        "processes": process_count(),
    }
    what = _("data, model, recipe and number of processes")
    with at_work(out, start, resume=resume, what=what, writes=is_main_process()) as run:
        if run.manifest is not None:
            say(_("{out}: the run is finished, and stays as it is", out=out))
            return run.manifest if is_main_process() else {}
        return _train(data, data_manifest, model_spec, run, recipe, recipe_name, counting, watching, callbacks)


def _train(
    data: Path,
    data_manifest: dict[str, Any],
    model_spec: str,
    run: RunFolder,
    recipe: Recipe,
    recipe_name: str,
    counting: Counting,
    watching: Watching | None,
    callbacks: Sequence[Any],
) -> dict[str, Any]:
    import torch

    from gemma_poetry.doctor.memory_checks import require_memory
    from gemma_poetry.model.families import choose_device
    from gemma_poetry.model.fixed_poems import score_fixed_poems
    from gemma_poetry.model.free_memory import available_memory
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter, describe_matches, trained_weights
    from gemma_poetry.model.memory import COMPILED_PRODUCTS
    from gemma_poetry.model.shards import sharded_share, shards_weights
    from gemma_poetry.training.arithmetic import multiplies_in_bfloat16, weights_dtype
    from gemma_poetry.training.best_weights import BestWeights, forget_best
    from gemma_poetry.training.fused.apply import apply_fused
    from gemma_poetry.training.processes import is_main_process, join_processes, process_count

    out, checkpoint = run.folder, run.checkpoint
    known = build_list(data)
    full = recipe.train.method == "full"
    # Read at the first product of the process.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(COMPILED_PRODUCTS))
    join_processes(four_bit=recipe.lora.four_bit, full=full)
    available = None if shards_weights() else available_memory(choose_device(None))
    # Steps of every weight are too small for bfloat16 to hold: it multiplies in it, and keeps the weights in float32.
    dtype = "float32" if full else weights_dtype(run, recipe.train.dtype)
    loaded = load_model(model_spec, dtype=dtype, four_bit=recipe.lora.four_bit)
    if loaded.adapted:
        raise RunError(
            _("the model is a run, not a base model"), where=model_spec, action=_("name its base, {base}", base=loaded.base)
        )
    check_tokenizer(data_manifest, loaded.tokenizer, data)
    if full:
        bfloat16 = multiplies_in_bfloat16(run, recipe.train.dtype, loaded.model.config)
    else:  # the weights themselves are in it
        bfloat16 = loaded.model.dtype == torch.bfloat16
    if is_main_process():
        run.note_dtype("bfloat16" if bfloat16 else "float32")
    samples = [one for one in read_tokenized(data / "train.txt", loaded.tokenizer) if len(one) <= recipe.train.max_tokens]
    if not samples:
        raise TrainingError(
            _("no sample is left to train on"),
            where=data / "train.txt",
            action=_("raise train.max_tokens or prepare more poems"),
        )
    _compile_layers(loaded.model, recipe.train, len(samples))
    vocabulary = _prune(loaded.model, loaded.tokenizer, samples, data, recipe.train)
    if full:
        from gemma_poetry.model.vocabulary import hold_sampled_rows

        matched: list[str] = []
        model = loaded.model.requires_grad_(True)
        hold_sampled_rows(model, vocabulary)
    else:
        model, matched = add_adapter(loaded.model, recipe.lora, recipe.train.seed, loaded.revision)
    if available is not None:
        rows = None if vocabulary is None else vocabulary.kept + vocabulary.sampled
        require_memory(model, samples, recipe, rows, available, bfloat16=bfloat16)
    if not full:
        apply_fused(model)
    if is_main_process():
        say(
            _("every weight is trained")
            if full
            else _("LoRA on {describe_matches}", describe_matches=describe_matches(matched))
        )
    watch = _open_watch(watching, replace(loaded, model=model, adapted=not full), run)
    # On a CPU an adapter in float32 is multiplied with weights in bfloat16 without further ado.
    autocast = bfloat16 and (full or torch.cuda.is_available())
    trainer = _trainer(model, loaded, samples, data, run, recipe.train, vocabulary, counting, watch, autocast=autocast)
    best = None
    keeps_best = recipe.train.keep == "best"
    if (keeps_best or recipe.train.patience) and len(trainer.eval_dataset):
        best = BestWeights(model, run, recipe.train.patience)
        trainer.add_callback(best)
    for callback in callbacks:
        trainer.add_callback(callback)
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.monotonic() - began
    final = trainer.last_evaluation()
    kept = best.restore() if best is not None and keeps_best else None
    kept_step, figures = (kept["step"], kept) if kept is not None else (trainer.state.global_step, final)
    weights = trained_weights(model)
    if not is_main_process():
        return {}
    lists = hand_on_lists(out, known, loaded.folder)
    measured = {name: value for name, value in figures.items() if name.startswith("ppl")}
    if full:
        files = _write_whole(model, vocabulary, loaded, model_spec, run, recipe.generate)
    else:
        files = list(ADAPTER_FILES)
        with run.writing(out / ADAPTER):
            model.save_pretrained(str(out / ADAPTER), state_dict=weights)
        (out / ADAPTER / "README.md").unlink(missing_ok=True)  # PEFT's card has blanks where ours has facts
    contents = {
        "kind": "run",
        "base": {**loaded.identity(), "weights_sha256": _weights_hash(model_spec)},
        "data": {
            "folder": str(data),
            "manifest_sha256": run.start["data_manifest_sha256"],
            "train_poems": len(samples),
            # Generation asks the run what language it was taught.
            **({"domain": data_manifest["domain"]} if "domain" in data_manifest else {}),
        },
        "recipe": {
            "name": recipe_name,
            "train": recipe.train.model_dump(mode="json"),
            "lora": recipe.lora.model_dump(mode="json"),
        },
        "seed": recipe.train.seed,
        "lora_modules": matched,
        "trainable_parameters": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "steps": trainer.state.global_step,
        "kept_step": kept_step,
        "reading": _readings(trainer, kept_step),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "validation": measured,
        "devices": {"processes": process_count(), "sharded_share": sharded_share(model)},
        "wall_seconds": round(seconds, 1),
        "resumed": checkpoint is not None,
        "peak_memory_bytes": _peak_memory(),
    }
    if vocabulary is not None:
        contents["vocabulary"] = {
            "kept_rows": vocabulary.kept,
            "sampled_rows": vocabulary.sampled,
            "rows": vocabulary.rows,
        }
        held_out, units = trainer.eval_dataset.samples, sum(trainer.eval_dataset.characters or ())
        # The stock model takes the place of the pruned one, never both at once: whatever holds that one is let go.
        del trainer, model, loaded, vocabulary, best, watch, weights
        whole = out / (MERGED if full else ADAPTER)
        perplexities, contents["fixed_poems"] = _full_scores(whole, held_out, counting.unit, units, contents["dtype"])
        contents["validation"] = {**perplexities, **measured}
    elif sharded_share(model) == 0:  # else each process has its own part
        contents["fixed_poems"] = list(score_fixed_poems(model.eval(), loaded.tokenizer))
    done = write_manifest(out, contents, [*files, "curve.jsonl", *lists])
    forget_best(out)
    return done


def _open_watch(watching: Watching | None, loaded: LoadedModel, run: RunFolder) -> Watch | None:
    """The watch of a training; several processes do without, and say so."""
    from gemma_poetry.training.processes import is_main_process, process_count

    if watching is None:
        return None
    processes = process_count()
    if processes == 1:
        return watching(loaded, run)
    if is_main_process():
        say(
            _(
                "{processes} processes train without writing to watched titles: whether poems lose their titles is not seen, "
                "and the best weights are those of the lowest loss",
                processes=processes,
            )
        )
    return None


def _write_whole(
    model: Any,
    vocabulary: KeptVocabulary | None,
    loaded: LoadedModel,
    spec: str,
    run: RunFolder,
    sampling: GenerateSettings,
) -> list[str]:
    """Writes a model that was trained whole as a plain folder, in the dtype of its base; the names of its files."""
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.published_layout import write_model
    from gemma_poetry.model.vocabulary import put_back

    folder = run.folder / MERGED
    whole = model
    if vocabulary is not None:
        whole = load_model(spec, device="cpu", dtype="float32").model
        put_back(model, vocabulary, whole)
    with run.writing(folder):
        write_model(whole, loaded.tokenizer, folder, base=loaded.folder, dtype=loaded.stored_dtype(), sampling=sampling)
    return [f"{MERGED}/{path.name}" for path in sorted(folder.iterdir())]


def _readings(trainer: Any, kept_step: int) -> dict[str, dict[str, float]]:
    """What was measured of written poems and held-out ones, at the beginning and where the weights were kept."""
    from gemma_poetry.training.best_weights import READING

    points = {
        point["step"]: {
            name.removeprefix("eval_"): value
            for name, value in point.items()
            if name.removeprefix("eval_") in READING or (name.startswith("eval_ppl_") and "/" not in name)
        }
        for point in trainer.state.log_history
        if f"eval_{READING[0]}" in point
    }
    steps = {"start": min(points), "kept": kept_step} if kept_step in points else {}
    return {name: {"step": step, **points[step]} for name, step in steps.items()}


def _full_scores(
    run: Path, samples: Sequence[TokenizedPoem], unit: str, units: int, dtype: str
) -> tuple[dict[str, float], list[float]]:
    """From the whole model, in the arithmetic of the training, over the full vocabulary: perplexities of held-out poems, and
    fixed poems; nothing where it does not fit."""
    import torch

    from gemma_poetry.model.families import choose_device
    from gemma_poetry.model.fixed_poems import score_fixed_poems
    from gemma_poetry.model.free_memory import return_freed_memory
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions

    gc.collect()
    return_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        whole = load_model(str(run), device=str(choose_device(None)), dtype=dtype)
        fixed = list(score_fixed_poems(whole.model, whole.tokenizer))
        scores = score_completions(whole.model, samples)
    except (NoRoomError, RuntimeError, MemoryError) as error:
        if not isinstance(error, NoRoomError) and not ran_out_of_memory(error):
            raise
        # Trained pruned or in shards, on devices that the whole model is too large for.
        say(_("the whole model does not fit on this device: run `evaluate` where it does"))
        return {}, []
    if not scores:
        return {}, fixed
    nats = sum(score.nll for score in scores)
    perplexities = {"ppl_token": perplexity(nats, sum(score.tokens for score in scores))}
    return perplexities | ({f"ppl_{unit}": perplexity(nats, units)} if units else {}), fixed


def _compile_layers(model: Any, settings: TrainSettings, samples: int) -> None:
    """Compiles the transformer layers, one by one: they are alike, so that one compilation serves them all."""
    import torch

    from gemma_poetry.model.families import language_model_prefix

    steps = settings.max_steps or _steps(settings, samples)
    if settings.compile == "on" or (settings.compile == "auto" and torch.cuda.is_available() and steps >= COMPILE_STEPS):
        for layer in model.get_submodule(f"{language_model_prefix(model)}layers"):
            # Batches of poems have many lengths; a graph for each would never be done compiling. One row or several, local or
            # global attention, plain or fused, are graphs of their own nevertheless, more than torch's limit of eight.
            layer.compile(dynamic=True, recompile_limit=GRAPHS)


def _prune(
    model: Any, tokenizer: Any, samples: Sequence[TokenizedPoem], data: Path, settings: TrainSettings
) -> KeptVocabulary | None:
    """Prunes the model's vocabulary to what DATA can need, where that is wanted or worthwhile."""
    from gemma_poetry.model.vocabulary import kept_ids, prune_vocabulary
    from gemma_poetry.training.processes import is_main_process

    kept = kept_ids(model, tokenizer, samples, data, settings)
    if kept is None:
        return None
    vocabulary = prune_vocabulary(model, kept, settings.sampled_rows)
    if is_main_process():
        others = (
            _(", {sampled:,} drawn from the others stand for these", sampled=vocabulary.sampled) if vocabulary.sampled else ""
        )
        say(
            _(
                "vocabulary pruned for training: {kept:,} of {rows:,} rows are kept{others}; {parameters:,} "
                "parameters are dropped; losses and perplexities of the curve are over these rows",
                kept=vocabulary.kept,
                rows=vocabulary.rows,
                others=others,
                parameters=vocabulary.parameters,
            )
        )
    return vocabulary


def _trainer(
    model: Any,
    loaded: LoadedModel,
    samples: list[TokenizedPoem],
    data: Path,
    run: RunFolder,
    settings: TrainSettings,
    vocabulary: KeptVocabulary | None,
    counting: Counting,
    watch: Watch | None,
    *,
    autocast: bool,
) -> Any:
    import torch

    from gemma_poetry.data.dataset import LengthGroupedSampler, PaddedCollator, PoemDataset
    from gemma_poetry.training.processes import process_count
    from gemma_poetry.training.trainer import PoetryTrainer

    tokenizer = loaded.tokenizer
    poems = load_poems(data, "val")
    validation = read_tokenized(data / "val.txt", tokenizer)
    if len(poems) != len(validation):
        raise DataError(
            _("{count} records but {validation_count} tokenized poems", count=len(poems), validation_count=len(validation)),
            where=data / "val.txt",
        )
    kept = [(poem, sample) for poem, sample in zip(poems, validation) if len(sample) <= settings.max_tokens][
        : settings.evaluation_poems
    ]
    return PoetryTrainer(
        model=model,
        args=_arguments(run, settings, len(samples), evaluated=bool(kept), autocast=autocast),
        train_dataset=PoemDataset(samples),
        eval_dataset=PoemDataset([sample for _, sample in kept], [counting.count(poem.lines) for poem, _ in kept]),
        data_collator=PaddedCollator(padding_id(tokenizer)),
        batch_sampler=LengthGroupedSampler(list(map(len, samples)), settings.batch_size, settings.seed, process_count()),
        processing_class=tokenizer,
        vocabulary=vocabulary,
        unit=counting.unit,
        run=run,
        pass_tokens=settings.tokens_of_pass(on_gpu=torch.cuda.is_available()),
        watch=watch,
    )


def _steps(settings: TrainSettings, samples: int) -> int:
    from gemma_poetry.training.processes import process_count

    poems = settings.batch_size * settings.gradient_accumulation * process_count()
    return math.ceil(settings.epochs * math.ceil(samples / poems))


def _arguments(run: RunFolder, settings: TrainSettings, samples: int, *, evaluated: bool, autocast: bool) -> Any:
    import torch
    from transformers import TrainingArguments

    total = settings.max_steps or _steps(settings, samples)
    return TrainingArguments(
        output_dir=str(run.folder),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        activation_checkpointing=settings.gradient_checkpointing,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        optim="adamw_torch",
        eval_strategy="steps" if evaluated else "no",
        # A run shorter than one interval still gets a curve, whose last point is the end.
        eval_steps=min(settings.evaluation_steps, math.ceil(total / 4)),
        eval_on_start=evaluated and run.checkpoint is None,  # the curve of a resumed run has that point already
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=settings.save_limit,
        logging_steps=settings.logging_steps,
        logging_first_step=True,
        report_to="none",
        bf16=autocast,
        seed=settings.seed,
        data_seed=settings.seed,
        remove_unused_columns=False,
        label_names=["labels"],
        use_cpu=not torch.cuda.is_available(),
    )


def _weights_hash(model_spec: str) -> dict[str, str]:
    """sha256 of each weight file of a base model that lies in a folder; empty for a Hub id (its cache is checked there)."""
    from gemma_poetry.model.locating import locate

    folder = Path(locate(model_spec))
    return {path.name: sha256_file(path) for path in sorted(folder.glob("*.safetensors"))} if folder.is_dir() else {}


def _peak_memory() -> int:
    """Peak memory of this process in bytes: of the GPU where there is one, else resident."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
