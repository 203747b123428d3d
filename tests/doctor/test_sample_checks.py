"""Faults of training samples that no error betrays: each is planted, and named."""

from __future__ import annotations

import pytest

from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.doctor.sample_checks import check_samples, usable
from tests.families import small_tokenizer

TOKENIZER = small_tokenizer("gemma3_text", instruction_tuned=True)
BOS, EOS, TURN_END = 2, 1, 106
GOOD = TokenizedPoem((BOS, 400, 401), (402, 403, TURN_END))


def verdicts(samples: list[TokenizedPoem], max_tokens: int = 64) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in check_samples(samples, TOKENIZER, max_tokens)}


def test_good_samples_pass():
    assert verdicts([GOOD, GOOD]) == {"BOS": "ok", "terminator": "ok", "labels": "ok", "length": "ok"}


@pytest.mark.parametrize(
    ("fault", "sample", "check"),
    [
        ("no BOS", TokenizedPoem((400, 401), (402, TURN_END)), "BOS"),
        ("BOS twice, as a template and special tokens add it", TokenizedPoem((BOS, BOS, 400), (402, TURN_END)), "BOS"),
        ("BOS before the poem too", TokenizedPoem((BOS, 400), (BOS, 402, TURN_END)), "BOS"),
        ("BOS at the wrong place", TokenizedPoem((400, BOS), (402, TURN_END)), "BOS"),
        ("no terminator", TokenizedPoem((BOS, 400), (402, 403)), "terminator"),
        ("<eos>, which ends no turn", TokenizedPoem((BOS, 400), (402, EOS)), "terminator"),
        ("a stop inside the poem", TokenizedPoem((BOS, 400), (402, EOS, 403, TURN_END)), "terminator"),
        ("no poem at all", TokenizedPoem((BOS, 400), (TURN_END,)), "labels"),
    ],
)
def test_each_planted_fault_is_found_among_good_samples(fault: str, sample: TokenizedPoem, check: str):
    found = verdicts([GOOD] * 50 + [sample])
    assert found[check] == "fault", fault
    assert [name for name, verdict in found.items() if verdict == "fault"] == [check], fault


def test_samples_too_long_are_a_warning_and_none_left_a_fault():
    long = TokenizedPoem((BOS, *[400] * 20), (402, TURN_END))
    assert verdicts([GOOD] * 99 + [long], max_tokens=16)["length"] == "ok"  # 1 in 100 left out
    assert verdicts([GOOD] * 9 + [long], max_tokens=16)["length"] == "warning"
    assert verdicts([long], max_tokens=16)["length"] == "fault"
    assert usable([GOOD, long], 16) == [GOOD]


def test_no_samples_are_a_fault():
    assert verdicts([])["labels"] == "fault"
