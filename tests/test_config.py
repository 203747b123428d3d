"""Recipes: what is read, overridden, and refused with all faults at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_poetry.config import Recipe, load_recipe, override, recipe_names
from gemma_poetry.errors import RecipeError
from scripts.write_recipe_reference import REFERENCES, reference


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_loads(name):
    assert isinstance(load_recipe(name), Recipe)


def test_described_is_exactly_the_described_configuration():
    train = load_recipe("described").train
    assert (train.learning_rate, train.schedule, train.batch_size, train.epochs) == (5e-5, "linear", 16, 3)
    assert (train.weight_decay, train.save_steps, train.evaluation_steps) == (0.01, 500, 500)
    assert train.gradient_accumulation == 1 and train.warmup_steps == 0
    prepare = load_recipe("described").prepare
    assert (prepare.max_poems, prepare.mean_characters) == (10_000, 100)
    lora = load_recipe("described").lora
    assert (lora.rank, lora.alpha, lora.dropout) == (8, 16, 0.05)
    assert lora.targets == ("q_proj", "k_proj", "v_proj", "o_proj")


def test_the_rate_follows_the_method_unless_it_is_given():
    lora, full = load_recipe(), load_recipe(None, ["train.method=full"])
    assert full.train.learning_rate == lora.train.learning_rate / 10
    assert load_recipe(None, ["train.method=full", "train.learning_rate=0.003"]).train.learning_rate == 0.003
    assert load_recipe(None, ["train.method=lora"]) == lora


@pytest.mark.parametrize(
    ("text", "section", "field", "value"),
    [
        ("train.learning_rate=5e-5", "train", "learning_rate", 5e-5),
        ("train.learning_rate=1.0e-3", "train", "learning_rate", 1e-3),
        ("lora.targets=[q_proj, v_proj]", "lora", "targets", ("q_proj", "v_proj")),
        ("lora.layers=null", "lora", "layers", None),
        ("lora.dora=true", "lora", "dora", True),
        ("prepare.script=traditional", "prepare", "script", "traditional"),
        (override("prepare.forms", ["五言绝句", "七言律诗"]), "prepare", "forms", ("五言绝句", "七言律诗")),
        (override("prepare.script", "traditional"), "prepare", "script", "traditional"),
        ("train.compile=on", "train", "compile", "on"),  # YAML reads a bare `on` as true
        ("train.compile=off", "train", "compile", "off"),
    ],
)
def test_overrides(text, section, field, value):
    assert getattr(getattr(load_recipe(None, [text]), section), field) == value


def test_later_overrides_win_over_the_file(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("train: {epochs: 5, batch_size: 2}\n")
    recipe = load_recipe(path, ["train.epochs=1", "train.epochs=2"])
    assert (recipe.train.epochs, recipe.train.batch_size) == (2, 2)


def test_all_faults_are_listed_at_once(tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text("train: {learning_rat: 1, batch_size: many}\nlora: {rank: 0}\ntrian: {}\n")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    text = str(raised.value)
    assert "train.learning_rat: unknown field (did you mean learning_rate" in text
    assert "train.batch_size" in text and "'many'" in text
    assert "lora.rank" in text and "trian: unknown field (did you mean train" in text
    assert str(path) in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"train: [unclosed", "not valid YAML"),
        (b"- a\n- b\n", "no mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"train: 3\n", "train"),
    ],
)
def test_broken_files(tmp_path: Path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_an_empty_file_means_the_defaults(tmp_path: Path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")
    assert load_recipe(path) == Recipe()


@pytest.mark.parametrize(
    ("recipe", "message"), [("describe", "did you mean described"), ("/no/such.yaml", "cannot be read"), ("zzz", "no recipe")]
)
def test_unknown_recipes(recipe, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)


@pytest.mark.parametrize("text", ["train", "train.epochs", "epochs=3", "a.b.c=3", "=3", ".x=1", "train.epochs=[1"])
def test_unreadable_overrides(text):
    with pytest.raises(RecipeError):
        load_recipe(None, [text])


def test_weights_in_4_bits_are_not_trained():
    with pytest.raises(RecipeError, match=r"lora.four_bit and train.method=full exclude each other") as raised:
        load_recipe(None, ["train.method=full", "lora.four_bit=true"])
    assert raised.value.found.count("\n") == 0


def test_the_reference_of_recipes_is_current():
    for language, page in REFERENCES.items():
        assert page.read_text(encoding="utf-8") == reference(language)
