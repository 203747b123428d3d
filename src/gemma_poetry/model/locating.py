"""What a person names after `--model`, found: where it lies, and whether an adapter stands on a base model.

    spec: `mini` │ RUN folder │ adapter folder │ model folder │ FILE.gguf │ gemma-3-270m │ Hub id ──> locate ──> folder │ Hub id

In: a spec. Out: the folder that is to be loaded, or the id that is to be fetched; of a RUN its adapter and its base.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from gemma_poetry.errors import DataError, ModelError, RunError
from gemma_poetry.folders import ADAPTER, MERGED, MODELS, folder_kind, is_local, model_hint, run_around
from gemma_poetry.languages import _
from gemma_poetry.manifests import read_manifest
from gemma_poetry.model.configuration_fields import check_adapter_configuration
from gemma_poetry.model.gguf_header import is_gguf
from gemma_poetry.model.gguf_input import converted_gguf
from gemma_poetry.model.hub import fetch
from gemma_poetry.model.named_models import find_named, name_at_hand, named_repository

DEFAULT_MODEL = "mini"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter on disk.

    Attributes:
        folder: Where it lies.
        base: The spec of the base model that it was trained on.
        revision: The commit of that base, as far as known.
        fingerprint: That of the base's weights, as far as known.
        gguf: The GGUF file that the base came from.
        fixed_poems: Nats a token of the fixed poems after its training; empty where unknown.
    """

    folder: Path
    base: str
    revision: str | None
    fingerprint: str | None
    gguf: str | None = None
    fixed_poems: tuple[float, ...] = ()


def packaged_model(name: str) -> Path | None:
    """The folder of a model that ships with the package, or `None`."""
    folder = resources.files("gemma_poetry") / "assets" / "models" / name
    # A path that begins at the root would stand for itself.
    return Path(str(folder)) if name == Path(name).name and (folder / "config.json").is_file() else None


def lasting_spec(spec: str) -> str:
    """A spec as it is written down: that of a folder or a file from its root, so that it is found from any other folder."""
    if packaged_model(spec) is None:
        with suppress(OSError, ValueError):  # no name that any file can have
            if Path(spec).exists():
                return os.path.abspath(spec)
    return spec


def is_run(path: Path) -> bool:
    """Whether a folder is a RUN (an adapter with its manifest)."""
    return (path / ADAPTER / ADAPTER_CONFIG).is_file()


def is_whole_run(path: Path) -> bool:
    """Whether a folder is a RUN that has no adapter and holds its model whole: of the KerasHub backend, or of every weight."""
    return (path / MERGED / "config.json").is_file() and not (path / "config.json").is_file()


def locate(spec: str, *, weights: bool = True) -> str:
    """What is to be loaded: a folder for presets, paths, GGUF files and names of real models, else a Hub id.

    Args:
        spec: What `--model` names.
        weights: Whether a real model's weights are wanted, or its tokenizer alone.

    Raises:
        ModelError: The folder or file that was named does not exist, or a GGUF file cannot be used.
        ModelAccessError: A real model that was named is neither here nor to be had.
    """
    packaged = packaged_model(spec)
    if packaged is not None:
        return str(packaged)
    path = Path(spec)
    with suppress(OSError, ValueError):  # no name that any file can have
        if path.is_dir():
            _refuse_other_folder(path)
            return str(path / MERGED if is_whole_run(path) else path)
        if is_gguf(path):
            return str(converted_gguf(path))
    if named_repository(spec) is not None:
        return str(find_named(spec, weights=weights).folder)
    hub_like = spec.count("/") == 1 and not spec.startswith((".", "/", "~"))
    if path.suffix != ".gguf" and hub_like and not is_local(spec):
        return spec
    found, action = model_hint(path) if "/" in spec or path.exists() else ("", "")
    raise ModelError(
        _("no model is called {spec!r}{detail}", spec=spec[:200], detail=_(" ({found})", found=found) if found else ""),
        expected=MODELS,
        action=action or _("check the name; a folder or file must exist"),
    )


def _refuse_other_folder(path: Path) -> None:
    """Refuses a folder that is ours and no model, and names the one that was meant.

    Raises:
        ModelError: It is prepared data, or holds a run, or a run that is not finished.
    """
    found, action = model_hint(path)
    kind = folder_kind(path)
    if found and (action or kind in ("data", "run", "keras-run")):
        unfinished = kind in ("run", "keras-run")
        raise ModelError(
            _("the folder is no model: {found}", found=found),
            where=path,
            expected=MODELS,
            action=action or (_("end its training: the same command with --resume") if unfinished else _("name a RUN")),
        )


def run_base(run: Path) -> str:
    """The spec of the base model that a RUN was trained on.

    Raises:
        RunError: The RUN has no manifest or it names no base.
    """
    return str(_base_entry(run)["spec"])


def _base_entry(run: Path) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = read_manifest(run)["base"]
        if not entry.get("spec"):
            raise KeyError("spec")
    except (DataError, KeyError) as error:
        raise RunError(
            _("the run has no manifest that names its base model")
            + (_(" ({found})", found=error.found) if isinstance(error, DataError) else ""),
            where=run,
            expected=_("a run whose training has ended: the manifest is written last"),
            action=_("end its training (gemma-poetry train with the same options and --resume), or name another run"),
        ) from error
    return entry


def find_adapter(path: Path) -> Adapter | None:
    """The adapter of a RUN, or of a plain PEFT folder; `None` for anything else.

    Raises:
        RunError: It names no base model.
    """
    if is_run(path):
        entry, poems = _base_entry(path), read_manifest(path).get("fixed_poems", ())
        return Adapter(
            path / ADAPTER,
            str(entry["spec"]),
            entry.get("revision"),
            entry.get("weights_fingerprint"),
            entry.get("gguf"),
            _nats(poems),
        )
    if (path / ADAPTER_CONFIG).is_file() and not (path / "config.json").is_file():
        config = check_adapter_configuration(path / ADAPTER_CONFIG)
        base = config.get("base_model_name_or_path")
        if not base:
            raise RunError(
                _("{adapter_config} names no base model", adapter_config=ADAPTER_CONFIG),
                where=path,
                action=_("name the RUN folder that the adapter is from"),
            )
        return _plain_adapter(path, str(base), config.get("revision"))
    return None


def _plain_adapter(folder: Path, base: str, revision: str | None) -> Adapter:
    """An adapter in PEFT's layout, with what a manifest of ours beside or around it knows of its base."""
    around = run_around(folder)
    manifest: dict[str, Any] = {}
    with suppress(DataError):
        manifest = read_manifest(around or folder)
    told = manifest.get("base", {}) if around or manifest.get("kind") == "export" else {}
    with suppress(OSError, ValueError):  # no name that any file can have
        if not Path(base).exists():
            name = str(told.get("name"))
            known = name if packaged_model(name) is not None or named_repository(name) is not None else None
            base = str(told.get("spec") or known or (name_at_hand(base) if revision is None else None) or base)
    check = manifest.get("check")
    # An export knows the mean of the poems, which is all that is compared.
    poems = manifest.get("fixed_poems", ()) if around else [check.get("run")] if isinstance(check, dict) else ()
    return Adapter(folder, base, revision, told.get("weights_fingerprint"), told.get("gguf"), _nats(poems))


def _nats(poems: Any) -> tuple[float, ...]:
    return tuple(poems) if all(isinstance(nats, float) for nats in poems) else ()


def model_folder(spec: str) -> Path:
    """The folder of everything but weights that a model has; a Hub id's is fetched.

    Raises:
        ModelError: There is no such model, or it cannot be reached.
    """
    return folder_of(locate(spec), weights=False)


def folder_of(location: str, revision: str | None = None, *, weights: bool) -> Path:
    """The folder of what `locate` found; a Hub id is fetched, its weights only where they are wanted."""
    path = Path(location)
    return path if path.is_dir() else fetch(location, revision=revision, weights=weights)
