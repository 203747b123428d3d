"""These checks see what can be seen of training samples before any model runs.

In: `TokenizedPoem`s, their tokenizer, the longest sample that training takes. Out: findings on BOS, terminator, labels
and length.

Each of these faults trains without an error and is noticed hours later: a missing or doubled BOS multiplies perplexity
(lm-evaluation-harness#2049, llama.cpp#7332), an unlabelled terminator gives a model that never stops (axolotl#3754),
samples without labels teach nothing (trl#6578).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gemma_poetry.data.tokenization import TokenizedPoem, is_instruction_tuned, stop_ids, terminator_id
from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.languages import _, listed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Losing more poems than this to the length limit is worth a word.
_TOLERATED_SHARE_LEFT_OUT = 0.05
_PREPARE = _("run prepare again with --model set to the model that you train")


def check_samples(samples: Sequence[TokenizedPoem], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Iterator[Finding]:
    """Looks at every sample.

    Args:
        samples: The samples of train.txt.
        tokenizer: The model's tokenizer.
        max_tokens: `train.max_tokens`: longer samples are left out of training, in tokens.
    """
    yield _check_bos(samples, tokenizer)
    yield _check_terminator(samples, tokenizer)
    yield _check_labels(samples, tokenizer)
    yield _check_lengths(samples, max_tokens)


def usable(samples: Sequence[TokenizedPoem], max_tokens: int) -> list[TokenizedPoem]:
    """The samples that training takes."""
    return [sample for sample in samples if len(sample) <= max_tokens]


def _check_bos(samples: Sequence[TokenizedPoem], tokenizer: PreTrainedTokenizerBase) -> Finding:
    bos = tokenizer.bos_token_id
    counts = [(sample.prompt_ids + sample.completion_ids).count(bos) for sample in samples]
    first = sum(sample.prompt_ids[:1] == (bos,) for sample in samples)
    missing, doubled = sum(count == 0 for count in counts), sum(count > 1 for count in counts)
    return judge(
        _("BOS"),
        not missing and not doubled and first == len(samples),
        _(
            "{first:,} of {count:,} samples begin with {bos_token}; {missing:,} have none, {doubled:,} several",
            first=first,
            count=len(samples),
            bos_token=tokenizer.bos_token,
            missing=missing,
            doubled=doubled,
        ),
        _("exactly one in each sample, in front"),
        _PREPARE,
    )


def _check_terminator(samples: Sequence[TokenizedPoem], tokenizer: PreTrainedTokenizerBase) -> Finding:
    terminator, stops = terminator_id(tokenizer), set(stop_ids(tokenizer))
    ended = sum(sample.completion_ids[-1:] == (terminator,) for sample in samples)
    early = sum(not stops.isdisjoint(sample.completion_ids[:-1]) for sample in samples)
    piece = tokenizer.convert_ids_to_tokens(terminator)
    kind = _("a turn") if is_instruction_tuned(tokenizer) else _("a text")
    return judge(
        _("terminator"),
        ended == len(samples) and not early,
        _(
            "{ended:,} of {count:,} completions end with {piece} (id {terminator}), labelled; {early:,} hold a stop inside",
            ended=ended,
            count=len(samples),
            piece=piece,
            terminator=terminator,
            early=early,
        ),
        _("each completion ends once, with the piece that ends {kind} for this model", kind=kind),
        _("a model trained so never stops, or stops too soon; {prepare}", prepare=_PREPARE),
    )


def _check_labels(samples: Sequence[TokenizedPoem], tokenizer: PreTrainedTokenizerBase) -> Finding:
    stops = set(stop_ids(tokenizer))
    bare = sum(stops.issuperset(sample.completion_ids) for sample in samples)
    labels = sum(len(sample.completion_ids) for sample in samples)
    return judge(
        _("labels"),
        bool(samples) and not bare,
        _(
            "{labels:,} labelled tokens in {count:,} samples; {bare:,} samples without a poem",
            labels=labels,
            count=len(samples),
            bare=bare,
        ),
        _("a poem behind every prompt"),
        _("the loss falls on nothing there; {prepare}", prepare=_PREPARE),
    )


def _check_lengths(samples: Sequence[TokenizedPoem], max_tokens: int) -> Finding:
    left_out = len(samples) - len(usable(samples, max_tokens))
    longest = max(map(len, samples), default=0)
    found = _(
        "{left_out:,} of {count:,} samples are longer than {max_tokens} tokens (the longest has {longest})",
        left_out=left_out,
        count=len(samples),
        max_tokens=max_tokens,
        longest=longest,
    )
    expected = _("samples that fit train.max_tokens; longer ones are left out")
    action = _("raise --set train.max_tokens={longest}, or prepare with a smaller prepare.max_characters", longest=longest)
    if left_out == len(samples):
        return Finding(_("length"), "fault", found, expected, action)
    return judge(
        _("length"), left_out <= _TOLERATED_SHARE_LEFT_OUT * len(samples), found, expected, action, otherwise="warning"
    )


def check_stops(model: Any, tokenizer: PreTrainedTokenizerBase) -> Finding:
    """Whether plain `model.generate` would stop where completions end."""
    wanted = stop_ids(tokenizer)
    ends = model.generation_config.eos_token_id
    present = [ends] if isinstance(ends, int) else list(ends or [])
    missing = [str(tokenizer.convert_ids_to_tokens(index)) for index in wanted if index not in present]
    return judge(
        _("stops"),
        not missing,
        _("the checkpoint's generation_config stops at {present}", present=present)
        + (_(", not at {missing}", missing=listed(missing)) if missing else ""),
        _("stops at {wanted}", wanted=wanted),
        _("nothing here (this project stops at both, and export writes both); other programs need the stop given"),
        otherwise="warning",
    )
