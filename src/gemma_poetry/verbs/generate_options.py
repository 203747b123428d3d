"""These options say what `gemma-poetry generate` is asked for.

In: the command line's values, checked. Out: `GenerateOptions`, which poems and other texts are written by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gemma_poetry.config import GenerateSettings
from gemma_poetry.generation.request import PoemRequest

_JSON = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What the command line asks for.

    Attributes:
        model: A run, a model folder, a preset or a Hub id.
        request: The wish that every poem grants.
        count: Poems to write.
        seed: Seed of sampling; `None`: that of the recipe.
        as_json: JSON lines in place of plain poems.
        out: A file to write to, in place of standard output; its ending says whether that is text or JSON.
        overwrite: Whether a file that stands there already is replaced.
        settings: Sampling and batch size.
        picture: A file for a picture of the poem, .png or .svg; of several poems each has its number in its name.
        annotated: Show tones and rhyme beside each line, as `check` does.
        best_of: Poems written for each that is kept; `None`: as the effort of the settings says.
        beams: Beams of each poem; 1 samples.
        byte_characters: Also write characters that the vocabulary has only as bytes.
        data: A DATA folder: its training lines are kept out, and the nearest of them is named.
        domain: The language or style; empty: that of the run.
        feature: What the domain can be asked for beside form, title and author: a season word; empty: nothing.
    """

    model: str
    request: PoemRequest
    count: int = 1
    seed: int | None = None
    as_json: bool = False
    out: Path | None = None
    overwrite: bool = False
    settings: GenerateSettings = field(default_factory=lambda: GenerateSettings())
    picture: Path | None = None
    annotated: bool = False
    best_of: int | None = None
    beams: int = 1
    byte_characters: bool = False
    data: Path | None = None
    domain: str = ""
    feature: str = ""

    @property
    def pictures(self) -> list[Path]:
        """The files of the pictures, one a poem."""
        if self.picture is None or self.count == 1:
            return [self.picture] if self.picture else []
        return [self.picture.with_stem(f"{self.picture.stem}-{number}") for number in range(1, self.count + 1)]

    @property
    def records(self) -> bool:
        """Whether JSON is written."""
        return self.as_json or (self.out is not None and self.out.suffix.lower() in _JSON)
