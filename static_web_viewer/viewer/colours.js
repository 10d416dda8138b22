"use strict";

/* From a column, or the distances to a track, to groups of points of one colour each.
 *
 * Everything is drawn in groups, a scale too (in 32 steps): redrawing 100,000 points by group takes a tenth of the time
 * that a colour a point does.
 */
const colours = (() => {
  const MOST_CATEGORIES = 20;  // more: the largest 19 and "other"
  const STEPS = 32;

  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // The first eight are Okabe and Ito's, lighter or darker where the page's ground asks for it: each has a contrast of
  // at least 3 to it. Those after it alternate in lightness.
  const CATEGORIES = {
    light: ["#0072b2", "#c67c00", "#008f68", "#b8588f", "#2b8fc9", "#d55e00", "#8f8400", "#6f7680",
      "#5b3fa0", "#a3123a", "#3f7d1f", "#0e7c86", "#8a4b1f", "#c9359b", "#3d5bd0", "#5e6b00", "#e0566b", "#00575c", "#9a6bd6", "#b34700"],
    dark: ["#3d9be0", "#e69f00", "#1fb98a", "#d98bb9", "#7cc8f2", "#f0783c", "#f0e442", "#a3abb5",
      "#a58be8", "#f05a7e", "#8fd15a", "#3cc7cf", "#c98d5a", "#f27ad0", "#8ea2ff", "#c2cf4a", "#ff9c9c", "#6fd6b0", "#cbb0ff", "#ffc58a"],
  };
  const OTHER = { light: "#8b9199", dark: "#767d87" };
  const NONE = { light: "#9a8671", dark: "#8a7560" };

  // Stops from the low end to the high end
  const SCALE = {
    light: ["#440f76", "#3b528b", "#21918c", "#3fa85c", "#b59a00"],
    dark: ["#6a5acd", "#4f86d9", "#2fb5a5", "#8fd44f", "#fde725"],
  };
  const NEAR_TO_FAR = {
    light: ["#7a0023", "#b8003a", "#dd513a", "#e58a63", "#d0aa98", "#b9b6b4"],
    dark: ["#fff3a6", "#ffc353", "#f5793b", "#b8485f", "#6d4370", "#474b57"],
  };

  const scheme = () => (dark.matches ? "dark" : "light");

  function mix(stops, share) {
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const channel = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
    const parts = [0, 1, 2].map((i) => Math.round(channel(stops[low], i) + (at - low) * (channel(stops[low + 1], i) - channel(stops[low], i))));
    return `rgb(${parts.join(",")})`;
  }

  /** Groups of a column of categories: the most frequent first; what has no value comes last. */
  function byCategory(column) {
    const sizes = new Array(column.values.length).fill(0);
    for (const code of column.codes) sizes[code]++;
    const empty = column.values.indexOf("");  // always the last
    const named = column.values.length - (empty >= 0 ? 1 : 0);
    const own = named > MOST_CATEGORIES ? MOST_CATEGORIES - 1 : named;
    // A category has the colour of its place in the alphabet, as in the other pictures of it
    const alphabet = column.values.slice(0, own).sort();
    const palette = CATEGORIES[scheme()];
    const groups = column.values.slice(0, own).map((value, code) => ({
      key: `=${value}`, label: value, size: sizes[code], colour: palette[alphabet.indexOf(value)],
    }));
    const groupOf = new Uint8Array(column.codes.length);
    const rest = { key: "other", label: `other (${(named - own).toLocaleString("en")})`, size: 0, colour: OTHER[scheme()] };
    const none = { key: "none", label: "no value", size: empty >= 0 ? sizes[empty] : 0, colour: NONE[scheme()] };
    if (named > own) {
      for (let code = own; code < named; code++) rest.size += sizes[code];
      groups.push(rest);
    }
    if (empty >= 0) groups.push(none);
    for (let i = 0; i < groupOf.length; i++) {
      const code = column.codes[i];
      groupOf[i] = code < own ? code : code === empty ? groups.length - 1 : own;
    }
    // The rarest lie above, where the others cannot hide them; what has no colour of its own lies below
    const places = groups.map((_, place) => place);
    return { kind: "categories", fair: true, groups, groupOf, order: [...places.slice(own), ...places.slice(0, own)] };
  }

  /** Groups of numbers: a scale in 32 steps between the 1st and the 99th percentile; what has no number comes last. */
  function byNumber(numbers, stops, order, low, high) {
    const width = high > low ? high - low : 1;
    const groups = Array.from({ length: STEPS }, (_, step) => ({ colour: mix(stops, step / (STEPS - 1)), size: 0 }));
    groups.push({ colour: NONE[scheme()], size: 0 });
    const groupOf = new Uint8Array(numbers.length);
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i];
      const step = number !== number ? STEPS : Math.max(0, Math.min(STEPS - 1, Math.floor(((number - low) / width) * STEPS)));
      groupOf[i] = step;
      groups[step].size++;
    }
    return { kind: "scale", groups, groupOf, order, low, high, stops };
  }

  function percentiles(numbers, shares) {
    const sorted = Float32Array.from(numbers.filter((number) => number === number)).sort();
    return shares.map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  }

  function byColumn(column) {
    if (!column.numbers) return byCategory(column);
    let [low, high] = percentiles(column.numbers, [0.01, 0.99]);
    if (!(high > low)) [low, high] = percentiles(column.numbers, [0, 1]);
    // Which lies above which says nothing: neither end of the scale may hide the other
    const order = Array.from({ length: STEPS }, (_, step) => (step * 13) % STEPS);
    return byNumber(column.numbers, SCALE[scheme()], [STEPS, ...order], low, high);
  }

  /** Groups by distance to a track: (tracks,) cosine distances. The near lie above the far. */
  function byDistance(distances) {
    const sample = distances.length > 5000 ? distances.filter((_, i) => i % Math.ceil(distances.length / 5000) === 0) : distances;
    const [high] = percentiles(sample, [0.95]);
    const order = Array.from({ length: STEPS + 1 }, (_, step) => STEPS - step);
    return byNumber(distances, NEAR_TO_FAR[scheme()], order, 0, high);
  }

  return { byColumn, byDistance, mix, scheme, dark };
})();
