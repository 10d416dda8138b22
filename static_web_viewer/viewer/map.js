"use strict";

/* The map itself: plotly draws the points and answers hover, click and lasso; rings and the tooltip lie above it. */
const map = (() => {
  const SVG_POINTS = 5000;  // what a page without WebGL can draw and still be moved
  const EDGE = 28;  // pixels that stay free around the whole map
  const FAINT = { light: 0.15, dark: 0.24 };  // opacity of what a list or a search leaves out
  const stage = document.getElementById("stage");
  const plot = document.getElementById("map");
  const overlay = document.getElementById("overlay");
  const tooltip = document.getElementById("tooltip");
  const notice = document.getElementById("notice");

  let webgl = true, lost = false, started = false, home = true, size = 0, waiting = 0;
  let painted = { colouring: null, shown: null, marked: null };
  let layers = [];  // of each plotly trace, the tracks of its points
  let rings = { selected: -1, playing: -1, neighbours: [] };
  let pinched = false;  // whether the touch that goes on, or went last, was one of two fingers
  let pointed = -1;  // the track whose row in a list the mouse is over
  let range = { x: [0, 1], y: [0, 1] };
  let asked = null;  // the view that an address asked for, as long as it is the one that is seen
  let box = null;  // around all tracks
  let heading = 0;  // height in pixels when the whole map was last fitted below it
  const layout = {
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, hovermode: "closest", dragmode: "pan", selectionrevision: 0,
    hoverdistance: 12, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { visible: false, autorange: false, range: [0, 1] }, yaxis: { visible: false, autorange: false, range: [0, 1] },
    newselection: { line: { color: "#888", width: 1.5, dash: "solid" } },
  };
  const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, showTips: false, responsive: false, plotGlPixelRatio: Math.max(1, window.devicePixelRatio) };
  const on = { pick: () => {}, lasso: () => {}, view: () => {}, describe: () => [] };

  function hasWebGL() {
    try {
      const canvas = document.createElement("canvas");
      return Boolean(canvas.getContext("webgl") || canvas.getContext("experimental-webgl"));
    } catch {
      return false;
    }
  }

  function extent() {
    const { x, y, count } = tracks.all;
    const found = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
    for (let i = 0; i < count; i++) {
      found.left = Math.min(found.left, x[i]);
      found.right = Math.max(found.right, x[i]);
      found.bottom = Math.min(found.bottom, y[i]);
      found.top = Math.max(found.top, y[i]);
    }
    return found;
  }

  /** Ranges that show a box whole, with the same scale in both directions, beside `inset` pixels at each side. */
  function around(left, right, bottom, top, inset = { left: 0, right: 0, bottom: 0, top: 0 }) {
    const width = Math.max(stage.clientWidth - inset.left - inset.right, 50);
    const height = Math.max(stage.clientHeight - inset.bottom - inset.top, 50);
    const scale = Math.max((right - left) / width, (top - bottom) / height) || 1 / width;
    return centred((left + right - scale * (inset.left - inset.right)) / 2, (bottom + top - scale * (inset.bottom - inset.top)) / 2, scale);
  }

  /** Ranges around a place; `scale` is how much of the map a pixel is. */
  function centred(x, y, scale) {
    const [across, up] = [(scale * stage.clientWidth) / 2, (scale * stage.clientHeight) / 2];
    return { x: [x - across, x + across], y: [y - up, y + up] };
  }

  /** How much of the map a pixel is at present. */
  function unit() {
    return (range.x[1] - range.x[0]) / stage.clientWidth;
  }

  /** The middle of what is seen. */
  function middle() {
    return [(range.x[0] + range.x[1]) / 2, (range.y[0] + range.y[1]) / 2];
  }

  function showWhole() {
    range = whole();
    heading = headHeight();
  }

  function headHeight() {
    return document.getElementById("head").clientHeight;
  }

  /** Whether the legend is a strip along the lower edge. */
  function legendBelow() {
    return document.getElementById("legend").clientWidth > stage.clientWidth / 2;
  }

  /** Ranges that show every track, none below the heading, the legend or the tools. */
  function whole() {
    const { left, right, bottom, top } = box;
    const size_ = (id) => document.getElementById(id).getBoundingClientRect();
    const [head, legend, view] = [size_("head"), size_("legend"), size_("stage")];
    const below = legendBelow();
    return around(left, right, bottom, top, {
      left: EDGE + (below ? 0 : legend.width),
      right: EDGE + size_("tools").width,
      bottom: EDGE + (below ? legend.height : 0),
      top: EDGE + Math.max(0, Math.min(head.bottom - view.top, view.height / 4)),
    });
  }

  /** Points are small where there are many, and grow as one looks closer. */
  function pointSize() {
    const points = Math.max(painted.drawn, 1);
    const all = whole();
    const closer = (all.x[1] - all.x[0]) / (range.x[1] - range.x[0]);
    const screen = Math.min(Math.max(Math.min(stage.clientWidth, stage.clientHeight) / 800, 0.75), 1.4);
    const dense = 1.3 * Math.sqrt((0.4 * stage.clientWidth * stage.clientHeight) / points);  // more would be one blot
    const wanted = Math.min(19 * points ** -0.14 * screen, dense) * Math.max(closer, 0.5) ** 0.35;
    return Math.round(4 * Math.min(Math.max(wanted, 1.25), 16)) / 4;
  }

  function taken(values, places) {
    const some = new Float32Array(places.length);
    for (let i = 0; i < some.length; i++) some[i] = values[places[i]];
    return some;
  }

  function traces() {
    const { x, y } = tracks.all;
    layers = layered(painted, webgl ? Infinity : SVG_POINTS);
    painted.drawn = layers.reduce((sum, layer) => sum + layer.tracks.length, 0);
    size = pointSize();
    const [full, low] = [painted.drawn > 20000 ? 0.8 : 0.92, FAINT[colours.scheme()]];
    const made = layers.map((layer) => ({
      type: webgl ? "scattergl" : "scatter", mode: "markers", hoverinfo: "none",
      x: taken(x, layer.tracks), y: taken(y, layer.tracks),
      marker: { size, color: layer.colour, opacity: layer.faint ? low : full, line: { width: 0 } },
      selected: { marker: {} }, unselected: { marker: { opacity: layer.faint ? low : 0.5 } },
    }));
    // Plotly needs one trace to have axes; it draws nothing
    return made.length ? made : [{ type: "scatter", mode: "markers", x: [], y: [], hoverinfo: "none" }];
  }

  async function draw() {
    layout.selections = [];
    layout.selectionrevision += 1;
    layout.width = stage.clientWidth;
    layout.height = stage.clientHeight;
    layout.xaxis.range = [...range.x];
    layout.yaxis.range = [...range.y];
    await (started ? Plotly.react : Plotly.newPlot)(plot, traces(), layout, config);
    if (!started) listen();
    started = true;
    tell();
    drawRings();
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    document.documentElement.dataset.drawn = painted.drawn;
  }

  /** Say what the map cannot show here. */
  function tell() {
    notice.hidden = webgl;
    if (webgl) return;
    const shown = painted.shown.reduce((sum, each) => sum + each, 0);
    const left = shown > painted.drawn ? `: ${painted.drawn.toLocaleString("en")} of ${shown.toLocaleString("en")} tracks; filter or search to see others` : "";
    notice.textContent = `${lost ? "The browser has taken its WebGL away; load the page again to have it back. Drawn" : "This browser has no WebGL; drawn"} as SVG${left}.`;
  }

  function paint(colouring, shown, marked) {
    Object.assign(painted, { colouring, shown, marked });
    if (!started) {
      webgl = hasWebGL();
      box = extent();
    }
    // A legend that is a strip changes its height with the colour, and the heading with filters; a legend at the side
    // may not move the map
    if (home && (!started || legendBelow() || headHeight() !== heading)) showWhole();
    return draw();
  }

  function setRange(wanted, isHome) {
    range = wanted;
    asked = null;
    home = isHome;
    return Plotly.relayout(plot, { "xaxis.range": [...range.x], "yaxis.range": [...range.y] });
  }

  function moved(event, done) {
    const read = (axis) => [event[`${axis}.range[0]`], event[`${axis}.range[1]`]];
    const [x, y] = [read("xaxis"), read("yaxis")];
    if (x[0] !== undefined) range.x = x;
    if (y[0] !== undefined) range.y = y;
    if (x[0] !== undefined || y[0] !== undefined) {
      home = false;
      asked = null;
    }
    drawRings();
    hideTooltip();
    const upright = (range.y[1] - range.y[0]) / stage.clientHeight;
    // With the shift key plotly zooms to a box, of any shape
    if (done && Math.abs(unit() / upright - 1) > 0.01) setRange(around(...range.x, ...range.y), false).catch(store.fail);
    if (done) settle();
  }

  function settle() {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (pointSize() !== size) draw().catch(store.fail);
      on.view();
    }, 200);
  }

  function trackOf(event) {
    const point = event.points && event.points[0];
    const layer = point && layers[point.curveNumber];
    return layer ? layer.tracks[point.pointNumber] : -1;
  }

  function listen() {
    plot.on("plotly_relayouting", (event) => moved(event, false));
    plot.on("plotly_relayout", (event) => moved(event, true));
    plot.on("plotly_hover", (event) => showTooltip(trackOf(event)));
    plot.on("plotly_unhover", hideTooltip);
    plot.on("plotly_click", (event) => { const track = trackOf(event); if (track >= 0 && !pinched) on.pick(track); });
    plot.on("plotly_selected", (event) => {
      const found = event && event.points ? event.points.map((point) => layers[point.curveNumber].tracks[point.pointNumber]) : [];
      lasso(false);
      if (found.length) on.lasso(found.sort((a, b) => a - b));
      else draw().catch(store.fail);
    });
    plot.on("plotly_webglcontextlost", () => { webgl = false; lost = true; draw().catch(store.fail); });
    plot.addEventListener("dblclick", () => { if (!plot.classList.contains("over")) fit().catch(store.fail); });
    // What had the focus would get the keys that are meant for the map
    plot.addEventListener("pointerdown", () => document.activeElement.blur());
    listenToFingers();
    new ResizeObserver(() => resized().catch(store.fail)).observe(stage);
  }

  /** Two fingers zoom and move the map; plotly knows one alone. */
  function listenToFingers() {
    let before = null;
    const read = ([one, other]) => {
      const edge = stage.getBoundingClientRect();
      const [dx, dy] = [one.clientX - other.clientX, one.clientY - other.clientY];
      return { x: (one.clientX + other.clientX) / 2 - edge.left, y: (one.clientY + other.clientY) / 2 - edge.top, apart: Math.hypot(dx, dy) || 1 };
    };
    const follow = (event) => {
      // Plotly saw the first finger come and go, and takes that for a click
      if (event.type === "touchstart") pinched = event.touches.length > 1;
      if (event.touches.length !== 2) {
        before = null;
        return;
      }
      event.preventDefault();
      event.stopPropagation();  // or plotly would move the map by the first finger
      const now = read(event.touches);
      if (before) {
        const wanted = unit() * (before.apart / now.apart);
        // What was between the fingers stays between them
        const x = range.x[0] + unit() * before.x + wanted * (stage.clientWidth / 2 - now.x);
        const y = range.y[1] - unit() * before.y - wanted * (stage.clientHeight / 2 - now.y);
        setRange(centred(x, y, wanted), false);
      }
      before = now;
    };
    for (const kind of ["touchstart", "touchmove", "touchend", "touchcancel"]) plot.addEventListener(kind, follow, { capture: true, passive: false });
  }

  async function resized() {
    if (stage.clientWidth === layout.width && stage.clientHeight === layout.height) return;
    if (home) showWhole();
    else range = centred(...middle(), (range.x[1] - range.x[0]) / layout.width);
    await draw();
  }

  function lasso(wanted) {
    document.getElementById("lasso").setAttribute("aria-pressed", String(wanted));
    // By plotly alone, which would not see a change that is in its layout already
    return Plotly.relayout(plot, { dragmode: wanted ? "lasso" : "pan" });
  }

  function place(track) {
    const { x, y } = tracks.all;
    return [
      ((x[track] - range.x[0]) / (range.x[1] - range.x[0])) * stage.clientWidth,
      stage.clientHeight - ((y[track] - range.y[0]) / (range.y[1] - range.y[0])) * stage.clientHeight,
    ];
  }

  function drawRings() {
    const radius = size / 2;
    const circle = (track, kind, more) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      const [x, y] = place(track);
      made.setAttribute("class", kind);
      made.setAttribute("cx", x);
      made.setAttribute("cy", y);
      made.setAttribute("r", radius + more);
      return made;
    };
    const made = rings.neighbours.filter((track) => painted.shown[track]).map((track, rank) => {
      const ring = circle(track, "neighbour", 2.5);
      ring.style.opacity = 0.9 - (0.7 * rank) / rings.neighbours.length;
      return ring;
    });
    if (rings.selected >= 0) made.push(circle(rings.selected, "selected", 5));
    if (rings.playing >= 0) made.push(circle(rings.playing, "playing", 9));
    if (pointed >= 0) made.push(circle(pointed, "pointed", 7));
    overlay.replaceChildren(...made);
  }

  function showTooltip(track) {
    if (track < 0) return hideTooltip();
    const lines = on.describe(track).map((text, i) => {
      const line = document.createElement(i ? "span" : "strong");
      line.dir = "auto";
      line.textContent = text;
      return line;
    });
    if (!lines.length) return;
    tooltip.replaceChildren(...lines);
    tooltip.hidden = false;
    const [x, y] = place(track);
    const flip = x > stage.clientWidth / 2;
    tooltip.style.left = flip ? "" : `${x + 14}px`;
    tooltip.style.right = flip ? `${stage.clientWidth - x + 14}px` : "";
    tooltip.style.top = `${Math.min(Math.max(y - 14, 4), stage.clientHeight - tooltip.offsetHeight - 4)}px`;
    plot.classList.add("over");
  }

  function hideTooltip() {
    tooltip.hidden = true;
    plot.classList.remove("over");
  }

  function fit() {
    showWhole();
    return setRange(range, true);
  }

  /** Zoom around the middle: above 1 closer. */
  function zoom(factor) {
    return setRange(centred(...middle(), unit() / factor), false);
  }

  /** Move the view, not its scale, so that a track is on it. */
  function reveal(track) {
    const [x, y] = place(track);
    const edge = 24;
    if (x >= edge && y >= edge && x <= stage.clientWidth - edge && y <= stage.clientHeight - edge) return;
    setRange(centred(tracks.all.x[track], tracks.all.y[track], unit()), false);
  }

  return {
    paint, fit, zoom, reveal, lasso, on,
    fits: () => !home || headHeight() === heading,
    isLasso: () => layout.dragmode === "lasso",
    point: (track) => { pointed = track; drawRings(); },
    ring: (wanted) => { rings = wanted; drawRings(); },
    /** The part of the map that is seen, null where it is all of it: [left, right, bottom, top]. */
    view: () => (home ? null : asked || [...range.x, ...range.y]),
    setView: (view) => {
      range = around(...view);
      home = false;
      if (started) setRange(range, false);
      asked = view;
    },
  };
})();
