"""The KerasHub backend trains Gemma on JAX or PyTorch.

In: DATA, a checkpoint or a KerasHub preset. Out: RUN with KerasHub's updates, and its merged weights for everything else.
It lives in an environment of its own (`make keras`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.keras_backend.environment import import_keras as import_keras
    from gemma_poetry.keras_backend.presets import fetch_preset as fetch_preset, is_handle as is_handle
    from gemma_poetry.keras_backend.training import Base as Base, train_keras as train_keras
else:
    __getattr__, __dir__ = lazy_exports(__name__)
