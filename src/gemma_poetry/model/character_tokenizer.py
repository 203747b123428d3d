"""Models trained from scratch have this tokenizer: one piece a character, bytes for all the rest.

In: the poems that a model will be trained on. Out: a fast tokenizer in Gemma's conventions (`<pad>` 0, `<eos>` 1,
`<bos>` 2, `<unk>` 3, blanks as `▁`, BOS added by default) whose pieces are the prompt's labels, the names of the
forms, 256 bytes, and the characters of the collection. Labels and form names are pieces of their own because a
quatrain has only 24 tokens: spelt out, its prompt would be as long as the poem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import LABELS, WORD_MARK
from gemma_poetry.prosody.forms import COMMA, FORM_NAMES, FULL_STOP

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIALS = ("<pad>", "<eos>", "<bos>", "<unk>")
BLANK = "▁"


def collect_characters(poems: Iterable[Poem], minimum_count: int) -> list[str]:
    """Characters of titles, authors and lines that occur often enough, the most frequent first.

    Args:
        poems: The poems, of the training split only.
        minimum_count: Rarer characters are left to the byte pieces.
    """
    counts: Counter[str] = Counter()
    for poem in poems:
        counts.update(poem.text)
        counts.update(poem.title)
        counts.update(poem.author)
        counts.update(poem.tune)
    kept = [(count, char) for char, count in counts.items() if count >= minimum_count and not char.isspace()]
    return [char for count, char in sorted(kept, key=lambda pair: (-pair[0], pair[1]))]


def build_character_tokenizer(characters: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with one piece for each of the given characters.

    Args:
        characters: Single characters; the closing marks and the blank are added where they are missing.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    phrases = [*LABELS, *(name for name in FORM_NAMES if len(name) > 1)]
    singles = dict.fromkeys(
        [COMMA, FULL_STOP, WORD_MARK, BLANK, "\n", *(name for name in FORM_NAMES if len(name) == 1), *characters]
    )
    pieces = [*SPECIALS, *phrases, *(f"<0x{byte:02X}>" for byte in range(256)), *singles]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    model = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    model.normalizer = normalizers.Replace(" ", BLANK)
    model.decoder = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()])
    model.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in SPECIALS])
    model.add_tokens([AddedToken(piece, special=False, normalized=False) for piece in phrases])
    model.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
