"""A serving verb in a process of its own, and pictures of its pages, for the tests of rating and studio."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parents[2] / "docs" / "images"
START_SECONDS = 120


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A verb that serves, in a process of its own.

    Attributes:
        port: Its port on the loopback.
        url: Its address.
    """

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "gemma_poetry.cli", *arguments, "--port", str(self.port)]
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        # A pipe that nobody reads would fill up and halt the server.
        self.output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed by `stop`)
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdout=self.output, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(START_SECONDS * 10):
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.printed()}")
            with contextlib.suppress(urllib.error.HTTPError, OSError):
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            time.sleep(0.1)
        self.stop()
        raise AssertionError(f"the server did not answer within {START_SECONDS} seconds")

    def printed(self) -> str:
        """What it has printed so far."""
        self.output.seek(0)
        return self.output.read()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it; SIGKILL gives it no time to tidy up."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def screenshot(page: Page, name: str) -> None:
    """Keeps a picture of the page under docs/images/, where GEMMA_POETRY_SCREENSHOTS asks for new ones."""
    if os.environ.get("GEMMA_POETRY_SCREENSHOTS"):
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / name, full_page=True)
