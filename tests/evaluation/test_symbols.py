"""Words as characters: spelt, compared, read back."""

from __future__ import annotations

import pytest

from gemma_poetry.config import EvaluateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.evaluator import Evidence, evaluate_records
from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.symbols import Symbols
from gemma_poetry.evaluation.table import label, metric_names
from gemma_poetry.prosody.check_result import CheckResult
from gemma_poetry.prosody.rules import Verdict


def words() -> Symbols:
    return Symbols(lambda line: line.casefold().split(), "words")


def test_a_word_is_the_same_character_wherever_it_stands():
    symbols = words()
    first, second = symbols.spell(["the red moon", "The moon a the"])
    assert (len(first), len(second)) == (3, 4) and first[0] == second[0] == second[3] and first[2] == second[1]
    assert symbols.read(first) == "the red moon" and symbols.read(second) == "the moon a the"


@pytest.mark.parametrize("text", ["はつゆきや", "窗前明月光", ""])
def test_characters_stay_what_they_are(text):
    symbols = Symbols(list)
    assert symbols.spell([text]) == (text,) and symbols.read(text) == text
    assert symbols.metric("longest_span") == "longest_span"


def writing(system: str, *lines: str) -> Generation:
    return Generation(system, Protocol.TITLE, "a", "", "Moon", "haiku", (), lines, "\n" * len(lines), ())


def test_novelty_and_variety_count_words():
    corpus = [Poem(("over the red roof tonight", "a moon"), "\n\n", title="Roof", source_id="r")]
    lines = [
        writing("copier", "over the red roof tonight", "nobody"),
        writing("other", "Over the red street tonight", "a moon"),
    ]
    found = evaluate_records(
        Evidence(
            generations=lines,
            corpus=corpus,
            judge=lambda lines, form: CheckResult(form, tuple(lines), Verdict.STRICT, True),
            symbols=words(),
        ),
        EvaluateSettings(bootstrap_samples=100),
        [("copier", "other")],
    )
    spans = {system: own["longest_span_words"].value for system, own in found.systems.items()}
    assert spans == {"copier": 5.0, "other": 3.0}, (
        "of the other \u2018over the red\u2019 and \u2018tonight a moon\u2019, three words each"
    )
    assert [own["copied_lines"].value for own in found.systems.values()] == [1.0, 0.0]
    assert found.systems["other"]["distinct_1_words"].value == 1.0 and "distinct_1" not in found.systems["other"]
    assert found.copied["copier"][0]["span"] == {
        "text": "over the red roof tonight", "length": 5, "author": "", "title": "Roof", "source_id": "r",
    }  # fmt: skip
    assert found.comparisons[0].differences["longest_span_words"].value == 2.0
    assert "parallel_classes" not in found.systems["other"], "what only couplets of characters have"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("longest_span_words", "longest copied span (words) \u2193"),
        ("ppl_syllable", "perplexity a syllable \u2193"),
        ("log_ppl_word", "log perplexity a word (nats) \u2193"),
        ("distinct_2_words", "distinct pairs of words"),
        ("ppl_char", "perplexity a character \u2193"),
        ("stranger", "stranger"),
    ],
)
def test_metrics_of_any_unit_have_names_for_people(name, shown):
    assert label(name) == shown


def test_metrics_of_another_unit_stand_with_their_like():
    from gemma_poetry.evaluation.results import Results
    from gemma_poetry.evaluation.statistics import Estimate

    names = ["longest_span_words", "conforms", "ppl_word", "ppl_token", "stranger"]
    results = Results({"one": dict.fromkeys(names, Estimate(1, 1, 1, 1))})
    assert metric_names(results) == ["ppl_word", "ppl_token", "conforms", "longest_span_words", "stranger"]
