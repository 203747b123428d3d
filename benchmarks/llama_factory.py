"""One clocked LoRA fine-tuning by LLaMA-Factory, in the environment where it is installed; `training.py` runs it.

    python -m venv lf && lf/bin/pip install torch==2.13.0 torchaudio llamafactory==0.9.5   # older packages than ours
    python benchmarks/training.py speed --llama-factory lf/bin/python --systems "LLaMA-Factory, defaults" ...

In: a JSON file with `rows` (prompt and completion), `arguments` for LLaMA-Factory, and a folder to work in. Out: a line of JSON
with the seconds of the training loop, its steps and the highest resident memory in bytes.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch


def train(rows: list[dict[str, str]], arguments: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Trains on the rows as LLaMA-Factory reads them: its alpaca layout, under its template `empty`, which adds nothing."""
    from llamafactory.train.tuner import run_exp

    (folder / "poems.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    columns = {"prompt": "prompt", "response": "completion"}
    (folder / "dataset_info.json").write_text(json.dumps({"poems": {"file_name": "poems.json", "columns": columns}}))
    watch = Stopwatch()
    fixed = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "dataset": "poems",
        "dataset_dir": str(folder),
        "template": "empty",
        "output_dir": str(folder / "out"),
        "overwrite_cache": True,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
    }
    run_exp(fixed | arguments, callbacks=[watch.callback()()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": watch.ended - watch.began, "steps": watch.steps, "peak_bytes": peak}


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(train(order["rows"], order["arguments"], Path(order["folder"]))))


if __name__ == "__main__":
    main()
