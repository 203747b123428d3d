"""LoRA fine-tuning with KerasHub, from a prepared folder to a RUN.

    DATA/train.txt ─> batches ─> keras.Model.fit ─┬─> RUN/updates.lora.h5    the updates, as KerasHub keeps them
                                                  ├─> RUN/merged/            a Hugging Face folder, compared with the model
                                                  ├─> RUN/curve.jsonl, known_lines.npz, manifest.json
                                                  └─> RUN/checkpoint-N/      on the way, for --resume

In: a DATA folder, a base model, and the `train` and `lora` sections of a recipe. Out: the same figures as the default
backend reports: ppl_token and ppl_char of validation and test poems, before and after.

The batches are ours and not tf.data's; so is the mask of the loss (see `batches`). A batch has batch_size times
gradient_accumulation poems: its mean over completion tokens is what the default backend adds up.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, atomic_writer, sha256_file
from gemma_poetry.config import Recipe, TrainSettings
from gemma_poetry.corpus.known_lines import build_list, hand_on_lists
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.counting import CHARACTERS, Counting
from gemma_poetry.data.tokenization import TokenizedPoem, check_tokenizer, padding_id, read_tokenized
from gemma_poetry.errors import TrainingError
from gemma_poetry.folders import MERGED, check_data_folder
from gemma_poetry.keras_backend.batches import make_batch
from gemma_poetry.keras_backend.checkpoints import Progress, is_complete, load_checkpoint, save_checkpoint
from gemma_poetry.keras_backend.environment import import_keras
from gemma_poetry.keras_backend.export import export, prove_base
from gemma_poetry.keras_backend.model import enable_lora, load_causal_lm, read_configuration, save_updates
from gemma_poetry.keras_backend.recipe_fields import check_fields, taken_fields
from gemma_poetry.keras_backend.scoring import perplexities
from gemma_poetry.languages import _, localized
from gemma_poetry.manifests import check_manifest, write_manifest
from gemma_poetry.progress import track
from gemma_poetry.runs import RunFolder, at_work

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UPDATES = "updates.lora.h5"
CURVE = "curve.jsonl"
_PROBES = 4


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a training starts from.

    Attributes:
        folder: Its folder: a checkpoint of transformers, or a KerasHub preset.
        tokenizer: Its tokenizer.
        identity: What tells it from others, for the manifest: spec, name, revision, fingerprint of the weights.
    """

    folder: Path
    tokenizer: PreTrainedTokenizerBase
    identity: Mapping[str, Any]


def train_keras(
    data: Path,
    base: Base,
    out: Path,
    recipe: Recipe,
    *,
    resume: bool = False,
    recipe_name: str = "",
    counting: Counting = CHARACTERS,
) -> dict[str, Any]:
    """Fine-tunes a Gemma with KerasHub's LoRA.

    Args:
        data: A DATA folder.
        base: The base model.
        out: The RUN folder; new or empty unless `resume`.
        recipe: The recipe; `train` and `lora` decide (see `recipe_fields`), `evaluate.perplexity_poems` limits the test poems.
        resume: Go on from the newest checkpoint in `out`; to a run that is finished nothing is done.
        recipe_name: The recipe's name, for the manifest.
        counting: What perplexity is divided by.

    Returns:
        The manifest of the run.

    Raises:
        DataError: DATA is missing, incomplete, altered, or made for another tokenizer.
        ModelError: KerasHub would compute or export the model otherwise than transformers.
        UsageError: KerasHub is not installed, or the recipe asks for what it does not have.
        RunError: `out` is not empty, holds a run that was begun otherwise, or another training is at work there; or there is
            nothing to resume.
        TrainingError: There is nothing to train on, the loss became infinite, or memory did not suffice.
        OutputError: The run cannot be written; it says how to go on.
    """
    import_keras()
    import keras

    replaced = check_fields(recipe)
    check_data_folder(data)
    data_manifest = check_manifest(data, ["train.txt", "val.txt", "val.jsonl", "test.txt", "test.jsonl"])
    backend = {"keras": keras.__version__, "arithmetic": keras.backend.backend()}
    data_sha256 = sha256_file(data / MANIFEST)
    start = {"data_manifest_sha256": data_sha256, "base": dict(base.identity), "backend": backend, **taken_fields(recipe)}
    what = _("data, model, recipe and backend of Keras")
    with at_work(out, start, resume=resume, what=what, complete=is_complete) as run:
        if run.manifest is not None:
            print(localized(_("{out}: the run is finished, and stays as it is", out=out)), file=sys.stderr)
            return run.manifest
        for line in replaced:
            print(localized(_("KerasHub: {line}", line=line)), file=sys.stderr)
        return _train(data, data_manifest, base, run, recipe, recipe_name, counting, replaced)


def _train(
    data: Path,
    data_manifest: dict[str, Any],
    base: Base,
    run: RunFolder,
    recipe: Recipe,
    recipe_name: str,
    counting: Counting,
    replaced: Sequence[str],
) -> dict[str, Any]:
    import keras

    out, checkpoint = run.folder, run.checkpoint
    known = build_list(data)
    tokenizer, settings = base.tokenizer, recipe.train
    check_tokenizer(data_manifest, tokenizer, data)
    read_configuration(base.folder)
    samples = [sample for sample in read_tokenized(data / "train.txt", tokenizer) if len(sample) <= settings.max_tokens]
    if not samples:
        raise TrainingError(_("no sample is left to train on"), where=data / "train.txt", action=_("raise train.max_tokens"))
    pad_id = padding_id(tokenizer)
    limits = {"val": settings.evaluation_poems, "test": recipe.evaluate.perplexity_poems}
    held_out = {name: _held_out(data, name, tokenizer, settings.max_tokens, most, counting) for name, most in limits.items()}
    probes = [sample.prompt_ids + sample.completion_ids for sample in (held_out["val"][0] or samples)[:_PROBES]]

    model = load_causal_lm(base.folder)
    keras.utils.set_random_seed(settings.seed)
    updated = enable_lora(model, recipe.lora)
    steps = total_steps(settings, len(samples))
    _compile(model, settings, steps)
    base_difference = prove_base(model, base.folder, tokenizer, probes)
    progress = load_checkpoint(checkpoint, model) if checkpoint else Progress()
    began = time.monotonic() - progress.seconds

    def measure(splits: Sequence[str]) -> dict[str, dict[str, float]]:
        chosen = {name: held_out[name] for name in splits if held_out[name][0]}
        return {name: perplexities(model, *each, pad_id=pad_id, unit=counting.unit) for name, each in chosen.items()}

    if checkpoint is None:
        # Fresh updates are zero: this is the base model, in the functions that JAX compiles for the trained one.
        progress.before = measure(list(held_out))
        progress.curve.append({"step": 0, **progress.before.get("val", {})})
    for point in _fit(model, samples, settings, steps, pad_id, progress.step):
        done, last = point["step"], progress.step
        gone = not run.is_there()
        if gone:
            run.restore()
        if done == steps or _crosses(last, done, settings.evaluation_steps):
            point |= measure(["val"]).get("val", {})
        progress.step = done
        progress.curve.append(point)
        _write_curve(out / CURVE, progress.curve)
        if done < steps and (gone or _crosses(last, done, settings.save_steps)):
            progress.seconds = time.monotonic() - began
            save_checkpoint(run, model, progress, settings.save_limit)
        if gone and done < steps:  # after the last step all that is left to write is written below
            raise run.gone(done)
    # The last point of the curve is the trained model's validation.
    last_point = {name: value for name, value in progress.curve[-1].items() if name.startswith("ppl")}
    after = {**({"val": last_point} if last_point else {}), **measure(["test"])}
    seconds = time.monotonic() - began
    # First of all what took the hours: should the export be refused, KerasHub reads these.
    with run.writing(out / UPDATES):
        save_updates(model, out / UPDATES)
    difference = export(model, base.folder, out / MERGED, probes, tokenizer)
    contents = {
        "kind": "keras-run",
        "backend": run.start["backend"],
        "base": dict(base.identity),
        "data": {
            "folder": str(data),
            "manifest_sha256": run.start["data_manifest_sha256"],
            "train_poems": len(samples),
            # Generation asks the run what language it was taught.
            **({"domain": data_manifest["domain"]} if "domain" in data_manifest else {}),
        },
        "recipe": {"name": recipe_name, **taken_fields(recipe)},
        "replaced": list(replaced),
        "seed": settings.seed,
        "lora_modules": updated,
        "trainable_parameters": sum(math.prod(weight.shape) for weight in model.trainable_variables),
        "steps": steps,
        "perplexity": {"before": progress.before, "after": after},
        "validation": after.get("val", {}),
        "base_difference": base_difference,
        "export_difference": difference,
        "wall_seconds": round(seconds, 1),
        "resumed": checkpoint is not None,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    merged = [f"{MERGED}/{path.name}" for path in (out / MERGED).iterdir()]
    return write_manifest(out, contents, [UPDATES, CURVE, *merged, *hand_on_lists(out, known, base.folder)])


def total_steps(settings: TrainSettings, samples: int) -> int:
    """Optimizer steps of a training."""
    return settings.max_steps or math.ceil(settings.epochs * math.ceil(samples / _batch_poems(settings)))


def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """The rate of a step (from 0) of `steps`, as the schedules of transformers have it."""
    if step < settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    done = min(1.0, (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps))
    return settings.learning_rate * (1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2)


def _batch_poems(settings: TrainSettings) -> int:
    return settings.batch_size * settings.gradient_accumulation


def _compile(model: Any, settings: TrainSettings, steps: int) -> None:
    import keras
    import numpy

    rates = numpy.array([learning_rate(step, steps, settings) for step in range(steps)] or [0.0], dtype="float32")

    class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """The rates by look-up: a schedule that is set from a callback does not reach JAX's compiled step."""

        def __call__(self, step: Any) -> Any:
            last = len(rates) - 1
            return keras.ops.take(keras.ops.convert_to_tensor(rates), keras.ops.minimum(keras.ops.cast(step, "int32"), last))

        def get_config(self) -> dict[str, Any]:
            return {}

    model.compile(
        # Defaults of torch's AdamW, which the default backend has.
        optimizer=keras.optimizers.AdamW(
            learning_rate=Rates(), weight_decay=settings.weight_decay, epsilon=1e-8, global_clipnorm=settings.max_gradient_norm
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
        weighted_metrics=None,
        sampler="greedy",
    )


def _fit(
    model: Any, samples: Sequence[TokenizedPoem], settings: TrainSettings, steps: int, pad_id: int, done: int
) -> Iterator[dict[str, Any]]:
    """Trains from step `done` on, stopping every `logging_steps` to yield a point of the curve.

    Raises:
        TrainingError: The loss became infinite.
    """
    import keras

    order = islice(_order(samples, settings), done, None)
    rows = min(_batch_poems(settings), len(samples))

    class Stretch(keras.utils.PyDataset):  # type: ignore[misc]
        """The batches of some steps."""

        def __init__(self, batches: list[list[int]]) -> None:
            super().__init__()
            self._batches = batches

        def __len__(self) -> int:
            return len(self._batches)

        def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
            batch = make_batch([samples[place] for place in self._batches[index]], pad_id, rows)
            return batch.inputs, batch.targets, batch.weights

    stretches = range(done, steps, settings.logging_steps)
    for start in track(stretches, _("Training with KerasHub")):
        wanted = min(settings.logging_steps, steps - start)
        batches = Stretch([next(order) for _ in range(wanted)])
        # KerasHub's own `fit` would send the arrays through tf.data.
        history = keras.Model.fit(model, batches, epochs=1, shuffle=False, verbose=0)
        loss = float(history.history["loss"][-1])
        if not math.isfinite(loss):
            raise TrainingError(
                _("the loss became {loss} before step {start}", loss=loss, start=start + wanted),
                expected=_("a finite loss"),
                action=_("lower train.learning_rate"),
            )
        rate = learning_rate(start + wanted - 1, steps, settings)
        yield {"step": start + wanted, "loss": loss, "learning_rate": rate}


def _order(samples: Sequence[TokenizedPoem], settings: TrainSettings) -> Iterator[list[int]]:
    """Batches of poems of like length, epoch after epoch, in the order of the default backend."""
    from gemma_poetry.data.dataset import LengthGroupedSampler

    sampler = LengthGroupedSampler(list(map(len, samples)), _batch_poems(settings), settings.seed)
    epoch = 0
    while True:
        sampler.set_epoch(epoch)
        yield from sampler
        epoch += 1


def _crosses(last: int, done: int, interval: int) -> bool:
    """Whether a stretch from step `last` to `done` passed a multiple of the interval."""
    return done // interval > last // interval


def _held_out(
    data: Path, split: str, tokenizer: PreTrainedTokenizerBase, max_tokens: int, most: int, counting: Counting
) -> tuple[list[TokenizedPoem], list[int]]:
    """Samples of a split, not longer than training takes, with their numbers of units."""
    poems = load_poems(data, split)
    pairs = zip(poems, read_tokenized(data / f"{split}.txt", tokenizer))
    kept = [(sample, counting.count(poem.lines)) for poem, sample in pairs if len(sample) <= max_tokens][:most]
    return [sample for sample, _ in kept], [characters for _, characters in kept]


def _write_curve(path: Path, points: Sequence[dict[str, Any]]) -> None:
    with atomic_writer(path) as stream:
        for point in points:
            stream.write(json.dumps(point) + "\n")
