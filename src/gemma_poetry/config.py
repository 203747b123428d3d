"""Recipes: every setting of every verb, with its type, default and unit, in one tree.

In: a recipe name or YAML file, and overrides `section.key=value`. Out: a checked, immutable `Recipe`; a fault is a
`RecipeError` that lists all faults at once.
"""

from __future__ import annotations

import contextlib
import json
import reprlib
import secrets
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gemma_poetry.errors import RecipeError, UsageError, nearest_names
from gemma_poetry.languages import Message, _, listed

Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""What NumPy, torch and random all take."""
LARGEST = 2**31 - 1
"""The largest number of anything, where no smaller one can be named."""
_MOST_AT_ONCE = 2**20
"""Poems, blocks or tokens that go through a model at a time, at most."""


def _switch(value: object) -> object:
    """YAML reads a bare `on` as true and `off` as false."""
    return ("off", "on")[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)]

# What trainings have in common, each with the default of its own; types, since a base class would put its fields before theirs.
GradientAccumulation = Annotated[int, Field(ge=1, le=_MOST_AT_ONCE, description="Batches added up before a step.")]
Epochs = Annotated[float, Field(gt=0, le=1_000_000, description="Passes over train.txt.")]
MaxSteps = Annotated[
    int | None, Field(ge=1, le=LARGEST, description="Steps to stop after, in place of epochs; null: epochs decide.")
]
WarmupSteps = Annotated[int, Field(ge=0, le=LARGEST, description="Steps of linear warm-up.")]
MaxGradientNorm = Annotated[float, Field(gt=0, le=1e9, description="Gradients are clipped to this norm.")]
SaveSteps = Annotated[int, Field(ge=1, le=LARGEST, description="Steps between checkpoints.")]
EvaluationSteps = Annotated[int, Field(ge=1, le=LARGEST, description="Steps between evaluations on val.txt.")]
LoggingSteps = Annotated[int, Field(ge=1, le=LARGEST, description="Steps between points of the loss curve.")]
TitleDropout = Annotated[Share, Field(description="Probability that a training prompt leaves the title out.")]
AuthorDropout = Annotated[Share, Field(description="Probability that a training prompt leaves the author out.")]
WordsDropout = Annotated[Share, Field(description="Probability that a training prompt names no word (意象) of its poem.")]

_LORA_RATE, _FULL_RATE = 5e-4, 5e-5


class Section(BaseModel):
    """One part of a recipe: unknown keys are refused, values are never changed afterwards."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """True and false are numbers to Python; who writes `yes` for a number means something else."""
        kind = str(cls.model_fields[info.field_name or ""].annotation)
        if isinstance(value, bool) and "bool" not in kind and "Literal" not in kind:
            raise ValueError(_("a number, a text or a list is expected, not true or false"))
        return value

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class PrepareSettings(Section):
    """From a collection to `DATA/`."""

    script: Literal["simplified", "traditional"] = Field("simplified", description="Script of the prepared poems.")
    forms: tuple[str, ...] = Field((), description="Forms (体裁) to keep; empty keeps all.")
    eras: tuple[str, ...] = Field((), description="Eras (朝代) to keep; empty keeps all.")
    authors: tuple[str, ...] = Field((), description="Authors (作者) to keep; empty keeps all.")
    title_words: tuple[str, ...] = Field(
        (), description="Keep poems whose title holds one of these words, e.g. [塞, 从军]; empty keeps all."
    )
    sections: tuple[str, ...] = Field(
        (), description="Parts of the chinese-poetry collection that are read only where asked for: 元曲."
    )
    max_poems: int | None = Field(
        None, ge=1, le=LARGEST, description="Poems to draw at random (seeded) from those kept; null: all."
    )
    min_characters: int = Field(8, ge=1, le=LARGEST, description="Shorter poems are rejected, in Han characters.")
    max_characters: int = Field(1000, ge=1, le=LARGEST, description="Longer poems are rejected, in Han characters.")
    mean_characters: float | None = Field(
        None, gt=0, le=LARGEST, description="Mean length to draw towards, in Han characters a poem; needs max_poems."
    )
    validation_share: Share = Field(0.02, description="Share of the clusters in val.txt.")
    test_share: Share = Field(0.02, description="Share of the clusters in test.txt.")
    near_duplicate_threshold: Share = Field(0.6, description="Jaccard similarity that makes two poems near-duplicates.")
    title_dropout: TitleDropout = 0.15
    author_dropout: AuthorDropout = 0.5
    words_dropout: WordsDropout = 0.5
    exports: tuple[Literal["arrow", "parquet", "jsonl"], ...] = Field(
        (), description="Formats for other trainers, written to DATA/exports."
    )
    seed: Seed = Field(1, description="Seed of splits, draws and dropout.")


class TrainSettings(Section):
    """Fine-tuning with the Hugging Face Trainer."""

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_method(cls, values: Any) -> Any:
        """The rate that LoRA wants is ten times too high for every weight."""
        if isinstance(values, dict) and values.get("method") == "full":
            return {"learning_rate": _FULL_RATE} | values
        return values

    method: Literal["lora", "full"] = Field(
        "lora",
        description="What is trained: an adapter (LoRA), or every weight; the rate of LoRA is about ten times that of full.",
    )
    learning_rate: float = Field(
        _LORA_RATE,
        gt=0,
        le=1000,
        description=f"Peak learning rate of AdamW; where method is full, the default is {_FULL_RATE}.",
    )
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="Learning-rate schedule.")
    warmup_steps: WarmupSteps = 0
    batch_size: int = Field(16, ge=1, le=_MOST_AT_ONCE, description="Poems a device and step.")
    gradient_accumulation: GradientAccumulation = 1
    epochs: Epochs = 3.0
    max_steps: MaxSteps = None
    weight_decay: float = Field(0.01, ge=0, le=1000, description="Decoupled weight decay of AdamW.")
    max_gradient_norm: MaxGradientNorm = 1.0
    max_tokens: int = Field(1024, ge=16, le=_MOST_AT_ONCE, description="Longer samples are left out and counted, in tokens.")
    save_steps: SaveSteps = 500
    save_limit: int = Field(2, ge=1, le=10_000, description="Checkpoints that are kept.")
    evaluation_steps: EvaluationSteps = 500
    evaluation_poems: int = Field(
        512, ge=1, le=LARGEST, description="Poems of val.txt that an evaluation during training uses."
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="Whose weights the run keeps: those of the evaluation with the lowest perplexity, among those "
        "whose poems did not lose their titles (reading_fell) where there are any; or the last.",
    )
    patience: int | None = Field(
        None, ge=1, le=LARGEST, description="Evaluations in a row without a better one that end the training; null: none do."
    )
    watched_titles: int = Field(
        16, ge=0, le=1000, description="Titles of val.txt that every evaluation writes poems to and measures; 0: none."
    )
    logging_steps: LoggingSteps = 25
    seed: Seed = Field(1, description="Seed of order and dropout.")
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="Arithmetic; auto: bfloat16 on GPUs that have it, and on CPUs that are faster in it (timed)."
    )
    gradient_checkpointing: bool = Field(False, description="Recompute activations to save memory.")
    pass_tokens: int | None = Field(
        None,
        ge=16,
        le=_MOST_AT_ONCE,
        description="Tokens, padding counted, that go through the model at a time; a larger batch goes in parts, "
        "with the same gradient. null: 1,536 on CPUs, 16,384 on accelerators.",
    )
    vocabulary: Literal["auto", "pruned", "whole"] = Field(
        "auto",
        description="Rows of the vocabulary in training: those that the data can need, or all; "
        "auto: pruned where it has over 32,768 rows and that drops a quarter of the parameters.",
    )
    sampled_rows: int = Field(
        8192,
        ge=0,
        le=_MOST_AT_ONCE,
        description="Rows drawn from those that pruning drops, which stand for all of them in the loss; 0: none.",
    )
    compile: Switch = Field(
        "auto", description="Compile the layers with torch.compile; auto: on accelerators, from 200 steps on."
    )

    def tokens_of_pass(self, *, on_gpu: bool) -> int:
        """Tokens, padding counted, that go through the model at a time: `pass_tokens`, or what the device can well take."""
        return self.pass_tokens or (16_384 if on_gpu else 1_536)

    def rows_of_pass(self, tokens: int, *, on_gpu: bool) -> int:
        """Rows of so many tokens that go through the model at a time, of a batch of `batch_size`."""
        return min(self.batch_size, max(1, self.tokens_of_pass(on_gpu=on_gpu) // tokens))


class LoraSettings(Section):
    """The adapter that PEFT puts on the linear projections of the layers."""

    rank: int = Field(32, ge=1, le=4096, description="Rank r of the update.")
    alpha: float = Field(32.0, gt=0, le=1_000_000, description="The update is scaled by alpha / rank.")
    dropout: Share = Field(0.05, description="Dropout before the update.")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="Projections of each layer that get an update.",
    )
    layers: tuple[Annotated[int, Field(ge=0, le=4096)], ...] | None = Field(
        None, description="Layers (from 0) that get an update; null: all."
    )
    dora: bool = Field(False, description="Weight-decomposed updates (DoRA).")
    rslora: bool = Field(False, description="Scale by alpha / sqrt(rank) (rsLoRA).")
    four_bit: bool = Field(False, description="Hold the base weights of the layers in 4 bits (QLoRA); CUDA only.")


class TuneSettings(Section):
    """The search for a recipe: what is tried, for how long."""

    minutes: float = Field(30.0, gt=0, le=100_000, description="Time for all trials together; the last one is cut off.")
    trials: int | None = Field(None, ge=1, le=10_000, description="Trials at most; null: as many as there is time for.")
    learning_rates: tuple[Annotated[float, Field(gt=0, le=1000)], Annotated[float, Field(gt=0, le=1000)]] = Field(
        (1e-4, 3e-3), description="Lowest and highest rate; drawn evenly by their logarithms."
    )
    ranks: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((8, 16, 32, 64), min_length=1, description="Ranks to try.")
    targets: tuple[Literal["attention", "all"], ...] = Field(
        ("attention", "all"), min_length=1, description="Projections to try: those of the attention, or all linear ones."
    )
    epochs: tuple[Annotated[float, Field(gt=0, le=1_000_000)], ...] = Field(
        (1.0, 2.0, 4.0), min_length=1, description="Passes over train.txt to try."
    )
    variants: tuple[Literal["lora", "dora", "rslora"], ...] = Field(
        ("lora",), min_length=1, description="Kinds of LoRA to try."
    )
    seed: Seed = Field(1, description="Seed of the draw of trials.")


class EvaluateSettings(Section):
    """Perplexity, BLEU-4 and their intervals."""

    perplexity_poems: int = Field(1000, ge=1, le=LARGEST, description="Poems of the split that perplexity is computed on.")
    generation_poems: int = Field(
        100, ge=1, le=LARGEST, description="Poems of the split that BLEU is computed on, one generation each and protocol."
    )
    batch_size: int = Field(32, ge=1, le=_MOST_AT_ONCE, description="Poems scored or generated at a time.")
    bootstrap_samples: int = Field(1000, ge=100, le=1_000_000, description="Resamples behind each 95% interval.")
    seed: Seed = Field(1, description="Seed of selection, sampling and bootstrap.")


class GenerateSettings(Section):
    """Sampling; the form itself is never left to it."""

    effort: int = Field(
        3, ge=1, le=5, description="Quality for time: 1 writes once, 3 chooses of many, 4 also rewrites weak lines."
    )
    temperature: float = Field(0.65, ge=0, le=1000, description="0 takes the likeliest token.")
    top_k: int = Field(0, ge=0, le=_MOST_AT_ONCE, description="Keep this many likeliest tokens; 0: all.")
    top_p: float = Field(0.95, gt=0, le=1, description="Keep the likeliest tokens of this total probability.")
    batch_size: int = Field(32, ge=1, le=_MOST_AT_ONCE, description="Poems decoded at a time.")
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="Arithmetic; auto: bfloat16 on GPUs that have it; for large models on CPUs that are faster in it.",
    )
    seed: Seed | None = Field(None, description="Seed of sampling; null: drawn at random, and told.")

    def drawn_seed(self, wished: int | None = None) -> int:
        """The seed that is wished, else that of the settings, else one drawn at random."""
        chosen = self.seed if wished is None else wished
        return secrets.randbelow(2**31) if chosen is None else chosen


class PretrainSettings(Section):
    """Training a model from scratch, on packed blocks."""

    preset: Literal["mini", "350m"] = Field("mini", description="Architecture.")
    optimizer: Literal["muon", "adamw"] = Field(
        "muon", description="Muon for matrices with AdamW for the rest, or AdamW for all."
    )
    learning_rate: float = Field(0.02, gt=0, le=1000, description="Peak rate of Muon (or of AdamW where it is the optimizer).")
    adamw_learning_rate: float = Field(0.003, gt=0, le=1000, description="Peak rate of AdamW beside Muon.")
    weight_decay: float = Field(0.0, ge=0, le=1000, description="Decoupled weight decay.")
    warmup_steps: int = Field(
        100, ge=0, le=LARGEST, description="Steps of linear warm-up; at most those that come before the decay."
    )
    decay_share: Share = Field(0.5, description="Share of the steps, at the end, in which the rate falls to zero.")
    minimum_count: int = Field(3, ge=1, le=LARGEST, description="Rarer characters of train.jsonl are left to byte pieces.")
    title_dropout: TitleDropout = 0.15
    author_dropout: AuthorDropout = 0.4
    words_dropout: WordsDropout = 0.5
    block_tokens: int = Field(
        128, ge=32, le=_MOST_AT_ONCE, description="Tokens of a packed block; samples in it do not see each other."
    )
    batch_blocks: int = Field(32, ge=1, le=_MOST_AT_ONCE, description="Blocks a device and step.")
    gradient_accumulation: GradientAccumulation = 1
    epochs: Epochs = 1.0
    max_steps: MaxSteps = None
    max_gradient_norm: MaxGradientNorm = 1.0
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="Arithmetic of products, by autocast over float32 weights; auto: bfloat16 where it is faster (timed).",
    )
    compile: Switch = Field("auto", description="Compile the layers with torch.compile; auto: on accelerators.")
    evaluation_steps: EvaluationSteps = 500
    evaluation_poems: int = Field(400, ge=1, le=LARGEST, description="Poems of val.txt that an evaluation uses.")
    keep: Literal["best", "last"] = Field(
        "best", description="Whose weights the model keeps: those of the evaluation with the lowest perplexity, or the last."
    )
    save_steps: SaveSteps = 500
    logging_steps: LoggingSteps = 25
    seed: Seed = Field(1, description="Seed of weights and order.")


class Recipe(Section):
    """All settings of all verbs; each verb reads its own sections."""

    prepare: PrepareSettings = PrepareSettings()
    train: TrainSettings = TrainSettings()
    lora: LoraSettings = LoraSettings()
    tune: TuneSettings = TuneSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    generate: GenerateSettings = GenerateSettings()
    pretrain: PretrainSettings = PretrainSettings()

    @model_validator(mode="after")
    def _four_bits_are_not_trained(self) -> Recipe:
        if self.train.method == "full" and self.lora.four_bit:
            raise ValueError(_("lora.four_bit and train.method=full exclude each other: weights in 4 bits cannot be trained"))
        return self


def recipe_names() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.name.removesuffix(".yaml") for path in _recipe_folder().iterdir() if path.name.endswith(".yaml"))


def load_recipe(recipe: str | Path | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe and applies overrides, later ones over earlier ones.

    Args:
        recipe: The name of a packaged recipe, the path of a YAML file, or `None` for the defaults.
        overrides: Settings as `section.key=value`, the value in YAML notation.

    Raises:
        RecipeError: The recipe does not exist, is no YAML, or has unknown or ill-typed fields (all are listed).
    """
    where = str(recipe) if recipe else "defaults"
    tree = _read_tree(recipe) if recipe else {}
    for override in overrides:
        _apply_override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        faults = error.errors()
        described = [_describe_fault(fault) for fault in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            described.append(f"and {len(faults) - _MOST_FAULTS:,} more")
        raise RecipeError(
            "\n".join(described),
            expected=_("the fields and types that docs/recipes.md lists"),
            action=_("mend the recipe or the --set options named above"),
            where=where,
        ) from error


def recipe_with(recipe: str | Path | Recipe | None, settings: Mapping[str, Any] | Sequence[str] = ()) -> Recipe:
    """A recipe with changes.

    Args:
        recipe: As for `load_recipe`, or a recipe that is read already.
        settings: The changes: `{"train.epochs": 1}`, or as for `load_recipe`.

    Raises:
        RecipeError: See `load_recipe`.
        UsageError: There are changes to a recipe that is read already.
    """
    changes = [override(*change) for change in settings.items()] if isinstance(settings, Mapping) else list(settings)
    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, changes)
    if changes:
        raise UsageError(
            _("settings are given beside a Recipe"), expected=_("one of them"), action=_("change the recipe itself")
        )
    return recipe


def override(dotted: str, value: Any) -> str:
    """An override for `load_recipe` from a Python value: `section.key=value` in YAML notation."""
    return f"{dotted}={json.dumps(value, ensure_ascii=False)}"


def _recipe_folder() -> Any:
    return resources.files("gemma_poetry") / "recipes"


def _read_tree(recipe: str | Path) -> dict[str, Any]:
    path = Path(recipe)
    if path.suffix in {".yaml", ".yml"}:
        try:
            if path.exists() and (not path.is_file() or path.stat().st_size > _LONGEST_RECIPE):
                raise OSError(_("no file of at most {most:,} bytes", most=_LONGEST_RECIPE))
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise RecipeError(
                _("the recipe cannot be read ({error})", error=error), where=path, action=_("name a UTF-8 YAML file")
            ) from error
    elif str(recipe) in recipe_names():
        text = (_recipe_folder() / f"{recipe}.yaml").read_text(encoding="utf-8")
    else:
        known = recipe_names()
        near = nearest_names(str(recipe), known)
        raise RecipeError(
            _("no recipe is called {recipe!r}", recipe=str(recipe)[:200]),
            expected=_("one of {known}, or a path that ends in .yaml", known=listed(known)),
            action=_("did you mean {near}?", near=listed(near, " or ")) if near else _("choose one of these"),
        )
    tree = _parse_yaml(text, str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise RecipeError(_("the recipe is no mapping of sections"), where=path, expected=_("sections such as `train:`"))
    return tree


class _RecipeLoader(yaml.SafeLoader):
    """YAML as recipes have it: sections, lists, texts and numbers.

    Left out is what can stand for something else than is written: aliases, which double what they name, merges, tags, dates.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("null", "bool", "int", "float")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        # An anchor alone does no harm, but what it is for is not here.
        odd = ""
        if isinstance(event, yaml.AliasEvent):
            odd = _("an alias, which recipes have not")
        elif getattr(event, "anchor", None):
            odd = _("an anchor, which recipes have not")
        elif getattr(event, "tag", None) is not None:
            odd = _("the tag {tag!r}, which recipes have not", tag=event.tag[:80])
        if odd:
            raise yaml.composer.ComposerError(None, None, odd, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _unused in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                fault = _("a key that is no text")
                if isinstance(key, yaml.ScalarNode):
                    fault = _("the key {key!r} stands twice", key=key.value[:80])
                raise yaml.constructor.ConstructorError(None, None, fault, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """A text, or the text of a number: one that can be printed, of the length that a number has."""
        value = super().construct_scalar(node)
        number = node.tag.rpartition(":")[2] in ("int", "float")
        # YAML 1.1 reads 1:30 as ninety.
        if number and (len(value) > _LONGEST_NUMBER or ":" in value):
            raise yaml.constructor.ConstructorError(None, None, _("no number: {value!r}", value=value[:40]), node.start_mark)
        value.encode()
        return value


_MOST_FAULTS = 40
"""Faults that a message lists."""
_LONGEST_NUMBER = 30
"""Characters of a number at most."""
_LONGEST_RECIPE = 2**20
"""Bytes of a recipe at most."""


def _parse_yaml(text: str, where: str) -> Any:
    """The value of YAML text that anybody may have written.

    Raises:
        RecipeError: It is not YAML, or has what recipes have not.
    """
    try:
        return yaml.load(text, Loader=_RecipeLoader)
    except RecursionError as error:
        raise RecipeError(_("it nests too deep"), where=where, expected=_("sections of fields"), action=_("mend it")) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise RecipeError(
            _("not valid YAML: {error}", error=_yaml_fault(error)),
            where=where,
            expected=_("sections of fields, each a number, a text or a [list]"),
            action=_("mend it"),
        ) from error


def _yaml_fault(error: Exception) -> str:
    """What is wrong with a recipe's YAML: in our own words where we found it, else in those of the library."""
    if isinstance(error, yaml.MarkedYAMLError) and isinstance(error.problem, Message) and error.problem_mark:
        mark = error.problem_mark
        return _("{problem} (line {line}, column {column})", problem=error.problem, line=mark.line + 1, column=mark.column + 1)
    return str(error)[:400]


def _apply_override(tree: dict[str, Any], override: str) -> None:
    dotted, separator, value = override.partition("=")
    keys = dotted.strip().split(".")
    if not separator or len(keys) != 2 or not all(keys):
        raise RecipeError(
            _("cannot read the override {override!r}", override=override[:200]),
            expected=_("--set section.key=value"),
            action=_("e.g. --set train.epochs=1"),
        )
    parsed = _parse_yaml(value, f"--set {dotted.strip()[:80]}")
    if isinstance(parsed, str):
        # YAML 1.1 reads 5e-5 as text; people mean the number.
        with contextlib.suppress(ValueError):
            parsed = float(parsed)
    section = tree.setdefault(keys[0], {})
    if not isinstance(section, dict):
        raise RecipeError(_("{keys!r} is no section", keys=keys[0]), expected=_("a mapping"), where=dotted)
    section[keys[1]] = parsed


def _describe_fault(fault: Any) -> str:
    location = [str(part) for part in fault["loc"]]
    if not location:  # of several fields together
        return str(fault["msg"])
    dotted = ".".join(location)
    if fault["type"] != "extra_forbidden":
        shown = reprlib.repr(fault["input"])
        return _("{field}: {message} (found {shown})", field=dotted[:200], message=fault["msg"], shown=shown)
    if len(location) == 1:
        known: Sequence[str] = list(Recipe.model_fields)
    else:
        known = list(getattr(Recipe(), location[0]).__class__.model_fields)
    near = nearest_names(location[-1], known)
    if near:
        return _("{field}: unknown field (did you mean {near}?)", field=dotted[:200], near=listed(near, " or "))
    return _("{field}: unknown field", field=dotted[:200])
