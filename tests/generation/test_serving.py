"""Poems for servers: one request at a time, and the vLLM examples driven by a stand-in for vLLM's runners.

The stand-ins hold what the examples use of vLLM's interface; vLLM itself is not needed.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import decode_poem, encode_prompt
from gemma_poetry.errors import UnknownFormError, UsageError
from gemma_poetry.generation.request import PoemRequest, requests_of
from gemma_poetry.generation.serving import PoemServer, read_request
from gemma_poetry.model.loading import load_tokenizer
from gemma_poetry.model.locating import locate
from gemma_poetry.prosody.scansion import scan

EXAMPLES = Path(__file__).parents[2] / "examples"
WISHES = [
    {"form": "五言绝句", "title": "秋夜"},
    {"form": "七言绝句", "acrostic": "春江花月"},
    {"form": "五律", "distinct": True},
]
MOST_TOKENS = 80


@pytest.fixture(scope="module")
def server() -> PoemServer:
    return PoemServer.for_model(locate("mini"))


def text(wish: dict[str, object]) -> str:
    return json.dumps(wish, ensure_ascii=False)


def check(server: PoemServer, wish: dict[str, object], output: list[int]) -> None:
    assert server.finished(text(wish), output)
    poem = decode_poem(server.tokenizer, output)
    lines = [line for line in poem.replace("。", "，").split("，") if line]
    form = {"五律": "五言律诗"}.get(str(wish["form"]), str(wish["form"]))
    assert scan(lines, form).verdict.value != "fail", poem
    assert "".join(line[0] for line in lines).startswith(str(wish.get("acrostic", "")))


def test_one_request_at_a_time(server: PoemServer):
    generator = torch.Generator().manual_seed(1)
    for wish in WISHES:
        processor = server.processor(text(wish))
        output: list[int] = []
        while not output or (output[-1] not in server.stops() and len(output) < MOST_TOKENS):
            scores = torch.randn(len(server.tokenizer), generator=generator)
            output.append(int(processor(output, scores).argmax()))
        check(server, wish, output)
        assert not server.finished(text(wish), output[:10])


def test_the_prompt_is_that_of_training(server: PoemServer):
    assert server.prompt_ids(text(WISHES[0])) == encode_prompt(server.tokenizer, Conditions("五言绝句", "秋夜"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("五言绝句", "no JSON"),
        ("[]", "unknown fields: list"),
        ('{"from": "五言绝句"}', "unknown fields: from"),
        ('{"form": 5}', "another type: form"),
        ('{"form": "五言绝句", "lines": "4"}', "another type: lines"),
        ('{"lines": true}', "another type: lines"),
        ('{"rhymes": null}', "another type: rhymes"),
        ('{"must": [1]}', "another type: must"),
        ('{"must": {"明月": 1}}', "another type: must"),
        ('{"title": ["秋"]}', "another type: title"),
        ('{"metre": "loose"}', "metre='loose' is asked for"),
        ('{"polyphones": "some"}', "polyphones='some' is asked for"),
        ('{"answer_by": "叠韵"}', "answer_by='叠韵' is asked for"),
        ('{"script": "traditional"}', "unknown fields: script"),
        ('{"offer_words": false}', "unknown fields: offer_words"),
    ],
)
def test_what_no_request_is(given: str, message: str):
    with pytest.raises(UsageError, match=message):
        read_request(given)


def test_one_text_stands_for_a_list():
    request = read_request('{"form": "七绝", "must": "明月，清泉", "words": "舟", "rhymes": "一东"}')
    assert (request.must, request.words, request.rhymes) == (("明月", "清泉"), ("舟",), ("一东",))
    assert request == requests_of("七绝", {"must": ["明月", "清泉"], "words": "舟", "rhymes": ("一东",)})[0]


@pytest.mark.parametrize(
    ("form", "wishes", "message"),
    [
        ("七绝", {"metre": "loose"}, "metre='loose' is asked for"),
        ("七绝", {"script": "runes"}, "script='runes' is asked for"),
        ("七绝", {"must": [1]}, "another type: must"),
        ("七绝", {"rhymes": None}, "another type: rhymes"),
        (PoemRequest("七绝", polyphones="some"), {}, "polyphones='some' is asked for"),
    ],
)
def test_wishes_of_programs_are_looked_at_alike(form, wishes, message):
    with pytest.raises(UsageError, match=message):
        requests_of(form, wishes)


def test_an_unknown_form_is_named(server: PoemServer):
    with pytest.raises(UnknownFormError, match="did you mean"):
        server.processor('{"form": "五言绝诗"}')


class FakeAdapter:
    """What vLLM's AdapterLogitsProcessor does with requests that come, move and go."""

    def __init__(self, vllm_config: object, device: torch.device, is_pin_memory: bool) -> None:
        self.req_info: dict[int, functools.partial[torch.Tensor]] = {}

    def add(self, row: int, params: SimpleNamespace, output: list[int]) -> None:
        processor = self.new_req_logits_processor(params)  # type: ignore[attr-defined]
        self.req_info.pop(row, None)
        if processor is not None:
            self.req_info[row] = functools.partial(processor, output)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        for row, processor in self.req_info.items():
            logits[row] = processor(logits[row])
        return logits


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Imports an example with the stand-ins in vLLM's place."""
    stand_ins = {
        "vllm.v1.sample.logits_processor": {"AdapterLogitsProcessor": FakeAdapter},
        "vllm.v1.worker.gpu.sample.logits_processor": {"LogitsProcessor": object},
    }
    for dotted, contents in stand_ins.items():
        parts = dotted.split(".")
        for depth in range(1, len(parts) + 1):
            module = ModuleType(".".join(parts[:depth]))
            module.__path__ = []
            monkeypatch.setitem(sys.modules, module.__name__, sys.modules.get(module.__name__, module))
        for attribute, value in contents.items():
            monkeypatch.setattr(sys.modules[dotted], attribute, value, raising=False)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


CONFIG = SimpleNamespace(model_config=SimpleNamespace(tokenizer=locate("mini")))


def params(wish: dict[str, object] | None) -> SimpleNamespace:
    return SimpleNamespace(extra_args=None if wish is None else {"poem": text(wish)})


def test_the_example_for_the_first_runner(monkeypatch: pytest.MonkeyPatch):
    processor = example("vllm_poems_v1", monkeypatch).PoemProcessor(CONFIG, torch.device("cpu"), False)
    server = processor.server
    wishes = [WISHES[0], None, WISHES[1]]
    outputs: list[list[int]] = [[] for _ in wishes]
    for row, wish in enumerate(wishes):
        processor.validate_params(params(wish))
        processor.add(row, params(wish), outputs[row])
    generator = torch.Generator().manual_seed(2)
    ended = set(server.stops())
    while not all(output and output[-1] in ended for output in (outputs[0], outputs[2])):
        assert len(outputs[0]) < MOST_TOKENS
        logits = torch.randn(len(wishes), len(server.tokenizer), generator=generator)
        masked = processor.apply(logits.clone())
        assert torch.equal(masked[1], logits[1])  # a request that asks for no poem
        for row, output in enumerate(outputs):
            output.append(int(masked[row].argmax()))
    for wish, output in ((WISHES[0], outputs[0]), (WISHES[1], outputs[2])):
        check(server, wish, output[: next(place for place, token in enumerate(output) if token in ended) + 1])


def test_the_example_for_model_runner_v2(monkeypatch: pytest.MonkeyPatch):
    """Slots are recycled, rows reordered every step, and a request that was preempted comes back with its tokens."""
    tokenizer = load_tokenizer("mini")
    tokens = torch.zeros((4, 256), dtype=torch.long)
    prompts = torch.zeros(4, dtype=torch.long)
    states = SimpleNamespace(all_token_ids=SimpleNamespace(gpu=tokens), prompt_len=SimpleNamespace(np=prompts.numpy()))
    processor = example("vllm_poems", monkeypatch).PoemProcessor(CONFIG, states)
    server = processor.server
    total = [0] * 4

    def enter(slot: int, wish: dict[str, object] | None, written: list[int]) -> None:
        prompt = server.prompt_ids(text(wish)) if wish else [2, 5, 6]
        tokens[slot, : len(prompt) + len(written)] = torch.tensor(prompt + written)
        prompts[slot], total[slot] = len(prompt), len(prompt) + len(written)
        assert processor.add_request(slot, params(wish)) is (wish is not None)

    def step(slots: list[int], generator: torch.Generator) -> None:
        logits = torch.randn(len(slots), len(tokenizer), generator=generator)
        pos = torch.tensor([total[slot] - 1 for slot in slots])
        masked = processor.apply(logits.clone(), SimpleNamespace(expanded_idx_mapping=torch.tensor(slots), pos=pos))
        for row, slot in enumerate(slots):
            assert slot != 1 or torch.equal(masked[row], logits[row])
            if total[slot] == prompts[slot] or int(tokens[slot, total[slot] - 1]) not in server.stops():
                tokens[slot, total[slot]] = masked[row].argmax()
                total[slot] += 1

    enter(0, WISHES[2], [])  # an earlier request, of which nothing may remain
    enter(0, WISHES[0], [])
    enter(1, None, [])
    enter(2, WISHES[1], [])
    generator = torch.Generator().manual_seed(3)
    for number in range(9):
        step([2, 0, 1] if number % 2 else [0, 1, 2], generator)
    enter(3, WISHES[1], tokens[2, prompts[2] : total[2]].tolist())  # preempted from slot 2, resumed in slot 3
    for number in range(MOST_TOKENS):
        step([3, 0, 1] if number % 2 else [0, 1, 3], generator)
    for slot, wish in ((0, WISHES[0]), (3, WISHES[1])):
        check(server, wish, tokens[slot, prompts[slot] : total[slot]].tolist())


def test_a_bad_request_is_refused_as_vllm_expects(monkeypatch: pytest.MonkeyPatch):
    for name in ("vllm_poems", "vllm_poems_v1"):
        with pytest.raises(ValueError, match="unknown fields"):
            example(name, monkeypatch).PoemProcessor.validate_params(params({"from": "五言绝句"}))
