"use strict";

/* What the page's main.js is to the legend, for its tests: made-up columns, a state, and a log of what the user did. */
const state = { column: null, promoted: [], hidden: new Set(), range: null, marked: null, distances: null, track: 0 };
const told = [];

/** A column as tracks.js has it: the most frequent value first, an empty one last. */
function columnOf(name, texts, numbers = null, dates = false) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) || 0) + 1);
  const values = [...counts.keys()].sort((a, b) => (a === "") - (b === "") || counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
  const places = new Map(values.map((value, code) => [value, code]));
  return { key: `label:${name}`, name, values, codes: Uint32Array.from(texts, (text) => places.get(text)), numbers: numbers && Float32Array.from(numbers), dates };
}

function render() {
  const { column, distances, hidden, range, marked } = state;
  const colouring = distances ? colours.byDistance(distances, state.track) : colours.byColumn(column, state.promoted);
  const count = colouring.groupOf.length;
  const filtered = Uint8Array.from({ length: count }, (_, i) => !range || (column.numbers[i] >= range.low && column.numbers[i] <= range.high));
  const shown = filtered.map((each, i) => each && !hidden.has(colouring.groups[colouring.groupOf[i]].key));
  state.colouring = colouring;
  legend.render({ colouring, column: distances ? null : column, title: distances ? "Distance to a track" : column.name, shown, filtered, marked, hidden, range });
}

function show(what) {
  Object.assign(state, { distances: null, promoted: [], hidden: new Set(), range: null, marked: null }, what);
  render();
}

const change = (what) => { Object.assign(state, what); render(); };
for (const name of Object.keys(legend.on)) {
  const answer = {
    toggle: (key) => { const hidden = new Set(state.hidden); if (!hidden.delete(key)) hidden.add(key); change({ hidden }); },
    only: (key, keys) => change({ hidden: new Set(keys.filter((each) => each !== key)) }),
    all: () => change({ hidden: new Set() }),
    promote: (value) => change({ promoted: [...state.promoted, value] }),
    range: (range) => change({ range }),
    fold: () => {},
  }[name];
  legend.on[name] = (...given) => { told.push([name, ...given]); answer(...given); };
}
document.documentElement.dataset.ready = "yes";
