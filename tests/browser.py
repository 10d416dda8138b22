"""A real Chromium for the tests of the page."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.mouse_button import MouseButton
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select
from window import Window, missing

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

COMMON = (
    *("--headless=new", "--no-sandbox", "--no-first-run", "--mute-audio", "--lang=en"),
    # The network is cut: no name is resolved but this machine's, and Chromium has nothing of its own to fetch
    *("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
)
WITH_WEBGL = "--use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"  # drawn by software
WITHOUT_WEBGL = "--disable-gpu --disable-software-rasterizer"


class Browser(Window):
    """A window of Chromium. Scripts see what the page sees; clicks, drags and keys are real ones."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def command(self, name: str, **parameters: object) -> dict:
        return self.driver.execute_cdp_cmd(name, parameters)

    def show(self, width: int = 1024, height: int = 768, scheme: str = "light") -> None:
        """Set the window's size and whether its user likes it dark."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        self.command(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    def get(self, address: str) -> None:
        self.driver.get(address)

    def run(self, script: str, *arguments: object):
        return self.driver.execute_script(script, *arguments)

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def find_all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def click(self, css: str) -> None:
        self.find(css).click()

    def choose(self, css: str, value: str) -> None:
        Select(self.find(css)).select_by_value(value)

    def choose_text(self, css: str, text: str) -> None:
        """Choose by the text to the character, which Selenium would trim."""
        options = self.run("return [...arguments[0].options].map((each) => each.text)", self.find(css))
        Select(self.find(css)).select_by_index(options.index(text))

    def double_click(self, css: str) -> None:
        ActionChains(self.driver, duration=0).double_click(self.find(css)).perform()

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def mouse(self, *points: tuple[float, float], drag: bool = False) -> None:
        """Click at a point of the window, or draw a line through all of them."""
        builder = ActionBuilder(self.driver, mouse=PointerInput("mouse", "mouse"), duration=0)
        pointer = builder.pointer_action
        pointer.move_to_location(*map(round, points[0]))
        pointer.pointer_down(MouseButton.LEFT)
        for point in points[1:]:
            pointer.move_to_location(*map(round, point))
        if drag:
            pointer.pause(0.1)  # a drag that ends the instant it began is none
        pointer.pointer_up(MouseButton.LEFT)
        builder.perform()

    def hover(self, x: float, y: float) -> None:
        builder = ActionBuilder(self.driver, mouse=PointerInput("mouse", "mouse"), duration=0)
        builder.pointer_action.move_to_location(round(x), round(y))
        builder.perform()

    def messages(self) -> list[str]:
        """Return what the console has been told since the last call, at any level."""
        return [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@contextlib.contextmanager
def chromium(flags: str, downloads: Path) -> Iterator[Browser]:
    """Start Chromium by its own driver; nothing is downloaded for it."""
    binary, driver = next(filter(None, map(shutil.which, BROWSERS)), None), shutil.which("chromedriver")
    if binary is None or driver is None:
        missing("chromedriver" if binary else "chromium", "chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in [*COMMON, *flags.split()]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(started, downloads)
    finally:
        started.quit()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does; yields its address, with a slash at its end."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A browser that has heard enough of a file hangs up."""

    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=os.fspath(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def file_address(path: Path | str) -> str:
    return "file://" + quote(os.fsencode(path))
