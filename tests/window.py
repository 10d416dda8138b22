"""A window of any browser for the tests of the page: waiting for it, and what it has said and asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

WAIT_SECONDS = 20  # for what takes one: the machine may have much else to do
POLL_SECONDS = 0.03


class Window:
    """What tests ask for, in terms of what each browser does its own way.

    get(address)          load a page
    run(script, *given)   what a script returns, which finds what it is given in `arguments`
    messages()            what the console has been told since the last call
    requests()            the addresses asked for since the last call
    """

    downloads: Path
    _local: tuple[bytes, ...] = ()

    def open(self, address: str, *local: Path | str, wait: str = "document.documentElement.dataset.ready") -> None:
        """Load a page and wait until it is ready; `local` is what it may load: folders, or beginnings of addresses."""
        self.get("about:blank")  # to the same address with another hash it would not be a load
        self.forget()
        self._local = tuple(os.fsencode(each) for each in local)
        self.get(address)
        self.wait(f"return {wait}")

    def wait(self, script: str, *arguments: object):
        """Return what a script returns as soon as that is true."""
        try:
            return until(lambda: self.run(script, *arguments))
        except TimeoutException:
            told = self.run("return document.getElementById('failure')?.textContent")
            pytest.fail(f"never true: {script} {arguments or ''}; the page says {told!r}, {self.messages()}")

    def wait_text(self, css: str, text: str) -> None:
        self.wait("return document.querySelector(arguments[0])?.textContent === arguments[1]", css, text)

    @contextlib.contextmanager
    def redraw(self) -> Iterator[None]:
        """Wait until the map has been drawn after what the block does."""
        self.run("delete document.documentElement.dataset.drawn")
        yield
        self.wait("return document.documentElement.dataset.drawn !== undefined")

    def drawn(self) -> int:
        return int(self.run("return document.documentElement.dataset.drawn"))

    def wait_drawn(self, count: int) -> None:
        self.wait("return document.documentElement.dataset.drawn === arguments[0]", str(count))

    def box(self, css: str) -> tuple[float, float, float, float]:
        """Return where an element lies in the window: left, top, width, height."""
        found = self.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", css)
        return found["left"], found["top"], found["width"], found["height"]

    def text(self, css: str) -> str:
        """Return an element's text, to the character."""
        return self.run("return document.querySelector(arguments[0]).textContent", css)

    def texts(self, css: str) -> list[str]:
        return self.run("return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", css)

    def downloaded(self, name: str) -> bytes:
        """Wait for a download, take it away, and return it."""
        path = self.downloads / name
        until(lambda: path.exists() and path.stat().st_size)
        content = path.read_bytes()
        path.unlink()
        return content

    def forget(self) -> None:
        self.messages()
        self.requests()

    def check(self) -> None:
        """Nothing was said, nothing but the page's own files and audio was asked for, and nothing foreign ran."""
        messages = self.messages()
        strangers = [url for url in self.requests() if not self._is_local(url)]
        assert not messages, messages
        assert not strangers, strangers
        assert self.run("return window.hacked") is None

    def _is_local(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme in ("data", "blob", "about"):
            return True
        path = unquote_to_bytes(parts.path) if parts.scheme == "file" else url.encode()
        return path.startswith(self._local)


def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS):
    """Return what is asked for as soon as it is true; TimeoutException where it never is."""
    return WebDriverWait(None, seconds, POLL_SECONDS).until(lambda _: condition())


def missing(what: str, packages: str) -> None:
    """Skip where a developer lacks a browser; the build may not."""
    message = f"{what} is missing; apt install {packages}"
    if "CI" in os.environ:
        pytest.fail(message)
    pytest.skip(message)
