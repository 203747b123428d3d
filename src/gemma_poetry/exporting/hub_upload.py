"""A run is uploaded to the Hugging Face Hub: its card, the files, and a look at what arrived.

In: an export folder that was checked, the run's manifest, the name of a repository. Out: the repository's commit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import sha256_file
from gemma_poetry.data.prompts import CHINESE, Conditions
from gemma_poetry.data.tokenization import is_instruction_tuned, stop_ids
from gemma_poetry.errors import ExportError, ModelAccessError, UsageError
from gemma_poetry.exporting.export import ExportCheck
from gemma_poetry.languages import _, listed, localized
from gemma_poetry.model.catalogue import APACHE, GEMMA_TERMS
from gemma_poetry.model.locating import packaged_model
from gemma_poetry.model.named_models import named_repository

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EXAMPLE = Conditions(form="七言绝句", title="秋夜", author="杜甫")
"""What the prompt on a card asks for."""

_HUB_ID_PARTS = 2
# By the licence of the base model: what the Hub calls it, and what its card says of it.
_LICENCES = {
    GEMMA_TERMS: ("gemma", _("Use is subject to the [Gemma terms](https://ai.google.dev/gemma/terms).")),
    APACHE: (
        "apache-2.0",
        _("The base model is under the [Apache License 2.0](https://www.apache.org/licenses/LICENSE-2.0)."),
    ),
}


def model_card(
    manifest: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    check: ExportCheck,
    *,
    merged: bool,
    example: Conditions = EXAMPLE,
    licence: str = GEMMA_TERMS,
) -> str:
    """The README.md of an export: what it is, what it was made of, how it is asked; only what the manifest knows.

    Args:
        manifest: The run's manifest.
        tokenizer: The model's tokenizer.
        check: How run and export compare.
        merged: Whether the weights are whole: the adapter is in them, or every one was trained.
        example: What the prompt on the card asks for.
        licence: The licence of the base model's weights, one of the `catalogue`; empty: none of Google's binds them.
    """
    base, train, lora = manifest["base"], manifest["recipe"]["train"], manifest["recipe"]["lora"]
    full = train.get("method") == "full"
    on_hub = base_repository(str(base["spec"]))
    unpacked = base.get("gguf")
    header = [
        "---",
        *(["language: zh"] if example.template == CHINESE else []),
        *([f"license: {_LICENCES[licence][0]}"] if licence else []),
        f"library_name: {'transformers' if merged else 'peft'}",
        "pipeline_tag: text-generation",
        *([f"base_model: {on_hub}"] if on_hub else []),
        f"tags: [gemma, {'' if full else 'lora, '}poetry, gemma-poetry]",
        "---",
    ]
    rows = {
        _("base model"): _("{name} at {revision}", name=base["name"], revision=base["revision"])
        if base.get("revision")
        else base["name"],
        _("training poems"): f"{manifest['data']['train_poems']:,}",
        _("data"): _("manifest sha256 {sha256}", sha256=manifest["data"]["manifest_sha256"]),
        **(
            {}
            if full
            else {
                "LoRA": _(
                    "rank {rank}, alpha {alpha:g}, on {targets}",
                    rank=lora["rank"],
                    alpha=lora["alpha"],
                    targets=listed(lora["targets"]),
                )
            }
        ),
        _("training"): _(
            "{steps:,} steps, batch {batch_size}, peak rate {learning_rate:g}, seed {seed}",
            steps=manifest["steps"],
            batch_size=train["batch_size"],
            learning_rate=train["learning_rate"],
            seed=manifest["seed"],
        ),
        **{_("validation {name}", name=name): f"{value:.2f}" for name, value in manifest.get("validation", {}).items()},
        _("this export"): _(
            "{poems} fixed poems: {export:.4f} nats a token, {run:.4f} by the run (widest difference {difference:.1e})",
            poems=check.poems,
            export=check.export,
            run=check.run,
            difference=check.difference,
        ),
    }
    stops = listed(f"`{tokenizer.convert_ids_to_tokens(index)}` ({index})" for index in stop_ids(tokenizer))
    body = [
        "",
        _("# {name}, fine-tuned on poems", name=base["name"]),
        "",
        _("A fine-tuning of every weight, made with `gemma-poetry`.")
        if full
        else _("A LoRA fine-tuning made with `gemma-poetry`, merged into the base model.")
        if merged
        else _("A LoRA fine-tuning made with `gemma-poetry`."),
        "",
        "| | |",
        "|---|---|",
        *(f"| {localized(name)} | {localized(value)} |" for name, value in rows.items()),
        "",
        *(
            [
                _(
                    "The weights that it was trained on were unpacked from `{file}`, a GGUF file of the base model. What is "
                    "above\nis of these; on weights that are quantized otherwise or not at all the adapter loses a little, "
                    "which `gemma-poetry`\nmeasures when it loads it there.",
                    file=unpacked,
                ),
                "",
            ]
            if unpacked and not merged
            else [_("The base model's weights were unpacked from `{file}`, a GGUF file of it.", file=unpacked), ""]
            if unpacked
            else []
        ),
        _(
            "The prompt inside the chat template, as the user's message, with one BOS in front; title and author may be "
            "left out:"
        )
        if is_instruction_tuned(tokenizer)
        else _("The prompt, with one BOS in front; title and author may be left out:"),
        "",
        "```text",
        example.prompt(),
        "```",
        "",
        _(
            "Generation ends at {stops}. Form, tones and rhyme are promised only by `gemma-poetry generate`, which "
            "constrains\ndecoding; sampled without it, the model may break them.",
            stops=stops,
        ),
        *(["", _LICENCES[licence][1]] if licence else []),
        "",
    ]
    return "\n".join([*header, *map(localized, body)])


def base_repository(spec: str) -> str | None:
    """The repository of a base model that others can reach, also where it was had by its name; `None` for all else."""
    if Path(spec).exists() or packaged_model(spec) is not None:
        return None
    named = named_repository(spec)
    hub_like = len(spec.split("/")) == _HUB_ID_PARTS and not spec.startswith((".", "/", "~")) and not spec.endswith(".gguf")
    return named or (spec if hub_like else None)


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Uploads a folder, fetches it again and compares every file.

    Args:
        folder: A checked export.
        repository: `owner/name`.
        private: Whether a new repository is private.

    Returns:
        The commit that holds the export.

    Raises:
        UsageError: `repository` is no repository name.
        ModelAccessError: The Hub refuses, or cannot be reached.
        ExportError: What arrived is not what was sent.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if len(repository.split("/")) != _HUB_ID_PARTS:
        raise UsageError(
            _("{repository!r} is no repository", repository=repository),
            expected="owner/name",
            action=_("e.g. --repo my-name/poems"),
        )
    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository, folder_path=str(folder), commit_message="Export of gemma-poetry", ignore_patterns=[".*"]
        )
        with tempfile.TemporaryDirectory() as fetched:
            api.snapshot_download(repository, revision=commit.oid, local_dir=fetched)
            _compare_files(folder, Path(fetched), repository)
    except HFValidationError as error:
        raise UsageError(
            _("{repository!r} is no repository name ({error})", repository=repository, error=error), expected="owner/name"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelAccessError(
            _("the Hub does not take the upload ({error!r})", error=str(error).splitlines()[0] if str(error) else error),
            where=repository,
            expected=_("a repository that the token in HF_TOKEN may write to"),
            action=_(
                "make a token with write access at https://huggingface.co/settings/tokens, set HF_TOKEN, check the network"
            ),
        ) from error
    return str(commit.oid)


def _compare_files(sent: Path, arrived: Path, repository: str) -> None:
    for path in sorted(path for path in sent.iterdir() if path.is_file()):
        other = arrived / path.name
        if not other.is_file() or sha256_file(other) != sha256_file(path):
            raise ExportError(
                _("{name} did not arrive as it was sent", name=path.name),
                where=repository,
                expected=_("sha256 {sha256_file}…", sha256_file=sha256_file(path)[:12]),
                action=_("run the export again; the repository holds a broken commit until then"),
            )
