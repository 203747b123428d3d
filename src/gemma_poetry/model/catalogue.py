"""The catalogue lists the Gemma text models that Google publishes, and our own: their shapes and licences.

In: nothing. Out: one `PublishedModel` each, from which a configuration of transformers, and so its size and memory, follow
without a download.

The numbers are those of the published `config.json` files, where they differ from the defaults of transformers; the counts
of parameters that follow from them are compared with published ones by a test. From 4B on Gemma 3, 3n and 4 have a
vision tower, 3n and 4 an audio tower too: poems need neither, and only the language model is counted here.

Left out: Gemma 4 26B-A4B (128 experts a layer, which neither the default LoRA targets nor 4-bit quantization reach).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GEMMA_TERMS = "Gemma Terms of Use"
APACHE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One size of one family.

    Attributes:
        name: The Hub id of the pretrained checkpoint; `-it` behind it names the instruction-tuned one (see `tuned`).
        model_type: What transformers calls the family's text model.
        licence: The licence of the weights.
        settings: Settings of its configuration that differ from the defaults of transformers.
        tuned: The Hub id of the instruction-tuned checkpoint.
    """

    name: str
    model_type: str
    licence: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tuned(self) -> str:
        # Gemma 3 marks the pretrained checkpoint (-pt) from 1B on, the other families the tuned one alone.
        return self.name.removesuffix("-pt") + "-it"

    def config(self) -> Any:
        """Its configuration as transformers has it."""
        from transformers import AutoConfig

        return AutoConfig.for_model(self.model_type, **self.settings)


def _shape(hidden: int, feed_forward: int, layers: int, heads: int, key_value: int, head: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": feed_forward,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value,
        "head_dim": head,
        **more,
    }


def _every(step: int, layers: int) -> list[str]:
    """Layer types: each `step`-th layer sees everything, the others a window."""
    return ["sliding_attention" if (layer + 1) % step else "full_attention" for layer in range(layers)]


_GEMMA_3 = {"vocab_size": 262_144}
_GEMMA_3_VISION = {"vocab_size": 262_208}
PUBLISHED: tuple[PublishedModel, ...] = (
    PublishedModel("google/gemma-2b", "gemma", GEMMA_TERMS, _shape(2048, 16384, 18, 8, 1, 256)),
    PublishedModel("google/gemma-7b", "gemma", GEMMA_TERMS, _shape(3072, 24576, 28, 16, 16, 256)),
    PublishedModel("google/gemma-2-2b", "gemma2", GEMMA_TERMS, _shape(2304, 9216, 26, 8, 4, 256)),
    PublishedModel("google/gemma-2-9b", "gemma2", GEMMA_TERMS, _shape(3584, 14336, 42, 16, 8, 256)),
    PublishedModel("google/gemma-2-27b", "gemma2", GEMMA_TERMS, _shape(4608, 36864, 46, 32, 16, 128)),
    PublishedModel("google/gemma-3-270m", "gemma3_text", GEMMA_TERMS, _shape(640, 2048, 18, 4, 1, 256, **_GEMMA_3)),
    PublishedModel("google/gemma-3-1b-pt", "gemma3_text", GEMMA_TERMS, _shape(1152, 6912, 26, 4, 1, 256, **_GEMMA_3)),
    PublishedModel("google/gemma-3-4b-pt", "gemma3_text", GEMMA_TERMS, _shape(2560, 10240, 34, 8, 4, 256, **_GEMMA_3_VISION)),
    PublishedModel("google/gemma-3-12b-pt", "gemma3_text", GEMMA_TERMS, _shape(3840, 15360, 48, 16, 8, 256, **_GEMMA_3_VISION)),
    PublishedModel(
        "google/gemma-3-27b-pt", "gemma3_text", GEMMA_TERMS, _shape(5376, 21504, 62, 32, 16, 128, **_GEMMA_3_VISION)
    ),
    PublishedModel(
        "google/gemma-3n-E2B",
        "gemma3n_text",
        GEMMA_TERMS,
        _shape(2048, 8192, 30, 8, 2, 256, num_kv_shared_layers=10, activation_sparsity_pattern=[0.95] * 10 + [0.0] * 20),
    ),
    PublishedModel("google/gemma-3n-E4B", "gemma3n_text", GEMMA_TERMS, _shape(2048, 16384, 35, 8, 2, 256)),
    PublishedModel(
        "google/gemma-4-E2B",
        "gemma4_text",
        APACHE,
        _shape(1536, 6144, 35, 8, 1, 256, num_kv_shared_layers=20, use_double_wide_mlp=True, layer_types=_every(5, 35)),
    ),
    PublishedModel("google/gemma-4-E4B", "gemma4_text", APACHE, _shape(2560, 10240, 42, 8, 2, 256, num_kv_shared_layers=18)),
    PublishedModel(
        "google/gemma-4-31B",
        "gemma4_text",
        APACHE,
        _shape(
            *(5376, 21504, 60, 32, 16, 256),
            hidden_size_per_layer_input=0,
            attention_k_eq_v=True,
            num_global_key_value_heads=4,
        ),
    ),
)


def licence_of(model_type: str) -> str:
    """The licence of the weights of a family, by what transformers calls its model or its text model."""
    family = model_type.removesuffix("_text")
    return next(model.licence for model in PUBLISHED if model.model_type.removesuffix("_text") == family)
