"""Both languages say the same things, and what the engine says is known in Chinese."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gemma_poetry.api import check_all
from gemma_poetry.errors import GemmaPoetryError, ModelError, RunError
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.languages import _, localized
from gemma_poetry.model import hub
from gemma_poetry.model.checkpoint import check_model_folder
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.model.locating import locate
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.texts import _TEXTS, complaint, preferred_language, say, verdict_text


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", _TEXTS)
def test_both_languages_have_the_same_places_to_fill(key: str):
    chinese, english = _TEXTS[key]
    assert chinese and english
    assert places(chinese) == places(english)


def test_every_verdict_has_words():
    assert {verdict_text(verdict, "zh") for verdict in Verdict} == {"合律", "合律（小拗）", "合律（拗救）", "出律", "不判"}
    assert all(verdict_text(verdict, "en").isascii() for verdict in Verdict)


def test_a_complaint_is_an_error_with_what_to_do():
    error = complaint("often", "en", count=30, limit=30, seconds=12)
    assert (error.found, error.expected, error.action) == (
        "30 requests within a minute",
        "at most 30 a minute",
        "try again in 12 seconds",
    )


@pytest.mark.parametrize(
    "header, language",
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9", "en"),
        ("fr-FR,en;q=0.3,zh-TW;q=0.8", "zh"),
        ("de", "zh"),
        ("", "zh"),
        ("en;q=nonsense,zh", "zh"),
    ],
)
def test_the_browser_says_which_language_comes_first(header: str, language: str):
    assert preferred_language(header) == language


NAMES = {
    "Gemma",
    "Google",
    "Hub",
    "mini",
    "safetensors",
    "transformers",
    "pickle",
    "llama",
    "gemma",
    "GGUF",
    "RUN",
    "KerasHub",
    "Keras",
    "keras",
}


def english_words(html: str) -> list[str]:
    """Words of a message that are no names (of files, formats, settings) and no command."""
    text = re.sub(r"<[^>]*>|&#?\w+;", "", html)
    text = re.sub(r"pip install [\w\[\]-]+", "", text, flags=re.ASCII)
    text = re.sub(r"--\w+|[a-zA-Z\d-]*[_.:/*\d][\w.*/:-]*", "", text, flags=re.ASCII)
    return sorted(set(re.findall("[a-zA-Z]{3,}", text)) - NAMES)


# What people will ask in vain: the engine's refusal, and a phrase of its Chinese.
REFUSED = [
    (PoemRequest(form="五言绝句", acrostic="春夏秋冬梅"), "藏头有 5 字"),
    (PoemRequest(form="五言绝句", acrostic="春a"), "「a」不是汉字"),
    (PoemRequest(form="五言绝句", template="空山□□"), "留白第 1 句有 4 字"),
    (PoemRequest(form="五言绝句", acrostic="春", template="秋□□□□"), "藏头要「春」"),
    (PoemRequest(form="五言律诗", rhymes=("一屋",)), "一屋 不是平声韵"),
    (PoemRequest(form="五言绝句", rhymes=("一东",), pattern="仄韵"), "一东 是平韵"),
    (PoemRequest(form="七言绝句", rhymes=("没有",)), "没有名为「没有」的韵部"),
    (PoemRequest(form="七言绝句", pattern="歪起"), "没有名为「歪起」的格式"),
    (PoemRequest(form="九言绝句"), "没有名为「九言绝句」的体裁或词牌"),
    (PoemRequest(form="杂言诗"), "杂言诗 没有固定的样式"),
]


@pytest.mark.parametrize("request_, phrase", REFUSED, ids=[phrase for _, phrase in REFUSED])
def test_refusals_of_the_engine_are_said_in_chinese(request_: PoemRequest, phrase: str):
    with pytest.raises(GemmaPoetryError) as raised:
        prescribe(request_)
    shown = problem_html(raised.value, "zh")
    assert phrase in shown and not english_words(shown)
    assert raised.value.found.split(":")[0] in problem_html(raised.value, "en").replace("&#x27;", "'").replace("&amp;", "&")


def _configured(folder: Path, **changes: object) -> Path:
    (folder / "config.json").write_text(json.dumps({"model_type": "gemma3_text", **changes}))
    return folder


def _weighted(folder: Path, weights: bytes, name: str = "model.safetensors") -> None:
    (_configured(folder) / name).write_bytes(weights)


def _shards(folder: Path) -> None:
    _weighted(folder, b"\2" + bytes(7) + b"{}", "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


HEADER = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'

# What is wrong with a folder that is named as a model, and a phrase of what the page says.
BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: None, "没有可读的 config.json"),
    (lambda folder: _configured(folder, model_type="llama"), "类型是「llama」"),
    (lambda folder: _configured(folder, auto_map={"a": "b"}), "要运行它自带的代码"),
    (lambda folder: _configured(folder, registered_name="keras_hub>Gemma3Backbone"), "KerasHub 的 Keras 格式"),
    (_configured, "没有权重"),
    (lambda folder: _weighted(folder, b"", "pytorch_model.bin"), "权重是 pickle 格式"),
    (_shards, "权重缺 1 个分片（共 2 个）"),
    (lambda folder: _weighted(folder, b"short"), "开头损坏"),
    (lambda folder: _weighted(folder, bytes([len(HEADER)]) + bytes(7) + HEADER), f"只有 {8 + len(HEADER)} 字节"),
]


@pytest.mark.parametrize("spoil, phrase", BROKEN, ids=[phrase for _, phrase in BROKEN])
def test_a_model_that_cannot_be_loaded_is_named_in_chinese(spoil: Callable[[Path], object], phrase: str, tmp_path: Path):
    spoil(tmp_path)
    with pytest.raises(ModelError) as raised:
        check_model_folder(tmp_path)
    shown = problem_html(raised.value, "zh")
    assert phrase in shown and not english_words(shown)


def _adapter(folder: Path) -> str:
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    return str(folder)


def _adapter_of_mini(folder: Path) -> str:
    (folder / "manifest.json").write_text(json.dumps({"base": {"spec": "mini"}}))
    return _adapter(folder)


@pytest.mark.parametrize(
    "ask, phrase",
    [
        (lambda folder: locate("nobody"), "没有名为「nobody」的模型"),
        (lambda folder: load_tokenizer(str(folder)), "分词器读不出来"),
        (lambda folder: load_model(_adapter(folder)), "没有记下所用的原模型"),
        (lambda folder: load_model(_adapter_of_mini(folder)), "适配器没有权重"),
    ],
    ids=["no such model", "tokenizer", "no manifest", "no adapter weights"],
)
def test_a_model_that_is_not_there_is_named_in_chinese(ask: Callable[[Path], object], phrase: str, tmp_path: Path):
    with pytest.raises((ModelError, RunError)) as raised:
        ask(tmp_path)
    shown = problem_html(raised.value, "zh")
    # A name, and the reason that another library gives, stay as they are.
    assert phrase in shown and not english_words(re.sub("（.*?）|「.*?」", "", shown, count=1))


def test_what_keeps_a_model_of_the_hub_away_is_named_in_chinese(monkeypatch: pytest.MonkeyPatch):
    for token, phrase in (("", "没有设令牌"), ("hf_x", "无权读取")):
        monkeypatch.setenv("HF_TOKEN", token)
        shown = problem_html(hub._gated("google/gemma-3-270m"), "zh")
        assert phrase in shown and not english_words(shown)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shown = problem_html(hub._unreachable("google/gemma-3-270m", OSError("x")), "zh")
    assert "连不上 google/gemma-3-270m" in shown and "已设 HF_HUB_OFFLINE" in shown and not english_words(shown)


def test_a_reason_inside_a_message_is_said_in_chinese_too():
    reason = _("the base model's weights are others than those that it was trained on")
    found = _("the adapter does not fit the base model {base!r}: {reason}", base="mini", reason=reason)
    assert localized(found, "zh") == "适配器与原模型「mini」不合：原模型的权重已非训练时的权重"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("in Python"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["Python", "GPU", "CPU"],
)
def test_memory_that_ran_out_is_said_in_words(error: Exception, caplog: pytest.LogCaptureFixture):
    assert "内存不足" in problem_html(error, "zh") and "memory is too small" in problem_html(error, "en")
    assert "内部出错" in problem_html(RuntimeError("another"), "zh")
    assert str(error) in caplog.text


def test_remarks_of_the_scansion_are_said_in_chinese():
    (octave,) = check_all(
        "空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。", "auto"
    )
    remarks = [localized(remark, "zh") for remark in octave.scansion.remarks]
    assert remarks[0].startswith("第 3、4 句对仗")
    assert all(not re.search("[a-z]{3}", remark) for remark in remarks)


def test_what_is_not_known_stays_as_it_is():
    assert localized("some new message", "zh") == localized(_("some new message"), "zh") == "some new message"
    assert localized(_("the template is empty"), "en") == "the template is empty"


def test_advice_of_the_command_line_is_turned_into_advice_for_the_page():
    with pytest.raises(GemmaPoetryError) as raised:
        prescribe(PoemRequest(form="杂言诗"))
    assert "give a template with blanks" in problem_html(raised.value, "en")
    assert "--" not in problem_html(raised.value, "en")


def test_errors_nobody_raised_on_purpose_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture):
    shown = problem_html(ValueError("/secret/path"), "en")
    assert "secret" not in shown and say("failure", "en") in shown
    assert "/secret/path" in caplog.text
