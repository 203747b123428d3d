"""What the tests of the studio's page have in common: opening it, filling it in, reading the poem.

In: a page of Playwright, a running studio. Out: what stands on the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.serving import Server

# Loading the model takes seconds on an idle machine, and a test machine is seldom idle.
PATIENCE = 240_000


def suffix(page: Page) -> str:
    return "-phone" if page.viewport_size["width"] < 600 else ""  # type: ignore[index]


def open_studio(page: Page, studio: Server) -> None:
    page.goto(studio.url)
    page.wait_for_selector("#write")


def fill(page: Page, field: str, text: str) -> None:
    page.fill(f"#{field} textarea, #{field} input", text)


def tab(page: Page, *names: str) -> None:
    wanted = re.compile("|".join(names))
    found = page.get_by_role("tab", name=wanted)
    if found.count() and found.first.is_visible():
        found.first.click()
    else:  # a narrow window keeps the last tabs behind a menu
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown button").filter(has_text=wanted).click()


def check(page: Page, poems: str) -> None:
    """Has poems checked, on their own tab."""
    tab(page, "校律", "Check")
    fill(page, "pasted", poems)
    page.click("button#check")
    page.wait_for_selector(".checked .verdict")


def character(page: Page, spot: str) -> str:
    return page.inner_text(f'[data-spot="{spot}"] .han')


def poem_text(page: Page) -> str:
    return "".join(page.locator("#poem .han").all_inner_texts())


def fits_the_window(page: Page) -> bool:
    """Whether nothing makes the page wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"))
