"""Gemma Chinese Poetry checks, writes, trains and evaluates classical Chinese poems, each in one call.

In: `import gemma_poetry as gp`. Out: the front door (see `gemma_poetry.api`), each name imported when it is first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.api import (
        Data as Data,
        Poems as Poems,
        Poet as Poet,
        Run as Run,
        check as check,
        check_all as check_all,
        evaluate as evaluate,
        load as load,
        prepare as prepare,
        train as train,
        tune as tune,
        use_language as use_language,
    )
    from gemma_poetry.errors import GemmaPoetryError as GemmaPoetryError
    from gemma_poetry.generation.request import PoemRequest as PoemRequest
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__version__ = "0.1.0"

# A thread of torch that waits for another one spins for milliseconds, on a core that the other one may need: beside a
# second busy process everything takes 15 times as long. GNU OpenMP's own number of turns for too few cores is better
# always; it is read when torch is imported, and what the user has set stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
