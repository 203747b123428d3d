"""Models are found, loaded, adapted with LoRA, and asked how likely they find a text.

In: a name (preset, RUN, folder, Hub id) and the settings of a recipe. Out: a `LoadedModel`, a `PeftModel`, likelihoods, the
memory that a training needs. Whatever cannot be trusted is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.model.free_memory import available_memory as available_memory, gib as gib
    from gemma_poetry.model.loading import (
        LoadedModel as LoadedModel,
        load_model as load_model,
        load_tokenizer as load_tokenizer,
    )
    from gemma_poetry.model.locating import (
        DEFAULT_MODEL as DEFAULT_MODEL,
        is_run as is_run,
        locate as locate,
        run_base as run_base,
    )
    from gemma_poetry.model.lora import add_adapter as add_adapter, describe_matches as describe_matches
    from gemma_poetry.model.memory import estimate_memory as estimate_memory
    from gemma_poetry.model.scoring import score_completions as score_completions
    from gemma_poetry.model.vocabulary import KeptVocabulary as KeptVocabulary, prune_vocabulary as prune_vocabulary
else:
    __getattr__, __dir__ = lazy_exports(__name__)
