"""A poet at the studio, in a real browser: composes, locks two characters, rewrites, exchanges one; checks, compares, looks.

The server writes with the embedded model. GEMMA_POETRY_STUDIO_RUN names a run to show in place of the untrained one that
is made here; with GEMMA_POETRY_SCREENSHOTS the pictures of docs/images/ are taken anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.serving import Server, screenshot
from tests.browser.studio import PATIENCE, character, check, fill, fits_the_window, open_studio, poem_text, suffix, tab

if TYPE_CHECKING:
    from playwright.sync_api import Page

POEMS = (
    "登鹳雀楼 王之涣\n白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n\n"
    "静夜思 李白\n床前明月光，疑是地上霜。举头望明月，低头思故乡。"
)


def make_run(folder: Path) -> Path:
    """A RUN on the embedded model whose adapter is drawn at random: another voice, without a training."""
    import torch

    from gemma_poetry.config import LoraSettings
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter

    model, _ = add_adapter(load_model("mini").model, LoraSettings(), 1)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(folder / "adapter")
    points = [{"step": step, "loss": 5.2 - step / 400} for step in range(0, 200, 10)]
    points += [{"step": step, "validation_loss": 5.3 - step / 800, "ppl_char": 480 - step / 4} for step in (0, 100, 190)]
    (folder / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    (folder / "manifest.json").write_text(json.dumps({"base": {"spec": "mini", "name": "mini"}, "steps": 190}))
    return folder


@pytest.fixture(scope="module")
def studio(browser, serving, tmp_path_factory: pytest.TempPathFactory) -> Server:
    given = os.environ.get("GEMMA_POETRY_STUDIO_RUN")
    run = Path(given) if given else make_run(tmp_path_factory.mktemp("studio") / "tuned")
    return serving("studio", "--model", "mini", "--run", run)


@pytest.fixture(params=["page", "phone"])
def window(request: pytest.FixtureRequest) -> Page:
    """A page at desktop width, then one at phone width."""
    page = request.getfixturevalue(request.param)
    page.set_default_timeout(PATIENCE)
    return page


def test_compose_lock_two_characters_and_rewrite(window: Page, studio: Server):
    open_studio(window, studio)
    fill(window, "title", "山居秋夜")
    window.click("#write")
    window.wait_for_selector("#poem .verdict")
    first = poem_text(window)
    assert len(first) == 28
    assert window.inner_text("#poem .verdict").startswith("合律")
    assert window.eval_on_selector("#poem .verse", "verse => getComputedStyle(verse).writingMode") == "vertical-rl"

    for spot in ("1.2", "4.7"):
        window.click(f'[data-spot="{spot}"]')
        window.wait_for_selector(f'[data-spot="{spot}"][aria-pressed="true"]')
    kept = character(window, "1.2"), character(window, "4.7")
    window.click("#rewrite")
    window.wait_for_selector(".status:has-text('第 2 首，共 2 首')")
    second = poem_text(window)
    assert (character(window, "1.2"), character(window, "4.7")) == kept
    assert second != first and (second[1], second[27]) == (first[1], first[27])
    assert window.inner_text("#poem .verdict").startswith("合律")

    window.click('[data-draft="0"]')
    window.wait_for_selector(".status:has-text('第 1 首')")
    assert poem_text(window) == first
    window.click('[data-draft="1"]')
    window.wait_for_selector(".status:has-text('第 2 首')")

    window.locator("#tapping label").nth(1).click()
    window.click('[data-spot="3.2"]')
    window.wait_for_selector(".option")
    assert window.locator(".option.current .han").inner_text() == second[15]
    widths = window.eval_on_selector_all(".option .bar > i", "bars => bars.map(bar => parseFloat(bar.style.width))")
    assert widths == sorted(widths, reverse=True) and widths[0] == 100
    screenshot(window, f"studio-compose{suffix(window)}.png")
    chosen = window.locator(".option:not(.current)").first
    wanted = chosen.locator(".han").inner_text()
    chosen.click()
    window.wait_for_selector('[data-spot="3.2"][aria-pressed="true"]')
    assert poem_text(window) == second[:15] + wanted + second[16:]
    assert fits_the_window(window)


def test_a_thumb_finds_every_character(phone: Page, studio: Server):
    phone.set_default_timeout(PATIENCE)
    open_studio(phone, studio)
    fill(phone, "title", "江雪")
    phone.tap("#write")
    phone.wait_for_selector("#poem .verdict")
    sizes = phone.eval_on_selector_all(
        "#poem .zi[data-spot]",
        "cells => cells.map(cell => [cell.getBoundingClientRect().width, cell.getBoundingClientRect().height])",
    )
    assert len(sizes) == 28 and all(width >= 40 and height >= 40 for width, height in sizes), sizes[0]
    phone.tap('[data-spot="2.0"]')
    phone.wait_for_selector('[data-spot="2.7"][aria-pressed="true"]')
    assert phone.locator('#poem [aria-pressed="true"]').count() == 7
    assert fits_the_window(phone)


def test_check_shows_each_fault_where_it_stands(window: Page, studio: Server):
    open_studio(window, studio)
    check(window, POEMS)
    verdicts = window.locator(".checked .verdict").all_inner_texts()
    assert verdicts == ["合律", "出律"]
    assert window.locator(".checked").nth(1).locator(".zi.fault .han").all_inner_texts() == ["上", "头"]
    assert window.locator(".checked .zi.fault").count() == 2
    assert fits_the_window(window)
    screenshot(window, f"studio-check{suffix(window)}.png")


def test_compare_and_runs(window: Page, studio: Server):
    open_studio(window, studio)
    tab(window, "对观", "Compare")
    fill(window, "pair-title", "秋江夜泊")
    fill(window, "pair-seed", "7")
    window.click("button#compare")
    window.wait_for_selector(".side:nth-of-type(2) .figure")
    models = window.locator(".side .model").all_inner_texts()
    assert models[0] == "mini" and len(set(models)) == 2
    poems = ["".join(side.locator(".han").all_inner_texts()) for side in window.locator(".side").all()]
    assert [len(poem) for poem in poems] == [28, 28] and poems[0] != poems[1]
    assert all(verdict.startswith("合律") for verdict in window.locator(".side .verdict").all_inner_texts())
    assert fits_the_window(window)
    screenshot(window, f"studio-compare{suffix(window)}.png")
    tab(window, "训练", "Runs")
    window.wait_for_selector("#loss canvas, #loss svg")
    window.wait_for_selector("#perplexity canvas, #perplexity svg")
    assert "mini" in window.inner_text("#facts")
    window.wait_for_timeout(500)
    assert fits_the_window(window)
    screenshot(window, f"studio-runs{suffix(window)}.png")


def test_whoever_leaves_while_a_poem_is_written_frees_the_model(browser, studio: Server):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    open_studio(page, studio)
    page.click("#write")
    page.wait_for_selector("#poem .zi")
    page.reload()
    page.wait_for_selector("#write")
    for _ in range(20):
        page.click("#write")
        page.wait_for_selector("#poem .verdict, #message .problem")
        if page.locator("#poem .verdict").count():
            break
        page.wait_for_timeout(500)
    assert page.locator("#poem .verdict").count() == 1
    context.close()


def test_the_language_changes_and_the_poem_stays(page: Page, studio: Server):
    page.set_default_timeout(PATIENCE)
    open_studio(page, studio)
    hostile = '<img src=x onerror="window.broken=1">${window.broken=1}{{title}}'
    fill(page, "title", hostile)
    page.click("#write")
    page.wait_for_selector("#poem .verdict")
    before = poem_text(page)
    page.locator("#language label").nth(1).click()
    page.wait_for_selector("#write:has-text('Write')")
    page.wait_for_selector("#poem .verdict:has-text('passes')")
    assert poem_text(page) == before
    assert page.get_by_role("tab").all_inner_texts() == ["Compose", "Check", "Compare", "Train", "Runs"]
    assert page.inner_text("#poem h3") == hostile
    assert page.evaluate("window.broken") is None and page.locator("#poem img").count() == 0
    page.locator("#layout label").nth(1).click()
    page.wait_for_selector("#poem .poem.horizontal")

    page.click("#fold_given button")
    fill(page, "acrostic", "春夏秋冬梅")
    page.click("#write")
    page.wait_for_selector("#message .problem")
    assert "the acrostic has 5 characters" in page.inner_text("#message")
    assert poem_text(page) == before
    assert "Traceback" not in page.content()


def test_the_first_screen_is_english_for_an_english_browser(browser, studio: Server):
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    open_studio(page, studio)
    page.wait_for_selector("#write:has-text('Write')")
    assert page.inner_text(".masthead h1") == "The Poet's Studio"
    context.close()
