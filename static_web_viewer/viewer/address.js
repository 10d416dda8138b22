"use strict";

/* The page's address: a link shows what its sender saw, and Back is the trail of what was heard. */
const address = (() => {
  const FIELDS = ["track", "colour", "view", "filter", "search"];
  const REST = 60;  // milliseconds from one address to the next: browsers refuse more than 200 in ten seconds
  let written = -REST, waiting = 0;

  const list = (value) => (Array.isArray(value) ? value : []);

  function isView(box) {
    return box.length === 4 && box.every((number) => Math.abs(number) < 1e16) && box[0] < box[1] && box[2] < box[3];
  }

  /** The filter that `save` has made; whatever else an address holds is passed over. */
  function filter(text) {
    let saved = null;
    try {
      saved = JSON.parse(text);
    } catch { /* an address that somebody cut short */ }
    const chosen = new Map();
    for (const pair of list(saved && saved.chosen)) {
      const [key, wanted] = list(pair);
      const column = tracks.column(key);
      if (column && !column.numbers && Array.isArray(wanted)) chosen.set(key, new Set(wanted));
      if (column && column.numbers && wanted && Number.isFinite(wanted.low) && Number.isFinite(wanted.high)) chosen.set(key, { low: wanted.low, high: wanted.high });
    }
    return { chosen, hidden: new Set(list(saved && saved.hidden)), promoted: list(saved && saved.promoted).filter((value) => typeof value === "string") };
  }

  function save({ chosen, hidden, promoted }) {
    const saved = { hidden: [...hidden], chosen: [...chosen].map(([key, wanted]) => [key, wanted instanceof Set ? [...wanted] : wanted]) };
    if (promoted.length) saved.promoted = promoted;
    return saved.hidden.length || saved.chosen.length || promoted.length ? JSON.stringify(saved) : null;
  }

  /** What the address asks for, {track, colour, view, search, filter: a text}; null where it is none of ours. */
  function read() {
    const fields = new URLSearchParams(location.hash.slice(1));
    if (location.hash && !FIELDS.some((name) => fields.has(name))) return null;
    const view = (fields.get("view") || "").split(",").map(Number);
    return { track: fields.get("track"), colour: fields.get("colour"), view: isView(view) ? view : null, search: fields.get("search") || "", filter: fields.get("filter") || "{}" };
  }

  /** Whether a view is what an address says but for its rounding: a link that is opened stays as it is. */
  function same(view, told) {
    return told && view.every((number, i) => Math.abs(number - told[i]) < 1e-5 * (view[1] - view[0]));
  }

  /** Make the address say what is seen; with `push` Back leads to what it said before. */
  function write(state, view, push) {
    clearTimeout(waiting);
    const rest = push ? 0 : written + REST - performance.now();
    if (rest > 0) {
      waiting = setTimeout(write, rest, state, view, push);
      return;
    }
    const fields = new URLSearchParams(), told = read() || {};
    if (state.track >= 0) fields.set("track", tracks.all.filenames[state.track]);
    if (state.colour !== tracks.all.first) fields.set("colour", state.colour);
    if (view) fields.set("view", same(view, told.view) ? told.view.join(",") : view.map((number) => Number(number.toPrecision(6))).join(","));
    if (state.search) fields.set("search", state.search);
    const saved = save(state);
    if (saved) fields.set("filter", saved);
    const hash = String(fields) ? `#${fields}` : "";
    if (hash === location.hash && history.state) return;
    written = performance.now();
    try {
      // A state tells an entry of the page's own from a link that somebody follows
      history[push ? "pushState" : "replaceState"]("own", "", hash || location.pathname + location.search);
    } catch { /* a browser that finds this too often in a row; the next change writes it */ }
  }

  return { read, write, filter };
})();
