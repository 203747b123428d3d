"""Speed and memory of a LoRA fine-tuning against TRL's `SFTTrainer` and LLaMA-Factory, on the full shape of Gemma 3 270M.

    pip install -e '.[train,bench]'
    python benchmarks/training.py model --tokenizer google/gemma-2b --out g270m           # random weights, once
    gemma-poetry prepare --source chinese-poetry --model g270m --max-poems 20000 --out data \\
        --set prepare.validation_share=0 --set prepare.test_share=0
    python benchmarks/training.py speed --model g270m --data data --rounds 3
    python benchmarks/training.py loss --model g270m --data data

LLaMA-Factory wants older packages than this project, and so an environment of its own, named by `--llama-factory` (see
`llama_factory.py`); without it its lines are left out.

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch

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
FACTORY_GROUPED = GROUPED | {"bf16": True, "disable_gradient_checkpointing": True}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "TRL, defaults": ("trl", {}),
    "TRL, grouped by length, bfloat16": ("trl", GROUPED),
    "TRL, grouped by length, no checkpointing, bfloat16": ("trl", BEST),
    "TRL, grouped by length, no checkpointing, float32": ("trl", BEST | {"bf16": False}),
    "LLaMA-Factory, defaults": ("llama-factory", {}),
    "LLaMA-Factory, bfloat16": ("llama-factory", {"bf16": True}),
    "LLaMA-Factory, grouped by length, no checkpointing, bfloat16": ("llama-factory", FACTORY_GROUPED),
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


def train_ours(model: str, data: Path, places: list[int], recipe: str | None, settings: dict[str, Any], out: Path) -> None:
    """The project's own `train`."""
    from gemma_poetry.training.finetuning import finetune

    subset(data, places, out)
    finetune(out, model, out / "RUN", load_recipe(recipe, [f"{key}={value}" for key, value in settings.items()]))


def prompts_and_poems(data: Path, places: list[int], begin: str) -> list[dict[str, str]]:
    """The same poems for a rival: prompt, after `begin`, and completion."""
    chosen = set(places)
    poems = [poem for place, poem in enumerate(load_poems(data, "train")) if place in chosen]
    return [{"prompt": begin + conditions_of(poem).prompt(), "completion": poem.text} for poem in poems]


def trl_trainer(model: str, data: Path, places: list[int], recipe: Recipe, settings: dict[str, Any], out: Path) -> Any:
    """TRL's trainer on the same poems, as prompt and completion."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(model)
    # A tokenizer that was made from the SentencePiece file alone begins no text with BOS; the published ones do.
    rows = prompts_and_poems(data, places, "" if tokenizer("")["input_ids"] else tokenizer.bos_token)
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


def train_factory(
    python: str, model: str, data: Path, places: list[int], recipe: Recipe, settings: dict[str, Any], out: Path
) -> dict[str, Any]:
    """LLaMA-Factory on the same poems, run by the interpreter of its own environment: its seconds, steps and peak memory."""
    from transformers import AutoTokenizer

    train, lora = recipe.train, recipe.lora
    arguments = {
        "model_name_or_path": str(Path(model).resolve()),
        "num_train_epochs": 1,
        "per_device_train_batch_size": BATCH,
        "learning_rate": train.learning_rate,
        "weight_decay": train.weight_decay,
        "lora_rank": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "lora_target": ",".join(lora.targets),
    }
    # Its template `empty` adds neither BOS nor EOS.
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = prompts_and_poems(data, places, tokenizer.bos_token)
    rows = [row | {"completion": row["completion"] + tokenizer.eos_token} for row in rows]
    order = out / "order.json"
    order.write_text(json.dumps({"rows": rows, "arguments": arguments | settings, "folder": str(out)}), encoding="utf-8")
    script = Path(__file__).with_name("llama_factory.py")
    done = subprocess.run([python, str(script), str(order)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def work(
    name: str, model: str, data: Path, count: int, seed: int, recipe: str | None, factory: str | None = None
) -> dict[str, Any]:
    """Trains one system and measures it: in this process, LLaMA-Factory in one of its own."""
    kind, settings = SYSTEMS[name]
    places = draw(data, count, seed)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "llama-factory":
            if factory is None:
                sys.exit(f"{name}: name the interpreter of its environment with --llama-factory.")
            measured = train_factory(factory, model, data, places, load_recipe(recipe), settings, Path(folder))
        else:
            from transformers.trainer import DEFAULT_CALLBACKS

            watch = Stopwatch()
            DEFAULT_CALLBACKS.append(watch.callback())
            if kind == "trl":
                trl_trainer(model, data, places, load_recipe(recipe), settings, Path(folder)).train()
            else:
                common = {"train.epochs": 1, "train.batch_size": BATCH, "train.save_steps": 10**6}
                train_ours(model, data, places, recipe, common | settings, Path(folder))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            measured = {"seconds": watch.ended - watch.began, "steps": watch.steps, "peak_bytes": peak}
    assert measured["steps"] == -(-count // BATCH), measured
    return {
        "system": name,
        "poems_per_second": count / measured["seconds"],
        "peak_bytes": measured["peak_bytes"],
        "seed": seed,
    }


def measure_speed(options: argparse.Namespace) -> None:
    """Runs every system in every round, and prints the table of all rounds in the log."""
    log: Path | None = options.log
    results: list[dict[str, Any]] = list(read_jsonl(log)) if log and log.exists() else []
    names = options.systems or [name for name, (kind, _) in SYSTEMS.items() if options.llama_factory or kind != "llama-factory"]
    passed_on = ["--model", options.model, "--data", str(options.data), "--poems", str(options.poems)]
    for name in ("recipe", "llama_factory"):
        if getattr(options, name):
            passed_on += ["--" + name.replace("_", "-"), getattr(options, name)]
    for seed in range(options.seed, options.seed + options.rounds):
        for name in names:
            command = [sys.executable, __file__, "work", "--system", name, "--seed", str(seed), *passed_on]
            done = subprocess.run(command, env=os.environ | ALLOCATOR, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(results[-1], ensure_ascii=False), flush=True)
            if log:
                write_jsonl(log, results)
    report(results)


def report(results: list[dict[str, Any]]) -> None:
    """Medians of poems per second, highest peak, and both of every line of ours against every rival."""
    of_system: Callable[[str, str], list[float]] = lambda name, key: [row[key] for row in results if row["system"] == name]  # noqa: E731
    print("| system | rounds | poems/s, median (range) | peak memory |\n|---|---|---|---|")
    for name in dict.fromkeys(row["system"] for row in results):
        speeds, peaks = of_system(name, "poems_per_second"), of_system(name, "peak_bytes")
        span = f"{statistics.median(speeds):.2f} ({min(speeds):.2f} to {max(speeds):.2f})"
        print(f"| {name} | {len(speeds)} | {span} | {max(peaks) / 2**30:.2f} GiB |")
    present = list(dict.fromkeys(row["system"] for row in results))
    for mine in (name for name in present if SYSTEMS[name][0] == "ours"):
        for theirs in (name for name in present if SYSTEMS[name][0] != "ours"):
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
            command.add_argument(
                "--llama-factory", help="The interpreter of the environment that LLaMA-Factory is installed in."
            )
        if name == "speed":
            command.add_argument("--rounds", type=int, default=3)
            command.add_argument("--systems", nargs="+", choices=list(SYSTEMS))
            command.add_argument("--log", type=Path, help="JSONL of all runs; those that are there count too.")
        if name == "work":
            command.add_argument("--system", required=True, choices=list(SYSTEMS))
    options = parser.parse_args()
    if options.command == "model":
        make_model(options.tokenizer, options.out)
    elif options.command == "loss":
        compare_losses(options.model, options.data, options.poems, options.seed)
    elif options.command == "speed":
        measure_speed(options)
    else:
        print(
            json.dumps(
                work(
                    options.system,
                    options.model,
                    options.data,
                    options.poems,
                    options.seed,
                    options.recipe,
                    options.llama_factory,
                ),
                ensure_ascii=False,
            )
        )


if __name__ == "__main__":
    main()
