"""What `page.py` measures in a browser: milliseconds, frames while the map is dragged, memory, and whether it grows."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from browser import Browser, file_address

# Runs in every page before its own scripts. Painted is what the graphics process has drawn: a pixel is read back
WATCH = """
window.bench = {
  seen: {},
  later: (milliseconds = 0) => new Promise((done) => setTimeout(done, milliseconds)),
  settle() {
    for (const canvas of document.querySelectorAll("canvas")) {
      const gl = canvas.getContext("webgl2") || canvas.getContext("webgl");
      if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      else canvas.getContext("2d")?.getImageData(0, 0, 1, 1);
    }
  },
  async painted() {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    bench.settle();
  },
  async time(work, redraws) {
    await bench.painted();
    let told = null;
    const drawn = new Promise((done) => { told = done; });
    const observer = new MutationObserver(() => told());
    observer.observe(document.documentElement, {attributeFilter: ["data-drawn"]});
    const start = performance.now();
    await work();
    if (redraws) await drawn.then(bench.later).then(bench.settle);
    else await bench.painted();
    observer.disconnect();
    return performance.now() - start;
  },
  middle(works) {
    const times = works.map((work) => { const start = performance.now(); work(); return performance.now() - start; });
    return times.sort((a, b) => a - b)[times.length >> 1];
  },
  async frames(until) {
    const found = {intervals: [], works: []};
    for (let before = null; !until(); ) {
      const time = await new Promise(requestAnimationFrame), start = performance.now();
      if (before) found.intervals.push(time - before);
      before = time;
      await bench.later();
      found.works.push(performance.now() - start);
    }
    return found;
  },
  choose(id, value) {
    document.getElementById(id).value = value;
    document.getElementById(id).dispatchEvent(new Event("change"));
  },
  press: (css, place = 0) => document.querySelectorAll(css)[place].click(),
};
new MutationObserver(() => {
  for (const name of Object.keys(document.documentElement.dataset)) {
    if (!(name in bench.seen)) bench.later().then(bench.settle).then(() => { bench.seen[name] ??= performance.now(); });
  }
}).observe(document, {attributes: true, subtree: true, attributeFilter: ["data-drawn", "data-ready"]});
"""
GENRE = "bench.choose('colour', 'label:genre')"


@dataclass(frozen=True)
class Step:
    """Something that a person does, as code in which TRACK is a track at a third of all."""

    what: str
    code: str
    redraws: bool = True  # the points
    before: str = ""  # what makes it possible, and is not timed
    times: int = 1  # how often; `i` counts them


STEPS = (
    Step("click answered: track and neighbours listed", "map.on.pick(TRACK + 100 * i, {})", False, times=7),
    Step("the next track by arrow", "actions.step(1)", False, times=7),
    Step("coloured by distance", "bench.press('#by-distance')"),
    Step("click, coloured by distance", "map.on.pick(2 * TRACK, {})"),
    Step("coloured by 25 values", GENRE),
    Step("coloured by many values", "bench.choose('colour', 'label:artist')"),
    Step("coloured by numbers", "bench.choose('colour', 'label:year')"),
    Step("a value hidden in the legend", "bench.press('#legend li button', 1)", before=GENRE),
    Step(
        "filtered by a value",
        "bench.press('#filter-values input', 2)",
        before="bench.press('#legend li button', 1); bench.choose('filter-column', 'label:genre')",
    ),
    Step(
        "searched and listed",
        "document.getElementById('search').value = 'track 0001'; actions.search()",
        before="bench.press('#chips button')",
    ),
    Step("the first way across the map", "map.on.pick(TRACK >> 1, {shiftKey: true})", before="actions.closeList()"),
    Step("another way", "map.on.pick(TRACK + 5, {shiftKey: true})"),
)
NAMES = """names.prepare({
  x: tracks.all.x, y: tracks.all.y, shown: new Uint8Array(tracks.all.count).fill(1), ...tracks.column('label:KEY')})"""


def run(browser: Browser, code: str) -> object:
    """Return what asynchronous code returns."""
    ended = ".then((value) => done({value}), (error) => done({error: String(error.stack)}))"
    result = browser.driver.execute_async_script(f"const done = arguments[0]; (async () => {{ {code} }})(){ended};")
    if "error" in result:
        raise RuntimeError(f"{code}: {result['error']}")
    return result["value"]


def measure_naive(browser: Browser, name: str, page: Path) -> dict[str, float]:
    """Return milliseconds of one round of a page of page_naive.py."""
    browser.open(file_address(page / "index.html"), page)
    run(browser, "await bench.later(300);")
    recolour = "bench.time(() => drawPoints(points.colour.map((each) => 1 - each)))"
    return {
        f"{name}: first draw": browser.run("return bench.seen.ready"),
        f"{name}: recoloured": run(browser, f"return {recolour}"),
    }


def measure_page(browser: Browser, page: Path, tracks: int, steps: tuple[Step, ...] = STEPS) -> dict[str, float]:
    """Return milliseconds of one round."""
    browser.open(file_address(page / "index.html"), page)
    run(browser, "await bench.later(500);")
    seen = browser.run("return bench.seen")
    found = {"first draw": seen["drawn"], "all data there": seen["ready"]}
    found |= measure_drag(browser)
    for step in steps:
        code, before = (part.replace("TRACK", str(tracks // 3)) for part in (step.code, step.before))
        if before:
            run(browser, f"await bench.time(() => {{ {before} }});")
        times = []
        for i in range(step.times):
            run(browser, "await bench.later(200);")  # what is left for later is done by then
            done = f"const i = {i}; return bench.time(() => {{ {code} }}, {str(step.redraws).lower()});"
            times.append(run(browser, done))
        found[step.what] = statistics.median(times)
    return found


def measure_parts(browser: Browser, tracks: int) -> dict[str, float]:
    """Return milliseconds of what takes long in some of the steps; the page is open."""
    parts = {
        "distances to a track": f"tracks.distancesTo({tracks // 3} + i)",
        "a search": "tracks.search('track 000' + i)",
        "names of 25 values": NAMES.replace("KEY", "genre"),
        "names of many values": NAMES.replace("KEY", "artist"),
    }
    works = "Array.from({length: 9}, (_, i) => () => CODE)"
    return {what: run(browser, f"return bench.middle({works.replace('CODE', code)});") for what, code in parts.items()}


def measure_drag(browser: Browser) -> dict[str, float]:
    """Return milliseconds of the frames while the map is dragged with the mouse."""

    def mouse(kind: str, step: int) -> None:
        browser.command(
            "Input.dispatchMouseEvent",
            type=kind,
            x=700 + 2 * step,
            y=450 + step,
            button="left",
            buttons=1,
            clickCount=1,
        )

    browser.run("bench.dragging = true; bench.found = bench.frames(() => !bench.dragging);")
    mouse("mousePressed", 0)
    for step in range(1, 61):
        mouse("mouseMoved", step)
    browser.run("bench.dragging = false;")
    mouse("mouseReleased", 60)
    found = run(browser, "return bench.found;")
    return {
        "frame of a drag": statistics.median(found["intervals"]),
        "frame of a drag, the page's own work": statistics.median(found["works"]),
        "frame of a drag, the page's own work, longest": max(found["works"]),
    }


def renderer_megabytes(browser: Browser) -> float:
    """Return the resident memory of the page's process: the largest renderer below the driver."""
    below, sizes = {browser.driver.service.process.pid}, []
    for status in sorted(Path("/proc").glob("[0-9]*/status"), key=lambda path: int(path.parent.name)):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            command = (status.parent / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if int(fields["PPid"]) in below:
            below.add(int(fields["Pid"]))
            if b"--type=renderer" in command:
                sizes.append(int(fields["VmRSS"].split()[0]) / 1000)
    return max(sizes)


def heap(browser: Browser) -> dict[str, float]:
    """Return megabytes of the page's objects and arrays, and the number of its nodes, after the garbage is gone."""
    browser.command("HeapProfiler.enable")
    for _ in range(2):
        browser.command("HeapProfiler.collectGarbage")
    used = browser.command("Runtime.getHeapUsage")
    counters = browser.command("Memory.getDOMCounters")
    return {
        "heap": (used["usedSize"] + used.get("backingStorageSize", 0)) / 1e6,
        "nodes": counters["nodes"],
        "listeners": counters["jsEventListeners"],
    }


def measure_growth(browser: Browser, page: Path, tracks: int) -> list[tuple[str, dict[str, float]]]:
    """Return the heap of a page that is just there, and after so many things done to it."""
    browser.open(file_address(page / "index.html"), page)
    found = [("opened", heap(browser))]
    colours = "['label:genre', 'label:artist', 'label:year', 'cluster']"
    for what, count, code in (
        ("100 clicks", 100, f"map.on.pick(i * 7919 % {tracks}, {{}})"),
        ("200 clicks", 100, f"map.on.pick(i * 6007 % {tracks}, {{}})"),
        ("300 clicks", 100, f"map.on.pick(i * 4001 % {tracks}, {{}})"),
        ("and 100 searches", 100, "document.getElementById('search').value = 'track 00' + i; actions.search()"),
        ("and 100 colours", 100, f"bench.choose('colour', {colours}[i % 4])"),
        ("and 100 colours again", 100, f"bench.choose('colour', {colours}[i % 4])"),
    ):
        run(browser, f"for (let i = 0; i < {count}; i++) {{ {code}; await bench.painted(); }} await bench.later(500);")
        found.append((what, heap(browser)))
    return found
