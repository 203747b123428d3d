"""Padded arrays whose weights fall on completions alone. (No Keras is needed for this.)"""

from __future__ import annotations

import numpy
import pytest

from gemma_poetry.config import TrainSettings
from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.keras_backend.batches import bucket, make_batch
from gemma_poetry.keras_backend.training import learning_rate, total_steps

SAMPLES = [TokenizedPoem((2, 5, 6), (7, 8, 1)), TokenizedPoem((2, 5), (9, 1))]


def test_each_place_aims_at_the_next_token_of_a_completion():
    batch = make_batch(SAMPLES, pad_id=0)
    assert batch.token_ids.shape == (2, 32)
    assert batch.token_ids[0, :7].tolist() == [2, 5, 6, 7, 8, 1, 0]
    assert batch.padding_mask.sum(1).tolist() == [6, 4]
    for row, sample in enumerate(SAMPLES):
        assert batch.targets[row][batch.weights[row] > 0].tolist() == list(sample.completion_ids)
    # The last token of a prompt predicts the first of its completion; the terminator predicts nothing.
    assert numpy.nonzero(batch.weights[0])[0].tolist() == [2, 3, 4]


def test_rows_are_padded_to_few_widths():
    widths = {bucket(tokens) for tokens in range(1, 1025)}
    assert sorted(widths) == [32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024]
    assert all(tokens <= bucket(tokens) < max(tokens + 32, 1.25 * tokens) for tokens in range(1, 5000))
    assert make_batch([TokenizedPoem((2,) * 33, (1,))], pad_id=0).token_ids.shape == (1, 64)


def test_missing_rows_have_no_weight_and_see_one_token():
    batch = make_batch(SAMPLES, pad_id=0, rows=4)
    assert batch.token_ids.shape[0] == 4 and not batch.weights[2:].any()
    assert batch.padding_mask[2:].sum(1).tolist() == [1, 1]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0, 3])
def test_rates_are_those_of_transformers(schedule, warmup):
    import torch
    from transformers import get_scheduler

    settings = TrainSettings(learning_rate=0.01, schedule=schedule, warmup_steps=warmup)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    theirs = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=10)
    for step in range(10):
        assert learning_rate(step, 10, settings) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_steps_follow_from_epochs_or_are_given():
    settings = TrainSettings(batch_size=4, gradient_accumulation=2, epochs=3)
    assert total_steps(settings, 20) == 9  # three batches of eight, eight and four, thrice
    assert total_steps(settings.model_copy(update={"max_steps": 5}), 20) == 5
