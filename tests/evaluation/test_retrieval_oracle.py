"""The best that copying could do."""

from __future__ import annotations

import random

from sacrebleu.metrics import BLEU

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.records import Protocol
from gemma_poetry.evaluation.retrieval_oracle import retrieval_generations


def poem(name: str, *lines: str) -> Poem:
    return Poem(lines, "，。" * (len(lines) // 2), title=name, source_id=name, form="五言绝句")


def test_the_best_match_is_that_of_trying_all():
    draw = random.Random(3)

    def random_poem(name: str) -> Poem:
        return poem(name, *("".join(draw.choices("春江花月夜山水风", k=5)) for _ in range(4)))

    corpus = [random_poem(f"c{number}") for number in range(60)]
    judged = [random_poem(f"j{number}") for number in range(10)]
    bleu = BLEU(tokenize="char", effective_order=True)
    generations = retrieval_generations(judged, CorpusIndex(corpus))
    assert len(generations) == 20
    for writing in generations:
        given = 2 if writing.protocol is Protocol.COUPLET else 0
        scores = {
            other.title: bleu.sentence_score("".join(other.lines[given:]), [writing.reference_text]).score for other in corpus
        }
        assert scores[writing.origin["title"]] == max(scores.values())


def test_each_protocol_looks_at_its_own_lines():
    corpus = [
        poem("same beginning", "床前明月光", "疑是地上霜", "甲乙丙丁戊", "己庚辛壬癸"),
        poem("same end", "甲乙丙丁戊", "己庚辛壬癸", "举头望明月", "低头思故人"),
    ]
    judged = poem("静夜思", "床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")
    whole, rest = retrieval_generations([judged], CorpusIndex(corpus))
    assert (whole.protocol, whole.origin["title"]) == (Protocol.TITLE, "same beginning")
    assert (rest.protocol, rest.origin["title"], rest.lines) == (Protocol.COUPLET, "same end", ("举头望明月", "低头思故人"))


def test_poems_of_another_shape_and_strangers_are_no_match():
    judged = poem("静夜思", "床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")
    assert retrieval_generations([judged], CorpusIndex([poem("short", "床前明月光", "疑是地上霜")])) == []
    assert retrieval_generations([judged], CorpusIndex([poem("x", *["甲乙丙丁戊"] * 4)])) == []
