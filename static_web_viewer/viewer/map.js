"use strict";

/* The map: the cloud of points, and what lies on it: names, rings, the way from track to track, the tooltip. */
const map = (() => {
  const CLOSEST = 60;  // times that one can look closer than at the whole map, and more where there are many tracks
  const FAINT = { light: 0.15, dark: 0.24 };  // opacity of what a list or a search leaves out
  const stage = document.getElementById("stage");
  const plot = document.getElementById("map");
  const tooltip = document.getElementById("tooltip");
  const layer = (id) => document.getElementById(id);
  const on = { pick: () => {}, whole: () => {}, lasso: () => {}, view: () => {}, describe: () => [], hover: () => {} };

  let view = null, home = true, settled = 0;
  let shown = { order: [], names: [], track: -1, near: [], path: [], pointed: -1, sounding: false, marked: null };
  let whole = { insets: {}, unit: 1 };  // how the whole map lies
  let hovered = -1;
  let shuffled = null;  // all tracks in an order that says nothing, so that no colour hides another

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
    const points = Math.max(shown.order.length, 1);
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

  function fit() {
    home = true;
    whole = room.lay();
    view.show(room.box(), whole.insets);
    drawOver();
    settle();
  }

  /** Show the map; where it is seen already and tracks lie far outside of it, with these. */
  function reset() {
    if (home && String(room.box()) !== String(room.everything())) {
      leaveHome();
      view.show(room.everything(), room.aroundEverything());
    } else fit();
  }

  /** The whole map again where what lies beside it has changed its size; a view of somebody's own stays. */
  function refit() {
    const before = whole;
    whole = room.lay();
    view.bounds({ box: room.everything(), closest: whole.unit / Math.max(CLOSEST, Math.sqrt(tracks.all.count)), farthest: 1.6 * whole.farthest });
    if (home && whole !== before) fit();
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
    labels.draw(shown, view, pointSize(), closer());
  }

  /** Those of some tracks, each with its rank, that lie so many pixels from the current one and each other: many rings in one place are a blot. */
  function apart(some, pixels) {
    const kept = shown.track < 0 ? [] : [[shown.track, -1]];
    const away = ([one], other) => Math.hypot(view.pixel(one)[0] - view.pixel(other)[0], view.pixel(one)[1] - view.pixel(other)[1]);
    some.forEach((track, rank) => { if (kept.every((each) => away(each, track) > pixels)) kept.push([track, rank]); });
    return kept.filter(([, rank]) => rank >= 0);
  }

  function drawRings() {
    const radius = pointSize() / 2;
    const circle = (track, kind, more) => {
      const [x, y] = view.pixel(track);
      return svg("circle", { class: kind, cx: x, cy: y, r: radius + more });
    };
    // On a way its tracks are what counts
    const made = shown.path.length ? shown.path.map((track) => circle(track, "stop", 2.5)) : apart(shown.near, 1.5 * radius).map(([track, rank]) => {
      const ring = circle(track, "neighbour", 2.5);
      ring.style.opacity = 0.9 - (0.7 * rank) / shown.near.length;
      return ring;
    });
    if (shown.track >= 0) made.push(circle(shown.track, shown.sounding ? "selected playing" : "selected", 5));
    for (const track of new Set([shown.pointed, hovered])) if (track >= 0) made.push(circle(track, "pointed", 4));
    layer("rings").replaceChildren(...made);
    layer("path").setAttribute("points", shown.path.map((track) => view.pixel(track).map((place) => place.toFixed(1)).join(",")).join(" "));
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

  function start() {
    const { x, y, count } = tracks.all;
    shuffled = shuffle(count);
    room.start(tracks.all);
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
    new ResizeObserver(([{ target }]) => stage.style.setProperty("--head", `${target.offsetHeight}px`)).observe(layer("head"));
    new ResizeObserver(() => { refit(); moved(); }).observe(stage);
    // What had the focus would get the keys that are meant for the map
    plot.addEventListener("pointerdown", () => document.activeElement.blur());
  }

  /** Take in the places of tracks that have come. */
  function replace() {
    const { x, y, count } = tracks.all;
    shuffled = Uint32Array.from({ length: count }, (_, i) => (i < shuffled.length ? shuffled[i] : i));
    view.place(x, y);
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
    layer("nothing").hidden = order.length > 0;
    view.paint(withOpacity(colouring.packed, order, marked), order);
    if (hovered >= 0 && !mask[hovered]) hover(-1);
    else if (!tooltip.hidden) showTooltip(hovered);
    view.size(pointSize());
    refit();
    drawOver();
  }

  /** Draw what lies over the points: {names, track, near, path, pointed, sounding}, each only where it has changed. */
  function over(what) {
    Object.assign(shown, what);
    if ("pointed" in what) drawRings();
    else drawOver();
  }

  function showLasso() {
    layer("lasso").setAttribute("aria-pressed", String(view.isLasso()));
  }

  /** Move the view, not its scale, so that a track is on it and under nothing. */
  function reveal(track) {
    const [x, y] = view.pixel(track);
    if (room.isFree(x, y)) return;
    const taken = room.sides();
    const beyond = (at, low, high) => (at < low ? low - at : at > high ? high - at : 0);
    const dx = beyond(x, room.EDGE + Math.min(taken.left, stage.clientWidth / 3), stage.clientWidth - room.EDGE - taken.right);
    const dy = beyond(y, room.EDGE + taken.top, stage.clientHeight - room.EDGE);
    if (!dx && !dy) return;
    leaveHome();
    view.pan(dx, dy);
  }

  return {
    start, replace, paint, over, fit, reset, refit, reveal, on,
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
