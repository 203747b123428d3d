"""A Modelfile tells Ollama weights, prompt, stops and sampling.

In: a tokenizer, the name of the weights, sampling settings. Out: the text of a Modelfile.

Ollama's two fields carry the two conditions that people change: `SYSTEM` is the form (体裁), the message is the title
(题目). `ollama run NAME 秋夜` writes a poem of the default form with that title; `/set system 五言律诗` changes the form. BOS
is not in the template: llama.cpp adds it, and a second one would ruin every poem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.prompts import CHINESE, Conditions, Template
from gemma_poetry.data.tokenization import prompt_text, stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DEFAULT_FORM = "七言绝句"
# Stand for the fields while the chat template is rendered; no template changes private-use characters.
_FORM, _TITLE = "\ue000", "\ue001"
# Tokens that the longest common poem may take; what goes on beyond is no poem.
_LONGEST_POEM = 512


def prompt_template(tokenizer: PreTrainedTokenizerBase, template: Template = CHINESE) -> str:
    """The prompt in Ollama's template language, inside the chat template where the tokenizer has one."""
    rendered = prompt_text(tokenizer, Conditions(form=_FORM, title=_TITLE, template=template))
    titled = template.title + _TITLE
    optional = "{{ if .Prompt }}" + template.title + "{{ .Prompt }}{{ end }}"
    return rendered.replace(titled, optional).replace(_FORM, "{{ .System }}")


def modelfile(
    tokenizer: PreTrainedTokenizerBase,
    weights: str,
    sampling: GenerateSettings,
    *,
    form: str = DEFAULT_FORM,
    template: Template = CHINESE,
) -> str:
    """The text of a Modelfile.

    Args:
        tokenizer: The model's tokenizer.
        weights: What `FROM` names, seen from the folder of the Modelfile.
        sampling: The recipe's sampling.
        form: The form of poems where none is asked for.
        template: The labels of the prompt.
    """
    stops = [str(tokenizer.convert_ids_to_tokens(index)) for index in stop_ids(tokenizer)]
    parameters = [
        *(f"PARAMETER stop {stop}" for stop in stops),
        f"PARAMETER temperature {sampling.temperature:g}",
        f"PARAMETER top_k {sampling.top_k}",
        f"PARAMETER top_p {sampling.top_p:g}",
        "PARAMETER min_p 0",
        # A poem may say a character twice; Ollama's default would punish it.
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_predict {_LONGEST_POEM}",
    ]
    return "\n".join(
        [
            f"FROM {weights}",
            f'TEMPLATE """{prompt_template(tokenizer, template)}"""',
            f'SYSTEM """{form}"""',
            *parameters,
            "",
        ]
    )
