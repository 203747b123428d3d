"""Reports: complete, self-contained, and safe with whatever a poem holds."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gemma_poetry.config import EvaluateSettings
from gemma_poetry.evaluation.evaluator import Evidence, evaluate_records
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol
from gemma_poetry.evaluation.report import Report, poems_html, record_groups, report_html
from gemma_poetry.evaluation.report_markdown import report_markdown
from gemma_poetry.evaluation.report_poems import read_sample

KEPT = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
NASTY = "<script>alert(1)</script>|\n# x"


def writing(system: str, title: str = "登楼", lines: tuple[str, ...] = KEPT) -> Generation:
    return Generation(
        system, Protocol.TITLE, title, "", title, "五言绝句", (), lines, "，。，。", KEPT, {"author": NASTY, "title": "x"}
    )


@pytest.fixture(scope="module")
def report():
    broken = writing("tuned", "夜登", (*KEPT[:3], "更上一层山"))
    generations = [writing("base"), writing("tuned"), writing("tuned", NASTY, (NASTY, *KEPT[1:])), broken]
    likelihoods = [
        Likelihood(system, source, "", "五言绝句", nll, 25, 20)
        for system, nll in (("base", 80.0), ("tuned", 60.0))
        for source in "ab"
    ]
    results = evaluate_records(Evidence(likelihoods, generations), EvaluateSettings(bootstrap_samples=100))
    curve = [{"step": 1, "loss": 5.0}, {"step": 2, "loss": 4.0}]
    results.exposure = [{"verdict": "unknown", "poems": 2, "known": None, "sentence": f"Nobody knows {NASTY}"}]
    return Report(f"Run {NASTY}", results, generations, {NASTY: curve}, {"Manifest": {"name": NASTY}}, f"of {NASTY}")


class Tags(HTMLParser):
    """Notes every tag, and that each one is closed where it must be."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_outside(report):
    page = report_html(report)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & set(tags.seen)
    assert {"svg", "table", "ruby", "figure"} <= set(tags.seen)
    assert not re.search(r"(?:src|href)=\"(?!#)", page.replace("xlink:href", "href"))
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_figures_poems_and_manifest_are_there(report):
    page = report_html(report)
    for wanted in (
        "20.09",
        "54.60",
        "perplexity a character",
        "tuned less base",
        "By form",
        "writing-mode: vertical-rl",
        "prefers-color-scheme: dark",
        "Manifest",
        "perplexity 15.2, BLEU-4 0.48",
        "protocols that are not known",
        "held-out poem",
    ):
        assert wanted in page, wanted
    assert re.search(r'<td class="better" [^>]*>better</td>', page)


def test_characters_carry_their_tones_rhymes_and_faults(report):
    page = report_html(report)
    for char, sign, marks in (("白", "●", ""), ("依", "○", ""), ("流", "○", "rhyme")):
        assert f'<ruby class="{marks}">{char}<rt>{sign}</rt></ruby>' in page, char
    (fault,) = set(re.findall(r'<ruby class="rhyme fault" title="([^"]+)">山<rt>○</rt></ruby>', page))
    assert fault == "出韵: out of rhyme"
    assert {"合律", "不合", "句式不合"} <= set(re.findall(r'class="verdict[^"]*" lang="zh">([^<]+)<', page))


def test_nothing_from_outside_becomes_markup(report):
    assert "<script" not in report_html(report)
    text = report_markdown(report)
    assert "<script" not in text.split("## Manifest")[0]
    assert "\n# x" not in text
    assert "Nobody knows" in report_html(report) and "> Nobody knows" in text


def test_records_become_rows_in_groups():
    record = {"kind": "run", "train": {"rate": 0.001, "layers": None, "deep": {"x": [1, 2]}}, "none": []}
    assert record_groups(record) == {
        "": [("kind", "run"), ("none", "—")],
        "train": [("rate", "0.001"), ("layers", "—"), ("deep.x", "1  2")],
    }


def test_markdown_tables_have_one_width(report):
    text = report_markdown(report)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    heads = text.split("## Figures")[1].strip().splitlines()[0]
    assert heads == "| metric | n | base | tuned | human |"
    assert all(re.sub(r"\\\|", "", line).endswith("|") for line in table)
    figures = text.split("## Figures")[1].split("\n\n")[1].splitlines()
    assert {line.count(" | ") for line in figures} == {4}


def test_a_report_of_likelihoods_alone_has_no_empty_sections():
    results = evaluate_records(
        Evidence([Likelihood("mini", "a", "", "词", 60, 25, 20)]), EvaluateSettings(bootstrap_samples=100)
    )
    for text in (report_html(Report("mini", results)), report_markdown(Report("mini", results))):
        assert "Poems<" not in text and "## Poems" not in text and ">Training" not in text and "Longest copied" not in text


def test_a_notebook_gets_poems_without_the_page_around_them():
    piece = poems_html([read_sample(KEPT, "，。，。", "五言绝句", f"tuned {NASTY}")])
    assert '<ruby class="rhyme">流<rt>○</rt></ruby>' in piece and "合律" in piece
    assert "<script" not in piece and "body {" not in piece
    tags = Tags()
    tags.feed(piece)
    assert tags.open == []


def test_the_plain_sentence_says_what_got_better_and_what_got_worse():
    from gemma_poetry.evaluation.results import Comparison, Results
    from gemma_poetry.evaluation.statistics import Difference, Estimate
    from gemma_poetry.evaluation.table import plain_sentence

    def figures(ppl, first):
        return {"ppl_char": Estimate(ppl, ppl, ppl, 9), "title_reciprocal_rank": Estimate(first, first, first, 9)}

    results = Results(systems={"base": figures(141.2, 0.72), "tuned": figures(120.1, 0.55)})
    comparison = Comparison(
        "tuned",
        "base",
        {
            "log_ppl_char": Difference(-0.16, -0.2, -0.1, 9),
            "title_reciprocal_rank": Difference(-0.17, -0.3, -0.1, 9),
            "bleu4_title": Difference(0.1, -0.3, 0.4, 9),
        },
    )
    assert plain_sentence(results, comparison) == (
        "tuned against base: Better at perplexity a character 141.20 -> 120.10. "
        "Worse at own title, reciprocal rank 0.720 -> 0.550. Not told apart: 1 of 3."
    )
