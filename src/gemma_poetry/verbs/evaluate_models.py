"""What models make of the judged poems: how likely they find them, what they write, how they rank titles.

In: a loaded model and poems. Out: `Likelihood`s, `Generation`s and `TitleRank`s of each of the systems inside it: `base` and
`tuned` where an adapter lies on top, else one. And where the model was pretrained here: what it was kept from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, read_json, sha256_file
from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.evaluation.contamination import Contamination, find_contamination, find_tuning_contamination
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, TitleRank
from gemma_poetry.evaluation.references import as_generation, skipped
from gemma_poetry.evaluation.titles import rank_title, title_choices
from gemma_poetry.progress import steps, track

if TYPE_CHECKING:
    from gemma_poetry.generation.continuation import Continuation
    from gemma_poetry.model.loading import LoadedModel


def systems_of(loaded: LoadedModel) -> tuple[str, ...]:
    """The systems inside one loaded model."""
    return ("base", "tuned") if loaded.adapted else (loaded.name,)


def as_system(loaded: LoadedModel, system: str) -> contextlib.AbstractContextManager[Any]:
    """While it is open, the loaded model is that system."""
    if loaded.adapted and system == "base":
        adapter: contextlib.AbstractContextManager[Any] = loaded.model.disable_adapter()
        return adapter
    return contextlib.nullcontext()


def score(loaded: LoadedModel, poems: Sequence[Poem]) -> Iterator[Likelihood]:
    """How likely each system finds each poem."""
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.model.scoring import score_completions

    samples = list(encode_poems(loaded.tokenizer, poems))
    for system in systems_of(loaded):
        with as_system(loaded, system), steps(f"Scoring poems ({system})", len(samples)) as advance:
            scores = score_completions(loaded.model, samples, progress=advance)
        for poem, score in zip(poems, scores):
            yield Likelihood(system, poem.source_id, poem.cluster_id, poem.kind, score.nll, score.tokens, poem.characters)


def write(
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
                description = f"Writing poems ({system}, from the {protocol.value})"
                for poem, lines in zip(poems, track(written, description, len(poems))):
                    yield as_generation(system, protocol, poem, lines, poem.marks[skipped(protocol) :])


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
    with as_system(loaded, "base"), steps("Scoring poems under other titles", len(samples)) as advance:
        scores = iter(score_completions(loaded.model, list(encode_samples(loaded.tokenizer, samples)), progress=advance))
    for writing, titles in choices:
        yield rank_title(writing, [next(scores).nll for _ in titles])


def contaminations(loaded: LoadedModel, poems: Sequence[Poem], spec: str, data: Path, split: str) -> list[Contamination]:
    """Whether the base model, and the run on top of it, may have read the poems before.

    Args:
        loaded: The model.
        poems: The judged poems.
        spec: The RUN or model.
        data: The DATA folder that the poems are from.
        split: The split that they are.
    """
    from gemma_poetry.corpus.known_lines import KNOWN_LINES, KnownLines
    from gemma_poetry.model.loading import locate
    from gemma_poetry.training.pretraining import cluster_digest

    folder = Path(locate(loaded.base))
    name = folder.name if folder.is_dir() else loaded.base
    manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
    guard = KnownLines.load(folder / KNOWN_LINES) if (folder / KNOWN_LINES).is_file() else None
    found = [find_contamination(poems, name, cluster_digest(poems), manifest, guard)]
    if loaded.adapted:
        trained_on = read_json(Path(spec) / MANIFEST).get("data", {}).get("manifest_sha256")
        found.append(find_tuning_contamination(loaded.name, len(poems), split, trained_on == sha256_file(data / MANIFEST)))
    return found
