"""The retrieval ceiling: what BLEU could be had by copying, if one knew what to copy.

In: judged poems and a `CorpusIndex` of the other splits. Out: for each the poem of the corpus, of the same shape, that
scores best against it, as writings of the system `retrieval`.

It is no system that anybody could run, since it looks at the reference. It says how far a score is from what the corpus
holds ready: a model above it repeats the reference itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.metrics import sentence_bleu
from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.references import as_generation, skipped

RETRIEVAL = "retrieval"
_CANDIDATES = 100


def retrieval_generations(poems: Sequence[Poem], index: CorpusIndex) -> list[Generation]:
    """The best match of each judged poem, in both protocols; poems that share nothing with any have none.

    Among the 100 poems of the same shape with most pairs of characters in common, that with the best BLEU-4.
    """
    generations = []
    for protocol in Protocol:
        given = skipped(protocol)
        for poem in poems:
            candidates = index.similar_poems(poem.lines[given:], _CANDIDATES, skipped_lines=given)
            if candidates:
                best = _best_match(poem, candidates, given)
                origin = {"author": best.author, "title": best.title, "source_id": best.source_id}
                generations.append(as_generation(RETRIEVAL, protocol, poem, best.lines[given:], best.marks[given:], origin))
    return generations


def _best_match(poem: Poem, candidates: Sequence[Poem], given: int) -> Poem:
    overlap = sentence_bleu()
    texts = ["".join(candidate.lines[given:]) for candidate in candidates]
    sums = overlap.sums(texts, ["".join(poem.lines[given:])] * len(texts))
    scores = [overlap.figure(row) for row in sums]
    return candidates[max(range(len(scores)), key=scores.__getitem__)]
