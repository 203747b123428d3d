"""What lies at a path that a person named, and what of it they may have meant.

    runs/quickstart ──> "the folder of a quickstart" ──> as a model: runs/quickstart/run, as data: runs/quickstart/data

In: a path, and what is wanted there: DATA, or a model. Out: what it is, in words, and the path to name in its place.
Nothing is loaded: manifests and the names of files tell.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from gemma_poetry.artifacts import MANIFEST, read_json
from gemma_poetry.errors import DataError, GemmaPoetryError, nearest_names
from gemma_poetry.languages import _, listed

Wanted = Literal["data", "model"]
ADAPTER, MERGED = "adapter", "merged"
"""Where a RUN holds what was trained: updates of LoRA, or a model of its own."""
MODELS = _("mini, a RUN or model folder, a GGUF file, a published name (gemma-3-270m), or a Hub id (google/gemma-3-270m)")
"""What a person can name as a model: the same sentence in help and refusals."""
_RUNS = ("run", "keras-run")
_KINDS = {
    "data": _("prepared data (DATA, from gemma-poetry prepare)"),
    "run": _("a run (RUN, from gemma-poetry train)"),
    "keras-run": _("a run (RUN, from gemma-poetry train --backend keras)"),
    "pretrained model": _("a model (from gemma-poetry pretrain)"),
    "tuning": _("a search for a recipe (from gemma-poetry tune)"),
}
_NAMES_SHOWN = 6


def folder_kind(path: Path) -> str:
    """What a folder is: the kind that its manifest says, else what its files make it; empty where nothing tells."""
    kind = str(_manifest(path).get("kind", ""))
    if kind in _KINDS:
        return kind
    if (path / "run").is_dir() and (path / "data").is_dir():
        return "quickstart"
    if (path / ADAPTER).is_dir() or (path / "started.json").is_file():
        return "run"
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        return "adapter"
    if (path / "config.json").is_file():
        return "model"
    if (path / "train.jsonl").is_file() and (path / "train.txt").is_file():
        return "data"
    return kind


def run_around(folder: Path) -> Path | None:
    """The RUN whose `adapter/` or `merged/` a folder is; `None` for any other folder."""
    whole = Path(os.path.abspath(folder))
    return whole.parent if whole.name in (ADAPTER, MERGED) and (whole.parent / MANIFEST).is_file() else None


def describe_folder(path: Path) -> str:
    """What lies at a path, in words."""
    if path.is_file():
        return _("a file")
    if not path.is_dir():
        return _("no such folder")
    kind = folder_kind(path)
    if kind in _KINDS and str(_manifest(path).get("kind", "")) == kind:
        return _KINDS[kind]
    told = {
        "run": _("a run that is not finished"),
        "data": _("prepared data without its manifest"),
        "quickstart": _("the folder of a quickstart, with DATA and RUN in it"),
        "adapter": _("an adapter"),
        "model": _("a model"),
    }
    if kind in told:
        return told[kind]
    names = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    if not names:
        return _("an empty folder")
    more = " …" if len(names) > _NAMES_SHOWN else ""
    return _(
        "{value} that holds {names}{more}",
        value=_("a folder of the kind {kind!r}", kind=kind) if kind else _("a folder"),
        names=listed(names[:_NAMES_SHOWN]),
        more=more,
    )


def meant_folder(path: Path, wanted: Wanted) -> Path | None:
    """The folder of the wanted kind that a path leads to: inside it, around it, or what it was made of."""
    if wanted == "data":
        # A run names the data that it was trained on.
        of_run = _manifest(path).get("data")
        named = of_run.get("folder") if isinstance(of_run, dict) else None
        candidates = [path / "data", path.parent, *([Path(str(named))] if named else []), path.parent / "data"]
        return next((folder for folder in candidates if folder_kind(folder) == "data"), None)
    inside = [path / "run", path.parent, *(path / name for name in (ADAPTER, MERGED, "model"))]
    return next((folder for folder in inside if folder_kind(folder) in (*_RUNS, "adapter", "model", "pretrained model")), None)


def check_data_folder(path: Path) -> None:
    """Refuses what is no DATA folder, and names the one that was meant.

    Raises:
        DataError: There is none there.
    """
    path = Path(path)
    kind = folder_kind(path)
    if (path / MANIFEST).is_file() and kind in ("data", ""):
        return
    meant = meant_folder(path, "data") if path.exists() else None
    near = nearest_folders(path, ("data", "quickstart"))
    if meant is not None:
        action = _("name {meant}", meant=meant)
    elif near:
        action = _("did you mean {near}?", near=listed(map(str, near), " or "))
    else:
        action = _("run gemma-poetry prepare first (--source SOURCE --out DATA), and name its DATA")
    missing = not path.exists() or kind == ""  # where a manifest is all that is missing, its name says most
    raise DataError(
        (
            _("no such file")
            if not path.is_dir()
            else _("no such file: this is {describe_folder}", describe_folder=describe_folder(path))
        )
        if missing and not path.is_file()
        else _("not prepared data: this is {describe_folder}", describe_folder=describe_folder(path)),
        where=path / MANIFEST if missing and not path.is_file() else path,
        expected=_("a DATA folder, with the manifest that gemma-poetry prepare wrote"),
        action=action,
    )


def model_hint(path: Path) -> tuple[str, str]:
    """What a path that is no model is, and what to name as the model in its place; empty where there is nothing to say."""
    path = Path(path)
    if not path.exists():
        if folder_kind(path.parent) in _RUNS and (path.parent / MANIFEST).is_file():
            return _("no such folder"), _("name {parent}", parent=path.parent)
        near = nearest_folders(path, ("model", "adapter", "pretrained model", *_RUNS, "quickstart"))
        return _("no such folder"), _("did you mean {near}?", near=listed(map(str, near), " or ")) if near else ""
    meant = meant_folder(path, "model")
    kind = folder_kind(path)
    if path.is_file() and meant is None:
        return _("a file, not a folder"), _("name the folder that it lies in")
    if kind in ("model", "adapter", "pretrained model") or (kind in _RUNS and (path / MANIFEST).is_file()):
        return "", ""
    return describe_folder(path), _("name {meant}", meant=meant) if meant is not None else ""


def distinct_names(specs: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """A short name for each model or run, no two alike: that of its folder or file, with its parents where others have it too.

    Args:
        specs: What people name as models, no place twice.
        taken: Names that others have.
    """
    paths = [(Path(spec).resolve().parts[1:] if Path(spec).exists() else ()) or (spec,) for spec in specs]
    names = [parts[-1] for parts in paths]
    for length in range(2, max(map(len, paths), default=0) + 1):
        twice = {name for name in names if names.count(name) > 1 or name in taken}
        names = ["/".join(parts[-length:]) if name in twice else name for name, parts in zip(names, paths)]
    return names


def nearest_folders(path: Path, kinds: tuple[str, ...]) -> list[Path]:
    """Folders of some kinds beside a path that does not exist, those with the nearest names first."""
    beside = {folder.name: folder for folder in _folders_in(path.parent) if folder_kind(folder) in kinds}
    near = nearest_names(path.name, beside)
    inside = "data" if "data" in kinds else "run"
    named = [beside[name] for name in [*near, *(name for name in sorted(beside) if name not in near)][:3]]
    return [folder / inside if folder_kind(folder) == "quickstart" else folder for folder in named]


def is_local(spec: str) -> bool:
    """Whether `owner/name` means something of this machine, there or missing, not a repository of the Hub.

    It does where a file lies there, where `owner` is `runs` or `data`, the places of the README, and where `owner` is a folder
    of ours, or one with runs or data of ours in it.
    """
    owner, _unused, name = spec.partition("/")
    if not name or Path(spec).is_file():
        return True
    ours = ("data", "quickstart", "pretrained model", *_RUNS)
    return owner in ("runs", "data") or any(folder_kind(folder) in ours for folder in (Path(owner), *_folders_in(Path(owner))))


def _folders_in(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in sorted(entries, key=lambda entry: entry.name)[:1000] if entry.is_dir())
    except OSError:
        return


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_json(folder / MANIFEST)
    except (GemmaPoetryError, OSError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
