"""The memory that trainings really took, beside the estimate of `model.memory`.

    OMP_NUM_THREADS=1 python benchmarks/memory.py             # tiny shapes and gemma-3-270m, on the CPU, in float32

In: nothing; the models are of published shapes with random weights. Out: a table on standard output. Each training is a
process of its own: its peak is the highest resident memory that the system counted for it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict

CASES = (
    # model, rows, tokens, gradient checkpointing
    ("mini", 32, 64, False),
    ("mini", 64, 256, False),
    ("google/gemma-3-270m", 2, 64, False),
    ("google/gemma-3-270m", 4, 128, False),
    ("google/gemma-3-270m", 4, 128, True),
)


def measure(name: str, rows: int, tokens: int, checkpointing: bool) -> dict[str, float]:
    """Two steps of LoRA at rank 8 with every token labelled; bytes estimated and taken."""
    import torch
    import transformers
    from transformers import AutoConfig, AutoModelForCausalLM

    from gemma_poetry.config import LoraSettings
    from gemma_poetry.model.base import packaged_model
    from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
    from gemma_poetry.model.lora import add_adapter
    from gemma_poetry.model.memory import estimate_memory, read_shape
    from gemma_poetry.model.published import PUBLISHED

    transformers.logging.set_verbosity_error()
    folder = packaged_model(name)
    config = AutoConfig.from_pretrained(folder) if folder else next(m.config() for m in PUBLISHED if m.name == name)
    estimate = estimate_memory(read_shape(config), batch=rows, tokens=tokens, gradient_checkpointing=checkpointing)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model, _ = add_adapter(AutoModelForCausalLM.from_config(config, dtype=torch.float32), LoraSettings(), 1)
    model.train()
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    head = CompletionHead(model)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
    ids = torch.randint(3, config.vocab_size, (rows, tokens))
    mask = torch.ones_like(ids)
    mask[1:, -1] = 0
    for _ in range(2):
        loss = completion_losses(model, head, {"input_ids": ids, "attention_mask": mask, "labels": ids}).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**asdict(estimate), "estimated": estimate.total, "start": start, "peak": peak}


def main() -> None:
    print("| model | rows × tokens | checkpointing | process before | estimated | peak | estimated / peak |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        output = subprocess.run([sys.executable, __file__, json.dumps(case)], capture_output=True, text=True, check=True).stdout
        found = json.loads(output.splitlines()[-1])
        sizes = [f"{found[part] / 2**30:.2f} GiB" for part in ("start", "estimated", "peak")]
        name, rows, tokens, checkpointing = case
        ratio = found["estimated"] / found["peak"]
        print(
            f"| {name} | {rows} × {tokens} | {'yes' if checkpointing else 'no'} | {' | '.join(sizes)} | {ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
    else:
        main()
