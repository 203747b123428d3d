"""Several processes train together, as `torchrun` and `accelerate launch` start them.

In: what the launcher put into each process's environment. Out: processes that know of each other, and which of them writes.
"""

from __future__ import annotations

import os

from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _


def process_count() -> int:
    """How many processes share this training, over all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process is the one that writes files, under torchrun and accelerate as alone."""
    return os.environ.get("RANK", "0") == "0"


def join_processes(*, four_bit: bool = False, full: bool = False) -> None:
    """Connects the processes of a launcher before the model is loaded: under FSDP only the first then reads the weights.

    Args:
        four_bit: Whether the base weights will be held in 4 bits.
        full: Whether every weight will be trained.

    Raises:
        UsageError: FSDP was asked for in a way that cannot be.
    """
    from gemma_poetry.model.shards import shards_weights

    sharded = shards_weights()
    if sharded and four_bit:
        raise UsageError(
            _("4-bit weights (lora.four_bit) were asked for together with FSDP"),
            expected=_("one of them: weights in 4 bits are packed into bytes, which FSDP2 does not shard"),
            action=_("launch with recipes/distributed/ddp.yaml, or leave lora.four_bit out"),
        )
    if sharded and full:
        raise UsageError(
            _("train.method=full was asked for together with FSDP"),
            expected=_("one of them: checkpoints of sharded trainings hold an adapter"),
            action=_("launch with recipes/distributed/ddp.yaml, or train an adapter (train.method=lora)"),
        )
    version = os.environ.get("FSDP_VERSION", "1")
    if sharded and version != "2":
        raise UsageError(
            _("version {version} of FSDP was asked for", version=version),
            expected=_("fsdp_version: 2"),
            action=_("launch with recipes/distributed/fsdp2.yaml"),
        )
    if process_count() == 1:
        return
    import torch
    from accelerate import DistributedType, PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    if sharded and state.distributed_type == DistributedType.MULTI_CPU:
        raise UsageError(
            _("FSDP was asked for on CPUs"),
            expected=_("an accelerator for each process"),
            action=_("launch with recipes/distributed/ddp.yaml"),
        )
