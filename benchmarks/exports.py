"""What llama.cpp makes of a run's exports on the genuine model: how much of the greedy poem is alike, how far likelihoods are.

In: finished runs on `gemma-3-270m`. Out: a line for each format: size, processor time of writing, the fixed poems by the file
read back, tokens of the greedy poem that llama.cpp writes alike, the widest difference of a likely token's logarithm.

    python benchmarks/exports.py RUN [RUN ...] --work FOLDER [--dtypes q8_0 q4_k_m ...] [--base BASE.gguf ...]

Greedy poem and likelihoods are those of transformers in float32. `--base` names GGUF files that the adapter is put on; where
`float32` is among the dtypes, one of the base model in it is made too.
"""

from __future__ import annotations

import argparse
import copy
import gc
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from gemma_poetry.data.tokenization import encode_prompt
from gemma_poetry.errors import ExportError
from gemma_poetry.exporting.export import compare, merge, open_run
from gemma_poetry.exporting.gguf_adapter import write_gguf_adapter
from gemma_poetry.exporting.gguf_file import read_gguf, swallows, write_gguf
from gemma_poetry.model.fixed_poems import score_fixed_poems
from gemma_poetry.model.loading import load_model
from tests.llama_cpp import LlamaCpp
from tests.test_genuine_run import NAME, PROMPT, apart, continued

TOKENS = 24
DTYPES = ("float32", "q8_0", "q5_k_m", "q4_k_m", "bfloat16")


def told(greedy: list[Any], llama: LlamaCpp, ids: list[int]) -> str:
    """What llama.cpp writes, beside what transformers write."""
    try:
        alike, widest = apart(greedy, llama, ids)
    except AssertionError as error:
        return f"another poem: {error}"
    return f"{alike} of {len(greedy)} tokens alike, {widest:.4f} apart"


def measure(run: Path, work: Path, dtypes: list[str], bases: list[Path]) -> None:
    """One run in every format."""
    source = open_run(run)
    tokenizer = source.loaded.tokenizer
    ids = encode_prompt(tokenizer, PROMPT)
    greedy = continued(source.loaded.model, ids, TOKENS)
    tuned, base = (sum(nats) / len(nats) for nats in (source.reference.tuned, source.reference.base))
    print(f"{run.name}: {tuned:.4f} nats a token, {base:.4f} by the base; {tokenizer.decode([token for token, _ in greedy])!r}")
    adapter = work / f"{run.name}-adapter.gguf"
    write_gguf_adapter(source.loaded.model, adapter)
    dithered = {dtype: swallows(source.loaded.model, dtype) for dtype in dtypes}
    model = merge(source)
    config = copy.deepcopy(model.config)
    for dtype in dtypes:
        path, began = work / f"{run.name}-{dtype}.gguf", time.process_time()
        write_gguf(model, tokenizer, path, dtype, dithered=dithered[dtype])
        seconds = time.process_time() - began
        try:
            check = compare(source.reference, score_fixed_poems(read_gguf(path, config), tokenizer), dtype, path)
            found = f"fixed poems {check.difference:.1e} apart of {check.effect:.2f} that the adapter changes"
        except ExportError as error:
            found = f"refused: {error.found}"
        gc.collect()
        name = f"{dtype}, rounded by chance" if dithered[dtype] else dtype
        wrote = told(greedy, LlamaCpp(path), ids)
        print(f"  {name}: {path.stat().st_size:,} bytes in {seconds:.1f} s; {found}; {wrote}", flush=True)
        path.unlink()
    for path in bases:
        print(
            f"  adapter, {adapter.stat().st_size:,} bytes, on {path.name}: {told(greedy, LlamaCpp(path, adapter), ids)}",
            flush=True,
        )


def main() -> None:
    """Every run in every format."""
    options = argparse.ArgumentParser()
    options.add_argument("runs", type=Path, nargs="+")
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--dtypes", nargs="+", default=DTYPES, choices=DTYPES)
    options.add_argument("--base", type=Path, action="append", default=[])
    chosen = options.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    bases = list(chosen.base)
    if "float32" in chosen.dtypes:
        bases.insert(0, chosen.work / "base-float32.gguf")
        loaded = load_model(NAME, device="cpu", dtype="float32")
        write_gguf(loaded.model, loaded.tokenizer, bases[0], "float32")
        del loaded
    for run in chosen.runs:
        measure(run, chosen.work, chosen.dtypes, bases)


if __name__ == "__main__":
    main()
