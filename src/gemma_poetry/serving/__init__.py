"""Serving is the HTTP API for programs: poems, checks, tunes, and the usual chat shape.

In: a loaded model as a `Poet`, what checks poems, what knows tunes. Out: a FastAPI application and the server that runs it.
Requests that wait are written together, by one thread that owns the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.serving.batching import Batcher as Batcher
    from gemma_poetry.serving.routes import application as application
    from gemma_poetry.serving.server import serve_until_told as serve_until_told
    from gemma_poetry.serving.service import Service as Service
else:
    __getattr__, __dir__ = lazy_exports(__name__)
