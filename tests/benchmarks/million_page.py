"""Open a page of very many tracks in a real Chromium, drawn by software: seconds, and megabytes of the browser.

    python tests/benchmarks/million_page.py FOLDER/1000000/page --search "length 0777777"

FOLDER is that of million.py, which makes the page. Asserts nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # browser.py
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # the shared modules

from browser import WITH_WEBGL, Browser, chromium, file_address
from page_measures import WATCH, heap, renderer_megabytes

from utils import EXIT_DONE, command, script_parser

SEARCHED = "return page.state.list && !document.getElementById('list-title').textContent.includes('looking')"
AGAIN = "return document.getElementById('list-title').textContent.includes(arguments[0]) && " + SEARCHED[7:]
PATIENCE_SECONDS = 600


def wait(browser: Browser, script: str, *arguments: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not browser.run(script, *arguments):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{script}; the page says {browser.run('return failure.textContent')!r}")
        time.sleep(0.02)


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("page", type=Path, metavar="PAGE")
    parser.add_argument("--search", default="length 0777777", help="what a track has in its name that is no point")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, chromium(WITH_WEBGL, Path(folder)) as browser:
        browser.driver.set_script_timeout(PATIENCE_SECONDS)
        browser.driver.set_page_load_timeout(PATIENCE_SECONDS)
        browser.show(1440, 900)
        browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        began = time.monotonic()

        def told(what: str) -> None:
            nonlocal began
            seconds = time.monotonic() - began
            megabytes = f"{heap(browser)['heap']:8.0f}{renderer_megabytes(browser):10.0f}"
            print(f"{what:44}{seconds:8.1f}{megabytes}", flush=True)
            began = time.monotonic()

        print(f"{'':44}{'seconds':>8}{'heap MB':>8}{'resident':>10}")
        browser.get(file_address(arguments.page / "index.html"))
        wait(browser, "return document.documentElement.dataset.drawn")
        told("first draw")
        wait(browser, "return document.documentElement.dataset.ready")
        told("all of the map there")
        browser.keys("/", arguments.search)
        wait(browser, AGAIN, arguments.search)
        told("first search: the others are loaded")
        print(f"  {browser.text('#list-title')}; {browser.text('#count')}")
        browser.run("document.getElementById('search').value = ''")
        browser.keys("Album 09999")
        wait(browser, AGAIN, "Album 09999")
        told("second search")
        print(f"  {browser.text('#list-title')}; {browser.text('#count')}")
        browser.click("#list ol li button.plain")
        wait(browser, "return document.querySelectorAll('#neighbours li').length === 20")
        told("a hit chosen, its most alike listed")
        browser.click("#by-distance")
        wait(browser, "return document.querySelector('#legend').textContent.includes('Distance')")
        told("coloured by distance")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
