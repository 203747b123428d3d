"""Batches: what stands where, and which rows go together."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.data.dataset import (
    LengthGroupedSampler,
    PackedCollator,
    PackedDataset,
    PaddedCollator,
    PoemDataset,
    TokenBudgetSampler,
    pack_rows,
    split_batch,
)
from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.errors import TrainingError

SHORT = TokenizedPoem((2, 10), (11, 12, 1))
LONG = TokenizedPoem((2, 10, 13), (14, 15, 16, 1))


def test_padded_batches():
    batch = PaddedCollator(0)([PoemDataset([SHORT, LONG], [2, 3], [0, 1])[index] for index in (0, 1)])
    assert batch["input_ids"].tolist() == [[2, 10, 11, 12, 1, 0, 0], [2, 10, 13, 14, 15, 16, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 0, 0], [1] * 7]
    assert batch["labels"].tolist() == [[-100, -100, 11, 12, 1, -100, -100], [-100, -100, -100, 14, 15, 16, 1]]
    assert batch["characters"].tolist() == [2, 3] and batch["group"].tolist() == [0, 1]


def test_a_large_batch_goes_in_parts_of_like_length():
    poems = [TokenizedPoem((2,), tuple(range(10, 10 + extra))) for extra in (3, 19, 4, 9, 3)]
    batch = PaddedCollator(0)([PoemDataset(poems, range(5))[index] for index in range(5)])
    parts = split_batch(batch, 20)
    assert [part["input_ids"].shape for part in parts] == [(1, 20), (2, 10), (2, 4)]
    assert [part["characters"].tolist() for part in parts] == [[1], [3, 2], [0, 4]]
    for part in parts:
        for row, place in enumerate(part["characters"].tolist()):
            for name in ("input_ids", "attention_mask", "labels"):
                assert torch.equal(part[name][row], batch[name][place, : part[name].shape[1]])
                assert len(poems[place]) <= part[name].shape[1]
    assert split_batch(batch, 100) == [batch]
    (alone,) = split_batch({name: value[:1] for name, value in batch.items()}, 2)
    assert alone["input_ids"].tolist() == [[2, 10, 11, 12]]


def test_packed_batches():
    batch = PackedCollator(0, 14)([[SHORT, LONG], [LONG]])
    assert batch["input_ids"].tolist() == [
        [2, 10, 11, 12, 1, 2, 10, 13, 14, 15, 16, 1, 0, 0],
        [2, 10, 13, 14, 15, 16, 1, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert batch["position_ids"][0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 0, 0]
    assert batch["labels"][0].tolist() == [-100, -100, 11, 12, 1, -100, -100, -100, 14, 15, 16, 1, -100, -100]


@pytest.mark.parametrize(
    ("lengths", "row_tokens", "rows"),
    [
        ([], 10, []),
        ([10, 10], 10, [[0], [1]]),
        ([6, 4, 5, 5], 10, [[0, 1], [2, 3]]),
        ([25, 3], 10, [[0], [1]]),
        ([4, 7, 3, 6], 10, [[1, 2], [3, 0]]),
    ],
)
def test_packing_by_best_fit(lengths, row_tokens, rows):
    assert pack_rows(lengths, row_tokens) == rows


def test_packing_loses_no_sample_and_overfills_no_row():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 200, (3000,), generator=generator).tolist()
    rows = pack_rows(lengths, 128)
    assert sorted(index for row in rows for index in row) == list(range(3000))
    assert all(len(row) == 1 or sum(lengths[index] for index in row) <= 128 for row in rows)
    filled = sum(min(length, 128) for length in lengths) / (128 * len(rows))
    assert filled > 0.95


def test_batches_keep_to_the_budget_and_change_with_the_epoch():
    lengths = [128] * 60 + [300] * 7 + [90] * 20
    sampler = TokenBudgetSampler(lengths, 128, 1024, seed=3, processes=2)
    first = list(sampler)
    assert len(first) == len(sampler) and len(first) % 2 == 0
    assert all(max(max(lengths[i], 128) for i in batch) * len(batch) <= 1024 for batch in first)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_every_row_stands_in_one_batch():
    sampler = TokenBudgetSampler([100] * 51, 128, 512, seed=0)
    assert sorted(index for batch in sampler for index in batch) == list(range(51))


def test_a_packed_dataset_gives_back_the_samples():
    dataset = PackedDataset([SHORT, LONG, SHORT], 12)
    assert sorted(len(sample) for index in range(len(dataset)) for sample in dataset[index]) == [5, 5, 7]
    assert dataset.row_lengths == [12, 5]


def test_length_grouped_batches_hold_every_poem_once_and_little_padding():
    generator = torch.Generator().manual_seed(5)
    lengths = torch.randint(20, 600, (1603,), generator=generator).tolist()
    sampler = LengthGroupedSampler(lengths, 16, seed=2)
    batches = list(sampler)
    assert sorted(index for batch in batches for index in batch) == list(range(1603))
    assert len(batches) == len(sampler) == 101
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    assert list(sampler) == batches
    sampler.set_epoch(1)
    assert list(sampler) != batches


@pytest.mark.parametrize(("poems", "processes", "batches"), [(64, 2, 8), (70, 2, 8), (3, 1, 1), (65, 3, 9), (16, 2, 2)])
def test_every_process_gets_as_many_batches(poems, processes, batches):
    sampler = LengthGroupedSampler([9] * poems, 8, seed=0, processes=processes)
    assert len(list(sampler)) == len(sampler) == batches


@pytest.mark.parametrize(
    "sampler", [lambda: LengthGroupedSampler([9] * 8, 8, 0, 2), lambda: TokenBudgetSampler([9], 9, 9, 0, 2)]
)
def test_a_process_without_a_batch_would_wait_for_ever(sampler):
    with pytest.raises(TrainingError, match="fewer batches than there are processes"):
        sampler()
