"""The vLLM examples inside vLLM's own interface: its classes, its batch updates, its loaders, its command line.

Wants vLLM's Python files, no GPU (`requirements-vllm.txt`); skipped where they are not installed. Models, kernels and the
server itself do not run here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed (requirements-vllm.txt)")

from gemma_poetry.data.tokenization import decode_poem
from gemma_poetry.generation.serving import PoemServer
from gemma_poetry.model.locating import locate
from gemma_poetry.prosody.scansion import scan

EXAMPLES = Path(__file__).parents[2] / "examples"
WISHES = [
    {"form": "五言绝句", "title": "秋夜"},
    {"form": "七言绝句", "acrostic": "春江花月"},
    {"form": "五言律诗"},
    {"form": "五言绝句", "rhymes": ["一东"]},
]
MOST_TOKENS = 90


@pytest.fixture(scope="module", autouse=True)
def without_a_gpu() -> Iterator[None]:
    """vLLM finds no device on a machine without a GPU, unless it is its CPU build: it is told that it is."""
    import vllm.platforms
    from vllm.platforms.cpu import CpuPlatform

    sys.path.insert(0, str(EXAMPLES))
    before = vllm.platforms._current_platform
    vllm.platforms._current_platform = CpuPlatform()
    yield
    vllm.platforms._current_platform = before
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def server() -> PoemServer:
    return PoemServer.for_model(locate("mini"))


CONFIG = SimpleNamespace(model_config=SimpleNamespace(tokenizer=locate("mini")), speculative_config=None)


def params(wish: dict[str, Any] | None, key: str = "poem") -> Any:
    from vllm import SamplingParams

    extra = None if wish is None else {key: json.dumps(wish, ensure_ascii=False)}
    return SamplingParams(max_tokens=200, extra_args=extra)


def check(server: PoemServer, wish: dict[str, Any], output: list[int]) -> None:
    text = json.dumps(wish, ensure_ascii=False)
    assert server.finished(text, output)
    lines = [line for line in decode_poem(server.tokenizer, output).replace("。", "，").split("，") if line]
    found = scan(lines, str(wish["form"]))
    assert found.verdict.passes and "".join(line[0] for line in lines).startswith(wish.get("acrostic", ""))


def written(output: list[int], ended: set[int]) -> bool:
    return bool(output) and output[-1] in ended


class Batch:
    """A persistent batch as the first runner keeps it: rows of requests, and one update for each step that changes them."""

    def __init__(self, processor: Any, vocabulary: int) -> None:
        from vllm.v1.sample.logits_processor import BatchUpdateBuilder

        self.processor, self.vocabulary = processor, vocabulary
        self.builder = BatchUpdateBuilder()
        self.rows: list[tuple[Any, list[int]]] = []
        self.draw = torch.Generator().manual_seed(4)

    def add(self, row: int, asked: Any, output: list[int]) -> None:
        """A request enters, in a new row or in that of one that left."""
        self.builder.added.append((row, asked, [2, 5], output))
        if row == len(self.rows):
            self.rows.append((asked, output))
        else:
            self.rows[row] = (asked, output)

    def remove_last(self) -> None:
        """The request of the last row leaves."""
        self.builder.removed_append(len(self.rows) - 1)
        self.rows.pop()

    def remove(self, row: int) -> None:
        """A request leaves, and that of the last row moves into its place."""
        from vllm.v1.sample.logits_processor import MoveDirectionality

        last = len(self.rows) - 1
        self.builder.removed_append(row)
        assert self.builder.pop_removed() == row
        self.builder.moved.append((last, row, MoveDirectionality.UNIDIRECTIONAL))
        self.rows[row] = self.rows.pop()

    def swap(self, one: int, other: int) -> None:
        """Two requests change rows."""
        from vllm.v1.sample.logits_processor import MoveDirectionality

        self.builder.moved.append((one, other, MoveDirectionality.SWAP))
        self.rows[one], self.rows[other] = self.rows[other], self.rows[one]

    def step(self) -> None:
        """One token for each request."""
        self.processor.update_state(self.builder.get_and_reset(len(self.rows)))
        logits = torch.randn(len(self.rows), self.vocabulary, generator=self.draw)
        masked = self.processor.apply(logits.clone())
        for row, (asked, output) in enumerate(self.rows):
            if not asked.extra_args:
                assert torch.equal(masked[row], logits[row])
            output.append(int(masked[row].argmax()))


def test_the_first_runner_adds_removes_moves_and_swaps(server: PoemServer):
    from vllm.v1.sample.logits_processor import AdapterLogitsProcessor, build_logitsprocs

    processors = build_logitsprocs(
        SimpleNamespace(**vars(CONFIG), scheduler_config=SimpleNamespace(max_num_seqs=8)),
        torch.device("cpu"),
        False,
        False,
        ("vllm_poems_v1:PoemProcessor",),
    )
    (processor,) = (one for one in processors.all if type(one).__name__ == "PoemProcessor")
    assert isinstance(processor, AdapterLogitsProcessor)
    assert processor in list(processors.non_argmax_invariant)  # greedy sampling must be masked too
    batch = Batch(processor, len(server.tokenizer))
    outputs: list[list[int]] = [[] for _ in WISHES]
    plain: list[int] = []
    batch.add(0, params(WISHES[0]), outputs[0])
    batch.add(1, params(None), plain)
    batch.add(2, params(WISHES[1]), outputs[1])
    batch.step()
    batch.step()
    batch.swap(0, 2)
    batch.step()
    batch.add(3, params(WISHES[2]), outputs[2])
    batch.step()
    batch.remove(1)  # the plain request leaves: the last row moves into its place
    batch.step()
    batch.add(3, params(WISHES[3]), outputs[3])
    batch.swap(0, 3)
    ended = set(server.stops())
    for _ in range(MOST_TOKENS):
        batch.step()
    for wish, output in zip(WISHES, outputs):
        end = next(place for place, token in enumerate(output) if token in ended)
        check(server, wish, output[: end + 1])
    # The row of a request that left, taken by one that asks for no poem: nothing of the poem remains.
    batch.remove_last()
    batch.add(3, params(None), [])
    batch.step()
    while batch.rows:
        batch.remove_last()
    batch.processor.update_state(batch.builder.get_and_reset(0))
    assert not processor.req_info


def test_model_runner_v2_recycles_slots(server: PoemServer, monkeypatch: pytest.MonkeyPatch):
    import numpy as np
    from vllm.v1.worker.gpu.buffer_utils import StagedWriteTensor, UvaBackedTensor
    from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcessor, LogitsProcRequestState
    from vllm.v1.worker.gpu.sample.logits_processor.loader import build_custom_logits_processors

    # Its own way for platforms without pinned memory.
    monkeypatch.setattr("vllm.v1.worker.gpu.buffer_utils.is_uva_available", lambda: False)
    slots, longest = 4, 256
    tokens = StagedWriteTensor((slots, longest), torch.int32, torch.device("cpu"))
    lengths = [UvaBackedTensor(slots, torch.int32) for _ in range(2)]
    total = StagedWriteTensor(slots, torch.int32, torch.device("cpu"))
    states = SimpleNamespace(
        device=torch.device("cpu"), max_num_reqs=slots, vocab_size=len(server.tokenizer), all_token_ids=tokens,
        prompt_len=lengths[0], prefill_len=lengths[1], total_len=total,
    )  # fmt: skip
    (processor,) = build_custom_logits_processors(CONFIG, states, False, ("vllm_poems:PoemProcessor",))
    assert isinstance(processor, LogitsProcessor) and isinstance(processor.states, LogitsProcRequestState)

    def enter(slot: int, wish: dict[str, Any] | None, output: list[int]) -> None:
        prompt = server.prompt_ids(json.dumps(wish)) if wish else [2, 5, 6]
        whole = [*prompt, *output]
        tokens.gpu[slot, : len(whole)] = torch.tensor(whole, dtype=torch.int32)
        lengths[0].np[slot], lengths[1].np[slot], total.gpu[slot] = len(prompt), len(whole), len(whole)
        assert processor.add_request(slot, params(wish)) is (wish is not None)
        processor.apply_staged_writes()

    draw = torch.Generator().manual_seed(5)

    def step(order: list[int]) -> None:
        mapping = torch.tensor(order)
        pos = total.gpu[mapping].to(torch.int64) - 1
        context = LogitsContext(
            expanded_idx_mapping=mapping, idx_mapping=mapping, idx_mapping_np=np.array(order),
            expanded_local_pos=torch.zeros_like(mapping), input_ids=tokens.gpu[mapping, pos], pos=pos,
            seq_lens_upper_bound_np=(pos + 1).numpy(),
        )  # fmt: skip
        logits = torch.randn(len(order), len(server.tokenizer), generator=draw)
        masked = processor.apply(logits.clone(), context)
        for row, slot in enumerate(order):
            assert slot != 1 or torch.equal(masked[row], logits[row])
            end = int(total.gpu[slot])
            if not written(tokens.gpu[slot, lengths[0].np[slot] : end].tolist(), ended) and end < longest:
                tokens.gpu[slot, end] = masked[row].argmax()
                total.gpu[slot] += 1

    ended = set(server.stops())
    enter(0, WISHES[2], [])  # an earlier request, of which nothing may remain
    enter(0, WISHES[0], [])
    enter(1, None, [])
    enter(2, WISHES[1], [])
    for number in range(9):
        step([2, 0, 1] if number % 2 else [0, 1, 2])
    # Preempted from slot 2, resumed in slot 3 with what it had written.
    enter(3, WISHES[1], tokens.gpu[2, lengths[0].np[2] : int(total.gpu[2])].tolist())
    for number in range(MOST_TOKENS):
        step([3, 0, 1] if number % 2 else [0, 1, 3])
    for slot, wish in ((0, WISHES[0]), (3, WISHES[1])):
        check(server, wish, tokens.gpu[slot, lengths[0].np[slot] : int(total.gpu[slot])].tolist())


def test_wishes_that_are_none_are_refused_when_they_are_admitted():
    from vllm.exceptions import VLLMValidationError
    from vllm.v1.sample.logits_processor import validate_logits_processors_parameters
    from vllm.v1.worker.gpu.sample.logits_processor.loader import build_custom_logits_processors_params_validator

    second = build_custom_logits_processors_params_validator(["vllm_poems:PoemProcessor"])
    for wish, reason in (({"from": "五言绝句"}, "unknown fields"), ({"form": "五言绝诗"}, "did you mean")):
        with pytest.raises(VLLMValidationError, match=reason):
            validate_logits_processors_parameters(["vllm_poems_v1:PoemProcessor"], params(wish))
        with pytest.raises(VLLMValidationError, match=reason):
            second(params(wish))
    validate_logits_processors_parameters(["vllm_poems_v1:PoemProcessor"], params(WISHES[0]))
    second(params(WISHES[0]))
    second(params({"form": "no form"}, key="another"))


def test_each_runner_refuses_the_processor_of_the_other():
    from vllm.v1.sample.logits_processor import _load_custom_logitsprocs
    from vllm.v1.worker.gpu.sample.logits_processor.loader import _load_v2_logitsprocs

    with pytest.raises(ValueError, match="must be a subclass"):
        _load_custom_logitsprocs(["vllm_poems:PoemProcessor"])
    with pytest.raises(ValueError, match="is not a subclass"):
        _load_v2_logitsprocs(["vllm_poems_v1:PoemProcessor"])


COMMANDS = [
    ["MODEL", "--dtype", "bfloat16", "--max-model-len", "1024"],
    ["google/gemma-3-270m", "--enable-lora", "--max-lora-rank", "32", "--lora-modules", "poems=ADAPTER"],
    ["MODEL", "--logits-processors", "vllm_poems:PoemProcessor"],
    ["MODEL", "--logits-processors", "vllm_poems_v1:PoemProcessor"],
]


def test_the_command_lines_of_the_documentation_are_understood():
    from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    document = " ".join((EXAMPLES.parent / "docs" / "serving.md").read_text(encoding="utf-8").replace("\\\n", " ").split())
    for words in COMMANDS:
        assert f"vllm serve {' '.join(words)}" in document
        arguments = parser.parse_args(words)
        validate_parsed_serve_args(arguments)
        assert (arguments.logits_processors or []) == [word for word in words if word.endswith(":PoemProcessor")]
    with pytest.raises(SystemExit):
        parser.parse_args(["MODEL", "--logit-processors-of-poems", "x"])


def test_a_request_of_the_openai_server_carries_the_wish():
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest

    wish = json.dumps(WISHES[1], ensure_ascii=False)
    asked = CompletionRequest(model="MODEL", prompt=[2, 5], max_tokens=200, vllm_xargs={"poem": wish}, stop_token_ids=[1])
    sampling = asked.to_sampling_params(200, {})
    assert sampling.extra_args["poem"] == wish and sampling.stop_token_ids == [1]
