"""The memory that trainings really took, beside the estimate of `model.memory`.

    OMP_NUM_THREADS=1 python benchmarks/memory.py             # tiny shapes and gemma-3-270m, on the CPU, in float32

In: nothing; the models are of published shapes with random weights, prepared as `train` prepares them on a CPU. Out: a table
on standard output. Each training is a process of its own: its peak is the highest resident memory that the system counted
for it. A batch goes through the model at once, however large it is (`train` itself takes 1,536 tokens at a time on a CPU).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A training of random tokens, every one labelled."""

    model: str
    rows: int
    tokens: int
    dtype: str = "float32"
    vocabulary_rows: int | None = None
    checkpointing: bool = False


TINY = "tiny"
CASES = (
    Case(TINY, 16, 64),
    Case(TINY, 64, 256),
    Case("mini", 24, 64),
    Case("mini", 32, 128),
    Case("mini", 64, 256),
    Case("mini", 64, 256, dtype="bfloat16"),
    Case("mini", 64, 256, checkpointing=True),
    Case("google/gemma-3-270m", 2, 64),
    Case("google/gemma-3-270m", 16, 64, vocabulary_rows=14_000),
    Case("google/gemma-3-270m", 16, 64, vocabulary_rows=14_000, dtype="bfloat16"),
    Case("google/gemma-3-270m", 4, 128, checkpointing=True),
)


def configuration(name: str) -> Any:
    """The configuration of a preset, of a published model, or of two small layers."""
    from transformers import AutoConfig

    from gemma_poetry.model.catalogue import PUBLISHED
    from gemma_poetry.model.locating import packaged_model

    if name == TINY:
        sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
        return AutoConfig.for_model("gemma3_text", vocab_size=2_000, head_dim=32, intermediate_size=192, **sizes)
    folder = packaged_model(name)
    return AutoConfig.from_pretrained(folder) if folder else next(m.config() for m in PUBLISHED if m.name == name)


def measure(case: Case) -> dict[str, float]:
    """Three steps of LoRA at rank 8; bytes estimated and taken."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    from gemma_poetry.config import LoraSettings
    from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
    from gemma_poetry.model.lora import add_adapter
    from gemma_poetry.model.memory import estimate_memory, read_shape
    from gemma_poetry.model.vocabulary import prune_vocabulary
    from gemma_poetry.training.fused.apply import apply_fused

    transformers.logging.set_verbosity_error()
    config = configuration(case.model)
    estimate = estimate_memory(
        read_shape(config),
        batch=case.rows,
        tokens=case.tokens,
        dtype=case.dtype,  # type: ignore[arg-type]
        vocabulary_rows=case.vocabulary_rows,
        gradient_checkpointing=case.checkpointing,
    )
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    base = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, case.dtype))
    rows = case.vocabulary_rows or config.vocab_size
    vocabulary = prune_vocabulary(base, torch.arange(rows)) if case.vocabulary_rows else None
    model, _ = add_adapter(base, LoraSettings(), 1)
    apply_fused(model)
    model.train()
    if case.checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    head = CompletionHead(model, vocabulary)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
    ids = torch.randint(3, rows, (case.rows, case.tokens))
    mask = torch.ones_like(ids)
    mask[1:, -1] = 0
    for _ in range(3):
        loss = completion_losses(model, head, {"input_ids": ids, "attention_mask": mask, "labels": ids}).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**asdict(estimate), "estimated": estimate.total, "start": start, "peak": peak}


def main() -> None:
    print(
        "| model | rows × tokens | dtype | vocabulary | checkpointing | process before | estimated | peak | estimated / peak |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        command = [sys.executable, __file__, json.dumps(asdict(case))]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        sizes = [f"{found[part] / 2**30:.2f} GiB" for part in ("start", "estimated", "peak")]
        rows = f"{case.vocabulary_rows:,} rows" if case.vocabulary_rows else "whole"
        told = [case.model, f"{case.rows} × {case.tokens}", case.dtype, rows, "yes" if case.checkpointing else "no", *sizes]
        print(f"| {' | '.join(told)} | {found['estimated'] / found['peak']:.2f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(Case(**json.loads(sys.argv[1])))))
    else:
        main()
