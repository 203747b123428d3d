"""The doctor's checks of the model: a healthy one passes, and each fault of GEMMA models that is planted is found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from gemma_poetry.config import load_recipe
from gemma_poetry.data.tokenization import TokenizedPoem, encode_poems
from gemma_poetry.doctor import diagnosis, loading_checks, loss_checks, memory_checks, step_checks
from gemma_poetry.doctor.findings import has_fault
from gemma_poetry.model import scoring
from gemma_poetry.model.lora import add_adapter, matched_modules
from gemma_poetry.model.memory import greatest
from gemma_poetry.model.scoring import score_completions
from gemma_poetry.training.fused.dropout import replace_dropout
from gemma_poetry.training.fused.lora_linear import fuse_projections
from gemma_poetry.training.fused.rms_norm import fuse_norms
from tests.families import FAMILY_NAMES, family_model, small_tokenizer
from tests.tiny import make_poems

RECIPE = load_recipe(None, ["train.batch_size=4", "lora.rank=2"])
TOKENIZER = small_tokenizer("gemma3_text")
SAMPLES = list(encode_poems(TOKENIZER, make_poems(24)))
BATCH = loss_checks.probe_batch(SAMPLES[:4], TOKENIZER, torch.device("cpu"))


def model(family: str = "gemma3_text", **changes):  # type: ignore[no-untyped-def]
    return family_model(family, len(TOKENIZER), **changes)


def adapted(family: str = "gemma3_text", **changes):  # type: ignore[no-untyped-def]
    return add_adapter(model(family, **changes), RECIPE.lora, seed=1)[0]


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_healthy_model_of_each_family_has_no_fault(family: str):
    findings = list(diagnosis.diagnose(model(family), TOKENIZER, SAMPLES, RECIPE, available=8 * 2**30))
    assert not has_fault(findings), [finding for finding in findings if finding.verdict == "fault"]
    assert [finding.check for finding in findings] == [
        "dtype", "attention", "embeddings", "stops", "weights", "step-0 loss", "cache", "head", "LoRA modules",
        "trained embeddings", "step", "training mode", "adapter", "reload", "memory",
    ]  # fmt: skip


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_where_every_weight_is_trained_the_step_is_of_every_weight(family: str):
    recipe = load_recipe(None, ["train.batch_size=4", "train.method=full"])
    whole = model(family)
    findings = list(diagnosis.diagnose(whole, TOKENIZER, SAMPLES, recipe, available=8 * 2**30))
    assert not has_fault(findings), [finding for finding in findings if finding.verdict == "fault"]
    assert [finding.check for finding in findings][-4:] == ["memory", "step", "training mode", "weights after a step"]
    assert not any("LoRA" in finding.check or hasattr(whole, "disable_adapter") for finding in findings)


def test_no_step_of_every_weight_is_tried_where_it_finds_no_room():
    recipe = load_recipe(None, ["train.batch_size=4", "train.method=full"])
    *_, last = diagnosis.diagnose(model(), TOKENIZER, SAMPLES, recipe, available=2**10)
    assert (last.check, last.verdict) == ("memory", "fault")


def test_weights_that_a_step_does_not_move_are_found():
    still = model().requires_grad_(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", lambda *_: None)
        *_, last = step_checks.check_step(still, BATCH, load_recipe(None, ["train.method=full"]))
    assert (last.check, last.verdict) == ("weights after a step", "fault")


def test_float16_is_a_fault_from_gemma_3_on_and_a_warning_before():
    assert loading_checks.check_dtype(model().half(), RECIPE).verdict == "fault"
    assert loading_checks.check_dtype(model("gemma2").half(), RECIPE).verdict == "warning"
    assert loading_checks.check_dtype(model(), RECIPE).verdict == "ok"


@pytest.mark.parametrize("able", [True, False])
def test_bfloat16_on_a_cpu_is_a_warning_where_the_processor_has_none(able: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading_checks, "cpu_has_bfloat16", lambda: able)
    half = loading_checks.check_dtype(model().bfloat16(), RECIPE)
    assert half.verdict == ("ok" if able else "warning") and half.found == "bfloat16 on cpu"
    assert "on CPUs that are faster in it" in half.expected, "what is expected is what train.dtype=auto chooses"


@pytest.mark.parametrize("able", [True, False])
def test_float32_on_a_cpu_that_has_bfloat16_is_remarked_on_where_it_was_asked_for(able: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading_checks, "expects_bfloat16", lambda hidden, width: able)
    single = load_recipe(None, ["train.dtype=float32"])
    found = loading_checks.check_dtype(model(), single)
    assert found.verdict == "ok" and ("train.dtype=auto" in found.found) == able
    # What auto chose was timed, or is a small model.
    assert loading_checks.check_dtype(model(), RECIPE).found == "float32 on cpu"
    full = loading_checks.check_dtype(model(), load_recipe(None, ["train.dtype=float32", "train.method=full"]))
    assert full.found == "float32 on cpu" and full.expected.startswith("weights in float32")


@pytest.mark.parametrize(("has_it", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_what_auto_chooses_on_a_gpu_is_right(has_it: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_it)
    on_gpu = SimpleNamespace(device=torch.device("cuda"), config=model().config, dtype=dtype)
    assert loading_checks.check_dtype(on_gpu, RECIPE).verdict == "ok"
    on_gpu.dtype = torch.float32 if has_it else torch.bfloat16
    assert loading_checks.check_dtype(on_gpu, RECIPE).verdict == "warning"
    assert loading_checks.check_dtype(on_gpu, load_recipe(None, ["train.method=full"])).verdict == "ok"


def test_a_kernel_that_loses_the_soft_cap_is_found():
    capped = model("gemma2")
    capped.config._attn_implementation = "eager"
    assert loading_checks.check_attention(capped).verdict == "ok"
    capped.config._attn_implementation = "sdpa"
    finding = loading_checks.check_attention(capped)
    assert finding.verdict == "fault" and "eager" in finding.action


def test_flash_attention_has_no_room_for_large_heads():
    large = model("gemma4_text", global_head_dim=512)
    large.config._attn_implementation = "flash_attention_2"
    assert loading_checks.check_attention(large).verdict == "fault"


def test_a_head_that_should_be_tied_and_is_not():
    broken = model()
    broken.lm_head.weight = torch.nn.Parameter(broken.lm_head.weight.detach().clone())
    finding = loading_checks.check_embeddings(broken)
    assert finding.verdict == "fault" and "two tensors" in finding.found


def test_tied_embeddings_in_modules_to_save():
    wrapped = get_peft_model(model(), LoraConfig(target_modules=["q_proj"], modules_to_save=["embed_tokens"]))
    finding = loading_checks.check_embeddings(wrapped)
    assert finding.verdict == "fault" and "modules_to_save" in finding.action


def test_weights_that_are_not_numbers_are_named():
    broken = model()
    broken.model.layers[1].mlp.up_proj.weight.data[0, 0] = torch.nan
    findings = list(diagnosis.diagnose(broken, TOKENIZER, SAMPLES, RECIPE))
    assert findings[-1].check == "weights" and findings[-1].verdict == "fault"
    assert "model.layers.1.mlp.up_proj.weight" in findings[-1].found


def test_step_0_loss_against_guessing():
    healthy = model()
    assert loss_checks.check_step_0(healthy, SAMPLES[:4]).verdict == "warning"  # random weights know nothing
    prompt = SAMPLES[0].prompt_ids
    written = healthy.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0, len(prompt) :].tolist()
    assert loss_checks.check_step_0(healthy, [TokenizedPoem(prompt, tuple(written))]).verdict == "ok"
    healthy.model.norm.weight.data += 9  # ten times as sure of what is wrong
    finding = loss_checks.check_step_0(healthy, SAMPLES[:4])
    assert finding.verdict == "fault" and "worse than guessing" in finding.action


def test_overflowing_activations_are_a_fault_at_step_0():
    broken = model()
    broken.model.layers[0].mlp.down_proj.register_forward_hook(lambda _module, _inputs, output: output * torch.inf)
    assert loss_checks.check_step_0(broken, SAMPLES[:4]).verdict == "fault"


def test_a_loss_that_differs_without_the_cache():
    broken = model()
    state = {"cached": False}
    broken.register_forward_pre_hook(lambda _m, _a, given: state.update(cached=given["use_cache"]), with_kwargs=True)
    broken.model.layers[-1].self_attn.register_forward_hook(
        lambda _m, _i, output: output if state["cached"] else (output[0] * 0, *output[1:])
    )
    assert loss_checks.check_cache(model(), BATCH).verdict == "ok"
    assert loss_checks.check_cache(broken, BATCH).verdict == "fault"


def test_a_chunked_loss_that_drops_the_soft_cap(monkeypatch: pytest.MonkeyPatch):
    capped = model("gemma2", final_logit_softcapping=0.5)
    assert loss_checks.check_head(capped, SAMPLES[:4], BATCH).verdict == "ok"
    monkeypatch.setattr(scoring._Head, "_capped", lambda self, logits: logits)
    assert loss_checks.check_head(capped, SAMPLES[:4], BATCH).verdict == "fault"


def test_targets_that_match_nothing_end_the_checks():
    recipe = load_recipe(None, ["lora.targets=[query_key_value]"])
    findings = list(diagnosis.diagnose(model(), TOKENIZER, SAMPLES, recipe))
    assert findings[-1].check == "LoRA modules" and findings[-1].verdict == "fault"
    assert "q_proj" in findings[-1].expected


def test_towers_are_left_out_and_an_adapter_on_them_is_found():
    base = model("gemma3")
    names = matched_modules(base, RECIPE.lora)
    finding = step_checks.check_modules(add_adapter(base, RECIPE.lora, seed=1)[0], names)
    assert finding.verdict == "ok" and "left out" in finding.found
    careless = get_peft_model(model("gemma3"), LoraConfig(target_modules=[*RECIPE.lora.targets]))
    finding = step_checks.check_modules(careless, names)
    assert finding.verdict == "fault" and "vision_tower" in finding.found


def test_a_gradient_that_is_not_finite():
    broken = adapted()
    next(weight for name, weight in broken.named_parameters() if "lora_B" in name).register_hook(lambda grad: grad * torch.inf)
    step = next(iter(step_checks.check_step(broken, BATCH, RECIPE)))
    assert step.check == "step" and step.verdict == "fault"


def test_a_matrix_that_no_gradient_reaches():
    broken = adapted()
    broken.base_model.model.model.layers[0].register_forward_hook(lambda _m, _i, output: output.detach())
    step = next(iter(step_checks.check_step(broken, BATCH, RECIPE)))
    assert step.verdict == "fault" and "42 of 56" in step.found


def test_a_forward_pass_that_only_training_refuses():
    broken = adapted()

    def refuse(module: torch.nn.Module, _inputs: object) -> None:
        if module.training:
            raise ValueError("`token_type_ids` is required as a model input when training")

    broken.base_model.model.model.register_forward_pre_hook(refuse)
    findings = list(step_checks.check_step(broken, BATCH, RECIPE))
    assert [finding.verdict for finding in findings] == ["fault"] and "token_type_ids" in findings[0].found


def test_a_model_that_computes_otherwise_in_training():
    broken = adapted()
    for layer in broken.base_model.model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    findings = {finding.check: finding.verdict for finding in step_checks.check_step(broken, BATCH, RECIPE)}
    assert findings["training mode"] == "fault"


def test_an_adapter_that_does_nothing_and_a_base_that_was_trained():
    stepped = adapted()
    before = float(loss_checks.plain_loss(stepped, BATCH).detach())
    assert step_checks.check_on_off(stepped, BATCH, before).verdict == "fault"  # still zero: as if its keys had been lost
    list(step_checks.check_step(stepped, BATCH, RECIPE))
    assert step_checks.check_on_off(stepped, BATCH, before).verdict == "ok"
    stepped.base_model.model.model.norm.weight.data += 0.5
    assert step_checks.check_on_off(stepped, BATCH, before).verdict == "fault"


def test_a_saved_adapter_with_keys_of_another_class(tmp_path: Path):
    stepped = adapted()
    list(step_checks.check_step(stepped, BATCH, RECIPE))
    stepped.save_pretrained(str(tmp_path))
    assert step_checks.check_reload(stepped, BATCH, tmp_path).verdict == "ok"
    weights = tmp_path / "adapter_model.safetensors"
    renamed = {name.replace("model.layers", "language_model.layers"): value for name, value in load_file(weights).items()}
    save_file(renamed, weights)
    finding = step_checks.check_reload(stepped, BATCH, tmp_path)
    assert finding.verdict == "fault" and "56 keys missing" in finding.found


def measured_peak(step, weights: int) -> int:  # type: ignore[no-untyped-def]
    """The most bytes of tensors alive at once while `step` runs, on top of `weights`, by the allocator's own events."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    assert events
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return weights + peak


@pytest.mark.parametrize("family", ["gemma3_text", "gemma2"])
def test_the_memory_estimate_against_a_measured_peak(family: str):
    shape = {"hidden_size": 64, "intermediate_size": 256, "head_dim": 32}
    subject = adapted(family, **shape)
    rows = RECIPE.train.batch_size
    longest = max(SAMPLES, key=len)
    batch = loss_checks.probe_batch([longest] * rows, TOKENIZER, torch.device("cpu"))
    estimate = memory_checks.training_memory(subject, SAMPLES, RECIPE)["a step"]
    for hasten in (fuse_norms, replace_dropout, fuse_projections):
        hasten(subject)
    subject.train()
    trained = [weight for weight in subject.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)

    def step() -> None:
        loss_checks.plain_loss(subject, batch).backward()
        optimizer.step()

    weights = sum(weight.numel() * weight.element_size() for weight in subject.parameters())
    ratio = (estimate.total - estimate.runtime - estimate.heap) / measured_peak(step, weights)
    assert 0.9 < ratio < 1.3, ratio


def test_the_last_scoring_of_a_pruned_training_against_a_measured_peak():
    """A vocabulary of which training sees some hundred rows, and the scoring after it all."""
    subject = adapted("gemma3_text", vocab_size=131_072)
    stages = memory_checks.training_memory(subject, SAMPLES, RECIPE, vocabulary_rows=300)
    assert greatest(stages) == "the last scoring, over the whole vocabulary"
    assert stages["a step"].weights < stages["loading"].weights / 10
    weights = sum(weight.numel() * weight.element_size() for weight in subject.parameters())
    measured = measured_peak(lambda: score_completions(subject.eval(), list(SAMPLES) * 4), weights)
    ratio = stages[greatest(stages)].certain / measured
    assert 1 <= ratio < 1.5, ratio


def test_poems_that_an_evaluation_writes_take_logits_of_the_whole_vocabulary():
    subject = adapted("gemma3_text", vocab_size=131_072)
    recipe = load_recipe(None, ["train.watched_titles=200"])
    stages = memory_checks.training_memory(subject, SAMPLES, recipe, vocabulary_rows=300)
    name = greatest(stages)
    assert name == "writing poems at an evaluation" and stages[name].logits > 200 * 131_072 * 4 * 4
    alone = memory_checks.training_memory(subject, SAMPLES, load_recipe(None, ["train.watched_titles=0"]), 300)
    assert name not in alone
    finding = memory_checks.check_memory(stages, 2**40)
    assert f"wanted by {name} (" in finding.found, "the stage is named"


def test_a_model_that_is_trained_whole_is_saved_beside_its_moments():
    subject = model(vocab_size=131_072)
    recipe = load_recipe(None, ["train.method=full", "train.batch_size=1", "train.watched_titles=0"])
    stages = memory_checks.training_memory(subject, SAMPLES[:1], recipe, vocabulary_rows=300)
    parameters = sum(weight.numel() for weight in subject.parameters())
    saving = stages["saving the model"]
    # In float32, as it is written, and the pruned one with its moments.
    assert saving.certain - (stages["a step"].weights + stages["a step"].adapter) == 6 * parameters


def test_more_memory_wanted_than_there_is():
    stages = memory_checks.training_memory(adapted(), SAMPLES, RECIPE)
    most = max(estimate.total for estimate in stages.values())
    assert memory_checks.check_memory(stages, 4 * most).verdict == "ok"
    assert memory_checks.check_memory(stages, int(1.02 * most)).verdict == "warning"
    finding = memory_checks.check_memory(stages, most - 1)
    assert finding.verdict == "fault" and "batch_size" in finding.action
