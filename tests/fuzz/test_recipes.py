"""50 damaged recipes: each is read, or refused in our own words."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import yaml

from tests.fuzz.trials import attempt, damage_bytes, damage_json, fingerprint, is_sound, json_text, seeds

MEANT = {
    "a date": "train: {seed: 2024-01-01}",
    "a date as a section": "2024-01-01: {a: 2024-01-01 10:00:00}",
    "a tag": "train: {seed: !!int abc}",
    "binary": "train: {seed: !!binary abc}",
    "a set": "train: !!set {a, b}",
    "an ordered map": "train: !!omap [a: 1]",
    "Python": "train: !!python/object/apply:os.system [ls]",
    "5,000 digits": f"train: {{seed: {'9' * 5000}}}",
    "5,000 digits of a text": f"train: {{seed: '{'9' * 5000}'}}",
    "many bits": f"train: {{seed: 0b{'1' * 100_000}}}",
    "minutes": f"train: {{seed: {':'.join(['59'] * 3000)}}}",
    "lists in lists": "[" * 100_000,
    "mappings in mappings": "{a: " * 100_000,
    "blocks in blocks": "\n".join("  " * depth + "a:" for depth in range(700)),
    "infinity": "train: {learning_rate: .inf, seed: .inf, epochs: -.inf}",
    "no number": "train: {learning_rate: .nan, max_steps: .nan}",
    "aliases that double": "a: &a [x, x]\n" + "\n".join(
        f"{name}: &{name} [*{before}, *{before}]" for before, name in zip("abcdefghijklmnopqrstuvw", "bcdefghijklmnopqrstuvwx")
    ) + "\ntrain: {seed: *x}",
    "an alias of itself": "train: &a {seed: *a}",
    "a merge": "a: &a {seed: 1}\ntrain:\n  <<: *a",
    "a merge of nothing": "train: {<<: 3}",
    "a section twice": "train: {seed: 1}\ntrain: {seed: 2}",
    "a field twice": "train:\n  seed: 1\n  seed: 2",
    "keys that are lists": "? [a, b]\n: 1",
    "keys that are numbers": "1: {2: 3}",
    "half a character": 'prepare: {authors: ["\\ud800"]}',
    "nothing": "",
    "a text": "train",
    "a list": "- train",
    "two documents": "--- {}\n--- {}",
    "a directive": "%YAML 9.9\n---\ntrain: {}",
    "a null byte": "train: \x00",
    "tabs": "train:\n\tseed: 1",
    "a switch": "train: {epochs: yes, batch_size: on}\nlora: {rank: true}",
    "huge": "train: {batch_size: 999999999999, warmup_steps: 99999999999999999999}\nlora: {rank: 1000000000}",
    "negative": "train: {seed: -1}\nlora: {layers: [-1]}",
    "many faults": "train: {" + ", ".join(f"field{number}: {number}" for number in range(20_000)) + "}",
    "a long name": f"train: {{{'x' * 1000}: 1}}",
    "an escape": 'train: {"\\e[2J": "\\e[2J"}',
}  # fmt: skip


def read_recipe(path: str) -> None:
    """What every verb does with a recipe, and what it writes into a manifest."""
    from gemma_poetry.config import load_recipe

    recipe = load_recipe(path)
    print(json.dumps(recipe.model_dump(mode="json"), ensure_ascii=False, allow_nan=False))
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    load_recipe("described", [f"train.seed={text.partition('seed:')[2].strip(' }') or '1'}"])


def damaged(draw: random.Random) -> bytes:
    recipes = [path for path in (resources.files("gemma_poetry") / "recipes").iterdir() if path.name.endswith(".yaml")]
    content = draw.choice(sorted(recipes, key=lambda path: path.name)).read_bytes()
    kind = draw.randrange(3)
    if kind == 0:
        return damage_bytes(content, draw)
    if kind == 1:
        return json_text(damage_json(yaml.safe_load(content), draw))  # JSON is YAML
    return draw.choice(sorted(MEANT.values())).encode("utf-8", "surrogatepass")


@pytest.fixture
def recipe(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "recipe.yaml"


@pytest.mark.parametrize("seed", seeds(10, 50))
def test_damaged_recipe(recipe: Path, seed: int):
    recipe.write_bytes(damaged(random.Random(f"recipe {seed}")))
    _try(recipe)


def _try(recipe: Path) -> str:
    before = fingerprint(recipe.parent)
    outcome = attempt(read_recipe, str(recipe))
    assert is_sound(outcome), outcome
    assert len(outcome) < 20_000, "the message is longer than anybody reads"
    assert fingerprint(recipe.parent) == before
    return outcome


def test_what_was_meant_is_refused(recipe: Path):
    """In this process, where one message tells of all."""
    from gemma_poetry.config import load_recipe
    from gemma_poetry.errors import RecipeError

    passed = []
    for name, text in MEANT.items():
        recipe.write_text(text, encoding="utf-8")
        try:
            load_recipe(str(recipe))
            passed.append(name)
        except RecipeError as error:
            assert len(str(error)) < 20_000, name
    assert passed == ["nothing"]
