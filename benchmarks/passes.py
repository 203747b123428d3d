"""What one pass of a LoRA training costs here: by rows of a batch, kernel of attention, shortcut; and how much is padding.

    python benchmarks/training.py model --tokenizer google/gemma-2b --out g270m           # random weights, once
    python benchmarks/passes.py time --model g270m --data data --rounds 5
    python benchmarks/passes.py shortcuts --model gemma-3-270m --data data --recipe verse --shapes 16x75 16x150
    python benchmarks/passes.py padding --data data --batch-size 16

In: a checkpoint and a DATA folder (see benchmarks/training.py). Out: for `time`, seconds of a forward and backward pass with
every shape of `--shapes`, once with plain attention and once with the fused kernel, in turn, the least and the median of the
rounds; for `shortcuts`, in seconds of the processor (which other jobs lengthen less), the same as `train` does it and without
what it does for speed, down to plain transformers and PEFT in float32, all on the same batches; for `padding`, the tokens of an
epoch's batches with padding, drawn at random and of like length, over those without.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from gemma_poetry.config import Recipe, load_recipe

KERNELS = ("eager", "sdpa")


def adapted(model: str, data: Path, dtype: str, recipe: Recipe, *, pruned: bool = True, fused: bool = True) -> tuple[Any, Any]:
    """The model as `train` prepares it on a CPU: pruned, adapted, hastened; and its completion head."""
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.completion_loss import CompletionHead
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter
    from gemma_poetry.model.vocabulary import han_characters, needed_ids, prune_vocabulary
    from gemma_poetry.training.fused.apply import apply_fused

    loaded = load_model(model, dtype=dtype)
    vocabulary = None
    if pruned:
        samples = read_tokenized(data / "train.txt", loaded.tokenizer)
        kept = needed_ids(loaded.tokenizer, samples, han_characters(data.glob("*.jsonl")))
        vocabulary = prune_vocabulary(loaded.model, kept, recipe.train.sampled_rows)
    peft, _ = add_adapter(loaded.model, recipe.lora, seed=1)
    if fused:
        apply_fused(peft)
    return peft.train(), CompletionHead(peft, vocabulary)


def batch_of(data: Path, model: str, rows: int, width: int) -> dict[str, Any]:
    """A batch of exactly this shape: real poems one after the other, cut to the width; half of each row is labelled."""
    import torch

    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.loading import load_tokenizer

    ids: list[int] = []
    for sample in read_tokenized(data / "train.txt", load_tokenizer(model)):
        ids += [*sample.prompt_ids, *sample.completion_ids]
        if len(ids) >= rows * width:
            break
    input_ids = torch.tensor(ids[: rows * width]).view(rows, width)
    labels = input_ids.clone()
    labels[:, : width // 2] = -100
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": labels}


def measure_time(model: str, data: Path, dtype: str, shapes: list[tuple[int, int]], rounds: int) -> None:
    """Prints seconds of a pass for each shape and kernel."""
    from gemma_poetry.model.completion_loss import completion_losses

    peft, head = adapted(model, data, dtype, Recipe())
    base = peft.get_base_model()
    batches = {shape: batch_of(data, model, *shape) for shape in shapes}
    seconds: dict[tuple[tuple[int, int], str], list[float]] = {}
    for round_number in range(rounds + 1):  # the first one warms up
        for shape, batch in batches.items():
            for kernel in KERNELS:
                base.set_attn_implementation(kernel)
                began = time.perf_counter()
                completion_losses(peft, head, batch).mean().backward()
                if round_number:
                    seconds.setdefault((shape, kernel), []).append(time.perf_counter() - began)
    print("| rows x tokens | plain attention, least (median) | fused kernel | plain : fused, of medians |\n|---|---|---|---|")
    for shape in shapes:
        plain, fused = (seconds[shape, kernel] for kernel in KERNELS)
        cells = [f"{min(each):.3f} ({statistics.median(each):.3f}) s" for each in (plain, fused)]
        print(f"| {shape[0]} x {shape[1]} | {' | '.join(cells)} | {statistics.median(plain) / statistics.median(fused):.2f} |")


# What is left away, step by step: dtype, rows that are kept, fused operations, the loss of the poem's places alone.
WITHOUT: dict[str, tuple[str, dict[str, bool], bool]] = {
    "as train does it": ("bfloat16", {}, True),
    "without fused operations": ("bfloat16", {"fused": False}, True),
    "and over the whole vocabulary": ("bfloat16", {"fused": False, "pruned": False}, True),
    "and with transformers' own loss": ("bfloat16", {"fused": False, "pruned": False}, False),
    "and in float32": ("float32", {"fused": False, "pruned": False}, False),
}


def measure_shortcuts(model: str, data: Path, recipe: Recipe, shapes: list[tuple[int, int]], rounds: int) -> None:
    """Prints seconds of the processor of a pass for each shape, with one shortcut less in each line."""
    from gemma_poetry.model.completion_loss import completion_losses

    print(f"| pass | {' | '.join(f'{rows} x {width}, least (median)' for rows, width in shapes)} | as train does it : this |")
    print("|---|" + "---|" * (len(shapes) + 1))
    first: list[float] = []
    for name, (dtype, settings, own_loss) in WITHOUT.items():
        peft, head = adapted(model, data, dtype, recipe, **settings)
        cells, medians = [], []
        for shape in shapes:
            batch = batch_of(data, model, *shape)
            seconds = []
            for _round in range(rounds + 1):  # the first one warms up
                began = time.process_time()
                loss = completion_losses(peft, head, batch).mean() if own_loss else peft(**batch, use_cache=False).loss
                loss.backward()
                seconds.append(time.process_time() - began)
            medians.append(statistics.median(seconds[1:]))
            cells.append(f"{min(seconds[1:]):.3f} ({medians[-1]:.3f}) s")
        first = first or medians
        ratios = ", ".join(f"1 : {now / before:.2f}" for now, before in zip(medians, first))
        print(f"| {name} | {' | '.join(cells)} | {ratios} |", flush=True)
        del peft, head


def measure_padding(data: Path, batch_size: int) -> None:
    """Prints how many tokens go through the model for one token of a poem."""
    import torch

    from gemma_poetry.data.dataset import LengthGroupedSampler

    lengths = [len(line.replace("\t", " ").split(" ")) for line in (data / "train.txt").read_text("utf-8").splitlines()]
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(1)).tolist()
    drawn = [order[begin : begin + batch_size] for begin in range(0, len(order), batch_size)]
    for name, batches in (("at random", drawn), ("of like length", LengthGroupedSampler(lengths, batch_size, 1))):
        padded = sum(len(batch) * max(lengths[place] for place in batch) for batch in batches)
        print(f"batches {name}: {padded:,} tokens, {padded / sum(lengths):.3f} times the {sum(lengths):,} of the poems")


def shape(text: str) -> tuple[int, int]:
    rows, _, width = text.partition("x")
    return int(rows), int(width)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    timing = commands.add_parser("time")
    timing.add_argument("--model", required=True)
    timing.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    timing.add_argument("--rounds", type=int, default=5)
    timing.add_argument("--shapes", type=shape, nargs="+", default=[(4, 75), (16, 75), (8, 150), (6, 200), (4, 300), (2, 600)])
    without = commands.add_parser("shortcuts")
    without.add_argument("--model", required=True)
    without.add_argument("--recipe", default="verse")
    without.add_argument("--rounds", type=int, default=5)
    without.add_argument("--shapes", type=shape, nargs="+", default=[(16, 75), (16, 150)])
    padding = commands.add_parser("padding")
    padding.add_argument("--batch-size", type=int, default=16)
    for command in (timing, without, padding):
        command.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    if options.command == "time":
        measure_time(options.model, options.data, options.dtype, options.shapes, options.rounds)
    elif options.command == "shortcuts":
        measure_shortcuts(options.model, options.data, load_recipe(options.recipe), options.shapes, options.rounds)
    else:
        measure_padding(options.data, options.batch_size)


if __name__ == "__main__":
    main()
