"""A worker of a two-process FSDP training without GPUs: `torchrun ... sharded_on_cpu.py train --data ...`.

accelerate shards on accelerators only. Here it is told that these CPUs are one; everything behind that switch is what
runs on GPUs: sharding, broadcasting from the first process, gathering, saving.
"""

from __future__ import annotations

import sys
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType

from gemma_poetry.cli import app
from gemma_poetry.model import lora

_initialise, _gather = PartialState.__init__, lora.adapter_weights


def _as_accelerator(self: PartialState, *arguments: Any, **options: Any) -> None:
    _initialise(self, *arguments, **options)
    self.distributed_type = DistributedType.MULTI_GPU


def _counting(model: Any) -> dict[str, Any]:
    weights = list(model.parameters())
    print(f"sharded weights: {sum(hasattr(weight, 'full_tensor') for weight in weights)} of {len(weights)}", file=sys.stderr)
    return _gather(model)


if __name__ == "__main__":
    PartialState.__init__ = _as_accelerator  # type: ignore[method-assign]
    lora.adapter_weights = _counting
    app(sys.argv[1:])
