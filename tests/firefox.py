"""A real Firefox for the tests of the page, spoken to in WebDriver BiDi, which it understands without a driver."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from websocket import WebSocket, create_connection
from window import Window, missing, until

BROWSERS = ("firefox-esr", "firefox")
FLAGS = ("--headless", "--no-remote", "--remote-debugging-port=0", "--remote-allow-system-access")
PREFERENCES = {
    # The network is cut: whatever is not on this machine is asked of a proxy that is not there
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.failover_direct": False,
    "media.volume_scale": "0.0",
    "browser.download.folderList": 2,  # into a folder that is named
    "ui.primaryPointerCapabilities": 6,  # a mouse, which Firefox finds no screen for
    "ui.allPointerCapabilities": 6,
    "ui.prefersReducedMotion": 1,
    # Headless Firefox draws WebGL only on few machines; so that all test the same, on none
    "webgl.disabled": True,
}
START_SECONDS = 60  # for it, and the most for an answer: beside other tests it may be slow
SCHEMES = {"dark": 0, "light": 1}


class Firefox(Window):
    """A window of Firefox. Scripts see what the page sees; clicks, drags, wheel and keys are real ones."""

    def __init__(self, socket: WebSocket, downloads: Path) -> None:
        self._socket, self._numbers = socket, count(1)
        self.downloads = downloads
        self._messages: list[str] = []
        self._requests: list[str] = []
        self.command("session.new", capabilities={})
        self._context = self.command("browsingContext.getTree")["contexts"][0]["context"]
        # What lies around the page, and may set what a user sets
        self._chrome = self.command("browsingContext.getTree", **{"moz:scope": "chrome"})["contexts"][0]["context"]
        self.command("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self.show()

    def command(self, method: str, **parameters: object) -> dict:
        """Send a command and return its result; what is reported meanwhile is kept."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            self._keep(answer["method"], answer["params"])
        assert answer["type"] == "success", f"{method}: {answer['message']}"
        return answer["result"]

    def _keep(self, event: str, told: dict) -> None:
        if event == "log.entryAdded":
            self._messages.append(f"{told['level']} {told['text']}")
        elif event == "network.beforeRequestSent" and told["context"] == self._context:
            self._requests.append(told["request"]["url"])

    def show(self, width: int = 1024, height: int = 768, scheme: str = "light") -> None:
        """Set the window's size and whether its user likes it dark."""
        self.command("browsingContext.setViewport", context=self._context, viewport={"width": width, "height": height})
        liked = f"Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', {SCHEMES[scheme]})"
        self.command("script.evaluate", expression=liked, target={"context": self._chrome}, awaitPromise=False)

    def get(self, address: str) -> None:
        self.command("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def back(self) -> None:
        self.command("browsingContext.traverseHistory", context=self._context, delta=-1)

    def run(self, script: str, *arguments: object):
        # As texts, or each number and list would be wrapped in its type
        function = f"""async (given) => {{
            const found = await (function () {{ {script} }}).apply(null, JSON.parse(given));
            return JSON.stringify(found ?? null); }}"""
        answer = self.command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", f"{script}: {answer['exceptionDetails']['text']}"
        return json.loads(answer["result"]["value"])

    def _act(self, kind: str, *actions: dict, **parameters: object) -> None:
        source = {"type": kind, "id": kind, "actions": actions, **parameters}
        self.command("input.performActions", context=self._context, actions=[source])

    def _move(self, x: float, y: float) -> dict:
        return {"type": "pointerMove", "x": round(x), "y": round(y)}

    def mouse(self, *points: tuple[float, float], drag: bool = False) -> None:
        """Click at a point of the window, or draw a line through all of them."""
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        rest = [{"type": "pause", "duration": 100}] if drag else []  # a drag that ends the instant it began is none
        first, *line = (self._move(*point) for point in points)
        self._act("pointer", first, down, *line, *rest, up)

    def hover(self, x: float, y: float) -> None:
        self._act("pointer", self._move(x, y))

    def wheel(self, x: float, y: float, pixels: int) -> None:
        """Turn the wheel at a point, towards the user where pixels > 0."""
        self._act("wheel", {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": pixels})

    def click(self, css: str) -> None:
        """Click in the middle of an element, which must be in sight there."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'nearest'})", css)
        left, top, width, height = self.box(css)
        middle = round(left + width / 2), round(top + height / 2)
        above = "return document.elementFromPoint(...arguments[1]).closest(arguments[0]) !== null"
        assert self.run(above, css, middle), f"{css} is covered at {middle}"
        self.mouse(middle)

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        letters = "".join(keys)
        self._act("key", *({"type": kind, "value": each} for each in letters for kind in ("keyDown", "keyUp")))

    def screenshot(self, path: Path) -> None:
        answer = self.command("browsingContext.captureScreenshot", context=self._context)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def messages(self) -> list[str]:
        """Return what the console has been told since the last call, at any level."""
        self.run("")  # what was said before the answer has come before it
        found, self._messages = self._messages, []
        return found

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call."""
        self.run("")
        found, self._requests = self._requests, []
        return found


@contextlib.contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """Start Firefox with an empty folder as its profile, where its downloads go too."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        missing("firefox", "firefox-esr")
    preferences = {**PREFERENCES, "browser.download.dir": str(profile)}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
    (profile / "user.js").write_text("".join(lines))
    argv = [binary, *FLAGS, "--profile", str(profile), "about:blank"]
    with open(profile / "told.txt", "w") as told:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    try:
        port = until(lambda: _port(profile, process), START_SECONDS)
        socket = create_connection(f"ws://127.0.0.1:{port}/session", timeout=START_SECONDS, suppress_origin=True)
        with contextlib.closing(socket):
            started = Firefox(socket, profile)
            yield started
            started.command("browser.close")
        process.wait(START_SECONDS)
    finally:
        process.kill()
        process.wait()


def _port(profile: Path, process: subprocess.Popen) -> int | None:
    """Return where Firefox listens, as soon as it has written that into its profile."""
    assert process.poll() is None, (profile / "told.txt").read_text()
    try:
        return json.loads((profile / "WebDriverBiDiServer.json").read_bytes())["ws_port"]
    except (FileNotFoundError, json.JSONDecodeError):
        return None
