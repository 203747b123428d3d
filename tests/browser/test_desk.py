"""The poet's desk in a real browser, at 1280 and 390 pixels: what once hurt, one's own poem, readings, pictures, and axe-core.

The server writes with the embedded model, once a poem.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.serving import Server, screenshot
from tests.browser.studio import PATIENCE, check, fill, fits_the_window, open_studio, poem_text, suffix, tab

if TYPE_CHECKING:
    from playwright.sync_api import Page

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed (axe-playwright-python)")

NIGHT = "静夜思 李白\n床前明月光，疑是地上霜。举头望明月，低头思故乡。"
# What a browser's own bars leave of a phone of 390 by 844.
FOLD = 664


@pytest.fixture(scope="module")
def studio(browser, serving) -> Server:
    return serving("studio", "--set", "generate.effort=1", "--max-requests", 1000)


@pytest.fixture(params=["page", "phone"])
def window(request: pytest.FixtureRequest) -> Page:
    page = request.getfixturevalue(request.param)
    page.set_default_timeout(PATIENCE)
    return page


def write(page: Page, heading: str) -> None:
    page.click("#write")
    page.wait_for_selector(f"#poem h3:has-text('{heading}')")
    page.wait_for_selector("#poem .legend")


def example(page: Page, name: str, form: str) -> None:
    page.click(f"#example-{name}")
    page.wait_for_function("form => document.querySelector('#form input').value.startsWith(form)", arg=form)


def choose_form(page: Page, name: str) -> None:
    # By the keyboard: a page that still scrolls to its last poem carries the list out of the window, and a click misses.
    page.fill("#form input", name)
    page.wait_for_selector(f"[role=option]:first-child[aria-label='{name}']", state="attached")
    page.press("#form input", "Enter")
    page.wait_for_function("name => document.querySelector('#form input').value === name", arg=name)


def lay_out(page: Page, number: int, name: str) -> None:
    page.locator("#layout label").nth(number).click()
    page.wait_for_selector(f"#poem .poem.{name}")


def test_form_title_and_button_stand_above_the_fold_and_the_rest_is_folded(window: Page, studio: Server):
    open_studio(window, studio)
    box = window.locator("#write").bounding_box()
    assert box and box["y"] + box["height"] <= (FOLD if suffix(window) else 900)
    assert window.locator("#title").is_visible() and window.locator("#form").is_visible()
    assert not any(window.locator(f"#{name}").is_visible() for name in ("author", "template", "effort", "upper"))
    for fold, name in (("fold_style", "author"), ("fold_given", "template"), ("fold_quality", "effort")):
        window.click(f"#{fold} button")
        window.wait_for_selector(f"#{name}:visible")
    assert window.locator("#temperature, #best_of, #distinct, #lenient, #pattern").count() == 5
    assert fits_the_window(window)


def test_a_long_tune_opens_at_its_beginning_and_says_that_it_goes_on(window: Page, studio: Server):
    open_studio(window, studio)
    choose_form(window, "水调歌头")
    fill(window, "title", "中秋")
    write(window, "中秋")
    sheet = window.locator("#poem .sheet").bounding_box()
    first = window.locator('#poem [data-spot="1.1"]').bounding_box()
    assert sheet and first and sheet["x"] <= first["x"] and first["x"] + first["width"] <= sheet["x"] + sheet["width"] + 1
    window.wait_for_selector("#poem .poem.more")
    sign = window.eval_on_selector("#poem .poem", "poem => getComputedStyle(poem, '::after').content")
    assert "向左还有" in sign
    screenshot(window, f"studio-long{suffix(window)}.png")
    window.eval_on_selector("#poem .sheet", "sheet => sheet.scrollLeft = -sheet.scrollWidth")
    window.wait_for_selector("#poem .poem:not(.more)")
    last = window.locator("#poem .zi").last.bounding_box()
    assert last and last["x"] >= sheet["x"] - 1
    lay_out(window, 1, "horizontal")
    assert cut_lines(window) == []
    assert fits_the_window(window)


def cut_lines(page: Page) -> list[str]:
    """Lines of the poem of which anything lies outside the window, or that are scrolled."""
    return page.evaluate(
        """() => [...document.querySelectorAll('#poem .line')].filter(line => {
            const sheet = line.closest('.sheet');
            return sheet.scrollWidth > sheet.clientWidth + 1 || [...line.querySelectorAll('.zi, .stop')].some(cell => {
                const box = cell.getBoundingClientRect();
                return box.left < 0 || box.right > innerWidth;
            });
        }).map(line => line.textContent)"""
    )


def test_rows_never_cut_a_line(phone: Page, studio: Server):
    phone.set_default_timeout(PATIENCE)
    open_studio(phone, studio)
    lay_out(phone, 1, "horizontal") if phone.locator("#poem .poem").count() else phone.locator("#layout label").nth(1).click()
    phone.locator("#pinyin label").click()
    fill(phone, "title", "秋思")
    for form in ("七言绝句", "念奴娇"):
        choose_form(phone, form)
        write(phone, "秋思")
        phone.wait_for_selector(f"#poem .caption:has-text('{form}')")
        assert cut_lines(phone) == []
    # The longest line that a couplet may have goes on below.
    choose_form(phone, "对联（答上联）")
    fill(phone, "upper", "海内存知己天涯若比邻海上生明月天涯共此时")
    phone.click("#write")
    phone.wait_for_selector("#poem .caption:has-text('对联'), #poem h3:has-text('对联'), #poem h3:has-text('秋思')")
    phone.wait_for_function("() => document.querySelectorAll('#poem .han').length === 40")
    phone.wait_for_selector("#poem .legend")
    assert cut_lines(phone) == []
    assert fits_the_window(phone)


def test_examples_are_written_as_they_stand(window: Page, studio: Server):
    open_studio(window, studio)
    example(window, "blanks", "五言绝句")
    assert window.input_value("#template textarea") == window.get_attribute("#template textarea", "placeholder")
    window.click("#write")
    window.wait_for_selector("#poem .legend")
    text = poem_text(window)
    assert text.startswith("空山") and text.endswith("秋") and len(text) == 10
    example(window, "couplet", "对联")
    window.wait_for_selector("#upper:visible")
    assert window.input_value("#template textarea") == ""
    window.click("#write")
    window.wait_for_selector("#poem .han:has-text('蹄')")
    window.wait_for_selector("#poem .legend")
    assert poem_text(window).startswith("春风得意马蹄疾") and len(poem_text(window)) == 14
    example(window, "rhyme", "七言绝句")
    write(window, "早发")
    assert [poem_text(window)[place] for place in (6, 13, 27)] == ["秋", "流", "楼"]
    assert fits_the_window(window)


def test_several_to_choose_from_and_every_step_can_be_undone(window: Page, studio: Server):
    open_studio(window, studio)
    fill(window, "title", "江雪")
    write(window, "江雪")
    first = poem_text(window)
    window.click("#more")
    window.wait_for_selector(".sitting button:nth-child(4)")
    assert window.inner_text("#poem .status").startswith("第 2 首，共 4 首")
    window.click(".sitting button:nth-child(1)")
    window.wait_for_selector(".sitting button:nth-child(1)[aria-current]")
    assert poem_text(window) == first
    window.click('#poem [data-spot="1.2"]')
    window.wait_for_selector('[data-spot="1.2"][aria-pressed="true"]')
    screenshot(window, f"studio-sitting{suffix(window)}.png")
    window.click("#undo")
    window.wait_for_selector('[data-spot="1.2"][aria-pressed="false"]')
    window.click("#undo")
    window.wait_for_selector(".sitting", state="detached")
    assert poem_text(window) == first
    window.click("#redo")
    window.wait_for_selector(".sitting button:nth-child(4)")
    window.focus('#poem [data-spot="2.3"]')
    window.keyboard.press("Enter")
    window.wait_for_selector('[data-spot="2.3"][aria-pressed="true"]')
    assert fits_the_window(window)


def test_a_poem_is_copied_as_lines(window: Page, studio: Server):
    window.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=studio.url)
    open_studio(window, studio)
    window.click("#fold_style button")
    fill(window, "title", "山居")
    fill(window, "author", "王维")
    window.locator("#pinyin label").click()
    write(window, "山居")
    text = poem_text(window)
    couplets = [f"{text[:7]}，{text[7:14]}。", f"{text[14:21]}，{text[21:]}。"]
    window.click("#copy")
    window.wait_for_selector("#poem .copied.now")
    assert window.evaluate("navigator.clipboard.readText()") == "\n".join(["《山居》　拟王维", *couplets])
    window.evaluate(
        """() => {
            const range = document.createRange();
            range.setStart(document.querySelector('[data-spot="1.1"] .han').firstChild, 0);
            range.setEnd(document.querySelector('[data-spot="3.7"] .han').firstChild, 1);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
    )
    window.keyboard.press("Control+c")
    assert window.evaluate("navigator.clipboard.readText()") == f"{couplets[0]}\n{text[14:21]}"


def test_a_mouse_selects_characters_and_locks_none(page: Page, studio: Server):
    page.set_default_timeout(PATIENCE)
    open_studio(page, studio)
    fill(page, "title", "山居")
    write(page, "山居")
    start, end = (page.locator(f'#poem [data-spot="{spot}"] .han').bounding_box() for spot in ("1.2", "1.5"))
    assert start and end
    page.mouse.move(start["x"] + 4, start["y"] + 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] - 2, steps=5)
    page.mouse.up()
    assert poem_text(page)[1:5] in page.evaluate("getSelection().toString().replace(/\\s/g, '')")
    page.wait_for_timeout(500)
    assert page.locator('#poem [aria-pressed="true"]').count() == 0


def test_a_picture_is_shown_and_saved(window: Page, studio: Server, tmp_path: Path):
    open_studio(window, studio)
    fill(window, "title", "秋夜")
    window.locator("#pinyin label").click()
    write(window, "秋夜")
    window.click("#draw")
    window.wait_for_selector("#picture img")
    window.wait_for_function("() => document.querySelector('#picture img').naturalWidth > 300")
    size = window.eval_on_selector("#picture img", "image => [image.naturalWidth, image.naturalHeight]")
    for ending, start in (("png", b"\x89PNG"), ("svg", b"<svg")):
        with window.expect_download() as download:
            window.click(f'#picture a[download$=".{ending}"]')
        assert download.value.suggested_filename == f"秋夜.{ending}"
        download.value.save_as(tmp_path / f"card.{ending}")
        assert (tmp_path / f"card.{ending}").read_bytes().startswith(start)
    svg = (tmp_path / "card.svg").read_text(encoding="utf-8")
    assert poem_text(window)[:7] in svg and f'width="{size[0]}"' in svg
    screenshot(window, f"studio-picture{suffix(window)}.png")
    assert fits_the_window(window)
    window.click("#picture [data-close]")
    window.wait_for_selector("#picture img", state="detached")


def test_readings_stand_above_the_characters(window: Page, studio: Server):
    open_studio(window, studio)
    fill(window, "title", "秋夜")
    write(window, "秋夜")
    assert window.locator("#poem rt").count() == 0
    window.locator("#pinyin label").click()
    window.wait_for_selector("#poem rt")
    for number, layout in ((1, "horizontal"), (0, "vertical")):
        lay_out(window, number, layout)
        places = window.evaluate(
            """() => [...document.querySelectorAll('#poem ruby')].map(ruby => [ruby.querySelector('rt').textContent,
                ruby.querySelector('rt').getBoundingClientRect().bottom
                - ruby.querySelector('.han').getBoundingClientRect().top])"""
        )
        assert len(places) == 28 and all(reading and gap <= 6 for reading, gap in places), places[:3]
        overlaps = window.evaluate(
            """() => { const boxes = [...document.querySelectorAll('#poem .han')].map(one => one.getBoundingClientRect());
                const readings = [...document.querySelectorAll('#poem rt')].map(one => one.getBoundingClientRect());
                return readings.filter(a => boxes.some(b => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6)).length; }"""
        )
        assert overlaps == 0
    assert fits_the_window(window)


def test_ones_own_poem_is_judged_explained_and_mended(window: Page, studio: Server):
    open_studio(window, studio)
    check(window, NIGHT)
    window.wait_for_selector(".checked .verdict.fail")
    assert window.locator(".findings.faults li").count() == 2
    assert "第二、四、六字是节奏点" in window.inner_text(".findings.faults li:first-child .why")
    for spot, left in (("2.4", 1), ("3.2", 0)):
        window.click(f'.checked [data-spot="{spot}"]')
        window.wait_for_selector("#mends .option")
        if left:
            screenshot(window, f"studio-mend{suffix(window)}.png")
        new = window.locator("#mends .option:not(.current)").first
        char = new.locator(".han").inner_text()
        new.click()
        window.wait_for_selector("#mends .option", state="detached")
        assert window.inner_text(f'.checked [data-spot="{spot}"] .han') == char
        assert window.locator(".findings.faults li").count() == left
    assert window.inner_text(".checked .verdict").startswith("合律")
    pasted = window.input_value("#pasted textarea")
    assert pasted.startswith("静夜思　李白\n床前明月光，疑是地") and "地上霜" not in pasted
    for _ in range(2):
        window.click("#check-undo")
        window.wait_for_timeout(400)
    window.wait_for_selector(".checked .verdict.fail")
    assert "地上霜" in window.input_value("#pasted textarea")
    assert fits_the_window(window)


def test_one_line_is_rewritten_the_rest_stays_and_the_difference_is_shown(window: Page, studio: Server):
    open_studio(window, studio)
    check(window, NIGHT)
    window.locator("#check-tapping label").nth(1).click()
    window.click('.checked [data-spot="2.4"]')
    window.wait_for_selector(".revision ins")
    lines = ["".join(line.locator(".han").all_inner_texts()) for line in window.locator(".checked .line").all()]
    assert [lines[0], *lines[2:]] == ["床前明月光", "举头望明月", "低头思故乡"] and lines[1] != "疑是地上霜"
    assert lines[1] in window.inner_text(".revision .han-row").replace(" ", "")
    assert lines[1] in window.input_value("#pasted textarea")
    screenshot(window, f"studio-polish{suffix(window)}.png")
    window.click("#check-draw")
    window.wait_for_selector("#check-picture img")
    assert window.get_attribute('#check-picture a[download$=".png"]', "download") == "静夜思.png"
    window.click("#check-undo")
    window.wait_for_selector(".revision", state="detached")
    window.wait_for_selector("#check-picture img", state="detached")
    assert "疑是地上霜" in window.input_value("#pasted textarea")
    assert fits_the_window(window)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_axe_finds_nothing_serious(window: Page, studio: Server, language: str):
    open_studio(window, studio)
    for fold in ("fold_style", "fold_given", "fold_quality"):
        window.click(f"#{fold} button")
    fill(window, "title", "秋夜")
    window.locator("#pinyin label").click()
    write(window, "秋夜")
    if language == "en":
        # By now the browser's own language has been asked for, which would have the last word.
        window.locator("#language label").nth(1).click()
        window.wait_for_selector("#write:has-text('Write')")
    window.click("#draw")
    window.wait_for_selector("#picture img")
    serious(window, "compose")
    check(window, NIGHT)
    window.click('.checked [data-spot="2.4"]')
    window.wait_for_selector("#mends .option")
    serious(window, "check")
    tab(window, "对观", "Compare")
    serious(window, "compare")


def serious(page: Page, name: str) -> None:
    page.wait_for_timeout(300)
    found = axe.Axe().run(page).response["violations"]
    bad = [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not bad, f"{name}: {json.dumps(bad, ensure_ascii=False, indent=1)}"
