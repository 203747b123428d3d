"""How long does the studio let a poet wait, and does what it offers keep the form?

    python benchmarks/studio.py [--model mini] [--poems 10] [--seed 1]

In: a model. Out: a Markdown table on standard output: medians, by the wall, of the first character, of a whole poem, of a
poem written anew around two locked characters, and of the alternatives for one character, with the worst of each; then how
many alternatives were offered and how many of these keep the form by `prosody.scansion` under every reading.

The page functions are called as the page calls them, with one visitor and nobody before him.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator

from gemma_poetry.prosody.scansion import scan
from gemma_poetry.studio.compose import Sheaf, Wish, compose, offer, rewrite, toggle_lock
from gemma_poetry.studio.limits import Limits
from gemma_poetry.studio.workshop import Progress, Workshop
from gemma_poetry.verbs.studio import StudioOptions, open_workshop

FORMS = ("五言绝句", "七言绝句", "五言律诗", "七言律诗", "如梦令")
TITLES = ("山居秋夜", "江上送别", "春雨", "登楼", "咏梅")


def timed(steps: Iterator[Progress | Sheaf]) -> tuple[Sheaf, float, float]:
    """The last step; the seconds to the first character, and to the end."""
    begin = time.perf_counter()
    first = 0.0
    for step in steps:
        if isinstance(step, Progress) and step.text and not first:
            first = time.perf_counter() - begin
    assert isinstance(step, Sheaf)
    return step, first, time.perf_counter() - begin


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--poems", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    opened = open_workshop(StudioOptions(models=(arguments.model,)))
    workshop = Workshop(opened.loaders, opened.checker, limits=Limits(requests=10**6))
    name = workshop.models[0]
    workshop.generator(name)
    draw = random.Random(arguments.seed)
    times: dict[str, list[float]] = {"first character": [], "poem": [], "rewriting around two": [], "alternatives": []}
    offered = kept = locks_kept = 0
    # One poem of each form beforehand: what a form needs is worked out once a session.
    for form in FORMS:
        timed(compose(workshop, Wish(form=form, title="春", seed="1", model=name), "benchmark", "en"))
    for number in range(arguments.poems):
        form, title = FORMS[number % len(FORMS)], draw.choice(TITLES)
        wish = Wish(form=form, title=title, seed=str(arguments.seed + number), model=name)
        sheaf, first, whole = timed(compose(workshop, wish, "benchmark", "en"))
        times["first character"].append(first)
        times["poem"].append(whole)
        draft = sheaf.draft
        assert draft is not None
        spots = draw.sample(sorted(draft.places), 2)
        locked = sheaf
        for line, place in spots:
            locked = toggle_lock(locked, f"{line}.{place}", "en")
        rewritten, _, seconds = timed(rewrite(workshop, locked, "benchmark", "en"))
        times["rewriting around two"].append(seconds)
        assert rewritten.draft is not None
        locks_kept += all(
            rewritten.draft.poem.lines[line - 1][place - 1] == draft.poem.lines[line - 1][place - 1] for line, place in spots
        )
        line, place = draw.choice(sorted(draft.places))
        chosen, _, seconds = timed(offer(workshop, sheaf, f"{line}.{place}", "benchmark", "en"))
        times["alternatives"].append(seconds)
        assert chosen.draft is not None
        for option in chosen.draft.options:
            scansion = scan(option.poem.lines, option.poem.kind)
            offered += 1
            kept += scansion.verdict.passes and scansion.every_reading
    print(f"| {arguments.poems} poems of {len(FORMS)} forms, {name} | median | worst |\n|---|---|---|")
    for label, seconds in times.items():
        print(f"| {label} | {statistics.median(seconds):.2f} s | {max(seconds):.2f} s |")
    print(f"| rewritten poems that keep both locks | {locks_kept} of {arguments.poems} | |")
    print(f"| alternatives offered that keep the form under every reading | {kept} of {offered} | |")


if __name__ == "__main__":
    main()
