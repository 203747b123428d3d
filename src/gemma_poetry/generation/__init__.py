"""Generation writes poems whose form cannot be wrong, and texts of other languages whose lines are counted.

In: a model and what is asked for. Out: poems that keep form, tones, rhymes and given characters, and repeat no known line.
Slots become an automaton, the automaton masks of tokens; scansion reads every poem back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.generation.alternatives import Alternative as Alternative
    from gemma_poetry.generation.continuation import Continuation as Continuation, continue_poems as continue_poems
    from gemma_poetry.generation.poem_generator import GeneratedPoem as GeneratedPoem, PoemGenerator as PoemGenerator
    from gemma_poetry.generation.prescription import Prescription as Prescription, prescribe as prescribe
    from gemma_poetry.generation.request import PoemRequest as PoemRequest, simplify as simplify
    from gemma_poetry.generation.serving import PoemServer as PoemServer
    from gemma_poetry.generation.writer import open_writer as open_writer
    from gemma_poetry.generation.written import Writer as Writer, Written as Written
else:
    __getattr__, __dir__ = lazy_exports(__name__)
