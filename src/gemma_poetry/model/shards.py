"""Several devices hold weights together, each a shard of every tensor (FSDP2).

    sharded tensor ──whole──> tensor on the CPU ──shard_like──> sharded tensor

In: tensors of either kind. Out: the other kind. All processes of a training call these together: each gives or takes its
shard. A tensor that is not sharded passes through, so that callers need not ask what a training runs on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# torch.distributed.tensor takes a second to import, and hardly any training is sharded.


def shards_weights() -> bool:
    """Whether the launcher asked accelerate to shard the weights of this training (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in ("true", "1")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor on the CPU, its shards put together."""
    from torch.distributed.tensor import DTensor

    gathered = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return gathered.detach().cpu()


def shard_like(tensor: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """A whole tensor, spread over devices as another one of its shape is; the first process's values count.

    Args:
        tensor: The whole tensor.
        place: The tensor that says how; the result is on its device.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(place, DTensor):
        return tensor.to(place.device)
    return distribute_tensor(tensor, place.device_mesh, place.placements).to(place.device)


def sharded_share(model: Any) -> float:
    """The share of a model's parameters that are spread over devices, 0 to 1."""
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()  # embedding and head stay whole after a pass, until the next one ends
    counts = [(weight.numel(), isinstance(weight, DTensor)) for weight in model.parameters()]
    return sum(count for count, sharded in counts if sharded) / sum(count for count, _ in counts)
