"""Tokenized poems become PyTorch batches: padded for fine-tuning, packed for pretraining.

In: `TokenizedPoem`s. Out: tensors with these shapes, B rows of T tokens:

    padded   input_ids, attention_mask, labels (B, T)      one poem a row, right padding
    packed   input_ids, position_ids, labels (B, T)        several poems a row; positions restart at each poem,
                                                           from which transformers derives the block-diagonal mask

`labels` is -100 on prompts and padding: the loss falls on completions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler

from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.errors import TrainingError
from gemma_poetry.languages import _

IGNORED = -100


class PoemDataset(Dataset[dict[str, Any]]):
    """Tokenized poems, each with its number of Han characters and a group (its form) for validation figures.

    Args:
        samples: The tokenized poems.
        characters: Han characters of each poem; 0 where they do not matter.
        groups: Index of the group that each poem is reported under.
    """

    def __init__(
        self, samples: Sequence[TokenizedPoem], characters: Sequence[int] | None = None, groups: Sequence[int] | None = None
    ) -> None:
        self.samples = samples
        self.characters = characters
        self.groups = groups

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "sample": self.samples[index],
            "characters": self.characters[index] if self.characters else 0,
            "group": self.groups[index] if self.groups else 0,
        }


class PaddedCollator:
    """Poems to a right-padded batch."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        samples: list[TokenizedPoem] = [item["sample"] for item in items]
        width = max(map(len, samples))
        input_ids = torch.full((len(samples), width), self.pad_id)
        attention_mask = torch.zeros_like(input_ids)
        labels = torch.full_like(input_ids, IGNORED)
        for row, sample in enumerate(samples):
            input_ids[row, : len(sample)] = torch.tensor(sample.prompt_ids + sample.completion_ids)
            attention_mask[row, : len(sample)] = 1
            labels[row, len(sample.prompt_ids) : len(sample)] = torch.tensor(sample.completion_ids)
        return {
            "input_ids": input_ids,  # (B, T)
            "attention_mask": attention_mask,  # (B, T)
            "labels": labels,  # (B, T)
            "characters": torch.tensor([item["characters"] for item in items]),  # (B,)
            "group": torch.tensor([item["group"] for item in items]),  # (B,)
        }


def split_batch(batch: dict[str, torch.Tensor], tokens: int) -> list[dict[str, torch.Tensor]]:
    """Cuts a padded batch into parts of at most so many tokens, rows of like length together, each as narrow as it can be.

    Args:
        batch: What `PaddedCollator` makes.
        tokens: Tokens of a part, padding counted; a longer row makes a part of its own.

    Returns:
        The parts, long rows first; each row stands in exactly one. The batch itself where it is small enough.
    """
    if "attention_mask" not in batch or batch["input_ids"].numel() <= tokens:
        return [batch]
    lengths = batch["attention_mask"].sum(1)
    order = torch.argsort(lengths, descending=True, stable=True).tolist()
    parts = []
    while order:
        width = int(lengths[order[0]])
        rows, order = order[: max(1, tokens // width)], order[max(1, tokens // width) :]
        parts.append({name: value[rows, :width] if value.dim() == 2 else value[rows] for name, value in batch.items()})
    return parts


def pack_rows(lengths: Sequence[int], row_tokens: int) -> list[list[int]]:
    """Packs samples into rows of at most `row_tokens` tokens; a longer sample gets a row of its own.

    Longest samples first, each into the fullest row that still takes it (best fit). Every sample stands in exactly
    one row.

    Args:
        lengths: Tokens of each sample.
        row_tokens: Tokens of a row.

    Returns:
        The sample indices of each row.
    """
    rows: list[list[int]] = []
    # rows_by_free[n] holds the rows that still have exactly n free tokens.
    rows_by_free: list[list[int]] = [[] for _ in range(row_tokens + 1)]
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        if length >= row_tokens:
            rows.append([index])
            continue
        fitting = next((free for free in range(length, row_tokens + 1) if rows_by_free[free]), None)
        if fitting is None:
            row, free = len(rows), row_tokens
            rows.append([])
        else:
            row, free = rows_by_free[fitting].pop(), fitting
        rows[row].append(index)
        rows_by_free[free - length].append(row)
    return rows


class PackedDataset(Dataset[list[TokenizedPoem]]):
    """Rows of packed poems.

    Args:
        samples: The tokenized poems.
        row_tokens: Tokens of a row; a longer poem has a longer row of its own.
    """

    def __init__(self, samples: Sequence[TokenizedPoem], row_tokens: int) -> None:
        self.samples = samples
        self.rows = pack_rows([len(sample) for sample in samples], row_tokens)
        self.row_lengths = [sum(len(samples[index]) for index in row) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> list[TokenizedPoem]:
        return [self.samples[sample] for sample in self.rows[index]]


class PackedCollator:
    """Rows of poems to a batch whose positions restart at each poem.

    Args:
        pad_id: The id that fills rows up.
        row_tokens: The least width of a batch, so that most batches have one shape.
    """

    def __init__(self, pad_id: int, row_tokens: int) -> None:
        self.pad_id = pad_id
        self.row_tokens = row_tokens

    def __call__(self, rows: Sequence[list[TokenizedPoem]]) -> dict[str, torch.Tensor]:
        width = max(self.row_tokens, *(sum(map(len, row)) for row in rows))
        input_ids = torch.full((len(rows), width), self.pad_id)
        # Padding keeps position 0 throughout: each such token is a sequence of its own and sees nobody.
        position_ids = torch.zeros_like(input_ids)
        labels = torch.full_like(input_ids, IGNORED)
        for row, samples in enumerate(rows):
            start = 0
            for sample in samples:
                end, completion = start + len(sample), start + len(sample.prompt_ids)
                input_ids[row, start:end] = torch.tensor(sample.prompt_ids + sample.completion_ids)
                position_ids[row, start:end] = torch.arange(len(sample))
                labels[row, completion:end] = torch.tensor(sample.completion_ids)
                start = end
        return {"input_ids": input_ids, "position_ids": position_ids, "labels": labels}  # each (B, T)


def _too_few(processes: int) -> TrainingError:
    return TrainingError(
        _("the data makes fewer batches than there are processes ({processes})", processes=processes),
        expected=_("a batch for each process"),
        action=_("launch fewer processes, make batches smaller, or prepare more poems"),
    )


class TokenBudgetSampler(Sampler[list[int]]):
    """Batches of rows of like length, each of about the same number of tokens, in an order drawn anew each epoch.

    Args:
        lengths: Tokens of each row.
        row_tokens: Rows up to this length count as this long.
        batch_tokens: Tokens of a batch, padding counted.
        seed: Seed of the order; the epoch is added to it.
        processes: Processes that share the batches; those left over at the end of an epoch are dropped, so that
            each process gets the same number.

    Raises:
        TrainingError: There are fewer batches than processes.
    """

    # accelerate asks for it: the batches have no common size, only a common number of tokens.
    batch_size = None

    def __init__(self, lengths: Sequence[int], row_tokens: int, batch_tokens: int, seed: int, processes: int = 1) -> None:
        self.lengths = [max(length, row_tokens) for length in lengths]
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.processes = processes
        self.epoch = 0
        self._count = sum(1 for _unused in self._batches())
        if not self._count:
            raise _too_few(processes)

    def set_epoch(self, epoch: int) -> None:
        """Draws another order; the Trainer calls this at the start of each epoch."""
        self.epoch = epoch

    def _batches(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        # A stable sort keeps the drawn order among rows of the same length.
        order.sort(key=self.lengths.__getitem__)
        batches: list[list[int]] = [[]]
        for index in order:
            batch = batches[-1]
            if batch and (len(batch) + 1) * self.lengths[index] > self.batch_tokens:
                batches.append(batch := [])
            batch.append(index)
        shared = len(batches) - len(batches) % self.processes
        for place in torch.randperm(len(batches), generator=generator).tolist()[:shared]:
            yield batches[place]

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches()

    def __len__(self) -> int:
        return self._count


class LengthGroupedSampler(Sampler[list[int]]):
    """Batches of a fixed number of poems of like length, in an order drawn anew each epoch.

    Poems of a collection have from eight to a thousand characters: a batch drawn at random is mostly padding. Here a
    hundred batches' worth of poems is drawn at random, sorted, and cut into batches, whose order is drawn again.

    Args:
        lengths: Tokens of each poem.
        batch_size: Poems of a batch.
        seed: Seed of the order; the epoch is added to it.
        processes: Processes that share the batches; those left over at the end of an epoch are dropped, so that
            each process gets the same number.

    Raises:
        TrainingError: There are fewer batches than processes.
    """

    pool_batches = 100
    # accelerate would share batches of one size by that size; the last batch is smaller and may come anywhere.
    batch_size = None

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, processes: int = 1) -> None:
        self.lengths = lengths
        self.poems = batch_size
        self.seed = seed
        self.processes = processes
        self.epoch = 0
        if not len(self):
            raise _too_few(processes)

    def set_epoch(self, epoch: int) -> None:
        """Draws another order; the Trainer calls this at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        batches = -(-len(self.lengths) // self.poems)
        return batches - batches % self.processes

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        pool = self.poems * self.pool_batches
        batches = []
        for start in range(0, len(order), pool):
            alike = sorted(order[start : start + pool], key=self.lengths.__getitem__)
            batches += [alike[place : place + self.poems] for place in range(0, len(alike), self.poems)]
        for place in torch.randperm(len(batches), generator=generator).tolist()[: len(self)]:
            yield batches[place]
