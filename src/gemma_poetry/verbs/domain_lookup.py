"""Which domain a folder belongs to.

In: a DATA folder, or what `--model` names. Out: its `Domain`, from the manifest that `prepare` or `train` wrote; folders
that name none are of the time when there was one domain, classical Chinese poetry.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import MANIFEST
from gemma_poetry.data.counting import CHARACTERS, Counting
from gemma_poetry.domains.domain import Domain
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import UsageError
from gemma_poetry.folders import check_data_folder, run_around
from gemma_poetry.languages import _, localized
from gemma_poetry.manifests import read_manifest


def domain_of_data(data: Path) -> Domain:
    """The domain of a DATA folder.

    Raises:
        DataError: It is no DATA folder, or has no readable manifest.
        UsageError: Its domain cannot be loaded.
    """
    check_data_folder(data)
    return load_domain(str(read_manifest(data).get("domain") or DEFAULT))


def counting_of_data(data: Path) -> Counting:
    """What the domain of a DATA folder divides perplexity by; characters, and a notice, where it is not at hand.

    Raises:
        DataError: It has no readable manifest.
    """
    try:
        domain = domain_of_data(data)
    except UsageError as error:
        print(
            localized(_("gemma-poetry: note: perplexity is counted by characters: {found}", found=error.found)), file=sys.stderr
        )
        return CHARACTERS
    return Counting(domain.unit, domain.count)


def manifest_of_model(model: str) -> dict[str, Any]:
    """The manifest of what `--model` names; of `RUN/adapter` and `RUN/merged` that of the RUN. Empty where there is none.

    Raises:
        DataError: It cannot be read.
    """
    for folder in (Path(model), run_around(Path(model))):
        if folder is not None and (folder / MANIFEST).is_file():
            return read_manifest(folder)
    return {}


def domain_of_model(model: str, wanted: str = "") -> Domain:
    """The domain that a model was trained on, or that is wanted of one that was trained on none.

    Args:
        model: A run, a model folder (of a run too), a preset or a Hub id.
        wanted: The name of a domain; empty: that of the run.

    Raises:
        UsageError: The domain cannot be loaded, or the run was trained on another than is wanted.
    """
    taught = str(manifest_of_model(model).get("data", {}).get("domain") or "")
    if taught and wanted and wanted != taught:
        raise UsageError(
            _("the run was trained on the domain {taught!r}, not {wanted!r}", taught=taught, wanted=wanted),
            where=model,
            expected=_("the domain of the run"),
            action=_("leave --domain out"),
        )
    return load_domain(wanted or taught or DEFAULT)
