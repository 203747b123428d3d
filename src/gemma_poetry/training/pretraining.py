"""A base model from scratch.

    DATA/train.jsonl ─> character tokenizer ─> packed rows ─> PoetryTrainer (Muon, float32 or bf16) ─> MODEL/

In: a prepared DATA folder and the `pretrain` section of a recipe. Out: `MODEL/`, a plain Hugging Face folder (safetensors
in bf16, tokenizer) with the weights of the best evaluation, the known lines, the curve, TensorBoard logs and a manifest that
names the hashes of the splits it saw and of those it was kept from.

The records are tokenized here, not read from train.txt: the tokenizer is made from the same training split.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import MANIFEST, sha256_file
from gemma_poetry.config import PretrainSettings
from gemma_poetry.corpus.known_lines import KnownLines, build_list, hand_on_lists
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import CLASSICAL, dropped_conditions
from gemma_poetry.data.tokenization import TokenizedPoem, encode_poems, encode_samples, tokenizer_fingerprint
from gemma_poetry.errors import DataError, ModelError, TrainingError, UsageError
from gemma_poetry.folders import check_data_folder
from gemma_poetry.languages import _, localized
from gemma_poetry.manifests import check_manifest, read_manifest, write_manifest
from gemma_poetry.runs import RunFolder, at_work

SHARD_BYTES = 15 * 2**20
"""Bytes of a weights file at most: code hosts and package indexes take no large ones."""


def pretrain(
    data: Path, out: Path, settings: PretrainSettings, *, resume: bool = False, start: Path | None = None
) -> dict[str, Any]:
    """Trains a preset, from scratch or from a model of an earlier pretraining, and writes MODEL.

    Args:
        data: A DATA folder.
        out: The MODEL folder; new or empty unless `resume`.
        settings: The `pretrain` section of a recipe.
        resume: Go on from the newest complete checkpoint in `out`; to a model that is finished nothing is done.
        start: A finished MODEL whose weights the run begins with, in place of random ones; a smaller one grows into
            the preset. The rate rises to its peak again and decays anew: the schedule "WSD-S" of Wen et al., arXiv 2410.05192.

    Returns:
        The manifest of the model (empty in all processes but the first).

    Raises:
        DataError: The data folder is missing, incomplete or altered, or of another domain than classical Chinese poetry.
        ModelError: `start` cannot grow into the preset, or was trained on other poems than the training split of `data`.
        RunError: `out` holds a run already, was begun otherwise, or another training is at work there; or there is nothing
            to resume.
        UsageError: The launcher wants the weights sharded (FSDP).
        TrainingError: The loss became infinite, or memory does not or did not suffice.
        OutputError: The model cannot be written; it says how to go on.
    """
    from gemma_poetry.model.shards import shards_weights
    from gemma_poetry.training.processes import is_main_process, process_count

    if shards_weights():
        raise UsageError(
            _("a pretraining was launched with sharded weights (FSDP)"),
            expected=_("the whole model on each device: no preset needs more than one, and Muon wants whole matrices"),
            action=_("launch with recipes/distributed/ddp.yaml"),
        )
    check_data_folder(data)
    data_manifest = check_manifest(data, ["train.jsonl", "val.jsonl", "test.jsonl"])
    domain = data_manifest.get("domain") or CLASSICAL
    if domain != CLASSICAL:
        raise DataError(
            _("the data are of the domain {domain!r}", domain=domain),
            where=data,
            expected=_("classical Chinese poems: a base model is pretrained on their prompt, and measured by their characters"),
            action=_("fine-tune a model on them (gemma-poetry train), or prepare a collection of classical Chinese poems"),
        )
    begun_with = {
        "data_manifest_sha256": sha256_file(data / MANIFEST),
        "pretrain": settings.model_dump(mode="json"),
        "from": {name: sha256_file(start / name) for name in _weights(start)} if start else None,
        "processes": process_count(),
    }
    what = _("data, settings, beginning and number of processes")
    with at_work(out, begun_with, resume=resume, what=what, writes=is_main_process()) as run:
        if run.manifest is not None:
            print(localized(_("{out}: the model is finished, and stays as it is", out=out)), file=sys.stderr)
            return run.manifest if is_main_process() else {}
        return _pretrain(data, data_manifest, run, settings, start)


def _pretrain(
    data: Path, data_manifest: dict[str, Any], run: RunFolder, settings: PretrainSettings, start: Path | None
) -> dict[str, Any]:
    import torch
    from transformers import AutoTokenizer

    from gemma_poetry.data.dataset import PackedCollator, PackedDataset, PaddedCollator, TokenBudgetSampler
    from gemma_poetry.model.character_tokenizer import build_character_tokenizer, collect_characters
    from gemma_poetry.model.presets import build_preset, load_preset
    from gemma_poetry.training.arithmetic import multiplies_in_bfloat16
    from gemma_poetry.training.best_weights import BestWeights, forget_best
    from gemma_poetry.training.growth import grow
    from gemma_poetry.training.processes import is_main_process, process_count
    from gemma_poetry.training.trainer import PoetryTrainer

    out, checkpoint = run.folder, run.checkpoint
    poems = load_poems(data, "train")
    if not poems:
        raise DataError(_("train.jsonl holds no poem"), where=data, action=_("prepare a larger collection"))
    known = build_list(data)
    clusters = {"train": cluster_digest(poems)} | {name: cluster_digest(load_poems(data, name)) for name in ("val", "test")}
    if start:
        _check_start(start, clusters["train"])
    saved = (out / "tokenizer.json").is_file()
    if checkpoint:
        tokenizer = AutoTokenizer.from_pretrained(out if saved else checkpoint)
    else:
        characters = collect_characters(poems, settings.minimum_count)
        tokenizer = build_character_tokenizer(characters)
    if is_main_process() and not (checkpoint and saved):
        with run.writing(out / "tokenizer.json"):
            tokenizer.save_pretrained(out)
    samples = _training_samples(poems, tokenizer, settings)
    rows = PackedDataset(samples, settings.block_tokens)
    validation, groups = _validation_set(data, tokenizer, settings)
    pad_id = int(tokenizer.pad_token_id)
    model = build_preset(settings.preset, tokenizer, settings.seed)
    if start and not checkpoint:
        grow(load_preset(start), AutoTokenizer.from_pretrained(start), model, tokenizer)
    bfloat16 = multiplies_in_bfloat16(run, settings.dtype, model.config)
    if is_main_process():
        run.note_dtype("bfloat16" if bfloat16 else "float32")
    _require_memory(model, settings, bfloat16=bfloat16)
    if settings.compile == "on" or (settings.compile == "auto" and torch.cuda.is_available()):
        for layer in model.model.layers:
            layer.compile()
    processes = process_count()
    sampler = TokenBudgetSampler(
        rows.row_lengths, settings.block_tokens, settings.block_tokens * settings.batch_blocks, settings.seed, processes
    )
    trainer = PoetryTrainer(
        model=model,
        args=_arguments(out, settings, len(sampler) // processes, bfloat16=bfloat16),
        train_dataset=rows,
        eval_dataset=validation,
        data_collator=PackedCollator(pad_id, settings.block_tokens),
        evaluation_collator=PaddedCollator(pad_id),
        batch_sampler=sampler,
        groups=groups,
        optimizers=(_optimizer(model, settings), None),
        processing_class=tokenizer,
        run=run,
    )
    best = None
    if settings.keep == "best" and len(validation):
        best = BestWeights(model, run, None)
        trainer.add_callback(best)
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.monotonic() - began
    trainer.last_evaluation()
    kept = best.restore() if best is not None else None
    kept_step = kept["step"] if kept is not None else trainer.state.global_step
    # Judged as it is shipped: with weights rounded to bf16.
    model.to(torch.bfloat16).to(torch.float32)
    final = trainer.measure()
    if not is_main_process():
        return {}
    with run.writing(out / "model.safetensors"):
        model.to(torch.bfloat16).save_pretrained(out, max_shard_size=SHARD_BYTES)
    told = {
        "manifest_sha256": run.start["data_manifest_sha256"],
        "source": data_manifest.get("source"),
        "splits": {name: data_manifest["files"][name]["sha256"] for name in ("train.jsonl", "val.jsonl", "test.jsonl")},
        "clusters": clusters,
    }
    done = _write_manifest(out, told, known, settings, trainer, kept_step, final, seconds, tokenizer, start)
    forget_best(out)
    return done


def _require_memory(model: Any, settings: PretrainSettings, *, bfloat16: bool) -> None:
    """Refuses a pretraining that cannot have the memory it wants: a weight, its gradient and one moment, and what is kept
    of a batch for the backward pass.

    Raises:
        TrainingError: That is more than is free.
    """
    from gemma_poetry.model.families import choose_device
    from gemma_poetry.model.free_memory import available_memory, gib
    from gemma_poetry.model.memory import kept_by_all, read_shape

    device = str(choose_device(None))
    on_accelerator = device.startswith("cuda")
    shape = read_shape(model.config)
    kept = kept_by_all(shape, 2 if on_accelerator and bfloat16 else 4, settings.block_tokens, on_gpu=on_accelerator)
    batch = settings.batch_blocks * settings.block_tokens * kept
    # The weights are made on the CPU, where their memory is taken already.
    state = (12 if on_accelerator else 8) * shape.parameters
    free = available_memory(device)
    if state + batch > free:
        raise TrainingError(
            _(
                "the pretraining wants more memory than there is: {state} for gradients "
                "and moments, {batch} for a batch, {free} free on {device}",
                state=gib(state),
                batch=gib(batch),
                free=gib(free),
                device=device,
            ),
            expected=_("a step that fits"),
            action=_("lower pretrain.batch_blocks (and raise pretrain.gradient_accumulation), or choose a smaller preset"),
        )


def _weights(folder: Path) -> list[str]:
    """The names of a MODEL's weights files, and of their index where there are several."""
    return sorted(path.name for path in folder.glob("model*.safetensors*"))


def _check_start(start: Path, cluster: str) -> None:
    """Refuses a beginning that would let poems kept from this run's training into its weights."""
    manifest = check_manifest(start, [*_weights(start), "config.json", "tokenizer.json"])
    if manifest.get("data", {}).get("clusters", {}).get("train") != cluster:
        raise ModelError(
            _("the model to begin with was trained on other poems than this training split"),
            expected=_("the same near-duplicate clusters in its manifest: else poems of val and test may be known to it"),
            action=_("prepare DATA from the collection and as for that model (same commit, shares, seed), or leave --from out"),
            where=start,
        )


def cluster_digest(poems: Iterable[Poem]) -> str:
    """A sha256 over the near-duplicate clusters of a split, whatever their order.

    Unlike the hash of a file it stays the same when a poem's form or title is read anew: it says which poems, and
    their near-duplicates, a model was trained on or kept from.
    """
    return hashlib.sha256("\n".join(sorted({poem.cluster_id for poem in poems})).encode()).hexdigest()


def _training_samples(poems: Sequence[Poem], tokenizer: Any, settings: PretrainSettings) -> list[TokenizedPoem]:
    drawn = (
        (
            dropped_conditions(
                poem,
                title_dropout=settings.title_dropout,
                author_dropout=settings.author_dropout,
                words_dropout=settings.words_dropout,
                seed=settings.seed,
            ),
            poem.text,
        )
        for poem in poems
    )
    return list(encode_samples(tokenizer, drawn))


def _validation_set(data: Path, tokenizer: Any, settings: PretrainSettings) -> tuple[Any, list[str]]:
    """The first poems of val.jsonl (their order is drawn by `prepare`) and the names of their forms."""
    from gemma_poetry.data.dataset import PoemDataset

    poems = load_poems(data, "val", settings.evaluation_poems)
    forms = sorted({poem.form for poem in poems})
    dataset = PoemDataset(
        list(encode_poems(tokenizer, poems)),
        [poem.characters for poem in poems],
        [forms.index(poem.form) for poem in poems],
    )
    return dataset, forms


def _optimizer(model: Any, settings: PretrainSettings) -> Any:
    import torch

    from gemma_poetry.training.muon import MuonWithAdamW

    if settings.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    embeddings = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    matrices = [weight for weight in model.parameters() if weight.ndim == 2 and id(weight) not in embeddings]
    others = [weight for weight in model.parameters() if weight.ndim != 2 or id(weight) in embeddings]
    return MuonWithAdamW(
        matrices,
        others,
        learning_rate=settings.learning_rate,
        adamw_learning_rate=settings.adamw_learning_rate,
        weight_decay=settings.weight_decay,
        dtype=torch.bfloat16 if settings.dtype == "bfloat16" else None,
    )


def _arguments(out: Path, settings: PretrainSettings, batches_per_epoch: int, *, bfloat16: bool) -> Any:
    import torch
    from transformers import TrainingArguments

    steps = settings.max_steps or math.ceil(settings.epochs * batches_per_epoch / settings.gradient_accumulation)
    decay = round(settings.decay_share * steps)
    return TrainingArguments(
        output_dir=str(out),
        max_steps=steps,
        gradient_accumulation_steps=settings.gradient_accumulation,
        per_device_eval_batch_size=16,
        max_grad_norm=settings.max_gradient_norm,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"decay_type": "linear", "num_decay_steps": decay},
        # In a short training the decay would begin in the midst of the warm-up, at a rate that was never reached.
        warmup_steps=min(settings.warmup_steps, steps - decay),
        eval_strategy="steps",
        eval_steps=settings.evaluation_steps,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        logging_steps=settings.logging_steps,
        include_num_input_tokens_seen="non_padding",
        ddp_find_unused_parameters=False,
        report_to="none",
        bf16=bfloat16,
        seed=settings.seed,
        remove_unused_columns=False,
        label_names=["labels"],
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=False,
    )


def _write_manifest(
    out: Path,
    data: dict[str, Any],
    known: KnownLines,
    settings: PretrainSettings,
    trainer: Any,
    kept_step: int,
    final: dict[str, float],
    seconds: float,
    tokenizer: Any,
    start: Path | None,
) -> dict[str, Any]:
    import torch

    parameters = sum(weight.numel() for weight in trainer.model.parameters())
    contents = {
        "kind": "pretrained model",
        "preset": settings.preset,
        "parameters": parameters,
        "recipe": {"pretrain": settings.model_dump(mode="json")},
        "data": data,
        "tokenizer": {"fingerprint": tokenizer_fingerprint(tokenizer), "pieces": len(tokenizer)},
        "steps": trainer.state.global_step,
        "kept_step": kept_step,
        "tokens_seen": trainer.state.num_input_tokens_seen,
        "validation": {name: value for name, value in final.items() if name.startswith("ppl")},
        "wall_seconds_of_last_session": round(seconds, 1),
        "torch_threads": torch.get_num_threads(),
        "seed": settings.seed,
    }
    if start:
        earlier = read_manifest(start)
        contents["began_with"] = {
            "weights_sha256": {name: sha256_file(start / name) for name in _weights(start)},
            **{
                name: earlier.get(name)
                for name in ("parameters", "steps", "tokens_seen", "validation", "began_with")
                if name in earlier
            },
        }
    lists = hand_on_lists(out, known, start)
    return write_manifest(out, contents, [*_weights(out), "config.json", "tokenizer.json", "curve.jsonl", *lists])
