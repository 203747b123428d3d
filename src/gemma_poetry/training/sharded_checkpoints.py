"""Checkpoints of a model whose weights are sharded (FSDP2), in the layout that one device writes.

    adapter_model.safetensors   optimizer.pt   scheduler.pt   rng_state_N.pth   trainer_state.json

In: a Trainer whose model each device holds a shard of. Out: a checkpoint folder, and the training resumed from it.

The Trainer itself gathers the whole model under FSDP, tens of gigabytes for an adapter of megabytes, and keeps names of
its own for the optimizer's state. Here each trained tensor is gathered by itself and the first process writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import Trainer

from gemma_poetry.model.lora import ADAPTER_WEIGHTS, adapter_weights, put_adapter_weights
from gemma_poetry.model.shards import shard_like, whole

OPTIMIZER = "optimizer.pt"
SCHEDULER = "scheduler.pt"


class ShardedCheckpoints(Trainer):
    """The Trainer, with its saving and loading replaced where the weights of a `PeftModel` are sharded."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        weights = adapter_weights(self.model)
        self._save(output_dir, state_dict=weights)  # only the first process writes

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        put_adapter_weights(self.model, load_file(Path(resume_from_checkpoint) / ADAPTER_WEIGHTS))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state = self.optimizer.state_dict()
        state["state"] = {
            index: {name: whole(value) if isinstance(value, torch.Tensor) else value for name, value in entries.items()}
            for index, entries in state["state"].items()
        }
        if self.args.should_save:
            torch.save(state, Path(output_dir) / OPTIMIZER)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.is_fsdp_enabled or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        state = torch.load(Path(checkpoint) / OPTIMIZER, map_location="cpu", weights_only=True)
        # The optimizer numbers its parameters from 0 through all groups.
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        state["state"] = {
            index: {
                # The count of steps is a scalar, and whole on every device.
                name: shard_like(value, weights[index]) if value.shape == weights[index].shape else value
                for name, value in entries.items()
            }
            for index, entries in state["state"].items()
        }
        self.optimizer.load_state_dict(state)
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER, map_location="cpu", weights_only=True))
