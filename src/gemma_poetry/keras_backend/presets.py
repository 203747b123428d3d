"""KerasHub's presets are found and fetched, and read in the terms of transformers.

    gemma3_instruct_1b, kaggle://…, hf://…  ──fetch_preset──>  FOLDER: config.json, assets/tokenizer, model.weights.h5

In: a preset's name, its handle, or a folder that `save_to_preset` wrote. Out: a folder on this machine; its configuration as
transformers would write it, which is checked as that of any checkpoint and goes into the export.

Only plain numbers and texts of a preset's `config.json` are used. Keras would build whatever objects the file describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gemma_poetry.errors import IncompleteModelError, ModelAccessError, ModelError, nearest_names
from gemma_poetry.languages import _, listed

KAGGLE, HUGGING_FACE = "kaggle://", "hf://"
_BACKBONES = {"keras_hub>GemmaBackbone": "Gemma", "keras_hub>Gemma3Backbone": "Gemma3"}
_WEIGHTS = ("model.weights.h5", "model.weights.json")
# What a backbone has in `get_config` -> what transformers calls it.
_SHARED = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_query_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
    "hidden_dim": "hidden_size",
    "head_dim": "head_dim",
    "layer_norm_epsilon": "rms_norm_eps",
}
_CAPS = {"attention_logit_soft_cap": "attn_logit_softcapping", "final_logit_soft_cap": "final_logit_softcapping"}
# What the published Gemmas all have, and the checks of `configuration` and the classes of transformers take for granted.
_GEMMA_1 = {
    "use_post_ffw_norm": False,
    "use_post_attention_norm": False,
    "use_sliding_window_attention": False,
    "attention_logit_soft_cap": None,
    "final_logit_soft_cap": None,
}
_LATER = {"use_post_ffw_norm": True, "use_post_attention_norm": True, "use_sliding_window_attention": True}
_GEMMA_3 = {
    **_LATER,
    "use_query_key_norm": True,
    "use_bidirectional_attention": False,
    "is_embedding_model": False,
    "local_rope_scaling_factor": 1.0,
    "vision_encoder": None,
}


def is_handle(spec: str) -> bool:
    """Whether a spec names a preset that may have to be downloaded: a handle, or one word."""
    return spec.startswith((KAGGLE, HUGGING_FACE)) or ("/" not in spec and not Path(spec).exists())


def preset_names() -> dict[str, str]:
    """KerasHub's own Gemma presets that this backend may take, with their handles.

    Raises:
        UsageError: KerasHub is not installed.
    """
    from gemma_poetry.keras_backend.environment import import_keras

    models = import_keras().models
    found = {**models.GemmaBackbone.presets, **models.Gemma3Backbone.presets}
    return {name: str(entry["kaggle_handle"]) for name, entry in found.items()}


def fetch_preset(spec: str) -> Path:
    """Downloads a preset, where it is not in the cache of kagglehub or of the Hugging Face Hub.

    Args:
        spec: One of `preset_names`, `kaggle://ORG/MODEL/keras/VARIANT[/VERSION]`, or `hf://ORG/NAME`.

    Raises:
        ModelError: There is no such preset.
        ModelAccessError: It cannot be reached.
        UsageError: KerasHub is not installed.
    """
    handle = spec
    if "://" not in spec:
        names = preset_names()
        if spec not in names:
            near = nearest_names(spec, names)
            raise ModelError(
                _("no model is called {spec!r}", spec=spec),
                expected=_(
                    "`mini`, a model folder, a Hub id, a KerasHub preset folder, kaggle://…, hf://…, or a KerasHub preset"
                ),
                action=_("did you mean {near}?", near=listed(near, " or "))
                if near
                else _("check the name; a folder must exist"),
            )
        handle = names[spec]
    try:
        if handle.startswith(KAGGLE):
            import kagglehub

            return Path(kagglehub.model_download(handle.removeprefix(KAGGLE)))
        from huggingface_hub import snapshot_download

        kept = ["*.json", "*.h5", "assets/*"]
        return Path(snapshot_download(handle.removeprefix(HUGGING_FACE), allow_patterns=kept))
    except Exception as error:  # kagglehub, requests and huggingface_hub share no class for what goes wrong on the way
        raise _unreachable(spec, handle, error) from error


def _unreachable(spec: str, handle: str, error: Exception) -> ModelAccessError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    on_kaggle = handle.startswith(KAGGLE)
    place = "https://www.kaggle.com/models/" + "/".join(handle.removeprefix(KAGGLE).split("/")[:2])
    return ModelAccessError(
        _(
            "the preset {spec} cannot be downloaded ({name}: {lines})",
            spec=spec,
            name=type(error).__name__,
            lines=lines[0] if lines else _("no reason given"),
        ),
        where=handle,
        expected=_("a network connection")
        + (
            _(
                ", and Kaggle credentials (KAGGLE_USERNAME and KAGGLE_KEY, or "
                "~/.kaggle/kaggle.json) of an account that accepted the terms at {place}",
                place=place,
            )
            if on_kaggle
            else _(", and HF_TOKEN for a gated repository")
        ),
        action=_("download it on a machine that has them (")
        + (
            _('python -c "import kagglehub; print(kagglehub.model_download({handle!r}))"', handle=handle.removeprefix(KAGGLE))
            if on_kaggle
            else _("hf download {handle}", handle=handle.removeprefix(HUGGING_FACE))
        )
        + _(") and name the folder with --model, or name the same model in the format of transformers"),
    )


def is_preset(config: Mapping[str, Any]) -> bool:
    """Whether the contents of a `config.json` are a KerasHub preset's."""
    return "registered_name" in config


def as_transformers(preset: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration of a preset in the terms of transformers.

    Raises:
        ModelError: It is no Gemma of text alone, or off the published recipes; every setting is named.
        IncompleteModelError: Its weights are missing.
    """
    settings = preset.get("config")
    backbone = _BACKBONES.get(str(preset.get("registered_name")))
    if backbone is None or not isinstance(settings, dict):
        raise ModelError(
            _("the preset is of the class {preset!r}", preset=preset.get("registered_name")),
            where=folder,
            expected=_("{backbones}: Gemma 1, 2 and 3", backbones=listed(_BACKBONES, " or ")),
            action=_("name the preset of a Gemma of text"),
        )
    objects = [name for name, value in settings.items() if name != "dtype" and isinstance(value, (dict, list))]
    wanted: dict[str, Any] = _GEMMA_3
    if backbone == "Gemma":
        wanted = dict(_LATER if settings.get("use_post_ffw_norm") else _GEMMA_1)
    faults = [_("{name}: an object", name=name) for name in objects]
    plain = {name: value for name, value in settings.items() if name not in objects}
    faults += [
        _("{name}: {plain}, not {value}", name=name, plain=plain[name], value=value)
        for name, value in wanted.items()
        if plain.get(name, value) != value
    ]
    faults += [_("{name}: missing", name=name) for name in (*_SHARED, "intermediate_dim") if name not in settings]
    if settings.get("dropout"):
        faults.append(_("dropout: {dropout}, not 0", dropout=settings["dropout"]))
    if faults:
        raise ModelError(
            _("the preset is no plain Gemma of text: ") + listed(faults, "; "),
            where=folder,
            expected=_("the preset of a Gemma without vision (gemma3_1b, gemma3_4b_text, …)"),
            action=_("name such a preset"),
        )
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise IncompleteModelError(
            _("the preset has no weights"),
            where=folder,
            expected=listed(_WEIGHTS, " or "),
            action=_("download the preset again"),
        )
    return _configuration(backbone, settings)


def _configuration(backbone: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    from transformers import Gemma2Config, Gemma3TextConfig, GemmaConfig

    fields = {theirs: settings[ours] for ours, theirs in _SHARED.items()}
    # The two matrices of Gemma 1's and 2's feed-forward layers count as one width there.
    fields["intermediate_size"] = settings["intermediate_dim"] // (2 if backbone == "Gemma" else 1)
    fields |= {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2, "dtype": "float32"}
    kind: Any = GemmaConfig
    if settings.get("use_post_ffw_norm"):
        kind = Gemma2Config if backbone == "Gemma" else Gemma3TextConfig
        by_head = settings.get("query_head_dim_normalize", True)
        fields["query_pre_attn_scalar"] = (
            settings["head_dim"] if by_head else settings["hidden_dim"] // settings["num_query_heads"]
        )
        fields["sliding_window"] = settings["sliding_window_size"]
        fields |= {theirs: settings.get(ours) for ours, theirs in _CAPS.items()}
    stretch = settings.get("global_rope_scaling_factor", 1.0)
    if stretch != 1.0:
        fields["rope_parameters"] = {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": {"rope_type": "linear", "rope_theta": 1_000_000.0, "factor": stretch},
        }
    written: dict[str, Any] = kind(**fields).to_dict()
    return {**written, "architectures": [kind.__name__.replace("TextConfig", "Config").replace("Config", "ForCausalLM")]}
