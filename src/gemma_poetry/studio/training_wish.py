"""What the page asks of a training, checked before anything is written.

In: names and numbers as they were typed. Out: a `JobRequest`, and the changes to its recipe.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma_poetry.config import override, recipe_names, recipe_with
from gemma_poetry.studio.texts import Language, complaint

_FIELDS = {"rate": "train.learning_rate", "epochs": "train.epochs", "rank": "lora.rank", "steps": "train.max_steps"}
_WHOLE = ("rank", "steps")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked for.

    Attributes:
        data: A name that `TrainingJobs.data_names` gives.
        model: A name of `TrainingJobs.models`.
        recipe: A packaged recipe.
        rate: Learning rate, as it was typed; empty: the recipe's. So are the following.
        epochs: Passes over the data.
        rank: Rank of the adapter.
        steps: Steps to stop after, in place of the epochs.
        evaluate: Whether base and tuned are evaluated at the end.
    """

    data: str
    model: str
    recipe: str = "quickstart"
    rate: str = ""
    epochs: str = ""
    rank: str = ""
    steps: str = ""
    evaluate: bool = False


def settings_of(request: JobRequest, language: Language) -> list[str]:
    """The changes to the recipe, as behind `--set`.

    A checkpoint is kept at least as often as the training is evaluated: whoever stops it loses little.

    Raises:
        UsageError: There is no such recipe, or a field is no number.
        RecipeError: A number is out of bounds.
    """
    if request.recipe not in recipe_names():
        raise complaint("no_recipe", language, name=repr(str(request.recipe)[:40]), names=", ".join(recipe_names()))
    changes = []
    for name, dotted in _FIELDS.items():
        text = str(getattr(request, name) or "").strip()
        if text:
            try:
                value: float = int(text) if name in _WHOLE else float(text)
            except ValueError:
                raise complaint("bad_number", language, value=repr(text[:20])) from None
            changes.append(override(dotted, value))
    train = recipe_with(request.recipe, changes).train
    often = min(train.save_steps, train.evaluation_steps, max(1, (train.max_steps or train.evaluation_steps * 4) // 4))
    return [*changes, override("train.save_steps", often)]
