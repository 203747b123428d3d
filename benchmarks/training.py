"""Speed and memory of a LoRA fine-tuning against TRL's `SFTTrainer`, on the full shape of Gemma 3 270M.

    pip install -e '.[train,bench]'
    python benchmarks/training.py model --tokenizer google/gemma-2b --out g270m           # random weights, once
    gemma-poetry prepare --source chinese-poetry --model g270m --max-poems 20000 --out data \\
        --set prepare.validation_share=0 --set prepare.test_share=0
    python benchmarks/training.py speed --model g270m --data data --rounds 3
    python benchmarks/training.py loss --model g270m --data data

In: a checkpoint and a DATA folder. Out: a table of poems per second and peak memory, one line a system, with the ratios of
medians; for `loss`, the loss of one batch in TRL, in this project with the whole vocabulary, and over the kept rows.

Every round draws other poems; in a round every system trains on the same ones, once, in a process of its own, in turn.
Clocked is the training loop alone, from the first step's beginning to the last one's end, without start, loading and
saving. Peak memory is the highest resident memory of the whole process, loading included. All systems have the same LoRA,
batch of 16, optimizer, threads and allocator settings.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import MANIFEST, read_json, read_jsonl, write_jsonl
from gemma_poetry.config import Recipe, load_recipe
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import conditions_of
from gemma_poetry.manifests import write_manifest

BATCH = 16
# glibc gives large blocks back to the system at once and clears them when they are asked for again.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
GROUPED = {"train_sampling_strategy": "group_by_length"}
BEST = GROUPED | {"gradient_checkpointing": False}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "TRL, defaults": ("trl", {}),
    "TRL, grouped by length, bfloat16": ("trl", GROUPED),
    "TRL, grouped by length, no checkpointing, bfloat16": ("trl", BEST),
    "TRL, grouped by length, no checkpointing, float32": ("trl", BEST | {"bf16": False}),
    "this project, float32": ("ours", {"train.dtype": "float32"}),
    "this project, bfloat16": ("ours", {"train.dtype": "bfloat16"}),
    "this project, whole vocabulary, float32": ("ours", {"train.dtype": "float32", "train.vocabulary": "whole"}),
    "this project, whole vocabulary, bfloat16": ("ours", {"train.dtype": "bfloat16", "train.vocabulary": "whole"}),
}
"""What is compared: TRL's default is bfloat16 by autocast, chunked loss and gradient checkpointing. Which of its
settings are the best for short poems is for the clock to say: batches of like length, with and without checkpointing."""


def make_model(tokenizer: str, out: Path) -> None:
    """Writes a random checkpoint of the full shape, in bfloat16 as published."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=262_144,
        hidden_size=640,
        num_hidden_layers=18,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        query_pre_attn_scalar=256,
        intermediate_size=2048,
        max_position_embeddings=32_768,
        sliding_window=512,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    Gemma3ForCausalLM(config).to(torch.bfloat16).save_pretrained(out)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(out)


def draw(data: Path, count: int, seed: int) -> list[int]:
    """Places of poems in train.jsonl, drawn at random."""
    total = len(load_poems(data, "train"))
    return random.Random(seed).sample(range(total), count)


def subset(data: Path, places: list[int], out: Path) -> None:
    """A DATA folder with only these poems to train on; the whole collection still decides which rows are kept.

    No poem is held out: evaluations would be clocked with the training.
    """
    chosen = set(places)
    for name in ("train.txt", "val.txt", "val.jsonl"):
        lines = (data / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for place, line in enumerate(lines) if place in chosen] if name == "train.txt" else []
        (out / name).write_text("".join(kept), encoding="utf-8")
    (out / "train.jsonl").symlink_to((data / "train.jsonl").resolve())
    tokenizer = read_json(data / MANIFEST)["tokenizer"]
    write_manifest(out, {"kind": "data", "tokenizer": tokenizer}, ["train.txt", "train.jsonl", "val.txt", "val.jsonl"])


class Stopwatch:
    """Seconds between the first step's beginning and the last one's end, for any `transformers.Trainer`."""

    def __init__(self) -> None:
        from transformers import TrainerCallback
        from transformers.trainer import DEFAULT_CALLBACKS

        watch = self
        self.began = self.ended = 0.0
        self.steps = 0

        class Callback(TrainerCallback):
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                watch.began = watch.began or time.perf_counter()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                watch.ended = time.perf_counter()
                watch.steps += 1

        DEFAULT_CALLBACKS.append(Callback)


def train_ours(model: str, data: Path, places: list[int], recipe: str | None, settings: dict[str, Any], out: Path) -> None:
    """The project's own `train`."""
    from gemma_poetry.training.finetuning import finetune

    subset(data, places, out)
    finetune(out, model, out / "RUN", load_recipe(recipe, [f"{key}={value}" for key, value in settings.items()]))


def trl_trainer(model: str, data: Path, places: list[int], recipe: Recipe, settings: dict[str, Any], out: Path) -> Any:
    """TRL's trainer on the same poems, as prompt and completion."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    chosen = set(places)
    poems = [poem for place, poem in enumerate(load_poems(data, "train")) if place in chosen]
    tokenizer = AutoTokenizer.from_pretrained(model)
    # A tokenizer that was made from the SentencePiece file alone begins no text with BOS; the published ones do.
    begin = "" if tokenizer("")["input_ids"] else tokenizer.bos_token
    rows = [{"prompt": begin + conditions_of(poem).prompt(), "completion": poem.text} for poem in poems]
    lora = recipe.lora
    return SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(out),
            num_train_epochs=1,
            learning_rate=recipe.train.learning_rate,
            weight_decay=recipe.train.weight_decay,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            **{"per_device_train_batch_size": BATCH} | settings,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
        ),
    )  # fmt: skip


def work(name: str, model: str, data: Path, count: int, seed: int, recipe: str | None) -> dict[str, Any]:
    """Trains one system in this process and measures it."""
    kind, settings = SYSTEMS[name]
    watch = Stopwatch()
    places = draw(data, count, seed)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "trl":
            trl_trainer(model, data, places, load_recipe(recipe), settings, Path(folder)).train()
        else:
            common = {"train.epochs": 1, "train.batch_size": BATCH, "train.save_steps": 10**6}
            train_ours(model, data, places, recipe, common | settings, Path(folder))
    assert watch.steps == -(-count // BATCH), watch.steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"system": name, "poems_per_second": count / (watch.ended - watch.began), "peak_bytes": peak, "seed": seed}


def measure_speed(
    model: str, data: Path, count: int, rounds: int, first_seed: int, names: list[str], log: Path | None, recipe: str | None
) -> None:
    """Runs every system in every round, and prints the table of all rounds in the log."""
    results: list[dict[str, Any]] = list(read_jsonl(log)) if log and log.exists() else []
    for seed in range(first_seed, first_seed + rounds):
        for name in names:
            command = [sys.executable, __file__, "work", "--system", name, "--model", model, "--data", str(data)]
            command += ["--poems", str(count), "--seed", str(seed), *(["--recipe", recipe] if recipe else [])]
            done = subprocess.run(command, env=os.environ | ALLOCATOR, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(results[-1], ensure_ascii=False), flush=True)
            if log:
                write_jsonl(log, results)
    report(results)


def report(results: list[dict[str, Any]]) -> None:
    """Medians of poems per second, highest peak, and both against the best TRL line of each kind."""
    of_system: Callable[[str, str], list[float]] = lambda name, key: [row[key] for row in results if row["system"] == name]  # noqa: E731
    print("| system | rounds | poems/s, median (range) | peak memory |\n|---|---|---|---|")
    for name in dict.fromkeys(row["system"] for row in results):
        speeds, peaks = of_system(name, "poems_per_second"), of_system(name, "peak_bytes")
        span = f"{statistics.median(speeds):.2f} ({min(speeds):.2f} to {max(speeds):.2f})"
        print(f"| {name} | {len(speeds)} | {span} | {max(peaks) / 2**30:.2f} GiB |")
    present = list(dict.fromkeys(row["system"] for row in results))
    for mine in (name for name in present if SYSTEMS[name][0] == "ours"):
        for theirs in (name for name in present if SYSTEMS[name][0] == "trl"):
            faster = statistics.median(of_system(mine, "poems_per_second")) / statistics.median(
                of_system(theirs, "poems_per_second")
            )
            memory = max(of_system(mine, "peak_bytes")) / max(of_system(theirs, "peak_bytes"))
            print(f"{mine} : {theirs} = {faster:.1f} times the speed, {memory:.2f} of the peak memory")


def compare_losses(model: str, data: Path, count: int, seed: int) -> None:
    """The loss of one batch, in float32 and without dropout: TRL's, ours over the whole vocabulary, and the kept rows'."""
    import torch

    from gemma_poetry.config import LoraSettings
    from gemma_poetry.data.dataset import PaddedCollator, PoemDataset
    from gemma_poetry.data.tokenization import encode_poems, read_tokenized
    from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter
    from gemma_poetry.model.vocabulary import han_characters, needed_ids, prune_vocabulary

    places = draw(data, count, seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(
            model, data, places, Recipe(), {"per_device_train_batch_size": count, "bf16": False}, Path(folder)
        )
        batch = next(iter(trainer.get_train_dataloader()))
        trainer.model.eval()
        with torch.no_grad():
            theirs = float(trainer.compute_loss(trainer.model, dict(batch)))
    del trainer
    loaded = load_model(model, dtype="float32")
    chosen = set(places)
    poems = [poem for place, poem in enumerate(load_poems(data, "train")) if place in chosen]
    samples = list(encode_poems(loaded.tokenizer, poems))
    mine = PaddedCollator(0)([PoemDataset(samples)[place] for place in range(count)])
    tokens = sorted(map(tuple, (row[row != 0].tolist() for row in mine["input_ids"])))
    assert tokens == sorted(map(tuple, (row[row != 0].tolist() for row in batch["input_ids"]))), "other tokens than TRL's"
    kept = needed_ids(
        loaded.tokenizer,
        [*samples, *read_tokenized(data / "train.txt", loaded.tokenizer)],
        han_characters(data.glob("*.jsonl")),
    )

    def ours(vocabulary: Any = None) -> float:
        with torch.no_grad():
            return float(completion_losses(adapted, CompletionHead(adapted, vocabulary), mine).mean())

    adapted, _ = add_adapter(loaded.model, LoraSettings(), seed=1)
    adapted.eval()
    whole = ours()
    vocabulary = prune_vocabulary(adapted.get_base_model(), kept)
    # The first head's hook is still there, but idle: it acts only while its own losses are wanted.
    pruned = ours(vocabulary)
    print(f"TRL {theirs:.6f}, this project {whole:.6f} (difference {whole - theirs:+.2e})")
    print(f"over the {vocabulary.kept:,} kept rows of {vocabulary.rows:,}: {pruned:.6f} nats a token")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("model")
    making.add_argument("--tokenizer", required=True, help="A folder or Hub id with a Gemma tokenizer.")
    making.add_argument("--out", type=Path, required=True)
    for name in ("speed", "loss", "work"):
        command = commands.add_parser(name)
        command.add_argument("--model", required=True)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--poems", type=int, default=BATCH if name == "loss" else 4 * BATCH, help="Poems of a round.")
        command.add_argument("--seed", type=int, default=1, help="Seed of the first round's draw.")
        if name != "loss":
            command.add_argument("--recipe", help="Its LoRA and optimizer, for all systems; default: that of no recipe.")
        if name == "speed":
            command.add_argument("--rounds", type=int, default=3)
            command.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
            command.add_argument("--log", type=Path, help="JSONL of all runs; those that are there count too.")
        if name == "work":
            command.add_argument("--system", required=True, choices=list(SYSTEMS))
    options = parser.parse_args()
    if options.command == "model":
        make_model(options.tokenizer, options.out)
    elif options.command == "loss":
        compare_losses(options.model, options.data, options.poems, options.seed)
    elif options.command == "speed":
        measure_speed(
            options.model,
            options.data,
            options.poems,
            options.rounds,
            options.seed,
            options.systems,
            options.log,
            options.recipe,
        )
    else:
        print(
            json.dumps(
                work(options.system, options.model, options.data, options.poems, options.seed, options.recipe),
                ensure_ascii=False,
            )
        )


if __name__ == "__main__":
    main()
