"""What differs between the families: dtype, attention, key-value sharing, towers, ends of turns."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_completion, encode_prompt, stop_ids, terminator_id
from gemma_poetry.errors import ModelError, UsageError
from gemma_poetry.model.families import FAMILIES, choose_attention, choose_device, choose_dtype, language_model_prefix
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.model.lora import add_adapter, matched_modules
from tests.families import FAMILY_NAMES, family_model, save_family, small_tokenizer, turn_markers

PIECES = len(small_tokenizer("gemma"))
IDS = torch.arange(PIECES - 40, PIECES - 4)[None]  # (1, 36): more than two windows of the local layers


@pytest.fixture(scope="module")
def models():
    return {family: family_model(family, PIECES) for family in FAMILY_NAMES}


@pytest.fixture(params=FAMILY_NAMES)
def family(request):
    return request.param


def test_every_family_has_a_checkpoint_to_test_with():
    assert set(FAMILY_NAMES) == set(FAMILIES)


# Arithmetic


@pytest.mark.parametrize("gpu", [None, "old", "new"])
@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3_text", "gemma4"])
def test_auto_is_bfloat16_where_the_gpu_has_it_else_float32(monkeypatch, family, gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: gpu == "new")
    assert choose_dtype(family) == (torch.bfloat16 if gpu == "new" else torch.float32)
    assert choose_dtype(family, device="cpu") == torch.float32, "a CPU beside a GPU stays a CPU"


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_float16_is_refused_from_gemma_3_on(monkeypatch, family):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    if family in ("gemma", "gemma2"):
        assert choose_dtype(family, "float16", "cuda") == torch.float16
    else:
        with pytest.raises(UsageError, match=f"{FAMILIES[family]} overflows to NaN"):
            choose_dtype(family, "float16", "cuda")
    with pytest.raises(UsageError, match=r"overflows|on a CPU"):
        choose_dtype(family, "float16", "cpu")


def test_float16_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(UsageError, match="Gemma 3 overflows"):
        load_model(str(save_family(tmp_path, "gemma3_text")), device="cpu", dtype="float16")


def test_a_launcher_decides_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device() == "cuda:0"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert choose_device() == "cuda:3" and choose_device("cpu") == "cpu"


# Attention


@pytest.mark.parametrize(
    ("family", "implementation"),
    [("gemma", "sdpa"), ("gemma2", "eager"), ("gemma3_text", "sdpa"), ("gemma3n_text", "sdpa"), ("gemma4_text", "sdpa")],
)
def test_attention_keeps_the_cap_and_has_no_limit_to_the_head_size(models, tmp_path, family, implementation):
    assert choose_attention(models[family].config) == implementation
    loaded = load_model(str(save_family(tmp_path, family)), device="cpu").model
    assert loaded.config.get_text_config()._attn_implementation == implementation


def test_gemma_3_with_a_cap_is_eager_too(models):
    assert choose_attention(family_model("gemma3_text", PIECES, attn_logit_softcapping=5.0).config) == "eager"


def test_the_cap_of_gemma_2_is_not_lost(models):
    """The capped logits differ, and are those of attention written out by hand."""
    model = models["gemma2"]
    states = {}
    attention = model.model.layers[1].self_attn  # a global layer
    with torch.no_grad():
        hook = attention.register_forward_hook(
            lambda module, args, kwargs, output: states.update(kwargs, out=output[0]), with_kwargs=True
        )
        model(input_ids=IDS, use_cache=False)
        hook.remove()
        hidden = states["hidden_states"]
        shape = (1, IDS.shape[1], -1, attention.head_dim)
        query, key, value = (
            project(hidden).view(shape).transpose(1, 2) for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        from transformers.models.gemma2.modeling_gemma2 import apply_rotary_pos_emb

        query, key = apply_rotary_pos_emb(query, key, *states["position_embeddings"])
        logits = query @ key.transpose(2, 3) * attention.scaling
        mask = torch.full_like(logits, -torch.inf).triu(1)

        def outcome(scores):
            mixed = ((scores + mask).softmax(-1) @ value).transpose(1, 2).reshape(1, IDS.shape[1], -1)
            return attention.o_proj(mixed)

        torch.testing.assert_close(states["out"], outcome(5.0 * torch.tanh(logits / 5.0)), atol=1e-5, rtol=1e-5)
        assert (states["out"] - outcome(logits)).abs().max() > 1e-3


def test_left_padded_rows_are_finite_and_say_the_same(family, models):
    model = models[family]
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), IDS[:, :-3]], dim=1)
    mask = torch.ones_like(padded)
    mask[:, :3] = 0
    with torch.no_grad():
        logits = model(input_ids=padded, attention_mask=mask, use_cache=False).logits[:, 3:]
        plain = model(input_ids=IDS[:, :-3], use_cache=False).logits
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits, plain, atol=1e-3, rtol=1e-3)


# Training modes


def loss_of(model, **options):
    logits = model(input_ids=IDS, **options).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, IDS[0, 1:])


def test_the_loss_does_not_depend_on_cache_or_checkpointing(family, models):
    """Key-value sharing of Gemma 3n and 4 must not run through a cache that training does without."""
    model = models[family]
    with torch.no_grad():
        without, cached = loss_of(model, use_cache=False), loss_of(model, use_cache=True)
    model.train()
    model.gradient_checkpointing_enable()
    checkpointed = loss_of(model, use_cache=False)
    checkpointed.backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.gradient_checkpointing_disable()
    model.zero_grad()
    loss_of(model, use_cache=False).backward()
    plain = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    model.eval()
    torch.testing.assert_close(cached, without, atol=1e-5, rtol=0)
    torch.testing.assert_close(checkpointed, without, atol=1e-5, rtol=0)
    assert set(gradients) == set(plain)
    for name, gradient in plain.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-5, rtol=1e-3, msg=name)


def test_text_alone_trains_without_token_types(family, models):
    """Multimodal classes once asked for `token_type_ids` in training; their answer is that of a causal model."""
    model = models[family].train()
    shorter = model(input_ids=IDS[:, :20], use_cache=False).logits
    whole = model(input_ids=IDS, use_cache=False).logits[:, :20]
    model.eval()
    torch.testing.assert_close(shorter, whole, atol=1e-4, rtol=1e-4)


# LoRA


def test_lora_matches_the_decoder_alone(family, models):
    model = models[family]
    prefix = language_model_prefix(model)
    assert prefix == ("model." if family.endswith("_text") or family in ("gemma", "gemma2") else "model.language_model.")
    every = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    names = matched_modules(model, LoraSettings(targets=every))
    assert all(name.startswith(prefix + "layers.") for name in names)
    assert len(names) == (24 if family.startswith(("gemma3n", "gemma4")) else 28)


@pytest.mark.parametrize("changes", [{}, {"layers": (1,)}, {"targets": ("q_proj", "down_proj")}])
def test_peft_wraps_what_was_matched_and_nothing_else(family, changes):
    settings = LoraSettings(**changes)
    adapted, names = add_adapter(family_model(family, PIECES), settings, seed=0)
    wrapped = {name.split(".lora_A")[0] for name, _ in adapted.base_model.model.named_modules() if name.endswith(".lora_A")}
    assert wrapped == set(names)
    target = adapted.peft_config["default"].target_modules
    if family.endswith("_text") or family in ("gemma", "gemma2"):
        assert not isinstance(target, str) or settings.layers, "plain names, as other tools read them"
    else:
        assert target.count("language_model") == 1, "one pattern, not a list of every module"


# Chat templates


@pytest.mark.parametrize("instruction_tuned", [False, True], ids=["base", "it"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_one_bos_and_the_terminator_of_the_family(family, instruction_tuned):
    tokenizer = small_tokenizer(family, instruction_tuned)
    assert tokenizer("春").input_ids.count(2) == 1, "this tokenizer adds BOS by itself, as the published ones do"
    prompt = encode_prompt(tokenizer, Conditions("五言绝句", "春江", "李白"))
    start, end = turn_markers(family)
    assert prompt[0] == 2 and prompt.count(2) == 1
    text = tokenizer.decode(prompt)
    expected = "体裁：五言绝句\n题目：春江\n作者：李白\n诗："
    assert text == f"<bos>{start}user\n{expected}{end}\n{start}model\n" if instruction_tuned else f"<bos>{expected}"
    published = {"gemma": 107, "gemma2": 107}.get(family, 106)
    assert terminator_id(tokenizer) == (published if instruction_tuned else 1)
    assert encode_completion(tokenizer, "春江花月夜，")[-1] == terminator_id(tokenizer)
    assert stop_ids(tokenizer) == ([published, 1] if instruction_tuned else [1])


def test_a_conversation_as_the_template_writes_it_is_what_is_trained_on():
    tokenizer = small_tokenizer("gemma4", instruction_tuned=True)
    conditions = Conditions("五言绝句")
    talk = [{"role": "user", "content": conditions.prompt()}, {"role": "assistant", "content": "春江花月夜。"}]
    whole = tokenizer.apply_chat_template(talk, return_dict=False)
    ours = encode_prompt(tokenizer, conditions) + encode_completion(tokenizer, "春江花月夜。")
    assert ours == whole[: len(ours)] and tokenizer.decode(whole[len(ours) :]) == "\n"


def test_a_tokenizer_whose_end_of_sequence_is_the_end_of_turn_still_stops_at_both(tmp_path):
    tokenizer = small_tokenizer("gemma3", instruction_tuned=True)
    tokenizer.eos_token = "<end_of_turn>"
    assert stop_ids(tokenizer) == [106, 1]


def test_a_template_of_another_kind_ends_with_the_tokenizers_own_end():
    tokenizer = small_tokenizer("gemma3_text")
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{{ eos_token }}{% endfor %}"
    )
    assert terminator_id(tokenizer) == 1, "<end_of_turn> is a piece, but this template never writes it"


def test_a_template_of_another_checkpoint_is_named():
    tokenizer = small_tokenizer("gemma3_text")
    tokenizer.chat_template = small_tokenizer("gemma4", instruction_tuned=True).chat_template
    with pytest.raises(ModelError, match=r"ends turns with <turn\|>, which is no piece"):
        terminator_id(tokenizer)


def test_a_second_bos_in_the_title_is_refused():
    with pytest.raises(UsageError, match="begin-of-sequence token in its middle"):
        encode_prompt(small_tokenizer("gemma"), Conditions("五言绝句", "春<bos>江"))


def test_the_genuine_tokenizer_keeps_the_turn_format(gemma_tokenizer_model, tmp_path):
    from tests.families import genuine_tokenizer

    tokenizer = genuine_tokenizer(gemma_tokenizer_model, "gemma", instruction_tuned=True)
    tokenizer.save_pretrained(tmp_path)
    family_model("gemma", 8).config.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    prompt = encode_prompt(loaded, Conditions("五言绝句", "春江"))
    assert prompt[0] == 2 and prompt.count(2) == 1
    assert prompt[1:4] == [106, loaded.convert_tokens_to_ids("user"), loaded.convert_tokens_to_ids("\n")]
    assert stop_ids(loaded) == [107, 1]


def test_writing_takes_bfloat16_for_large_models_alone(monkeypatch):
    from gemma_poetry.model import families

    monkeypatch.setattr(families, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(families, "_WORTHWHILE", float("inf"))
    choose = lambda wanted, widths: choose_dtype("gemma3_text", wanted, "cpu", widths)  # noqa: E731
    assert choose(families.WRITING, (320, 896)) == torch.float32, "mini writes the same poems on every machine"
    assert choose(families.WRITING, (640, 2048)) == choose(families.FASTEST, (320, 896)) == torch.bfloat16
    assert choose("auto", (640, 2048)) == torch.float32, "figures are scored in float32"
    monkeypatch.setattr(families, "_WORTHWHILE", 0.0)
    assert choose(families.WRITING, (640, 2048)) == torch.float32, "no faster"
