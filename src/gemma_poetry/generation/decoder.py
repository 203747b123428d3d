"""The decoder runs `model.generate` under plans: prefixes in, constrained completions out.

In: prompts (with what is written already), one plan each, sampling settings and a seed.
Out: the token ids that the model adds, terminator included. Sampling leaves the global random state as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.tokenization import padding_id
from gemma_poetry.generation.logits_processor import AnyPlan, MaskTable, SlotProcessor, Track
from gemma_poetry.generation.narrow_sampling import WIDE_VOCABULARY, NarrowSampling, PieceHead, can_narrow
from gemma_poetry.generation.piece_trie import Spelling
from gemma_poetry.generation.token_index import TokenIndex
from gemma_poetry.model.free_memory import return_freed_memory
from gemma_poetry.model.packed_layers import packed_layers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Taking up again what the likeliest tokens led into would end where it ended: sampling finds another way.
_RETRY_TEMPERATURE = 1.0


class Decoder:
    """Decodes with one model; the table of masks is kept between calls.

    Args:
        model: A causal language model of transformers, ready to generate.
        tokenizer: Its tokenizer.
        index: The tokenizer's pieces.
        settings: Sampling.
        beams: Beams of each sequence; 1 samples (or, at temperature 0, takes the likeliest token).
        pieces: The rows of the head that the index needs, where others hold them too.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        index: TokenIndex | Spelling,
        settings: GenerateSettings,
        *,
        beams: int = 1,
        pieces: PieceHead | None = None,
    ) -> None:
        self.model = model
        self._terminator = index.terminator
        self.settings = settings
        self.beams = beams
        self._padding = padding_id(tokenizer)
        self._bos = tokenizer.bos_token_id
        self._special = set(tokenizer.all_special_ids)
        self._table = MaskTable()
        self._pieces = pieces or PieceHead(model, index.tokens)

    def decode(
        self,
        prefixes: Sequence[Sequence[int]],
        plans: Sequence[AnyPlan],
        seed: int,
        *,
        starts: Sequence[Track] | None = None,
        dead: Sequence[Collection[str]] | None = None,
        retrying: bool = False,
        alike: bool = False,
        watch: Callable[[list[str]], None] | None = None,
    ) -> list[list[int]]:
        """The tokens that the model adds to each prefix, terminator included.

        Args:
            prefixes: Token ids of the prompts, with the tokens that are written already behind them.
            plans: What each completion must obey.
            seed: Seed of sampling.
            starts: Where each completion stands at the end of its prefix; `None`: at the beginning.
            dead: For each prefix, running texts that are known to lead nowhere.
            retrying: Sample, even where the settings ask for the likeliest tokens or beams.
            alike: The prefixes are one and the same: it is read once, whatever the width of the head.
            watch: Is told the running text of every sequence at each step; what it raises ends decoding.
        """
        ids, attention = self._padded(prefixes)
        width = ids.shape[1]
        most = max(plan.masks.most_tokens for plan in plans)
        configuration = self._configuration(most, retrying)
        narrows = configuration.num_beams == 1 and can_narrow(self.model, wide=not alike)
        processor = SlotProcessor(plans, width, self._pieces.table if narrows else self._table, starts, dead, watch)
        if narrows:
            narrow = NarrowSampling(processor, self._padding, self._pieces)
            rows = self._generate(ids, attention, seed, configuration, narrow=narrow)
        else:
            rows = self._generate(ids, attention, seed, configuration, processors=[processor])
        end = self._terminator
        return [row[: row.index(end) + 1] if end in row else row for row in rows]

    def decode_free(
        self,
        prefixes: Sequence[Sequence[int]],
        seed: int,
        max_tokens: int,
        stops: Sequence[int],
        watch: Callable[[list[str]], None] | None = None,
    ) -> list[list[int]]:
        """The tokens that the model adds to each prefix under no plan, up to the first stop.

        Args:
            prefixes: Token ids of the prompts.
            seed: Seed of sampling.
            max_tokens: Tokens after which a text is broken off.
            stops: Tokens that end a text.
            watch: Is called at each step, and told no text; what it raises ends decoding.
        """
        ids, attention = self._padded(prefixes)
        configuration = self._configuration(max_tokens, False)
        configuration.eos_token_id = list(stops)
        # Control tokens are no text.
        configuration.suppress_tokens = sorted(self._special - set(stops)) or None
        rows = self._generate(ids, attention, seed, configuration, [_Watched(watch)] if watch else ())
        cut = [next((place for place, token in enumerate(row) if token in stops), None) for row in rows]
        return [row if end is None else row[: end + 1] for row, end in zip(rows, cut)]

    def _padded(self, prefixes: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Prefixes padded on the left, and their attention mask: both (prefixes, tokens)."""
        width = max(map(len, prefixes))
        ids = torch.full((len(prefixes), width), self._padding, dtype=torch.long)
        attention = torch.zeros_like(ids)
        for row, prefix in enumerate(prefixes):
            ids[row, width - len(prefix) :] = torch.tensor(prefix)
            attention[row, width - len(prefix) :] = 1
        return ids, attention

    def _generate(
        self,
        ids: torch.Tensor,
        attention: torch.Tensor,
        seed: int,
        configuration: GenerationConfig,
        processors: Sequence[LogitsProcessor] = (),
        narrow: NarrowSampling | None = None,
    ) -> list[list[int]]:
        """What `model.generate` adds behind the prefixes, padding and all."""
        device = next(self.model.parameters()).device
        drawing = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        with drawing, torch.inference_mode(), packed_layers(self.model):
            torch.manual_seed(seed)
            written: Any = self.model.generate(
                input_ids=ids.to(device),
                attention_mask=attention.to(device),
                generation_config=configuration,
                logits_processor=LogitsProcessorList(processors),
                custom_generate=narrow,
            )
        rows: list[list[int]] = written[:, ids.shape[1] :].tolist()
        if device.type == "cpu" and self.model.config.get_text_config().vocab_size > WIDE_VOCABULARY:
            del written
            return_freed_memory()
        return rows

    def _configuration(self, max_tokens: int, retrying: bool) -> GenerationConfig:
        settings = self.settings
        temperature = settings.temperature or (_RETRY_TEMPERATURE if retrying else 0.0)
        sampling = temperature > 0
        return GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=sampling,
            temperature=temperature if sampling else 1.0,
            top_k=settings.top_k if sampling else 50,
            top_p=settings.top_p if sampling else 1.0,
            num_beams=1 if retrying else self.beams,
            eos_token_id=self._terminator,
            pad_token_id=self._padding,
            bos_token_id=self._bos,
            use_cache=True,
        )


class _Watched(LogitsProcessor):  # type: ignore[misc]
    """Leaves scores as they are, and tells that a step was taken."""

    def __init__(self, watch: Callable[[list[str]], None]) -> None:
        self._watch = watch

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._watch([])
        return scores


def batch_seed(seed: int, batch: int, attempt: int = 0) -> int:
    """The seed of one call of `decode`: far from those of neighbouring batches, attempts and seeds."""
    digest = hashlib.sha256(f"generate {seed} {batch} {attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
