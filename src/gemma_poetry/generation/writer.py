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
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.drafts import draft_of
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest, simplify, words_record
from gemma_poetry.generation.text_writer import TextWriter
from gemma_poetry.generation.written import Polished, Watch, WritableDomain, Writer, Written, WrittenPoem
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import ScansionResult, scansion_result
from gemma_poetry.prosody.mending import scan_again
from gemma_poetry.prosody.scansion import scan, scan_auto

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel


DEFAULT_ROUNDS = 2
"""Places of a person's poem that are tried."""


class PoemWriter(Writer):
    """Classical Chinese poems, over `PoemGenerator`."""

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
        self,
        requests: list[PoemRequest],
        seed: int | None,
        effort: int | None,
        best_of: int | None,
        assess: bool | None,
        feature: str,
        watch: Watch | None,
    ) -> Iterator[Written]:
        written = self.generator.write(requests, seed=seed, effort=effort, best_of=best_of, assess=assess, watch=watch)
        for one in written:
            poem = one.poem
            domain = self.domain.by_book(one.request.book)
            check = domain.check(poem.lines, poem.kind) if domain.judges(poem) else None
            if check is not None:
                check = replace(check, title=poem.title, author=poem.author)
            ppl = one.merits.ppl_char if one.merits else None
            yield WrittenPoem(poem, one.seed, check, ppl, words_record(one.request))

    def polish(
        self,
        poem: Poem,
        *,
        form: str = "",
        book: str = "",
        lines: Sequence[int] = (),
        rounds: int | None = None,
        seed: int | None = None,
        novel: bool = True,
        own: bool = True,
    ) -> Polished:
        """Rewrites the weakest places of a poem under its form, and keeps what is better; see `polishing`.

        The verdict on the poem gets no worse, and a line that is rewritten has no fault.

        Args:
            poem: The poem, in either script.
            form: The form or tune that it is held to; empty: its own, or the one that its lines suggest.
            book: The rhyme book that it is read and rewritten by; empty: the usual one of its form.
            lines: The lines that may change, from 1; empty: all.
            rounds: Places that are tried at most; `None`: `DEFAULT_ROUNDS`, and as many for each line that is named.
            seed: Seed of sampling; `None`: that of the settings, or one drawn at random.
            novel: No new line may stand in the training corpus.
            own: Whether a person brought it, and no model wrote it.

        Raises:
            UnknownFormError: No form is called so.
            TextError: The poem has not the shape of the form.
            ConstraintError: There is no such line, or it repeats one that is not named.
            UsageError: Fewer than one round is asked for, or no rhyme book is called so.
        """
        if rounds is not None and rounds < 1:
            raise UsageError(_("rounds={rounds} is asked for", rounds=rounds), expected=_("rounds of at least 1"))
        rounds = rounds or DEFAULT_ROUNDS * max(1, len(lines))
        seed = self.generator.settings.drawn_seed(seed)
        named = form or poem.kind

        scansion = scan(poem.lines, named, poem.marks, book) if named else scan_auto(poem.lines, poem.marks, book)
        check = scansion_result(scansion, title=poem.title, author=poem.author)

        def judge(text: Sequence[str]) -> ScansionResult:
            again = scan_again(scansion, text, poem.marks)
            return scansion_result(again, title=poem.title, author=poem.author)

        draft = draft_of(poem, scansion, novel=novel)
        found = self.generator.polisher.polish(draft, rounds=rounds, seed=seed, lines=lines, judge=judge)
        kept = draft.prescription
        named_so = replace(poem, form="词" if kept.tune else check.form, tune=kept.tune, script=draft.request.script)
        before, after = (
            WrittenPoem(replace(named_so, lines=text), seed, judge(text), merits.ppl_char, own=own)
            for text, merits in ((poem.lines, found.before), (found.lines, found.after))
        )
        return Polished(before, after, found.changes, found.measures())


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
