"""A whole fine-tuning on tiny models: the RUN it leaves, killing and resuming, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gemma_poetry.artifacts import read_json, sha256_file
from gemma_poetry.config import load_recipe
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.errors import DataError, OutputError, RunError, TokenizerMismatchError, TrainingError, UsageError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.model.memory import COMPILED_PRODUCTS
from gemma_poetry.training import trainer
from gemma_poetry.training.finetuning import finetune
from tests.families import save_family, small_tokenizer
from tests.tiny import make_poems, make_tokenizer, save_data, save_model

SETTINGS = [
    "train.epochs=3",
    "train.batch_size=8",
    "train.learning_rate=0.01",
    "train.save_steps=4",
    "train.evaluation_steps=8",
    "train.logging_steps=2",
    "lora.rank=2",
]
WEIGHTS = "adapter/adapter_model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return save_data(tmp_path_factory.mktemp("data") / "DATA")


@pytest.fixture(scope="module")
def run(model, data, tmp_path_factory) -> Path:
    """An unbroken run of 24 steps."""
    out = tmp_path_factory.mktemp("run") / "RUN"
    finetune(data, str(model), out, load_recipe(None, SETTINGS))
    return out


def test_the_adapter_loads_with_plain_peft_and_changes_the_model(run, model):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), str(run / "adapter")
    ).eval()
    ids = torch.tensor([make_tokenizer().encode("春江花月夜")])
    with torch.no_grad():
        on = tuned(input_ids=ids).logits
        with tuned.disable_adapter():
            off = tuned(input_ids=ids).logits
    assert not torch.allclose(on, off, atol=1e-3)


def test_training_lowers_validation_perplexity(run):
    points = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    validation = [point["ppl_char"] for point in points if "ppl_char" in point]
    assert validation[-1] < 0.95 * validation[0]


def test_the_manifest_names_what_the_run_was_made_of(run, data, model):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["base"]["spec"] == str(model)
    assert manifest["data"]["manifest_sha256"] == sha256_file(data / "manifest.json")
    assert manifest["steps"] == 24
    assert manifest["recipe"]["train"]["learning_rate"] == 0.01
    assert manifest["files"][WEIGHTS]["sha256"] == sha256_file(run / WEIGHTS)
    assert len(manifest["lora_modules"]) == 14  # 2 layers of q, k, v, o, gate, up, down
    assert (run / "logs").is_dir() and any((run / "logs").iterdir())


def test_a_run_killed_half_way_resumes_to_the_same_adapter(run, model, data, tmp_path):
    out = tmp_path / "RUN"
    program = (
        "import sys; from pathlib import Path; from gemma_poetry.config import load_recipe;"
        "from gemma_poetry.training.finetuning import finetune;"
        "finetune(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), load_recipe(None, sys.argv[4:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data), str(model), str(out), *SETTINGS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("checkpoint-*/complete.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(out.glob("checkpoint-*/complete.json")), "the run left no checkpoint to resume from"
    assert not (out / WEIGHTS).exists(), "the run ended before it was killed"
    # A checkpoint that the kill cut short.
    (out / "checkpoint-1000").mkdir()
    (out / "checkpoint-1000" / "trainer_state.json").write_text("{")

    finetune(data, str(model), out, load_recipe(None, SETTINGS), resume=True)
    assert sha256_file(out / WEIGHTS) == sha256_file(run / WEIGHTS)


def test_a_run_that_is_at_its_end_trains_no_step_more(model, data, tmp_path, monkeypatch):
    # 6 steps are two thirds of an epoch; a step more under a constant rate gives other weights.
    recipe = load_recipe(None, [*SETTINGS, "train.schedule=constant", "train.max_steps=6", "train.save_limit=1"])
    out = tmp_path / "RUN"
    finetune(data, str(model), out, recipe)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-6"]
    # Finished: nothing is loaded, nothing is written.
    with monkeypatch.context() as patch:
        patch.setattr("gemma_poetry.model.loading.load_model", None)
        assert finetune(data, str(model), out, recipe, resume=True)["steps"] == 6
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    # Killed after its last step.
    shutil.rmtree(out / "adapter")
    (out / "manifest.json").unlink()
    assert finetune(data, str(model), out, recipe, resume=True)["steps"] == 6
    assert (out / WEIGHTS).read_bytes() == before[out / WEIGHTS]
    steps = [json.loads(line)["step"] for line in (out / "curve.jsonl").read_text().splitlines()]
    assert steps == [json.loads(line)["step"] for line in before[out / "curve.jsonl"].decode().splitlines()]


def test_a_training_on_a_disk_that_fills_up_is_resumed(model, data, tmp_path, monkeypatch):
    from transformers import Trainer

    recipe = load_recipe(None, [*SETTINGS, "train.schedule=constant", "train.max_steps=6", "train.save_steps=2"])
    finetune(data, str(model), tmp_path / "whole", recipe)
    save = Trainer._save_optimizer_and_scheduler

    def full(self, folder):
        if folder.endswith("checkpoint-4"):
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 4224 vs 4116")
        save(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        with pytest.raises(OutputError, match=r"cannot write(.|\n)*up to step 2: go on with the same command and --resume"):
            finetune(data, str(model), tmp_path / "RUN", recipe)
    finetune(data, str(model), tmp_path / "RUN", recipe, resume=True)
    assert (tmp_path / "RUN" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_training_whose_folder_is_deleted_keeps_what_it_has(model, data, tmp_path, monkeypatch):
    from gemma_poetry.training.trainer import PoetryTrainer

    recipe = load_recipe(None, [*SETTINGS, "train.schedule=constant", "train.max_steps=6"])
    finetune(data, str(model), tmp_path / "whole", recipe)
    out, step = tmp_path / "RUN", PoetryTrainer.training_step

    def deleting(self, *arguments):
        if self.state.global_step == 2:
            shutil.rmtree(out)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(PoetryTrainer, "training_step", deleting)
        with pytest.raises(OutputError, match=r"deleted(.|\n)*step 3 was written there anew"):
            finetune(data, str(model), out, recipe)
    finetune(data, str(model), out, recipe, resume=True)
    assert (out / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_training_that_memory_does_not_suffice_for_is_refused_before_it_begins(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr("gemma_poetry.model.free_memory.available_memory", lambda device: 1_000_000)
    with pytest.raises(TrainingError, match=r"more memory than there is(.|\n)*train.batch_size"):
        finetune(data, str(model), tmp_path / "RUN", load_recipe(None, SETTINGS))
    assert not (tmp_path / "RUN").exists()


@pytest.mark.parametrize("own", [None, "7"])
def test_the_heap_is_given_back_while_it_trains(model, data, tmp_path, monkeypatch, own):
    """Between steps, before each evaluation, and before the whole model takes the place of the pruned one."""
    given: list[str] = []
    monkeypatch.setattr(trainer, "_TRIMMED_STEPS", 3)
    monkeypatch.setattr(trainer, "return_freed_memory", lambda: given.append("trainer"))
    monkeypatch.setattr("gemma_poetry.model.free_memory.return_freed_memory", lambda: given.append("last scoring"))
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    if own:
        monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", own)
    settings = [*SETTINGS, "train.max_steps=7", "train.evaluation_steps=100", "train.vocabulary=pruned"]
    finetune(data, str(model), tmp_path / "RUN", load_recipe(None, settings))
    evaluations = sum("validation_loss" in line for line in (tmp_path / "RUN" / "curve.jsonl").read_text().splitlines())
    assert evaluations >= 4 and given == ["trainer"] * (evaluations + 7 // 3) + ["last scoring"]
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == (own or str(COMPILED_PRODUCTS))


def test_a_resumed_run_must_keep_its_settings(model, data, tmp_path):
    out = tmp_path / "RUN"
    finetune(data, str(model), out, load_recipe(None, [*SETTINGS, "train.max_steps=4"]))
    with pytest.raises(RunError, match=r"other settings \(train\)"):
        finetune(data, str(model), out, load_recipe(None, SETTINGS), resume=True)


def test_a_run_carries_the_lines_of_its_data_and_of_its_base(run, model, data, tmp_path):
    lines = [line for poem in make_poems(64) for line in poem.lines]
    (guard,) = find_guards(str(run))
    assert all(line in guard for line in lines) and "月落乌啼霜" not in guard
    assert read_json(run / "manifest.json")["files"]["known_lines.npz"]["sha256"] == sha256_file(run / "known_lines.npz")
    base = tmp_path / "base"
    shutil.copytree(model, base)
    KnownLines.build(["月落乌啼霜"]).save(base / "known_lines.npz")
    finetune(data, str(base), tmp_path / "RUN", load_recipe(None, [*SETTINGS, "train.max_steps=1"]))
    guards = find_guards(str(tmp_path / "RUN"))
    assert all(any(line in one for one in guards) for line in [*lines, "月落乌啼霜"])
    assert "known_lines.base.npz" in read_json(tmp_path / "RUN" / "manifest.json")["files"]


def test_data_that_is_prepared_anew_meanwhile_is_not_what_a_run_was_made_of(model, tmp_path):
    from transformers import TrainerCallback

    data, out = save_data(tmp_path / "DATA"), tmp_path / "RUN"
    before, lines = sha256_file(data / "manifest.json"), [line for poem in make_poems(32) for line in poem.lines]

    class PrepareAnew(TrainerCallback):
        def on_train_begin(self, args, state, control, **_):
            shutil.rmtree(data)
            save_data(data, train=2, held_out=1)

    recipe = load_recipe(None, [*SETTINGS, "train.max_steps=1"])
    manifest = finetune(data, str(model), out, recipe, callbacks=[PrepareAnew()])
    assert manifest["data"]["manifest_sha256"] == before != sha256_file(data / "manifest.json")
    (guard,) = find_guards(str(out))
    assert all(line in guard for line in lines)


def test_patience_ends_a_training_that_keeps_its_last_weights_too(model, data, tmp_path):
    # Steps too small to be seen in float32: no evaluation is better than that of step 2, which goes before the beginning.
    settings = [*SETTINGS, "train.learning_rate=1e-30", "train.evaluation_steps=2", "train.keep=last", "train.patience=2"]
    manifest = finetune(data, str(model), tmp_path / "RUN", load_recipe(None, settings))
    assert manifest["steps"] == manifest["kept_step"] == 6
    assert not (tmp_path / "RUN" / "best.safetensors").exists()


def test_data_of_another_tokenizer_is_refused(model, tmp_path):
    from gemma_poetry.model.character_tokenizer import build_character_tokenizer

    other = save_data(tmp_path / "DATA", build_character_tokenizer("春江"))
    with pytest.raises(TokenizerMismatchError, match="run prepare again"):
        finetune(other, str(model), tmp_path / "RUN", load_recipe(None, SETTINGS))
    assert not (tmp_path / "RUN" / "adapter").exists()


def test_altered_data_is_refused(model, tmp_path):
    data = save_data(tmp_path / "DATA")
    with open(data / "train.txt", "a", encoding="utf-8") as stream:
        stream.write("<bos>\t<eos>\n")
    with pytest.raises(DataError, match="not the one that its manifest describes"):
        finetune(data, str(model), tmp_path / "RUN", load_recipe(None, SETTINGS))


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """Runs over kept rows alone, with a sample of the others, and over all, of a tiny checkpoint with many rows more."""
    folder = tmp_path_factory.mktemp("pruned")
    model = save_family(folder / "model", "gemma3_text", vocab_size=4000)
    data = save_data(folder / "DATA", small_tokenizer("gemma3_text"), train=32)
    settings = [*SETTINGS, "train.epochs=1", "lora.dropout=0"]
    kinds = {
        "pruned": ["train.vocabulary=pruned", "train.sampled_rows=0"],
        "sampled": ["train.vocabulary=pruned", "train.sampled_rows=1500"],
        "whole": ["train.vocabulary=whole"],
    }
    manifests = {
        kind: finetune(data, str(model), folder / kind, load_recipe(None, [*settings, *own])) for kind, own in kinds.items()
    }
    return folder, manifests


def test_a_pruned_training_reports_perplexity_over_the_full_vocabulary(pruned):
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions

    folder, manifests = pruned
    loaded = load_model(str(folder / "pruned"))
    scores = score_completions(loaded.model, read_tokenized(folder / "DATA" / "val.txt", loaded.tokenizer))
    expected = math.exp(sum(score.nll for score in scores) / sum(score.tokens for score in scores))
    figures = manifests["pruned"]["validation"]
    assert figures["ppl_token"] == pytest.approx(expected, rel=1e-6)
    assert figures["ppl_token_kept_rows"] < 0.5 * figures["ppl_token"]
    assert manifests["pruned"]["vocabulary"]["rows"] == 4000 and manifests["pruned"]["vocabulary"]["kept_rows"] < 480
    assert manifests["pruned"]["vocabulary"]["sampled_rows"] == 0
    assert "vocabulary" not in manifests["whole"] and "ppl_token_kept_rows" not in manifests["whole"]["validation"]


def test_sampled_rows_foretell_the_full_vocabulary_and_the_training_over_it(pruned):
    _, manifests = pruned
    figures, whole = (manifests[kind]["validation"] for kind in ("sampled", "whole"))
    assert manifests["sampled"]["vocabulary"]["sampled_rows"] == 1500
    assert figures["ppl_token_kept_rows"] == pytest.approx(figures["ppl_token"], rel=0.05)
    apart = {
        kind: abs(math.log(manifests[kind]["validation"]["ppl_token"] / whole["ppl_token"])) for kind in ("pruned", "sampled")
    }
    assert apart["sampled"] < 0.5 * apart["pruned"], apart


def test_the_curve_of_a_pruned_training_says_what_it_is_over(pruned):
    folder, _ = pruned
    names = {name for line in (folder / "pruned" / "curve.jsonl").read_text().splitlines() for name in json.loads(line)}
    assert {"ppl_token_kept_rows", "ppl_char_kept_rows"} <= names and not {"ppl_token", "ppl_char"} & names


def test_the_adapter_of_a_pruned_training_has_updates_of_the_layers_alone(pruned):
    from safetensors import safe_open

    folder, manifests = pruned
    names = {}
    for kind in manifests:
        with safe_open(folder / kind / "adapter" / "adapter_model.safetensors", "pt") as weights:
            names[kind] = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    assert names["pruned"] == names["whole"] and all(".layers." in name for name in names["pruned"])


def test_activations_that_are_computed_again_give_the_same_adapter(pruned):
    from safetensors.torch import load_file

    folder, _ = pruned
    settings = [*SETTINGS, "train.epochs=1", "lora.dropout=0", "train.vocabulary=pruned", "train.sampled_rows=1500"]
    settings.append("train.gradient_checkpointing=true")
    finetune(folder / "DATA", str(folder / "model"), folder / "again", load_recipe(None, settings))
    kept, again = (load_file(folder / kind / WEIGHTS) for kind in ("sampled", "again"))
    for name, weight in kept.items():
        torch.testing.assert_close(again[name], weight, atol=1e-4, rtol=1e-3)


def test_four_bit_weights_are_refused_where_there_is_no_cuda_device(model, data, tmp_path):
    with pytest.raises(UsageError, match="CUDA"):
        finetune(data, str(model), tmp_path / "RUN", load_recipe(None, [*SETTINGS, "lora.four_bit=true"]))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_schedule_warms_up(model, data, tmp_path, schedule):
    settings = [*SETTINGS, "train.max_steps=5", "train.warmup_steps=4", "train.logging_steps=1", f"train.schedule={schedule}"]
    finetune(data, str(model), tmp_path / "RUN", load_recipe(None, settings))
    points = [json.loads(line) for line in (tmp_path / "RUN" / "curve.jsonl").read_text().splitlines()]
    rates = [point["learning_rate"] for point in points if "learning_rate" in point]
    assert rates == pytest.approx([0, 0.0025, 0.005, 0.0075, 0.01])


def test_rows_that_stand_for_the_dropped_ones_stay_where_every_weight_is_trained(tmp_path, monkeypatch):
    """Trained themselves they moved and the others did not: on genuine Gemma 188 over the kept rows, 795 over all."""
    from gemma_poetry.model import vocabulary as pruning
    from gemma_poetry.model.loading import load_model

    model = save_family(tmp_path / "base", "gemma3_text")
    data = save_data(tmp_path / "DATA", small_tokenizer("gemma3_text"), train=12, held_out=2)
    base = load_model(str(model), device="cpu", dtype="float32").model.get_output_embeddings().weight
    seen = []

    def look(pruned, vocabulary, whole):
        seen.append((pruned.get_output_embeddings().weight.detach().clone(), vocabulary))

    monkeypatch.setattr(pruning, "put_back", look)
    settings = [*SETTINGS, "train.max_steps=2", "train.method=full", "train.vocabulary=pruned", "train.weight_decay=0"]
    finetune(data, str(model), tmp_path / "RUN", load_recipe(None, settings))
    ((rows, vocabulary),) = seen
    sample = pruning._sample(vocabulary.ids, vocabulary.rows, vocabulary.sampled)
    assert vocabulary.sampled > 0 and torch.equal(rows[vocabulary.kept :], base[sample])
    assert not torch.equal(rows[: vocabulary.kept], base[vocabulary.ids])


@pytest.mark.parametrize("vocabulary", ["whole", "pruned"])
def test_a_multimodal_model_that_is_trained_whole_is_written_whole(tmp_path, vocabulary):
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, GenerationConfig

    base = save_family(tmp_path / "base", "gemma3", instruction_tuned=True)
    data = save_data(tmp_path / "DATA", small_tokenizer("gemma3", True))
    settings = [*SETTINGS, "train.max_steps=1", "train.method=full", f"train.vocabulary={vocabulary}"]
    finetune(data, str(base), tmp_path / "RUN", load_recipe(None, settings))
    merged = tmp_path / "RUN" / "merged"
    before, after = (
        {name: weight for path in folder.glob("*.safetensors") for name, weight in load_file(path).items()}
        for folder in (base, merged)
    )
    towers = [name for name in before if "_tower." in name]
    assert before.keys() == after.keys() and towers
    assert all(torch.equal(before[name], after[name]) for name in towers)
    _, report = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert GenerationConfig.from_pretrained(merged).eos_token_id == [106, 1]
