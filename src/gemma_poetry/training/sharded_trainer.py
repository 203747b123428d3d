"""The sharded Trainer lets each device hold a shard of the weights (FSDP2).

In: a `PeftModel` whose weights accelerate will shard. Out: a training that shards it layer by layer, and checkpoints in the
layout that one device writes, from which either kind of training resumes:

    adapter_model.safetensors   optimizer.pt   scheduler.pt   rng_state_N.pth   trainer_state.json

The Trainer itself gathers the whole model for a checkpoint, tens of gigabytes for an adapter of megabytes, and keeps the
optimizer's state under other names. Here each trained tensor is gathered by itself, and the first process writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import Trainer

from gemma_poetry.model.lora import ADAPTER_WEIGHTS, put_adapter_weights, trained_weights
from gemma_poetry.model.shards import shard_like, whole

OPTIMIZER = "optimizer.pt"
SCHEDULER = "scheduler.pt"


class ShardedTrainer(Trainer):
    """The Trainer, unchanged where weights are not sharded.

    Args:
        **arguments: What `transformers.Trainer` takes; under FSDP the model is a `PeftModel`.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        if self.is_fsdp_enabled:
            self._name_units()
            self._share_buffers()

    def _name_units(self) -> None:
        """Makes each transformer layer a unit of sharding: the whole of one layer at a time is on each device."""
        plugin = self.accelerator.state.fsdp_plugin
        if plugin.transformer_cls_names_to_wrap is None:
            # By itself accelerate names the layers of towers too, which are not loaded, and then misses them.
            model: Any = self.model
            plugin.transformer_cls_names_to_wrap = [type(model.get_base_model().get_decoder().layers[0]).__name__]

    def _share_buffers(self) -> None:
        """Gives every process the buffers of the first, such as Gemma 4's scalar of each layer.

        accelerate hands on what a state holds as weights, buffers among it, and fails on these; those outside the state it
        leaves as they are.
        """
        model: Any = self.model
        for name, buffer in list(model.named_buffers()):
            parent, _, short = name.rpartition(".")
            module = model.get_submodule(parent)
            if short in module._non_persistent_buffers_set:
                continue
            value = torch.empty_like(buffer, device=self.accelerator.device)
            if not buffer.is_meta:
                value.copy_(buffer)
            if self.accelerator.num_processes > 1:
                torch.distributed.broadcast(value, src=0)
            module.register_buffer(short, value, persistent=False)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        weights = trained_weights(self.model)
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
