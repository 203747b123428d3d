"""KerasHub on a backend that this project tests, or a refusal that says how to install it.

In: `KERAS_BACKEND`. Out: the module `keras_hub`.
"""

from __future__ import annotations

import os
from typing import Any

from gemma_poetry.errors import UsageError

BACKENDS = ("torch", "jax")


def import_keras() -> Any:
    """KerasHub on one of the backends that this project tests; PyTorch unless `KERAS_BACKEND` says otherwise.

    Raises:
        UsageError: KerasHub is not installed, or runs on another backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import keras_hub
    except ImportError as error:
        raise UsageError(
            f"the KerasHub backend is not installed ({error})",
            expected="keras and keras-hub, in an environment of their own",
            action="run make keras, then .venv-keras/bin/gemma-poetry train --backend keras",
        ) from error
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(
            f"Keras runs on {keras.backend.backend()}",
            expected=f"one of {', '.join(BACKENDS)}",
            action="set KERAS_BACKEND=torch or jax",
        )
    return keras_hub
