"""The Trainer's changed parts: completion loss, accumulation, validation sums, complete checkpoints."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gemma_poetry.data.dataset import PackedCollator, PaddedCollator, PoemDataset
from gemma_poetry.data.tokenization import TokenizedPoem, encode_poems
from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
from tests.tiny import make_model, make_poems, make_tokenizer


@pytest.fixture(scope="module")
def samples():
    return list(encode_poems(make_tokenizer(), make_poems(6)))


def plain_losses(model, samples):
    """Every completion token's loss, one poem at a time, from the whole logits."""
    losses = []
    for sample in samples:
        ids = torch.tensor([sample.prompt_ids + sample.completion_ids])
        logits = model(input_ids=ids, use_cache=False).logits[0]
        start = len(sample.prompt_ids)
        losses.append(functional.cross_entropy(logits[start - 1 : -1], ids[0, start:], reduction="none"))
    return torch.cat(losses)


def padded(tokenizer, samples):
    return PaddedCollator(tokenizer.pad_token_id)([PoemDataset(samples)[index] for index in range(len(samples))])


@pytest.mark.parametrize("softcap", [None, 5.0], ids=["plain logits", "soft-capped logits"])
def test_completion_losses_equal_those_of_the_whole_logits(samples, softcap):
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, final_logit_softcapping=softcap)
    with torch.no_grad():
        ours = completion_losses(model, CompletionHead(model), padded(tokenizer, samples))
        expected = plain_losses(model, samples)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_packed_poems_do_not_see_each_other(samples):
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    batch = PackedCollator(tokenizer.pad_token_id, 128)([list(samples[:3]), list(samples[3:])])
    with torch.no_grad():
        ours = completion_losses(model, CompletionHead(model), batch)
        expected = plain_losses(model, samples)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_the_head_is_whole_again_outside_the_block(samples):
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    head = CompletionHead(model)
    batch = padded(tokenizer, samples)
    with torch.no_grad():
        before = model(input_ids=batch["input_ids"]).logits
        completion_losses(model, head, batch)
        after = model(input_ids=batch["input_ids"]).logits
    assert torch.equal(before, after)


def test_validation_figures_are_corpus_level_sums(tmp_path: Path, samples):
    from transformers import TrainingArguments

    from gemma_poetry.training.trainer import PoetryTrainer

    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    trainer = PoetryTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path), per_device_eval_batch_size=4, use_cpu=True, report_to="none", remove_unused_columns=False,
            label_names=["labels"], disable_tqdm=True,
        ),
        eval_dataset=PoemDataset(samples, [20] * 6, [0, 0, 1, 1, 1, 1]),
        data_collator=PaddedCollator(tokenizer.pad_token_id),
        groups=["五言绝句", "七言绝句"],
    )  # fmt: skip
    figures = trainer.evaluate()
    with torch.no_grad():
        losses = plain_losses(model, samples)
        first_two = plain_losses(model, samples[:2])
    assert figures["eval_ppl_token"] == pytest.approx(math.exp(losses.mean().item()), rel=1e-5)
    assert figures["eval_ppl_char"] == pytest.approx(math.exp(losses.sum().item() / 120), rel=1e-5)
    assert figures["eval_ppl_char/五言绝句"] == pytest.approx(math.exp(first_two.sum().item() / 40), rel=1e-5)


def trainer_of(model, folder: Path, **arguments):
    from transformers import TrainingArguments

    from gemma_poetry.training.trainer import PoetryTrainer

    settings = TrainingArguments(output_dir=str(folder), use_cpu=True, report_to="none", disable_tqdm=True)
    settings._n_gpu = arguments.pop("gpus", 0)
    return PoetryTrainer(model=model, args=settings, data_collator=PaddedCollator(0), **arguments)


def test_a_process_that_sees_several_gpus_trains_on_one(tmp_path: Path, capsys):
    trainer = trainer_of(make_model(make_tokenizer()), tmp_path, gpus=4)
    assert trainer._wrap_model(trainer.model) is trainer.model, "no DataParallel"
    assert trainer.args.n_gpu == 1 and trainer.args.train_batch_size == 8
    assert "one of 4 GPUs" in capsys.readouterr().err


def test_a_loss_beyond_all_numbers_is_an_infinite_perplexity(tmp_path: Path):
    from transformers.trainer_utils import EvalPrediction

    trainer = trainer_of(make_model(make_tokenizer()), tmp_path)
    figures = trainer._validation_metrics(EvalPrediction(torch.tensor([[8000.0, 10.0, 8.0]]), torch.tensor([0])))
    assert figures == {"loss": 800.0, "ppl_token": math.inf, "ppl_char": math.inf}


@pytest.mark.parametrize(
    ("pass_tokens", "shapes", "why"),
    [
        (None, [(4, 26), (4, 10), (2, 6)], "batches of like length, long ones first"),
        (60, [(2, 26), (2, 24), (4, 10), (2, 6)], "a batch with too many tokens goes in parts"),
    ],
)
@pytest.mark.parametrize("collator", ["of the training", "of its own"])
def test_validation_goes_by_batches_of_like_length(tmp_path: Path, pass_tokens, shapes, why, collator):
    from transformers import TrainingArguments

    from gemma_poetry.training.trainer import PoetryTrainer

    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    lengths = [6, 24, 10, 26, 5, 9, 24, 10, 26, 8]
    poems = [TokenizedPoem((2, 7), tuple(10 + place % 5 for place in range(length - 2))) for length in lengths]
    own = PaddedCollator(tokenizer.pad_token_id)
    trainer = PoetryTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path), per_device_eval_batch_size=4, use_cpu=True, report_to="none", remove_unused_columns=False,
            label_names=["labels"], disable_tqdm=True,
        ),
        eval_dataset=PoemDataset(poems, lengths, [length > 20 for length in lengths]),
        data_collator=own,
        evaluation_collator=own if collator == "of its own" else None,
        pass_tokens=pass_tokens,
        groups=["short", "long"],
    )  # fmt: skip
    seen = []
    model.register_forward_pre_hook(lambda _, args, inputs: seen.append(tuple(inputs["input_ids"].shape)), with_kwargs=True)
    figures = trainer.evaluate()
    assert seen == shapes, why
    with torch.no_grad():
        losses = plain_losses(model, poems)
        long_ones = plain_losses(model, [poem for poem, length in zip(poems, lengths) if length > 20])
    assert figures["eval_ppl_token"] == pytest.approx(math.exp(losses.mean().item()), rel=1e-5)
    assert figures["eval_ppl_char/long"] == pytest.approx(math.exp(long_ones.sum().item() / 100), rel=1e-5)


def gradient(tmp_path: Path, samples, name: str, **settings):
    """The gradient that one optimizer step sees, whatever way its poems came; rows differ in length."""
    from transformers import TrainingArguments

    from gemma_poetry.training.trainer import PoetryTrainer

    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    poems = [TokenizedPoem(sample.prompt_ids, sample.completion_ids[: 3 + 2 * place]) for place, sample in enumerate(samples)]
    pass_tokens = settings.pop("pass_tokens", None)
    trainer = PoetryTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path / name), max_steps=1, use_cpu=True, report_to="none", remove_unused_columns=False,
            label_names=["labels"], disable_tqdm=True, save_strategy="no", max_grad_norm=0, learning_rate=0.0, **settings,
        ),
        train_dataset=PoemDataset(poems),
        data_collator=PaddedCollator(tokenizer.pad_token_id),
        pass_tokens=pass_tokens,
    )  # fmt: skip
    seen = {}
    hook = register_optimizer_step_pre_hook(
        lambda *_: seen.update({name: weight.grad.clone() for name, weight in model.named_parameters()})
    )
    trainer.train()
    hook.remove()
    return seen, trainer.state.log_history


@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4},
        {"per_device_train_batch_size": 8, "pass_tokens": 60},
        {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "pass_tokens": 1},
    ],
    ids=["1x8", "2x4", "8x1 in parts", "4x2, a poem at a time"],
)
def test_accumulated_and_divided_batches_give_the_gradient_of_one(tmp_path: Path, settings):
    poems = list(encode_poems(make_tokenizer(), make_poems(8)))
    expected, whole_log = gradient(tmp_path, poems, "whole", per_device_train_batch_size=8)
    found, log = gradient(tmp_path, poems, "apart", **settings)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-4, msg=name)
    assert log[-1]["train_loss"] == pytest.approx(whole_log[-1]["train_loss"], rel=1e-5)
