"""Fixtures of the real-browser tests: Debian's Chromium driven by Playwright.

`browser` is one Chromium a session, `page` a fresh context (own cookies, nothing stored) at desktop width, `phone` one at
phone width with a touch screen. `serving` starts a verb of the console script that serves, and ends it. Where Chromium or
Playwright is not installed the tests skip with the reason, unless GEMMA_POETRY_BROWSER=required says that they must run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.browser.serving import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _missing(reason: str) -> None:
    if os.environ.get("GEMMA_POETRY_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


# Not longer: while Playwright runs, its event loop is the thread's, and no test beside can start one of its own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the tests of pages."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright is not installed (pip install playwright)")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        _missing("Chromium is not installed (apt-get install chromium fonts-noto-cjk)")
    with sync_playwright() as playwright:
        # Root, as in containers, has no sandbox; small /dev/shm would crash the renderer.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        instance = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield instance
        # Asked to close, Debian's Chromium can hang after pages of a server that has ended; nothing of it is kept anyway.
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "chrom" in process.name():
                    process.kill()
        instance.close()


@contextlib.contextmanager
def opened(browser: Browser, **context: object) -> Iterator[Page]:
    """A page of its own context; everything outside this machine is refused."""
    with contextlib.closing(browser.new_context(locale="zh-CN", **context)) as own:  # type: ignore[arg-type]
        own.route(lambda url: "//127.0.0.1" not in url and not url.startswith(("data:", "blob:")), lambda route: route.abort())
        own.set_default_timeout(20_000)
        yield own.new_page()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page at desktop width."""
    with opened(browser, viewport=DESKTOP) as fresh:
        yield fresh


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page at phone width, with a touch screen and a phone's pixels."""
    with opened(browser, viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def serving() -> Iterator[Callable[..., Server]]:
    """Starts a serving verb: `serving("rate", "serve", study)`; all that were started end with the module."""
    servers: list[Server] = []

    def start(*arguments: object, port: int | None = None) -> Server:
        servers.append(Server(*map(str, arguments), port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
