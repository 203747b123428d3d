"""The front door: a poem is checked or written, data prepared, a model trained and evaluated, each in one call.

In: poems, names of models, folders as `str` or `Path`. Out: results that print as the command line prints them, and become
data frames.

    import gemma_poetry as gp

    print(gp.check("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"))
    print(gp.load("mini").write("七绝", title="秋夜", n=4))
    data = gp.prepare("sample", "data", recipe="quickstart")
    run = gp.train(data, "mini", "run", recipe="quickstart")
    gp.evaluate(run, data).to_frame()

Where a `recipe` is asked for, it is the name of a packaged one, a YAML file or a `Recipe`, and `settings` are changes to it:
`{"train.epochs": 1}`, or `["train.epochs=1"]` as behind `--set`. With `progress=True` standard error tells how far the work is.
The work itself is in `verbs`, imported when it is asked for; what goes wrong is a `GemmaPoetryError`.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gemma_poetry.artifacts import read_jsonl
from gemma_poetry.config import Recipe, recipe_with
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.errors import TextError, UsageError
from gemma_poetry.frames import data_frame
from gemma_poetry.languages import LANGUAGES, _, listed, localized, use_language as speak
from gemma_poetry.progress import shown

if TYPE_CHECKING:
    from pandas import DataFrame

    from gemma_poetry.corpus.known_lines import KnownLines
    from gemma_poetry.corpus.poem import Poem
    from gemma_poetry.domains.domain import Domain
    from gemma_poetry.evaluation.results import Results
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.generation.written import Polished, Watch, Writer, Written
    from gemma_poetry.prosody.check_result import CheckResult
    from gemma_poetry.verbs.tune import Trial

Place = str | os.PathLike[str]
"""A file or folder; `Data` and `Run` are places too."""
Recipes = str | Path | Recipe | None
Settings = Mapping[str, Any] | Sequence[str]
CLASSICAL = "classical-chinese"
_HIGHEST_EFFORT = 5


def use_language(language: str) -> None:
    """Makes a language that of messages from now on, in place of the environment's (`LANGUAGE`, `LC_ALL`, `LANG`).

    Args:
        language: `zh` or `en`.

    Raises:
        UsageError: It is neither.
    """
    if language not in LANGUAGES:
        found = _("there are no messages in {language!r}", language=language)
        raise UsageError(found, expected=listed(LANGUAGES, " or "))
    speak("zh" if language == "zh" else "en")


def check(poem: str | Path, form: str = "", *, domain: str = CLASSICAL, feature: str = "", book: str = "") -> CheckResult:
    """Says what is right and wrong with one poem; see `check_all`.

    Raises:
        UsageError: There are several poems.
        TextError: The text is no poem.
    """
    found = check_all(poem, form, domain=domain, feature=feature, book=book)
    if len(found) != 1:
        raise UsageError(
            _("the text holds {count} poems", count=len(found)), expected=_("one poem"), action=_("call check_all")
        )
    return found[0]


def check_all(
    source: str | Path, form: str = "", *, domain: str = CLASSICAL, feature: str = "", book: str = ""
) -> list[CheckResult]:
    """Says what is right and wrong with each poem of a text or file.

    Args:
        source: The poems themselves, empty lines between them; a `Path`: a file of any kind that `prepare` reads.
        form: The form (体裁) or tune (词牌, 曲牌) that every poem must keep; empty: the one that each suggests.
        domain: The language or style of the poems.
        feature: What every poem must have besides, where the domain knows such: a season word.
        book: The rhyme book, one of pingshui, cilin, xinyun, tongyun, or its Chinese name; empty: 平水韵, of 词 词林正韵, of 曲
            中原音韵.

    Raises:
        UsageError: No form, domain or rhyme book is called so, or the domain knows no such feature.
        InputError: The file cannot be read, or one of the poems is none.
    """
    from gemma_poetry.corpus.poem import RefusedError
    from gemma_poetry.verbs.check import check_file, read_file, text_file

    file = read_file(str(source)) if isinstance(source, os.PathLike) else text_file(source)
    results = []
    for source_id, found in check_file(file, form, domain, feature, book):
        if isinstance(found, RefusedError):
            raise TextError(_("left out: {reason}", reason=found.reason), where=source_id)
        if isinstance(found, Exception):
            raise found
        results.append(found)
    return results


class Poems(list["Written"]):
    """Poems as they were written; printed, they stand apart by empty lines."""

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from gemma_poetry.evaluation.report import poems_html
        from gemma_poetry.evaluation.report_poems import written_sample

        return poems_html([written_sample(one.poem, one.check) for one in self])

    def to_frame(self) -> DataFrame:
        """A row a poem: its record, with its text, the verdict and rhyme of its check in place of the scansion."""
        rows = []
        for one in self:
            record = {name: value for name, value in one.to_record().items() if name not in ("scansion", "nearest_line")}
            found = {"verdict": one.check.verdict.value, "rhyme_group": one.check.rhyme_group} if one.check else {}
            rows.append({**record, "text": one.poem.text, "verdict": None, "rhyme_group": "", **found})
        return data_frame(rows)


@dataclass(frozen=True, slots=True)
class Poet:
    """A model that writes.

    Attributes:
        model: What it was loaded by.
        domain: The language or style that it writes in.
        writer: What writes with it.
        known_lines: The lines that its training corpora hold; without any, nobody can promise new lines.
    """

    model: str
    domain: Domain
    writer: Writer
    known_lines: tuple[KnownLines, ...]

    def write(self, form: str | PoemRequest | Sequence[PoemRequest] = "", **wishes: Any) -> Poems:
        """Writes poems; the arguments are those of `stream`."""
        return Poems(self.stream(form, **wishes))

    def stream(
        self,
        form: str | PoemRequest | Sequence[PoemRequest] = "",
        *,
        n: int = 1,
        seed: int | None = None,
        effort: int | None = None,
        best_of: int | None = None,
        assess: bool | None = None,
        feature: str = "",
        watch: Watch | None = None,
        **wishes: Any,
    ) -> Iterator[Written]:
        """Writes poems, and gives each as soon as it is whole.

        Args:
            form: 体裁, 词牌 or 曲牌 by its full or short name; or whole requests, all answered in order.
            n: How many poems are wanted (of each request).
            seed: Seed of sampling; `None`: that of the settings, or one drawn at random.
            effort: Quality for time, 1 to 5, as behind `--effort`; `None`: that of the settings. Of poems alone.
            best_of: Poems written for each that is kept; `None`: as many as the effort says.
            assess: Tell the perplexity of each; `None`: where several were written for one, `False`: where that takes no work.
            feature: What else the domain can be asked for: of haiku a season word.
            watch: Is called at each step of decoding with the running texts by their numbers; what it raises ends the writing.
            **wishes: Further fields of `PoemRequest`: `title`, `author`, `acrostic`, `rhymes`, `template`, ...

        Raises:
            UsageError: A wish is unknown, or cannot be granted.
            GenerationError: A poem met dead ends only.
        """
        for name, value in (("n", n), ("best_of", best_of)):
            if value is not None and value < 1:
                raise UsageError(
                    _("{name}={value} is asked for", name=name, value=value), expected=_("{name} of at least 1", name=name)
                )
        if effort is not None and not 1 <= effort <= _HIGHEST_EFFORT:
            raise UsageError(
                _("{name}={value} is asked for", name="effort", value=effort),
                expected=_("an effort of 1 to {highest}", highest=_HIGHEST_EFFORT),
            )
        from gemma_poetry.generation.request import requests_of

        # New lines are promised where it is known which are old.
        asked = [replace(one, novel=one.novel and bool(self.known_lines)) for one in requests_of(form, wishes)]
        return self.writer.stream(
            asked, n, seed=seed, effort=effort, best_of=best_of, assess=assess, feature=feature, watch=watch
        )

    def polish(
        self,
        poem: str | Path | Poem | Written,
        *,
        form: str = "",
        book: str = "",
        title: str = "",
        lines: Sequence[int] = (),
        rounds: int | None = None,
        seed: int | None = None,
    ) -> Polished:
        """Rewrites the weakest places of a poem under its form, and keeps what makes the whole better.

        Args:
            poem: The poem: its text, a `Path` of a file that holds it alone, or what `write` gave. A person's own keeps its
                marks, its rows and its author's name.
            form: The form (体裁) or tune (词牌) that it is held to; empty: its own, or the one that its lines suggest.
            book: The rhyme book that it is read and rewritten by; empty: of what `write` gave that of its check, else
                the usual one of the form.
            title: Its title; empty: the one that it has.
            lines: The lines that may change, from 1; empty: all. Lines that say the same words (叠句) are named together.
            rounds: Places that are tried; `None`: 2, or two for each line that may change.
            seed: Seed of sampling.

        Raises:
            UsageError: The poet writes in another domain, there is no such line, it repeats one that is not named, or no
                form or rhyme book is called so.
            InputError: The poem cannot be read, or has not the shape of the form.
        """
        from gemma_poetry.generation.writer import PoemWriter
        from gemma_poetry.generation.written import Written, WrittenPoem
        from gemma_poetry.prosody.check_result import ScansionResult
        from gemma_poetry.verbs.check import only_poem

        if not isinstance(self.writer, PoemWriter):
            raise UsageError(
                _("a poet of {name} polishes nothing", name=self.domain.name),
                expected=_("a model of {classical}", classical=CLASSICAL),
            )
        text = only_poem(poem) if isinstance(poem, str | Path) else poem.poem if isinstance(poem, Written) else poem
        if not book and not form and isinstance(poem, Written) and isinstance(poem.check, ScansionResult):
            book = poem.check.scansion.book.name
        return self.writer.polish(
            replace(text, title=title or text.title),
            form=form,
            book=book,
            lines=lines,
            rounds=rounds,
            seed=seed,
            novel=bool(self.known_lines),
            own=poem.own if isinstance(poem, WrittenPoem) else not isinstance(poem, Written),
        )


def load(
    model: Place = "mini",
    *,
    domain: str = "",
    data: Place | None = None,
    recipe: Recipes = None,
    settings: Settings = (),
    beams: int = 1,
    byte_characters: bool = False,
    progress: bool = False,
) -> Poet:
    """Loads a model to write with.

    Args:
        model: A run, a model folder, a GGUF file, a preset, the name of a published model, or a Hub id.
        domain: The language or style; empty: that of the run.
        data: A DATA folder whose training lines new poems do without, besides those that the model carries.
        beams: Beams of each poem; 1 samples.
        byte_characters: Also write characters that the vocabulary has only as bytes.

    Raises:
        UsageError: The run was trained in another domain, or there is no such domain.
        ModelError: The model cannot be used.
        DataError: The DATA folder cannot be read.
    """
    from gemma_poetry.generation.carried_lines import find_guards
    from gemma_poetry.generation.writer import ENGINES, open_writer
    from gemma_poetry.model.families import WRITING
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import fold_adapter
    from gemma_poetry.verbs.domain_lookup import domain_of_model

    spec = os.fspath(model)
    taught = domain_of_model(spec, domain)
    sampling = recipe_with(recipe, settings).generate
    with shown(progress):
        lines = find_guards(spec, Path(data) if data else None) if ENGINES[taught.engine].guarded else []
        loaded = load_model(spec, dtype=WRITING if sampling.dtype == "auto" else sampling.dtype)
        if loaded.adapted:
            fold_adapter(loaded.model)
        writer = open_writer(taught, loaded, sampling, beams=beams, byte_characters=byte_characters, guards=lines)
    return Poet(spec, taught, writer, tuple(lines))


@dataclass(frozen=True, slots=True)
class _Folder(os.PathLike[str]):
    """A folder that a verb wrote and that others read: wherever a path is asked for, it can be given itself."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @abstractmethod
    def rows(self) -> list[tuple[str, str]]:
        """What a person wants to know of it, as (name, value) rows."""

    def __str__(self) -> str:
        rows = [(localized(name), localized(value)) for name, value in self.rows()]
        width = max(len(name) for name, _ in rows)
        return "\n".join([str(self.folder), *(f"  {name:<{width}}  {value}" for name, value in rows)])


@dataclass(frozen=True, slots=True)
class Data(_Folder):
    """A prepared collection, in its DATA folder.

    Attributes:
        stats: What stands in its stats.json.
    """

    stats: dict[str, Any]

    def rows(self) -> list[tuple[str, str]]:
        """Counts by split and form, what was rejected and why."""
        from gemma_poetry.verbs.prepare import summary

        return summary(self.stats)

    def to_frame(self, split: str = "train") -> DataFrame:
        """A row a poem of a split: train, val or test."""
        return data_frame(poem.to_record() for poem in load_poems(self.folder, split))


@dataclass(frozen=True, slots=True)
class Run(_Folder):
    """A finished training, in its RUN folder.

    Attributes:
        manifest: What the run was made of; empty in every process of a training but the first.
    """

    manifest: dict[str, Any]

    def rows(self) -> list[tuple[str, str]]:
        """Base model, what was trained, perplexities, time and memory."""
        from gemma_poetry.verbs import train, train_keras

        return (train_keras if "backend" in self.manifest else train).summary(self.manifest)

    def to_frame(self) -> DataFrame:
        """The curve: a row for each point that was logged."""
        return data_frame(read_jsonl(self.folder / "curve.jsonl"))


def prepare(
    source: Place,
    out: Place,
    *,
    model: Place = "mini",
    domain: str = CLASSICAL,
    recipe: Recipes = None,
    settings: Settings = (),
    progress: bool = False,
) -> Data:
    """Turns a collection into a DATA folder: cleaned, classified, deduplicated, split without leaks, tokenized.

    Args:
        source: `sample`, `chinese-poetry`, or a folder, archive or file.
        out: The folder to write; an older DATA is replaced, anything else refused.
        model: The model that will be trained: its tokenizer cuts the poems.
        domain: The language or style of the texts.

    Raises:
        GemmaPoetryError: See `verbs.prepare.prepare`, and `ModelError` where the tokenizer cannot be read.
    """
    from gemma_poetry.domains.registry import load_domain
    from gemma_poetry.model.loading import load_tokenizer
    from gemma_poetry.verbs import prepare as verb

    taught, chosen, folder = load_domain(domain), recipe_with(recipe, settings).prepare, Path(out)
    verb.check_output(folder, os.fspath(source))
    with shown(progress):
        name = os.fspath(model)
        return Data(folder, verb.prepare(os.fspath(source), folder, chosen, load_tokenizer(name), name, taught))


def train(
    data: Place,
    model: Place,
    out: Place,
    *,
    recipe: Recipes = None,
    settings: Settings = (),
    resume: bool = False,
    backend: Literal["transformers", "keras"] = "transformers",
    progress: bool = False,
) -> Run:
    """Fine-tunes a model with LoRA on a DATA folder.

    Args:
        data: What `prepare` gave, or its folder.
        model: The base model, named as for `load`.
        out: The RUN folder to write; new or empty unless `resume`.
        resume: Go on from the newest complete checkpoint.
        backend: The library that trains.

    Raises:
        GemmaPoetryError: See `training.finetuning.finetune`.
    """
    from gemma_poetry.verbs import train as verb, train_keras

    work = train_keras.train_with_keras if backend == "keras" else verb.train
    name = str(recipe) if recipe and not isinstance(recipe, Recipe) else ""
    with shown(progress):
        chosen = recipe_with(recipe, settings)
        return Run(Path(out), work(Path(data), os.fspath(model), Path(out), chosen, resume=resume, recipe_name=name))


def tune(
    data: Place,
    model: Place,
    out: Place,
    *,
    recipe: Recipes = None,
    settings: Settings = (),
    resume: bool = False,
    progress: bool = False,
) -> list[Trial]:
    """Searches for the recipe that fine-tunes a model best, within `tune.minutes`; leaves it as `out/best.yaml`.

    Args:
        data: What `prepare` gave, or its folder.
        model: The base model, named as for `load`.
        out: The folder to write; new or empty unless `resume`.
        resume: Go on with the search that is there.

    Returns:
        The trials, the best first.

    Raises:
        GemmaPoetryError: See `verbs.tune.tune`.
    """
    from gemma_poetry.verbs.tune import tune as search

    with shown(progress):
        return search(Path(data), os.fspath(model), Path(out), recipe_with(recipe, settings), resume=resume)


def evaluate(
    runs: Place | Sequence[Place] = (),
    data: Place | None = None,
    *,
    split: str = "test",
    generations: Sequence[Place] = (),
    domain: str = "",
    book: str = "",
    out: Place | None = None,
    recipe: Recipes = None,
    settings: Settings = (),
    progress: bool = False,
) -> Results:
    """Sets base and tuned side by side on poems that neither has seen, and leaves figures and report in `RUN/eval`.

    Args:
        runs: A run, or several runs and models, which then stand in one table.
        data: What `prepare` gave, or its folder.
        split: The split whose poems are judged.
        generations: Files of poems by other systems, to stand in the same table.
        domain: The language or style of the `generations` where there is no DATA.
        book: The rhyme book that poems are judged by; empty: 平水韵 for 诗, 词林正韵 for 词, 中原音韵 for 曲.
        out: Where the figures go; `None`: `RUN/eval`.

    Raises:
        GemmaPoetryError: See `verbs.evaluate.evaluate`.
    """
    from gemma_poetry.verbs import evaluate as verb

    chosen = recipe_with(recipe, settings)
    specs = [os.fspath(run) for run in ([runs] if isinstance(runs, (str, os.PathLike)) else runs)]
    options = verb.EvaluateOptions(
        run=specs[0] if specs else None,
        data=Path(data) if data is not None else None,
        settings=chosen.evaluate,
        sampling=chosen.generate,
        split=split,
        out=Path(out) if out is not None else None,
        others=tuple(specs[1:]),
        generations=tuple(map(Path, generations)),
        domain=domain,
        book=book,
    )
    with shown(progress):
        return verb.evaluate(options)
