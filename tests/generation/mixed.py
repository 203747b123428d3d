"""Requests drawn at random over all options, and an eye that checks whether a poem grants one."""

from __future__ import annotations

import random

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.script import convert
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.forms import FIXED_SHAPES, SHORT_NAMES
from gemma_poetry.prosody.rhyme_books import BOOKS
from gemma_poetry.prosody.scansion import scan

FORMS = (*FIXED_SHAPES, "五绝", "七律", "五排", "五古", "浣溪沙", "菩萨蛮", "如梦令", "西江月", "忆秦娥", "水调歌头")


def random_request(draw: random.Random, characters: str) -> PoemRequest:
    """One request; about a third of them cannot be granted.

    Args:
        draw: The source of chance.
        characters: What wishes are made of.
    """

    def some(count: int) -> str:
        return "".join(draw.choices(characters, k=count))

    if draw.random() < 0.1:
        return PoemRequest(answer=some(draw.choice((4, 5, 7))), script=draw.choice(("simplified", "traditional")))
    wishes: dict[str, object] = {"form": draw.choice(FORMS)}
    options = {
        "title": lambda: some(2),
        "author": lambda: "李白",
        "acrostic": lambda: some(draw.choice((1, 2, 4, 8))),
        "acrostic_end": lambda: some(draw.choice((1, 2))),
        "rhymes": lambda: (draw.choice([rhyme for book in BOOKS for rhyme in book.rhymes]),),
        "book": lambda: draw.choice(BOOKS).name,
        "rhyme_words": lambda: some(draw.choice((2, 4))),
        "template": lambda: "□" + some(1) + "□□□，□□□" + some(1) + "□。",
        "first_line": lambda: some(draw.choice((5, 7))),
        "pattern": lambda: draw.choice(("平起", "仄起", "入韵", "不入韵")),
        "must": lambda: tuple(some(draw.choice((1, 2))) for _ in range(draw.choice((1, 2)))),
        "metre": lambda: "free",
        "polyphones": lambda: "any",
        "distinct": lambda: False,
        "script": lambda: "traditional",
    }
    for name in draw.sample(sorted(options), draw.choice((0, 1, 1, 2, 2, 3))):
        wishes[name] = options[name]()
    return PoemRequest(**wishes)  # type: ignore[arg-type]


def shortcomings(poem: Poem, request: PoemRequest) -> list[str]:
    """What a poem lacks of a request; read off the poem itself and its scansion, with no part of the engine."""
    found = []
    if request.answer:
        (upper,) = convert([request.answer], "simplified")
        if convert([poem.lines[0]], "simplified") != [upper] or len(poem.lines) != 2 or len(poem.lines[1]) != len(upper):
            found.append("the couplet is none of the upper line")
        return found
    # Simplified characters are not converted once more: beside some neighbours 覆 would become 复.
    plain = list(poem.lines) if poem.script == "simplified" else convert(poem.lines, "simplified")
    found += [f"{word} is missing" for word in convert(request.must, "simplified") if not any(word in line for line in plain)]
    name = SHORT_NAMES.get(request.form, request.form)
    if name in FIXED_SHAPES and (len(poem.lines), {len(line) for line in poem.lines}) != (
        FIXED_SHAPES[name][0],
        {FIXED_SHAPES[name][1]},
    ):
        found.append("shape")
    # Wishes are drawn from the whole vocabulary, traditional characters among them; poems come in the script asked for.
    acrostic, acrostic_end, first_line, template = convert(
        [request.acrostic, request.acrostic_end, request.first_line, request.template], "simplified"
    )
    if "".join(line[0] for line in plain)[: len(acrostic)] != acrostic:
        found.append("acrostic")
    if "".join(line[-1] for line in plain)[: len(acrostic_end)] != acrostic_end:
        found.append("acrostic of last characters")
    if first_line and plain[0] != first_line:
        found.append("first line")
    if template:
        for line, wanted in zip(plain, template.strip("。").split("，")):
            if any(blank not in ("□", char) for char, blank in zip(line, wanted)):
                found.append("template")
    if request.metre == "strict" and name != "五言古诗":
        scansion = scan(poem.lines, poem.kind, book=request.book)
        if not scansion.verdict.passes or scansion.faults:
            found.append(f"metre: {scansion.verdict.value} {scansion.faults[:2]}")
        if request.polyphones == "every":
            # Characters that were given are read as their word or their rhyme asks; no other may be open.
            given = {*acrostic, *acrostic_end, *first_line, *template, *"".join(convert(request.must, "simplified"))}
            places = [pair for line, own in zip(plain, scansion.places) for pair in zip(line, own)]
            open_ = {char for char, place in places if len(place.tones) > 1 and place.expected != "中"}
            ends = {line[-1] for line in plain}
            if open_ - given or not (scansion.every_reading or (open_ | ends) & given):
                found.append("not under every reading")
        if request.pattern and name in FIXED_SHAPES:
            rhymed = "不入韵" not in scansion.pattern
            wanted = {"入韵": rhymed, "不入韵": not rhymed}.get(request.pattern, request.pattern in scansion.pattern)
            if not wanted:
                found.append(f"pattern {scansion.pattern}")
        if request.rhymes and name in FIXED_SHAPES and scansion.rhyme_group != request.rhymes[0]:
            found.append(f"rhyme {scansion.rhyme_group}")
    if request.script == "traditional" and poem.script != "traditional":
        found.append("script")
    return found
