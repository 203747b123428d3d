"""A writer writes texts of a domain with one model, whichever engine serves it.

In: a domain (seen from below, as a `WritableDomain`), a loaded model, sampling settings. Out: its `Writer`.

    domain.engine == "slots"   PoemWriter over PoemGenerator: every character keeps its slot
    domain.engine == "words"   TextWriter: every counted line keeps its sum; other lines are free

Of several poems written for one (`best_of`) that is kept which has most merits (see `reranking`); of texts see `text_writer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest, simplify, words_record
from gemma_poetry.generation.text_writer import TextWriter
from gemma_poetry.generation.written import WritableDomain, Writer, Written, WrittenPoem
from gemma_poetry.languages import _

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel


class PoemWriter(Writer):
    """Classical Chinese poems, over `PoemGenerator`.

    Attributes:
        generator: The engine.
    """

    guarded = True

    def __init__(self, domain: WritableDomain, loaded: LoadedModel, settings: GenerateSettings, **engine: Any) -> None:
        from gemma_poetry.generation.poem_generator import PoemGenerator

        self.domain = domain
        self.generator = PoemGenerator(loaded.model, loaded.tokenizer, settings, **engine)

    @staticmethod
    def no_guards(domain: str) -> str:
        """See `Writer`."""
        return _("no list of known lines is at hand, so new lines are not promised (give --data)")

    @staticmethod
    def check_request(domain: WritableDomain, request: PoemRequest, feature: str = "", options: Sequence[str] = ()) -> None:
        """Whether there are forms that grant it."""
        if feature:
            domain.feature_name(feature)
        place_words(request)
        prescribe(simplify(request))

    def _stream(
        self, requests: list[PoemRequest], seed: int | None, best_of: int | None, assess: bool, feature: str
    ) -> Iterator[Written]:
        for one in self.generator.write(requests, seed=seed, best_of=best_of, assess=assess):
            poem = one.poem
            domain = self.domain.by_book(one.request.book)
            check = domain.check(poem.lines, poem.kind) if domain.judges(poem) else None
            if check is not None:
                check = replace(check, title=poem.title, author=poem.author)
            ppl = one.merits.ppl_char if one.merits else None
            yield WrittenPoem(poem, one.seed, check, ppl, words_record(one.request))


ENGINES: dict[str, type[PoemWriter] | type[TextWriter]] = {"slots": PoemWriter, "words": TextWriter}
"""By the name that a domain gives as its `engine`."""


def open_writer(
    domain: WritableDomain,
    loaded: LoadedModel,
    settings: GenerateSettings | None = None,
    *,
    beams: int = 1,
    byte_characters: bool = False,
    guards: Sequence[KnownLines] = (),
) -> Writer:
    """The writer of a domain's texts.

    Args:
        domain: The domain.
        loaded: The model.
        settings: Sampling and batch size; `None`: the defaults.
        beams: Beams of each text; 1 samples.
        byte_characters: Also write characters that the vocabulary has only as bytes.
        guards: Lines that new poems do without.
    """
    engine = ENGINES[domain.engine]
    return engine(domain, loaded, settings or GenerateSettings(), beams=beams, byte_characters=byte_characters, guards=guards)
