"use strict";

/* The map: the cloud of points, and what lies on it: names, rings, the way from track to track, the tooltip. */
const map = (() => {
  const EDGE = 22;  // pixels that stay free around the whole map
  const CLOSEST = 60;  // times that one can look closer than at the whole map, and more where there are many tracks
  const FAINT = { light: 0.15, dark: 0.24 };  // opacity of what a list or a search leaves out
  const OUTLIERS = 1 / 200, FEW = 40;  // share of the tracks that may lie outside of the map at an end, and of how many at least
  const SLACK = 0.25;  // of the map's width, within which a track is not far outside
  const PARTS = 100;  // of the map's longer side, to know where it is empty
  const SHARES = [0, 0.25, 0.5, 0.75, 1];  // of a corner's side that stay free where something lies in it
  const MOST_NAMES = 60;
  const NAME = 12;  // pixels of a name's letters; a large region's are up to a half larger
  const TITLE = 12;  // pixels of a title's letters
  const LONGEST = 30;  // letters of a title
  const FEW_SEEN = 45;  // tracks of which all have their titles
  const stage = document.getElementById("stage");
  const plot = document.getElementById("map");
  const tooltip = document.getElementById("tooltip");
  const layer = (id) => document.getElementById(id);
  const measure = document.createElement("canvas").getContext("2d");
  const on = { pick: () => {}, whole: () => {}, lasso: () => {}, view: () => {}, describe: () => [], hover: () => {} };

  let view = null, home = true, settled = 0;
  let shown = { order: null, names: [], track: -1, near: [], path: [], pointed: -1, sounding: false, marked: null };
  let hovered = -1, fittedTo = "";
  let whole = { insets: {}, unit: 1, for: "" };  // how the whole map lies, and beside what
  let spread = [];  // a track in each part of the map that is not empty
  let shuffled = null;  // all tracks in an order that says nothing, so that no colour hides another
  let box = [0, 1, 0, 1];  // of the map, without what lies far outside of it
  let everything = box;  // with it
  const widths = new Map();  // of texts, in pixels

  // Which points are drawn, the lowest first

  function shuffle(count) {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1, seed = 1; i > 0; i--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const other = seed % (i + 1);
      [order[i], order[other]] = [order[other], order[i]];
    }
    return order;
  }

  /** Shown tracks: those that a list leaves out lie lowest, then what has no colour of its own, then by rank or mixed. */
  function drawOrder(colouring, mask, marked) {
    const { rank, groups, groupOf } = colouring;
    const low = groups.map((group) => group.key === "other" || group.key === "none");
    const levels = [[], [], []];
    for (const i of rank ? ranked(rank) : shuffled) if (mask[i]) levels[marked && !marked[i] ? 0 : low[groupOf[i]] ? 1 : 2].push(i);
    return Uint32Array.from(levels.flat());
  }

  /** All tracks by rank in a thousand steps, which take a tenth of a sort's time. */
  function ranked(rank) {
    let [low, high] = [Infinity, -Infinity];
    for (const each of rank) {
      if (each < low) low = each;
      if (each > high) high = each;
    }
    const step = (i) => Math.floor(((rank[i] - low) / (high - low || 1)) * 1000);
    const starts = new Uint32Array(1002);
    for (let i = 0; i < rank.length; i++) starts[step(i) + 1]++;
    for (let at = 1; at < starts.length; at++) starts[at] += starts[at - 1];
    const order = new Uint32Array(rank.length);
    for (let i = 0; i < rank.length; i++) order[starts[step(i)]++] = i;
    return order;
  }

  function withOpacity(packed, order, marked) {
    const colours_ = packed.slice();
    const bytes = new Uint8Array(colours_.buffer);
    const [full, faint] = [255 * (order.length > 20000 ? 0.7 : 0.88), 255 * FAINT[colours.scheme()]];
    for (const i of order) bytes[4 * i + 3] = marked && !marked[i] ? faint : full;
    return colours_;
  }

  /** Points are small where there are many, and grow as one looks closer. */
  function pointSize() {
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    const points = Math.max(shown.order ? shown.order.length : 1, 1);
    const screen = Math.min(Math.max(Math.min(width, height) / 800, 0.75), 1.4);
    const dense = 1.2 * Math.sqrt((0.4 * width * height) / points);  // more would be one blot
    const wanted = Math.min(23 * points ** -0.165 * screen, dense) * Math.max(closer(), 0.5) ** 0.35;
    return Math.round(4 * Math.min(Math.max(wanted, 1.5), 16)) / 4;
  }

  // The view

  /** How much closer one looks than at the whole map. */
  function closer() {
    return whole.unit / view.unit();
  }

  /** The boxes of what lies on the stage, in its pixels. */
  function covered(css) {
    const edge = stage.getBoundingClientRect();
    return [...document.querySelectorAll(css)].map((each) => each.getBoundingClientRect()).filter((each) => each.width)
      .map((each) => ({ left: each.left - edge.left, top: each.top - edge.top, right: each.right - edge.left, bottom: each.bottom - edge.top }));
  }

  /** Pixels at each side that what lies there takes at most. */
  function sides() {
    const [[head], [legend_], [tools]] = ["#head", "#legend", "#tools"].map(covered);
    const height = stage.clientHeight;
    return { left: Math.max(0, legend_.right), right: tools.right - tools.left, bottom: Math.max(0, height - legend_.top), top: Math.max(0, Math.min(head.bottom, height / 3)) };
  }

  /** Lay the whole map so that it is as large as can be and none of its points lies under anything. */
  function layOut() {
    const boxes = covered("#head .name, #head .controls, #chips, #legend, #tools");
    const now = JSON.stringify([stage.clientWidth, stage.clientHeight, boxes]);
    if (now === whole.for) return;
    const most = sides();
    const free = (left, right, bottom, top) => ({ left: EDGE + left * most.left, right: EDGE + right * most.right, bottom: EDGE + bottom * most.bottom, top: EDGE + top * most.top });
    const beside = free(1, 1, 0, 1), above = free(0, 1, 1, 1);
    const cost = (insets) => unitWithin(insets) * (1 + (insets.left + insets.right + insets.bottom + insets.top) / 1e5);  // of two like ones the middle
    const ways = SHARES.flatMap((left) => SHARES.flatMap((bottom) => SHARES.flatMap((top) => [0, 1].map((right) => free(left, right, bottom, top)))));
    const sorted = ways.map((insets) => [cost(insets), insets]).sort((a, b) => a[0] - b[0]).map(([, insets]) => insets);
    const insets = sorted.find((each) => isClear(each, boxes)) || (unitWithin(beside) < unitWithin(above) ? beside : above);
    whole = { insets, unit: unitWithin(insets), for: now };
  }

  /** Whether no point lies under a box, or at its edge, where the whole map lies within insets. */
  function isClear(insets, boxes) {
    const { x, y } = tracks.all, unit = unitWithin(insets), space = EDGE / 2;
    const across = (stage.clientWidth + insets.left - insets.right) / 2, down = (stage.clientHeight + insets.top - insets.bottom) / 2;
    return spread.every((track) => {
      const left = across + (x[track] - (box[0] + box[1]) / 2) / unit, top = down - (y[track] - (box[2] + box[3]) / 2) / unit;
      return !boxes.some((each) => left > each.left - space && left < each.right + space && top > each.top - space && top < each.bottom + space);
    });
  }

  /** Map units a pixel where a box, the map's, lies within insets. */
  function unitWithin(insets, [left, right, bottom, top] = box) {
    const across = (right - left) / Math.max(stage.clientWidth - insets.left - insets.right, 50);
    const up = (top - bottom) / Math.max(stage.clientHeight - insets.bottom - insets.top, 50);
    return Math.max(across, up) || 1 / stage.clientWidth;
  }

  /** Show the map; where it is seen already and tracks lie far outside of it, with these. */
  function reset() {
    if (home && String(box) !== String(everything)) {
      leaveHome();
      view.show(everything, whole.insets);
    } else fit();
  }

  function fit() {
    home = true;
    layOut();
    fittedTo = whole.for;
    view.show(box, whole.insets);
    settle();
  }

  /** The whole map again where what lies beside it has changed its size; a view of somebody's own stays. */
  function refit() {
    layOut();
    view.bounds({ box: everything, closest: whole.unit / Math.max(CLOSEST, Math.sqrt(tracks.all.count)), farthest: 1.6 * unitWithin(whole.insets, everything) });
    if (home && fittedTo !== whole.for) fit();
  }

  function leaveHome() {
    home = false;
  }

  function moved() {
    hideTooltip();
    drawOver();
    settle();
  }

  /** What need not follow every frame of a gesture. */
  function settle() {
    clearTimeout(settled);
    settled = setTimeout(() => {
      view.size(pointSize());
      drawOver();
      on.view();
    }, 120);
  }

  // Over the points

  const svg = (kind, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  function drawOver() {
    drawRings();
    drawNames();
  }

  function drawRings() {
    const radius = pointSize() / 2;
    const circle = (track, kind, more) => {
      const [x, y] = view.pixel(track);
      return svg("circle", { class: kind, cx: x, cy: y, r: radius + more });
    };
    // On a way its tracks are what counts
    const made = shown.path.length ? shown.path.map((track) => circle(track, "stop", 2.5)) : shown.near.map((track, rank) => {
      const ring = circle(track, "neighbour", 2.5);
      ring.style.opacity = 0.9 - (0.7 * rank) / shown.near.length;
      return ring;
    });
    if (shown.track >= 0) made.push(circle(shown.track, shown.sounding ? "selected playing" : "selected", 5));
    for (const track of new Set([shown.pointed, hovered])) if (track >= 0) made.push(circle(track, "pointed", 4));
    layer("rings").replaceChildren(...made);
    layer("path").setAttribute("points", shown.path.map((track) => view.pixel(track).map((place) => place.toFixed(1)).join(",")).join(" "));
  }

  /** How wide a text is in letters of a size. */
  function width(text, size, weight) {
    const key = weight + text;
    if (!widths.has(key)) {
      measure.font = `${weight} 100px ${getComputedStyle(document.body).fontFamily}`;
      widths.set(key, measure.measureText(text).width / 100);
    }
    return size * widths.get(key);
  }

  function drawNames() {
    const edge = stage.getBoundingClientRect();
    const taken = covered("#head .name, #head .controls, #chips, #legend, #tools, #panel").filter((each) => each.left < edge.width && each.top < edge.height);
    const [left, right, bottom, top] = view.window();
    const [across, up] = [stage.clientWidth / (right - left), stage.clientHeight / (top - bottom)];
    const stageSize = { width: stage.clientWidth, height: stage.clientHeight };
    const above = pointSize() / 2 + NAME / 2 + 5;  // a name stands above the point that is its place, which stays seen
    const placed = names.layout(shown.names, {
      ...stageSize, toPixel: (x, y) => [(x - left) * across, (top - y) * up - above], taken, most: MOST_NAMES, closer: closer(),
      measure: (text) => width(text, NAME, 600), lineHeight: 1.3 * NAME, sizeOf: (weight) => 1 + Math.min(Math.sqrt(weight * closer()), 0.5),
    });
    const boxes = placed.map(({ text, x, y, size }) => around(x, y, width(text, size * NAME, 600), 1.3 * size * NAME));
    const own = [shown.track, ...shown.path].filter((track) => track >= 0), few = shown.path.length ? [] : seenIfFew();
    const points = [...own, ...few].map((track) => around(...view.pixel(track), pointSize(), pointSize()));
    const titles = names.layout(titled(new Set([...own, ...few])), {
      ...stageSize, toPixel: (x, y) => [x, y], taken: [...taken, ...boxes, ...points], most: MOST_NAMES,
      measure: (text) => width(text, TITLE, 400), lineHeight: 1.2 * TITLE,
    });
    layer("names").replaceChildren(
      ...titles.map(({ text, x, y, code }) => written(text, x, y, code === shown.track ? "title current" : "title", TITLE)),
      ...placed.map(({ text, x, y, size }) => written(text, x, y, "name", size * NAME)),
    );
  }

  const around = (x, y, width, height) => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 });

  function written(text, x, y, name, size) {
    const made = svg("text", { x, y, class: name, "font-size": size });
    made.textContent = text;
    return made;
  }

  /** Titles of tracks as names.layout takes them, each below its point, above it or beside it. */
  function titled(some) {
    if (!tracks.all.filenames) return [];
    const away = pointSize() / 2 + 6;
    return [...some].map((track) => {
      const letters = [...tracks.title(track)];
      const text = letters.length > LONGEST ? letters.slice(0, LONGEST - 1).join("").trimEnd() + "\u2026" : letters.join("");
      const [x, y] = view.pixel(track), aside = width(text, TITLE, 400) / 2 + away;
      return { text, code: track, weight: 1, places: [[x, y + away + TITLE / 2], [x, y - away - TITLE / 2], [x + aside, y], [x - aside, y]] };
    });
  }

  /** The tracks that are seen and drawn in full, none where they are many. */
  function seenIfFew() {
    const { x, y } = tracks.all, [left, right, bottom, top] = view.window(), found = [];
    for (const track of shown.order || []) {
      if (x[track] < left || x[track] > right || y[track] < bottom || y[track] > top || (shown.marked && !shown.marked[track])) continue;
      if (found.push(track) > FEW_SEEN) return [];
    }
    return found;
  }

  function hover(track) {
    if (track === hovered) return;
    hovered = track;
    plot.classList.toggle("over", track >= 0);
    if (track < 0) hideTooltip();
    else showTooltip(track);
    drawRings();
    on.hover(track);
  }

  function showTooltip(track) {
    const lines = on.describe(track).map((text, i) => {
      const line = document.createElement(i ? "span" : "strong");
      line.dir = "auto";
      line.textContent = text;
      return line;
    });
    tooltip.replaceChildren(...lines);
    tooltip.hidden = !lines.length;
    const [x, y] = view.pixel(track);
    const flip = x > stage.clientWidth / 2;
    tooltip.style.left = flip ? "" : `${x + 14}px`;
    tooltip.style.right = flip ? `${stage.clientWidth - x + 14}px` : "";
    tooltip.style.top = `${Math.min(Math.max(y - 14, 4), stage.clientHeight - tooltip.offsetHeight - 4)}px`;
  }

  function hideTooltip() {
    tooltip.hidden = true;
  }

  // From outside

  /** Where an axis of the map ends: `near` without what few tracks, or a single one, make of it that lie far outside. */
  function ends(places) {
    const sorted = places.slice().sort();
    const few = sorted.length < FEW ? 0 : Math.max(1, Math.floor(OUTLIERS * sorted.length));
    const [low, high] = [sorted[few], sorted.at(-1 - few)];
    const [from, to] = [low - SLACK * (high - low), high + SLACK * (high - low)];
    const all = [sorted[0], sorted.at(-1)];
    return { all, near: low < high ? [sorted.find((each) => each >= from), sorted.findLast((each) => each <= to)] : all };
  }

  function start() {
    const { x, y, count } = tracks.all;
    shuffled = shuffle(count);
    const [across, up] = [x, y].map(ends);
    box = [...across.near, ...up.near];
    everything = [...across.all, ...up.all];
    const part = Math.max(box[1] - box[0], box[3] - box[2]) / PARTS || 1;
    const parts = new Map();
    for (let i = 0; i < count; i++) {
      if (x[i] >= box[0] && x[i] <= box[1] && y[i] >= box[2] && y[i] <= box[3]) parts.set(Math.floor((x[i] - box[0]) / part) * (PARTS + 1) + Math.floor((y[i] - box[2]) / part), i);
    }
    spread = [...parts.values()];
    view = cloud(plot, {
      view: (moving) => { if (moving) leaveHome(); moved(); },
      hover,
      pick: (track, event) => on.pick(track, event),
      double: (track) => { if (track < 0) { on.whole(); reset(); } },
      lasso: (found) => { showLasso(); on.lasso(found); },
      drawn: (points) => { document.documentElement.dataset.drawn = points; },
      fallback: tell,
    });
    view.place(x, y);
    new ResizeObserver(() => { refit(); moved(); }).observe(stage);
    new ResizeObserver(([{ target }]) => stage.style.setProperty("--head", `${target.offsetHeight}px`)).observe(layer("head"));
    // What had the focus would get the keys that are meant for the map
    plot.addEventListener("pointerdown", () => document.activeElement.blur());
  }

  /** Say what the map is drawn by where it is not WebGL. */
  function tell(why) {
    const texts = { missing: "This browser has no WebGL; the map is drawn without it.", lost: "The browser has taken its WebGL away; the map is drawn without it." };
    layer("notice").textContent = texts[why] || "";
    layer("notice").hidden = !why;
  }

  /** Draw the points: `mask` tells which, `marked` which of them in full. */
  function paint(colouring, mask, marked) {
    const order = drawOrder(colouring, mask, marked);
    Object.assign(shown, { order, marked });
    view.paint(withOpacity(colouring.packed, order, marked), order);
    if (hovered >= 0 && !mask[hovered]) hover(-1);
    else if (!tooltip.hidden) showTooltip(hovered);
    view.size(pointSize());
    refit();
  }

  /** Draw what lies over the points: {names, track, near, path, pointed, sounding}, each only where it has changed. */
  function over(what) {
    Object.assign(shown, what);
    if ("names" in what) drawOver();
    else drawRings();
  }

  function showLasso() {
    layer("lasso").setAttribute("aria-pressed", String(view.isLasso()));
  }

  /** Move the view, not its scale, so that a track is on it and under nothing. */
  function reveal(track) {
    const [x, y] = view.pixel(track);
    const taken = sides();
    const beyond = (at, low, high) => (at < low ? low - at : at > high ? high - at : 0);
    const dx = beyond(x, EDGE + Math.min(taken.left, stage.clientWidth / 3), stage.clientWidth - EDGE - taken.right);
    const dy = beyond(y, EDGE + taken.top, stage.clientHeight - EDGE);
    if (!dx && !dy) return;
    leaveHome();
    view.pan(dx, dy);
  }

  return {
    start, paint, over, fit, reset, refit, reveal, on,
    zoom: (factor) => { leaveHome(); view.zoom(factor); },
    lasso: (wanted) => { view.lasso(wanted); showLasso(); },
    isLasso: () => view.isLasso(),
    /** The part of the map that is seen, null where it is all of it: [left, right, bottom, top]. */
    window: () => (home ? null : view.window()),
    seen: () => view.window(),
    show: (window_) => { leaveHome(); view.show(window_); moved(); },
    drawn: () => view.drawn(),
  };
})();
