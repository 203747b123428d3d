"""What models make of the judged poems: how likely they find them, what they write, how they rank titles.

In: a loaded model and poems. Out: `Likelihood`s, `Generation`s and `TitleRank`s of each of the systems inside it: `base` and
`tuned` where an adapter lies on top, else one. And where the model was pretrained here: what it was kept from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, sha256_file
from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.evaluation.contamination import (
    Contamination,
    LinesAtHand,
    find_contamination,
    find_tuning_contamination,
    look_up,
)
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, TitleRank
from gemma_poetry.evaluation.references import as_generation, skipped
from gemma_poetry.evaluation.titles import rank_title, title_choices
from gemma_poetry.languages import _
from gemma_poetry.manifests import read_manifest
from gemma_poetry.progress import steps, track
from gemma_poetry.verbs.domain_lookup import manifest_of_model

if TYPE_CHECKING:
    from gemma_poetry.domains.domain import Domain
    from gemma_poetry.generation.continuation import Continuation
    from gemma_poetry.model.loading import LoadedModel


def systems_of(loaded: LoadedModel) -> tuple[str, ...]:
    """The systems inside one loaded model."""
    return (_("base"), _("tuned")) if loaded.adapted else (loaded.name,)


def as_system(loaded: LoadedModel, system: str) -> contextlib.AbstractContextManager[Any]:
    """While it is open, the loaded model is that system."""
    if loaded.adapted and system == "base":
        adapter: contextlib.AbstractContextManager[Any] = loaded.model.disable_adapter()
        return adapter
    return contextlib.nullcontext()


def score(loaded: LoadedModel, poems: Sequence[Poem], domain: Domain) -> Iterator[Likelihood]:
    """How likely each system finds each text, in the unit of its domain."""
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.model.scoring import score_completions

    samples = list(encode_poems(loaded.tokenizer, poems, domain.template))
    for system in systems_of(loaded):
        with as_system(loaded, system), steps(_("Scoring ({system})", system=system), len(samples)) as advance:
            scores = score_completions(loaded.model, samples, progress=advance)
        for poem, score in zip(poems, scores):
            units = domain.count(poem.lines)
            yield Likelihood(system, poem.source_id, poem.cluster_id, poem.kind, score.nll, score.tokens, units)


def continue_all(
    loaded: LoadedModel, poems: Sequence[Poem], settings: EvaluateSettings, sampling: GenerateSettings
) -> Iterator[Generation]:
    """What each system writes to each poem's title, and to its first couplet."""
    from gemma_poetry.generation.continuation import continue_poems
    from gemma_poetry.generation.poem_generator import PoemGenerator

    if not poems:
        return
    sampling = sampling.model_copy(update={"batch_size": settings.batch_size})
    generator = PoemGenerator(loaded.model, loaded.tokenizer, sampling)
    # Poems of one length share a batch, so that no step is spent on padding.
    poems = sorted(poems, key=lambda poem: (poem.characters, poem.source_id))
    for system in systems_of(loaded):
        for protocol in Protocol:
            wishes = [_continuation(poem, protocol) for poem in poems]
            with as_system(loaded, system):
                written = continue_poems(generator, wishes, seed=settings.seed)
                description = _("Writing poems ({system}, from the {value})", system=system, value=protocol.value)
                for poem, lines in zip(poems, track(written, description, len(poems))):
                    yield as_generation(system, protocol, poem, lines, poem.marks[skipped(protocol) :])


def write_all(
    loaded: LoadedModel, poems: Sequence[Poem], settings: EvaluateSettings, sampling: GenerateSettings, domain: Domain
) -> Iterator[Generation]:
    """What each system writes to the form and title of each text, within the measure of its domain."""
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.generation.writer import open_writer

    writer = open_writer(domain, loaded, sampling.model_copy(update={"batch_size": settings.batch_size}))
    # Texts of one form share a batch: counted and free ones are decoded apart, and long ones pad the short.
    poems = sorted(poems, key=lambda poem: (poem.form, poem.source_id))
    # The author is left out: the text beside it was not asked to be like anybody's either.
    requests = [PoemRequest(poem.form, poem.title) for poem in poems]
    for system in systems_of(loaded):
        with as_system(loaded, system):
            written = writer.stream(requests, seed=settings.seed)
            for poem, one in zip(poems, track(written, _("Writing texts ({system})", system=system), len(poems))):
                yield as_generation(system, Protocol.TITLE, poem, one.poem.lines, one.poem.marks)


def _continuation(poem: Poem, protocol: Protocol) -> Continuation:
    from gemma_poetry.generation.continuation import Continuation

    given = skipped(protocol)
    return Continuation(
        # The author is left out: the human beside it was not told whom to write like either.
        conditions=Conditions(form=poem.kind, title=poem.title),
        opening="".join(line + mark for line, mark in zip(poem.lines[:given], poem.marks)),
        lengths=tuple(map(len, poem.lines[given:])),
        marks=poem.marks[given:],
    )


def rank_titles(loaded: LoadedModel, poems: Sequence[Generation], settings: EvaluateSettings) -> Iterator[TitleRank]:
    """Ranks the title of each poem among others, all by the base model."""
    from gemma_poetry.data.tokenization import encode_samples
    from gemma_poetry.model.scoring import score_completions

    choices = title_choices(poems, settings.seed)
    samples = [
        (Conditions(form=writing.form, title=title), "".join(map("".join, zip(writing.lines, writing.marks))))
        for writing, titles in choices
        for title in titles
    ]
    with as_system(loaded, "base"), steps(_("Scoring poems under other titles"), len(samples)) as advance:
        scores = iter(score_completions(loaded.model, list(encode_samples(loaded.tokenizer, samples)), progress=advance))
    for writing, titles in choices:
        yield rank_title(writing, [next(scores).nll for _ in titles])


def contaminations(loaded: LoadedModel, poems: Sequence[Poem], spec: str, data: Path, split: str) -> list[Contamination]:
    """Whether the base model, and the run on top of it, may have read the poems before."""
    from gemma_poetry.corpus.known_lines import carried_lists
    from gemma_poetry.training.pretraining import cluster_digest

    folder = loaded.folder
    name = loaded.base if loaded.revision else folder.name
    manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    found = [find_contamination(poems, name, cluster_digest(poems), manifest, _known_lines(carried_lists(folder)))]
    if loaded.adapted:
        trained_on = manifest_of_model(spec).get("data", {}).get("manifest_sha256")
        same_data = trained_on == sha256_file(data / MANIFEST)
        own = _known_lines(carried_lists(Path(spec))[:1])
        if own is None or same_data:
            found.append(find_tuning_contamination(loaded.name, len(poems), split, same_data))
        else:
            found.append(look_up(poems, loaded.name, own))
    return found


def _known_lines(lists: Sequence[Path]) -> LinesAtHand | None:
    from gemma_poetry.corpus.known_lines import KnownLines

    return _AnyOf([*map(KnownLines.load, lists)]) if lists else None


@dataclass(frozen=True, slots=True)
class _AnyOf:
    lists: Sequence[LinesAtHand]

    def __contains__(self, line: str) -> bool:
        return any(line in known for known in self.lists)
