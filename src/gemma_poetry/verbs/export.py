"""`gemma-poetry export`: a run for other programs, compared with the run before it is believed.

In: a RUN and what it is to become. Out: a folder (or a Hub repository) with the run's known lines, and the figures of the
comparison; a wrong export is an error and leaves nothing behind.

    peft    adapter, tokenizer, card            PeftModel.from_pretrained, vLLM with --enable-lora
    merged  one model, tokenizer, card          transformers, vLLM, converters
    gguf    model.gguf, quantized where wanted  llama.cpp, LM Studio
    gguf-adapter  adapter.gguf, base.gguf       llama.cpp --lora, ADAPTER of a Modelfile
    ollama  model.gguf or merged, Modelfile     ollama create
    hub     peft or merged, uploaded

A run whose model is whole (`train.method=full`, KerasHub) becomes all of these but the adapters.
"""

from __future__ import annotations

import copy
import gc
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import copy_file, write_text
from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.known_lines import carried_lists
from gemma_poetry.errors import DataError, ModelError, UsageError
from gemma_poetry.languages import _
from gemma_poetry.manifests import atomic_folder, check_folder, read_manifest, write_manifest

if TYPE_CHECKING:
    from gemma_poetry.exporting.export import ExportCheck, ExportSource
    from gemma_poetry.model.weights_packages import WeightsPackage

KIND = "export"
GGUF_NAME = "model.gguf"
ADAPTER_NAME = "adapter.gguf"
BASE_NAME = "base.gguf"
MODELFILE = "Modelfile"
_ADAPTERS = ("peft", "gguf-adapter")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line asks for.

    Attributes:
        run: The RUN.
        to: `peft`, `merged`, `ollama`, `gguf`, `gguf-adapter` or `hub`.
        out: The folder to write; `None`: `RUN/export/TO`.
        dtype: Of merged weights; `auto`: as in the base checkpoint; `q8_0`, `q5_k_m`, `q4_k_m` for GGUF files alone.
        repository: `owner/name` on the Hub.
        private: Whether a new repository is private.
        with_base: Whether the base model's GGUF file is written beside `gguf-adapter`.
        sampling: What the export recommends to those who sample from it.
    """

    run: Path
    to: str
    out: Path | None = None
    dtype: str = "auto"
    repository: str = ""
    private: bool = True
    with_base: bool = False
    sampling: GenerateSettings = field(default_factory=lambda: GenerateSettings())


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        to: What the run became.
        folder: The folder.
        check: How run and export compare.
        commit: The commit on the Hub, empty for all else.
    """

    to: str
    folder: Path
    check: ExportCheck
    commit: str = ""

    def to_record(self) -> dict[str, Any]:
        """The result as a JSON value."""
        found: dict[str, Any] = {"to": self.to, "folder": str(self.folder), "check": self.check.to_record()}
        return found | ({"commit": self.commit} if self.commit else {})

    def rows(self) -> list[tuple[str, str]]:
        """The result for a terminal."""
        check = self.check
        changed = "" if check.effect is None else _(" (the adapter changes {effect:.4f})", effect=check.effect)
        found = [
            (
                _("fixed poems"),
                _(
                    "{poems}, {run:.4f} nats a token by the run, {export:.4f} by the export",
                    poems=check.poems,
                    run=check.run,
                    export=check.export,
                ),
            ),
            (
                _("widest difference"),
                _("{difference:.1e} nats a token", difference=check.difference) + changed,
            ),
        ]
        if self.to == "gguf-adapter":
            beside = (self.folder / BASE_NAME).is_file()
            place = BASE_NAME if beside else _("a GGUF file of the base model (--with-base writes it)")
            found.append((_("to be put on"), place))
        return found + ([(_("commit"), self.commit)] if self.commit else [])


def export(options: ExportOptions) -> Exported:
    """Exports a run.

    Raises:
        UsageError: The target, or what it needs, cannot be.
        RunError: The run is incomplete, or its base is another than it was.
        ModelError: The base model cannot be used.
        ExportError: What was written is not what the run writes.
        OutputError: The folder cannot be written.
    """
    from gemma_poetry.exporting.export import open_run
    from gemma_poetry.exporting.gguf_adapter import check_gguf_adapter
    from gemma_poetry.exporting.gguf_file import require_gguf
    from gemma_poetry.exporting.gguf_quantization import QUANTIZATIONS, require_quantization
    from gemma_poetry.model.locating import is_whole_run

    if options.to == "hub" and not options.repository:
        raise UsageError(_("no repository is named"), expected=_("owner/name on the Hub"), action=_("add --repo owner/name"))
    if options.to != "hub" and (options.repository or not options.private):
        option = "--repo" if options.repository else "--public"
        raise UsageError(
            _("{option} is given, and --to {to} uploads nothing", option=option, to=options.to),
            expected="--to hub",
            action=_("leave it out, or export with --to hub"),
        )
    if options.to != "gguf-adapter" and options.with_base:
        raise UsageError(
            _("--with-base is given, and --to {to} writes no base model beside it", to=options.to),
            expected="--to gguf-adapter",
            action=_("leave it out, or export with --to gguf-adapter"),
        )
    if options.to in _ADAPTERS and options.dtype != "auto":
        raise _no_dtype(options)
    quantized = options.dtype in QUANTIZATIONS
    if quantized and options.to not in ("gguf", "ollama"):
        raise UsageError(
            _("{to} is not written in {dtype}", to=options.to, dtype=options.dtype),
            expected=_("--to gguf or --to ollama"),
            action=_("choose --dtype auto, float32 or bfloat16"),
        )
    out = options.out or options.run / "export" / options.to
    check_folder(out, KIND)
    if quantized or options.to.startswith("gguf"):
        require_gguf(None)  # before minutes are spent on loading
        require_quantization(options.dtype)
    if options.to in _ADAPTERS and is_whole_run(options.run):
        raise UsageError(
            _("the run has no adapter: its model is whole"),
            where=options.run,
            expected="--to merged, gguf, ollama, hub",
            action=_("choose one of these"),
        )
    source = open_run(options.run)
    if options.dtype != "auto" and _uploads_adapter(options, source):
        raise _no_dtype(options)
    if quantized or options.to == "gguf":
        require_gguf(source.loaded.model.config)
    elif options.to == "gguf-adapter":
        check_gguf_adapter(source.loaded.model)
        if options.with_base and _base_file(source) is None:
            require_gguf(source.loaded.model.config)
    commit = ""
    with atomic_folder(out, KIND) as folder:
        check = _write(options, source, folder)
        for known in carried_lists(options.run):
            copy_file(known, folder / known.name)
        files = [path.name for path in sorted(folder.iterdir()) if path.is_file()]
        for name in files:  # weights are written for their owner alone; a server may be somebody else
            (folder / name).chmod(0o644)
        contents = {"kind": KIND, "to": options.to, "run": options.run.resolve().name, "check": check.to_record()}
        # Generation asks a model's manifest what language it was taught. Where things lay on this machine is nobody's affair.
        origin = {name: _without_places(read_manifest(options.run).get(name, {})) for name in ("base", "data")}
        write_manifest(folder, contents | origin, files)
        if options.to == "hub":
            from gemma_poetry.exporting.hub_upload import upload

            commit = upload(folder, options.repository, private=options.private)
    return Exported(options.to, out, check, commit)


def _uploads_adapter(options: ExportOptions, source: ExportSource) -> bool:
    """Whether the adapter alone goes to the Hub: its base is there already, if in other arithmetic than it was trained on."""
    from gemma_poetry.exporting.hub_upload import base_repository

    return options.to == "hub" and source.loaded.adapted and base_repository(source.loaded.base) is not None


def _no_dtype(options: ExportOptions) -> UsageError:
    return UsageError(
        _("{to} is not written in {dtype}: an adapter stays as it was trained", to=options.to, dtype=options.dtype),
        expected=_("--dtype auto"),
        action=_("leave --dtype out, or write the merged weights (--to merged, gguf or ollama)"),
    )


def _write(options: ExportOptions, source: ExportSource, folder: Path) -> ExportCheck:
    from gemma_poetry.exporting.export import write_adapter, write_merged
    from gemma_poetry.exporting.gguf_file import gguf_installed
    from gemma_poetry.exporting.ollama import modelfile
    from gemma_poetry.verbs.domain_lookup import domain_of_model

    tokenizer, sampling = source.loaded.tokenizer, options.sampling
    if options.to == "peft" or _uploads_adapter(options, source):
        check = write_adapter(source, folder)
        _write_card(source, folder, check, merged=False)
        return check
    if options.to == "gguf":
        return _write_gguf(source, folder, options.dtype)
    if options.to == "gguf-adapter":
        return _write_gguf_adapter(source, folder, with_base=options.with_base)
    if options.to == "ollama" and gguf_installed() and _as_gguf(source.loaded.model.config):
        check, weights = _write_gguf(source, folder, options.dtype), f"./{GGUF_NAME}"
    else:
        check, weights = write_merged(source, folder, options.dtype, sampling), "."
        _write_card(source, folder, check, merged=True)
    if options.to == "ollama":
        domain = domain_of_model(str(options.run))
        write_text(
            folder / MODELFILE, modelfile(tokenizer, weights, sampling, form=domain.example.form, template=domain.template)
        )
    return check


def _as_gguf(config: Any) -> bool:
    from gemma_poetry.exporting.gguf_file import require_gguf

    try:
        require_gguf(config)
    except UsageError:
        return False
    return True


def _write_gguf(source: ExportSource, folder: Path, dtype: str) -> ExportCheck:
    from gemma_poetry.exporting.export import compare, merge
    from gemma_poetry.exporting.gguf_file import check_tokens, read_gguf, swallows, write_gguf
    from gemma_poetry.model.fixed_poems import score_fixed_poems

    dtype = source.loaded.stored_dtype() if dtype == "auto" else dtype
    path, tokenizer = folder / GGUF_NAME, source.loaded.tokenizer
    dithered = source.loaded.adapted and swallows(source.loaded.model, dtype)
    model = merge(source)
    config = copy.deepcopy(model.config)
    write_gguf(model, tokenizer, path, dtype, dithered=dithered)
    del model
    gc.collect()
    check_tokens(path, tokenizer)
    return compare(source.reference, score_fixed_poems(read_gguf(path, config), tokenizer), dtype, path)


def _write_gguf_adapter(source: ExportSource, folder: Path, *, with_base: bool) -> ExportCheck:
    from gemma_poetry.exporting.export import compare
    from gemma_poetry.exporting.gguf_adapter import add_gguf_adapter, write_gguf_adapter
    from gemma_poetry.model.fixed_poems import score_fixed_poems

    path = folder / ADAPTER_NAME
    write_gguf_adapter(source.loaded.model, path)
    base = source.loaded.model.unload()
    if with_base:
        base = _write_base(source, base, folder / BASE_NAME)
    model = add_gguf_adapter(base, path)
    return compare(source.reference, score_fixed_poems(model, source.loaded.tokenizer), "float32", path)


def _write_base(source: ExportSource, base: Any, path: Path) -> Any:
    """Writes the GGUF file of a base model: the one that it came from, else a new one, read back; returns the model of it."""
    from gemma_poetry.exporting.gguf_file import check_tokens, read_gguf, write_gguf
    from gemma_poetry.model.weights_packages import WeightsPackage, write_package

    found = _base_file(source)
    if isinstance(found, WeightsPackage):
        write_package(found, path)
    elif found is not None:
        copy_file(found, path)
    else:
        config = copy.deepcopy(base.config)
        write_gguf(base, source.loaded.tokenizer, path, source.loaded.stored_dtype())
        check_tokens(path, source.loaded.tokenizer)
        return read_gguf(path, config)
    return base


def _base_file(source: ExportSource) -> Path | WeightsPackage | None:
    """The GGUF file, or the weights package, that a base model was converted from, where that is still here."""
    from gemma_poetry.model.gguf_input import converted_gguf
    from gemma_poetry.model.other_base import gguf_source
    from gemma_poetry.model.weights_packages import WEIGHTS_PACKAGES, converted_package

    folder, file = source.loaded.folder, Path(source.loaded.base)
    if gguf_source(folder) is None:
        return None
    package = next((known for known in WEIGHTS_PACKAGES.values() if converted_package(known) == folder), None)
    return package or (file if file.is_file() and converted_gguf(file) == folder else None)


def _write_card(source: ExportSource, folder: Path, check: ExportCheck, *, merged: bool) -> None:
    from gemma_poetry.exporting.hub_upload import model_card
    from gemma_poetry.model.catalogue import licence_of
    from gemma_poetry.verbs.domain_lookup import domain_of_model

    manifest = read_manifest(source.run)
    domain = domain_of_model(str(source.run))
    card = model_card(
        manifest,
        source.loaded.tokenizer,
        check,
        merged=merged,
        example=domain.example,
        licence="" if _is_pretrained(_base_folder(source)) else licence_of(source.loaded.model.config.model_type),
    )
    write_text(folder / "README.md", card)


def _base_folder(source: ExportSource) -> Path:
    """Where the base model lies; of a whole model that outlived its base, where that model lies."""
    from gemma_poetry.model.locating import locate, run_base

    if not source.loaded.adapted:
        with suppress(ModelError):
            return Path(locate(run_base(source.run), weights=False))
    return source.loaded.folder


def _is_pretrained(base: Path) -> bool:
    """Whether a base model is one of `pretrain`, whose weights are not Google's."""
    try:
        return read_manifest(base).get("kind") == "pretrained model"
    except (DataError, AttributeError):
        return False


def _without_places(entry: dict[str, Any]) -> dict[str, Any]:
    from gemma_poetry.exporting.hub_upload import base_repository
    from gemma_poetry.model.locating import packaged_model

    spec = str(entry.get("spec"))
    places = {"folder"} if packaged_model(spec) is not None or base_repository(spec) is not None else {"folder", "spec"}
    return {name: value for name, value in entry.items() if name not in places}
