"""The studio is a web page: compose, check, compare, train, look at runs; and the page of blind ratings.

In: models, runs and a language. Out: a gradio application.
Every visitor has a session; one poem is written at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.studio.app import build as build
    from gemma_poetry.studio.limits import Limits as Limits
    from gemma_poetry.studio.rating_page import serve_study as serve_study
    from gemma_poetry.studio.workshop import Workshop as Workshop
else:
    __getattr__, __dir__ = lazy_exports(__name__)
