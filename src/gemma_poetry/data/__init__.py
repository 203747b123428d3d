"""Data is what models read: prompts, tokens, batches.

In: poems and a tokenizer. Out: DATA/*.txt with one tokenized poem a line, and batches of tensors out of it.
Training and generation use the same prompt template (`prompts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.data.counting import Counting as Counting
    from gemma_poetry.data.dataset import (
        PackedDataset as PackedDataset,
        PaddedCollator as PaddedCollator,
        PoemDataset as PoemDataset,
    )
    from gemma_poetry.data.prompts import Conditions as Conditions, Template as Template
    from gemma_poetry.data.tokenization import (
        TokenizedPoem as TokenizedPoem,
        check_tokenizer as check_tokenizer,
        decode_poem as decode_poem,
        encode_completion as encode_completion,
        encode_poems as encode_poems,
        encode_prompt as encode_prompt,
        read_tokenized as read_tokenized,
        stop_ids as stop_ids,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
