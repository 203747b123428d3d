"""KerasHub is imported on a backend that this project tests, or refused with how to install it.

In: `KERAS_BACKEND`. Out: the module `keras_hub`.
"""

from __future__ import annotations

import os
from typing import Any

from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _, listed

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
            _("the KerasHub backend is not installed ({error})", error=error),
            expected=_("keras and keras-hub, in an environment of their own"),
            action=_("run make keras, then .venv-keras/bin/gemma-poetry train --backend keras"),
        ) from error
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(
            _("Keras runs on {backend}", backend=keras.backend.backend()),
            expected=_("one of {backends}", backends=listed(BACKENDS)),
            action=_("set KERAS_BACKEND=torch or jax"),
        )
    return keras_hub
