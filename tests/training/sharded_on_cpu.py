"""A worker of an FSDP training without GPUs: `accelerate launch ... sharded_on_cpu.py train --data ...`.

accelerate shards on accelerators only. Here it is told that these CPUs are one; everything behind that switch is what
runs on GPUs: sharding, broadcasting from the first process, gathering, saving.
"""

from __future__ import annotations

import sys
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType

from gemma_poetry.cli.program import app

_initialise = PartialState.__init__


def _as_accelerator(self: PartialState, *arguments: Any, **options: Any) -> None:
    _initialise(self, *arguments, **options)
    self.distributed_type = DistributedType.MULTI_GPU


if __name__ == "__main__":
    PartialState.__init__ = _as_accelerator  # type: ignore[method-assign]
    app(sys.argv[1:])
