"""What a model writes is measured while it is trained.

In: the model at each evaluation of a training, and fixed titles of val.txt. Out: figures for the curve, and the poems in
`RUN/readings.jsonl`.

    title ──the model, same seed each time──> poem ──the base model──> nats under its own title and nine others
                                                                        │
    title_first   share of poems whose own title makes them likeliest   │
    title_gain    nats a character that the own title is ahead of the mean of the others
    distinct_2    different pairs of characters among all
    base_ppl      perplexity a unit of the domain under the base model
    reading_fell  1 where the title gain is below that of the beginning and below that of the poets' own poems to these titles
                  (`poets_title_gain`), each by a paired 95% interval that excludes zero

A validation loss can fall while poems drift away from their titles; here that is seen. Below the beginning alone says little: a
model that never learned poems repeats its title, and is thereby nearer to it than any poet. Where every weight is trained there
is no base left to ask, and the model judges itself and the poets.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import read_jsonl, write_jsonl
from gemma_poetry.config import Recipe
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.counting import perplexity
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.domains.domain import Domain
from gemma_poetry.errors import GenerationError, UsageError
from gemma_poetry.evaluation.diversity import distinct
from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.references import as_generation
from gemma_poetry.evaluation.statistics import Bootstrap, mean
from gemma_poetry.evaluation.titles import rank_title, title_choices
from gemma_poetry.languages import _, listed
from gemma_poetry.progress import say, shown

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel
    from gemma_poetry.runs import RunFolder
    from gemma_poetry.training.finetuning import Watching

READINGS = "readings.jsonl"
_SEED = 1
_RESAMPLES = 1000


def reading_watch(data: Path, recipe: Recipe, domain: Domain) -> Watching | None:
    """What makes the watch of a training; `None` where nothing is to be watched.

    Args:
        data: The DATA folder; titles are drawn from its val.jsonl.
        recipe: `train.watched_titles` says how many; `generate` how the model samples.
        domain: The language or style.
    """
    titles = _draw_titles(load_poems(data, "val"), domain, recipe.train.watched_titles)
    if len(titles) < 2:
        return None
    return lambda loaded, run: ReadingWatch(loaded, run, titles, recipe, domain)


def _draw_titles(poems: Sequence[Poem], domain: Domain, count: int) -> list[Poem]:
    """Poems whose titles can be written to, no title twice."""
    from gemma_poetry.generation.writer import ENGINES

    drawn: dict[str, Poem] = {}
    order = list(poems)
    random.Random(_SEED).shuffle(order)
    for poem in order:
        if len(drawn) >= count:
            break
        if poem.title and poem.title not in drawn:
            with contextlib.suppress(UsageError):  # a form that nothing can be written in
                ENGINES[domain.engine].check_request(domain, _request(poem))
                drawn[poem.title] = poem
    return list(drawn.values())


def _request(poem: Poem) -> Any:
    from gemma_poetry.generation.request import PoemRequest

    return PoemRequest(poem.kind, poem.title, novel=False, offer_words=False)


class ReadingWatch:
    """Writes to the same titles at each evaluation, and measures.

    Args:
        loaded: The model in training.
        run: Its folder; what was measured before an interruption is read there.
        titles: Poems whose titles are written to.
        recipe: The recipe of the run.
        domain: The language or style.
    """

    def __init__(self, loaded: LoadedModel, run: RunFolder, titles: Sequence[Poem], recipe: Recipe, domain: Domain) -> None:
        from gemma_poetry.generation.writer import open_writer

        self._loaded = loaded
        self._titles = titles
        self._domain = domain
        self._path = run.folder / READINGS
        self._poets: tuple[list[float], list[int]] | None = None
        # One poem a title: what is looked at is the model, not the choice among many.
        sampling = recipe.generate.model_copy(update={"effort": 1, "batch_size": max(recipe.generate.batch_size, len(titles))})
        self._writer = open_writer(domain, loaded, sampling)
        self._records = [] if run.checkpoint is None else _up_to(self._path, int(run.checkpoint.name.rpartition("-")[2]))

    def __call__(self, model: Any, step: int) -> Mapping[str, float]:
        """The figures of a step; empty where the model met dead ends only."""
        was_training = model.training
        model.eval()
        try:
            return self._measure(model, step)
        except GenerationError as error:
            say(_("nothing is measured of what the model writes at step {step}: {found}", step=step, found=error.found))
            return {}
        finally:
            model.train(was_training)

    def _measure(self, model: Any, step: int) -> dict[str, float]:
        with shown(False):
            requests = [_request(poem) for poem in self._titles]
            written = list(self._writer.stream(requests, seed=_SEED, best_of=1))
        poems = [
            as_generation("tuned", Protocol.TITLE, poem, one.poem.lines, one.poem.marks)
            for poem, one in zip(self._titles, written)
        ]
        gains, ranks, nats = self._judge(model, poems)
        poets_gains, poets_ranks = self._judge_poets(model)
        records = [
            {"step": step, "title": poem.title, "form": poem.kind, "lines": list(one.poem.lines), "rank": rank, "gain": gain}
            for poem, one, rank, gain in zip(self._titles, written, ranks, gains)
        ]
        self._records = [one for one in self._records if one["step"] != step] + records
        write_jsonl(self._path, self._records)
        pairs = distinct([one.poem.lines for one in written], 2)
        units = sum(self._domain.count(one.poem.lines) for one in written)
        return {
            "title_first": sum(rank == 1 for rank in ranks) / len(ranks),
            "title_gain": sum(gains) / len(gains),
            "poets_title_first": sum(rank == 1 for rank in poets_ranks) / len(poets_ranks),
            "poets_title_gain": sum(poets_gains) / len(poets_gains),
            "distinct_2": pairs.value if pairs else math.nan,
            "base_ppl": perplexity(sum(nats), units),
            "reading_fell": float(self._below(gains, self._start()) and self._below(gains, poets_gains)),
        }

    def _judge_poets(self, model: Any) -> tuple[list[float], list[int]]:
        """The gain and the rank of each poet's own poem to these titles; a base model is asked once."""
        if self._poets is None or not self._loaded.adapted:
            poems = [as_generation("human", Protocol.TITLE, poem, poem.lines, poem.marks) for poem in self._titles]
            self._poets = self._judge(model, poems)[:2]
        return self._poets

    def _judge(self, model: Any, poems: Sequence[Generation]) -> tuple[list[float], list[int], list[float]]:
        """By the base model: the gain and the rank of each poem's own title, and the nats of the poem under it."""
        from gemma_poetry.data.tokenization import encode_samples
        from gemma_poetry.model.scoring import score_completions
        from gemma_poetry.model.vocabulary import in_kept_pieces

        tokenizer = self._loaded.tokenizer
        choices = title_choices(poems, _SEED)
        template = self._domain.template
        texts = [
            (Conditions(writing.form, title, template=template), "".join(map("".join, zip(writing.lines, writing.marks))))
            for writing, titles in choices
            for title in titles
        ]
        base = model.disable_adapter() if self._loaded.adapted else contextlib.nullcontext()
        samples = [in_kept_pieces(model, tokenizer, sample) for sample in encode_samples(tokenizer, texts)]
        with base:
            scores = iter(score_completions(model, samples))
        gains, ranks, nats = [], [], []
        for writing, titles in choices:
            own, *others = [next(scores).nll for _ in titles]
            gains.append((sum(others) / len(others) - own) / max(1, self._domain.count(writing.lines)))
            ranks.append(rank_title(writing, [own, *others]).rank)
            nats.append(own)
        return gains, ranks, nats

    def _start(self) -> list[float]:
        """The gains at the beginning of the training."""
        return [one["gain"] for one in self._records if one["step"] == self._records[0]["step"]]

    def _below(self, gains: Sequence[float], others: Sequence[float]) -> bool:
        """Whether these gains, title by title, are lower than others by an interval that excludes zero."""
        rows = [[[gain, 1.0] for gain in own] for own in (gains, others)]
        units = [poem.title for poem in self._titles]
        return Bootstrap(units, samples=_RESAMPLES, seed=_SEED).difference(rows[0], rows[1], mean).high < 0


def _up_to(path: Path, step: int) -> list[dict[str, Any]]:
    return [record for record in read_jsonl(path) if record["step"] <= step] if path.is_file() else []


def sentence(manifest: Mapping[str, Any]) -> str:
    """What a training made of the writing: each figure with its change, then whether the poems fell in reading.

    Args:
        manifest: The manifest of a run.

    Returns:
        Plain sentences; empty where nothing was measured.
    """
    reading = manifest.get("reading") or {}
    if "kept" not in reading:
        return ""
    start, kept = reading["start"], reading["kept"]
    told: dict[int, list[str]] = {-1: [], 1: [], 0: []}
    for change, text in _changes(start, kept, whole=manifest.get("recipe", {}).get("train", {}).get("method") == "full"):
        told[change].append(text)
    parts = [_("worse: {figures}", figures=listed(told[-1], "; "))] if told[-1] else []
    parts += [_("better: {figures}", figures=listed(told[1], "; "))] if told[1] else []
    parts += [_("unchanged: {figures}", figures=listed(told[0], "; "))] if told[0] else []
    return listed([*parts, _verdict(start, kept)], ". ")


def _changes(start: Mapping[str, float], kept: Mapping[str, float], *, whole: bool) -> Iterator[tuple[int, str]]:
    """Each figure from the beginning to the kept weights: -1 where it got worse, 1 better, 0 neither; and in words."""
    held_out = min((name for name in kept if name.startswith("ppl_") and not name.startswith("ppl_token")), default="")
    poets = ""
    if "poets_title_first" in kept:
        poets = _(" (of the poets' own poems {share:.0f}%)", share=100 * kept["poets_title_first"])
    likelihood = _("perplexity of its poems under the model itself") if whole else _("perplexity of its poems under the base")
    for name, label, scale, sign, behind in (
        (held_out, _("perplexity of held-out poems"), "{:.1f}", -1, ""),
        ("title_first", _("own title first of ten"), "{:.0%}", 1, poets),
        ("distinct_2", _("different pairs"), "{:.0%}", 1, ""),
        ("base_ppl", likelihood, "{:.1f}", -1, ""),
    ):
        before, after = start.get(name, math.nan), kept.get(name, math.nan)
        if math.isfinite(before) and math.isfinite(after):
            texts = scale.format(before), scale.format(after)
            change = 0 if texts[0] == texts[1] else sign if after > before else -sign
            yield change, _("{label} {before} -> {after}", label=label, before=texts[0], after=texts[1]) + behind


def _verdict(start: Mapping[str, float], kept: Mapping[str, float]) -> str:
    """Whether the poems fell in reading, by the rule that chooses weights."""
    gains = _("title gain {before:.2f} -> {after:.2f} nats a character", before=start["title_gain"], after=kept["title_gain"])
    if "poets_title_gain" in kept:
        gains += _(", of the poets' own poems {gain:.2f}", gain=kept["poets_title_gain"])
    if kept["reading_fell"]:
        return _(
            "By the rule that chooses weights a fall in reading ({gains}: below both by more than chance): train shorter, or "
            "with a lower rate",
            gains=gains,
        )
    return _(
        "By the rule that chooses weights no fall in reading ({gains}: a fall is below both by more than chance)", gains=gains
    )
