"""Every field of a recipe's `train` and `lora` sections is honoured or refused by name. (No Keras is needed for this.)"""

from __future__ import annotations

import re

import pytest

from gemma_poetry.config import LoraSettings, Recipe, TrainSettings, load_recipe
from gemma_poetry.errors import UsageError
from gemma_poetry.keras_backend.recipe_fields import LIMITED, check_fields, taken_fields

# Fields that mean here what they mean with the default backend.
HONOURED = {
    *(f"train.{name}" for name in (
        "learning_rate", "schedule", "warmup_steps", "batch_size", "gradient_accumulation", "epochs", "max_steps",
        "weight_decay", "max_gradient_norm", "max_tokens", "save_steps", "save_limit", "evaluation_steps", "evaluation_poems",
        "logging_steps", "seed", "sampled_rows",  # nothing is pruned here that sampled rows would stand for
    )),
    *(f"lora.{name}" for name in ("rank", "alpha", "targets", "layers", "rslora")),
}  # fmt: skip
FIELDS = {f"train.{name}" for name in TrainSettings.model_fields} | {f"lora.{name}" for name in LoraSettings.model_fields}


def test_every_field_is_honoured_or_limited_and_none_is_both():
    assert HONOURED | set(LIMITED) == FIELDS
    assert not HONOURED & set(LIMITED)


REFUSED = {
    "train.dtype": "bfloat16",
    "train.gradient_checkpointing": "true",
    "train.pass_tokens": "512",
    "train.vocabulary": "pruned",
    "train.compile": "'off'",
    "train.method": "full",
    "train.patience": "3",
    "lora.dropout": "0.05",
    "lora.dora": "true",
    "lora.four_bit": "true",
}


def test_the_table_of_refusals_is_whole():
    assert set(REFUSED) == {name for name, limit in LIMITED.items() if limit.refused}


@pytest.mark.parametrize("name", REFUSED)
def test_what_kerashub_cannot_do_is_refused_by_name(name):
    with pytest.raises(UsageError, match=rf"(?s){re.escape(name)}=.+default backend"):
        check_fields(load_recipe(None, [f"{name}={REFUSED[name]}"]))


def test_all_of_them_are_named_at_once():
    with pytest.raises(UsageError, match=r"lora\.dora=True.*lora\.four_bit=True"):
        check_fields(load_recipe(None, ["lora.dora=true", "lora.four_bit=true"]))


def test_a_default_that_nobody_chose_is_replaced_and_told():
    keep, watched, dropout = check_fields(Recipe())
    assert keep.startswith("train.keep=last in place of best") and watched.startswith("train.watched_titles=0 in place of 16")
    assert dropout.startswith("lora.dropout=0.0 in place of 0.05")
    assert taken_fields(Recipe())["lora"]["dropout"] == 0
    assert Recipe().lora.dropout == 0.05


@pytest.mark.parametrize("recipe", [None, "quickstart", "gemma", "verse"])
def test_the_packaged_recipes_are_taken(recipe):
    settings = load_recipe(recipe)
    check_fields(settings)
    replaced = {"keep": "last", "watched_titles": 0}
    assert taken_fields(settings)["train"] == settings.train.model_dump(mode="json") | replaced


def test_what_is_set_to_what_kerashub_does_is_taken():
    chosen = ["train.dtype=float32", "train.vocabulary=whole", "lora.dropout=0", "lora.layers=[0,2]", "lora.rslora=true"]
    chosen += ["train.keep=last", "train.watched_titles=0"]
    assert check_fields(load_recipe(None, chosen)) == []
