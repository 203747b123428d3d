"""Training fits LoRA updates to a prepared folder, or a model from scratch.

In: DATA, a model or a preset, the `train`, `lora` and `pretrain` sections of a recipe. Out: RUN or MODEL, whole or resumable.
`fused` holds operations that are faster and equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.training.finetuning import finetune as finetune
    from gemma_poetry.training.pretraining import pretrain as pretrain
    from gemma_poetry.training.trainer import PoetryTrainer as PoetryTrainer
else:
    __getattr__, __dir__ = lazy_exports(__name__)
