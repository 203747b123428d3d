"""The command line of `gemma-poetry generate`: its options, and the call of `verbs.generate`.

In: the words behind the verb. Out: poems.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gemma_poetry.cli.options import (
    BookOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    RecipeOption,
    SeedOption,
    SetOption,
    chosen_recipe,
)
from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _


def generate(
    model: ModelOption = "mini",
    form: Annotated[str, typer.Option("--form", help="体裁 or 词牌: 七言绝句, 五律, 菩萨蛮 ...")] = "",
    title: Annotated[str, typer.Option("--title", help="题目")] = "",
    author: Annotated[str, typer.Option("--author", help="作者 whose style is asked for.")] = "",
    pattern: Annotated[
        str, typer.Option("--pattern", help="平起, 仄起, 首句入韵, 不入韵; of a 绝句 仄韵; of a tune its variant.")
    ] = "",
    metre: Annotated[
        Literal["strict", "free"], typer.Option("--metre", help="strict keeps tones and rhyme; free only lines and characters.")
    ] = "strict",
    lines: Annotated[int | None, typer.Option("--lines", help="Lines of a 排律 or of a form without metre.")] = None,
    first_line: Annotated[str, typer.Option("--first-line", help="The first line, whole.")] = "",
    acrostic: Annotated[str, typer.Option("--acrostic", help="藏头: first characters of the lines.")] = "",
    acrostic_end: Annotated[str, typer.Option("--acrostic-end", help="Last characters of the lines.")] = "",
    rhyme: Annotated[list[str] | None, typer.Option("--rhyme", help="Rhyme group, e.g. 一东; may be repeated.")] = None,
    rhyme_words: Annotated[str, typer.Option("--rhyme-words", help="步韵: the rhyme words in order.")] = "",
    template: Annotated[str, typer.Option("--template", help="Lines with blanks: 空山□□□，□□□□秋。")] = "",
    answer: Annotated[str, typer.Option("--answer", help="上联: write the line that answers it.")] = "",
    answer_poem: Annotated[
        str,
        typer.Option(
            "--answer-poem", help="和诗: a file with the poem that is answered, or - for standard input.", metavar="FILE|-"
        ),
    ] = "",
    answer_by: Annotated[
        Literal["步韵", "用韵", "依韵"],
        typer.Option("--answer-by", help="步韵: its rhyme words in order; 用韵: in another order; 依韵: others of its rhyme."),
    ] = "步韵",
    words: Annotated[
        str | None,
        typer.Option("--words", help="意象: words to write about, e.g. 轨,窗,千里; four at most."),
    ] = None,
    must: Annotated[
        str | None,
        typer.Option("--must", help="Words that stand in the poem for certain; `all`: those of --words.", metavar="WORDS|all"),
    ] = None,
    offer_words: Annotated[
        bool,
        typer.Option("--offer-words/--no-offer-words", help="For a title of modern life, name words that go with it."),
    ] = True,
    book: BookOption = "",
    polyphones: Annotated[
        Literal["every", "any"], typer.Option("--polyphones", help="every or any reading must keep the form.")
    ] = "every",
    distinct: Annotated[bool, typer.Option("--distinct/--no-distinct", help="No character twice, reduplication aside.")] = True,
    novel: Annotated[bool, typer.Option("--novel/--no-novel", help="No line of the training corpus.")] = True,
    script: Annotated[
        Literal["simplified", "traditional"], typer.Option("--script", help="simplified or traditional.")
    ] = "simplified",
    byte_characters: Annotated[
        bool, typer.Option("--byte-characters", help="Also characters that the vocabulary has only as bytes.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="A DATA folder whose training lines are kept out; the nearest is named.")
    ] = None,
    effort: Annotated[
        int | None,
        typer.Option(
            "--effort",
            min=1,
            max=5,
            help="Quality for time: 1 writes once, 3 chooses of many, 4 also rewrites weak lines.",
        ),
    ] = None,
    best_of: Annotated[
        int | None,
        typer.Option("--best-of", help="Poems written for each that is kept, in place of an effort; not beside one."),
    ] = None,
    beams: Annotated[int, typer.Option("--beams", help="Beams of each poem; 1 samples.")] = 1,
    domain: Annotated[str, typer.Option("--domain", help="Language or style; default that of the run.")] = "",
    feature: Annotated[
        str,
        typer.Option(
            "--feature", "--season-word", help="What else a domain can be asked for: of haiku a season word or season."
        ),
    ] = "",
    annotated: Annotated[bool, typer.Option("--annotate", help="Show tones and rhyme as check does.")] = False,
    count: Annotated[int, typer.Option("-n", "--count", help="Poems to write.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", help="A file to write to: JSON if it is called .jsonl or .json, else text.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="诗笺: a file for a picture of the poem, .png or .svg.")
    ] = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write poems whose form, tones and rhyme cannot be wrong."""
    from gemma_poetry.generation.request import PoemRequest, split_words
    from gemma_poetry.verbs.generate import GenerateOptions, generate as write, read_poem_to_answer

    about = split_words(words or "")
    if must == "all" and not about:
        raise UsageError(
            _("--must all asks for the words of --words, and there are none"),
            expected=_("--words WORDS --must all, or --must WORDS"),
            action=_("name the words"),
        )
    settings = chosen_recipe(recipe, overrides, generate__seed=seed, generate__effort=effort).generate
    request = PoemRequest(
        form=form,
        title=title,
        author=author,
        pattern=pattern,
        metre=metre,
        lines=lines,
        first_line=first_line,
        acrostic=acrostic,
        acrostic_end=acrostic_end,
        rhymes=tuple(group for groups in rhyme or () for group in split_words(groups)),
        rhyme_words="".join(split_words(rhyme_words)),
        template=template,
        answer=answer,
        answer_poem=read_poem_to_answer(answer_poem) if answer_poem else "",
        answer_by=answer_by,
        words=about,
        must=about if must == "all" else split_words(must or ""),
        offer_words=offer_words,
        book=book,
        polyphones=polyphones,
        distinct=distinct,
        novel=novel,
        script=script,
    )
    write(
        GenerateOptions(
            model,
            request,
            count=count,
            seed=seed,
            as_json=as_json,
            out=out,
            overwrite=overwrite,
            picture=picture,
            settings=settings,
            annotated=annotated,
            best_of=best_of,
            beams=beams,
            byte_characters=byte_characters,
            data=data,
            domain=domain,
            feature=feature,
        )
    )
