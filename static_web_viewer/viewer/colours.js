"use strict";

/* From a column, or the distances to a track, to a colour for each point, and what a legend says of them.
 *
 * The colours of categories were searched for: of the first ten no two, and none and a grey, are nearer than CIEDE2000
 * 12, nor than 8 as people without red or green cones see them, and each has a contrast of 3 to the page's ground. The
 * scales are even: equal steps along them look equally large. Tests hold both to it.
 */
const colours = (() => {
  const MOST_CATEGORIES = 20;  // more: the largest 19 and "other"
  const IN_PICTURES = 8;  // so many of the largest are coloured in the pictures that matplotlib draws
  const SHADES = 1024;  // of a scale: more than a screen can show

  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // A place has about the same hue in both schemes. The first eight of the light ones are pictures.py's LABEL_COLOURS.
  const CATEGORIES = {
    light: ["#1c74cf", "#bf8414", "#097a51", "#b9547a", "#299bbf", "#982804", "#78751e", "#4d2c87", "#004f4e", "#865c9c",
      "#3d3c27", "#d1785b", "#641c3a", "#7f5b3a", "#028483", "#023f5f", "#2e5c11", "#5d2b02", "#5b9f5f", "#8986de"],
    dark: ["#4b97e4", "#edad32", "#61c38b", "#eb8eb5", "#a1e6f6", "#de6b38", "#eeea8a", "#7f5fc0", "#559c8c", "#c9b4fc",
      "#9c9e5e", "#c96e74", "#984b65", "#915700", "#63e3d3", "#0192ac", "#4f6c38", "#eebead", "#047166", "#0b6a99"],
  };
  const OTHER = { light: "#8b9096", dark: "#71777f" };
  const NONE = { light: "#9c8b7a", dark: "#84705c" };

  // Stops from the low end to the high end, which stands out from the ground
  const SCALE = {
    light: ["#b48d16", "#94921d", "#709435", "#449253", "#21876c", "#007c7c", "#007189", "#006294", "#2a4e99", "#403295", "#480c6b"],
    dark: ["#6d56c0", "#5c6fce", "#4a85d4", "#3d9cd3", "#30afcf", "#2cbfc6", "#45ccb8", "#69d9a6", "#92e58b", "#c6eb78", "#f5ef84"],
  };
  const NEAR_TO_FAR = {
    light: ["#760028", "#9a002f", "#b61d31", "#c53930", "#d0502f", "#d66833", "#d58145", "#d19764", "#caa885", "#c5b6a2", "#c4c0bb"],
    dark: ["#fdf4ba", "#ffdc75", "#ffba3f", "#ff9a32", "#f47d3c", "#e06449", "#c75053", "#a54258", "#773e56", "#513d51", "#3d3c44"],
  };

  const scheme = () => (dark.matches ? "dark" : "light");

  const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

  /** Colours as a graphics card reads them: the bytes red, green, blue, 255 of each. */
  function pack(list) {
    return new Uint32Array(Uint8Array.from(list.flatMap((each) => [...each, 255])).buffer);
  }

  /** `count` colours from the first stop to the last, packed. They are mixed as a gradient of style sheets mixes them. */
  function shades(stops, count) {
    const parts = stops.map(channels);
    return pack(Array.from({ length: count }, (_, step) => {
      const at = (step / (count - 1)) * (stops.length - 1);
      const low = Math.min(Math.floor(at), stops.length - 2);
      return parts[low].map((part, i) => Math.round(part + (at - low) * (parts[low + 1][i] - part)));
    }));
  }

  /** Codes of the values that have a colour, by their place in the palette's order of size: what the user has promoted
   * takes the places of the least frequent, the last promoted that of the longest promoted where all are taken. */
  function coloured(column, named, promoted) {
    if (named <= MOST_CATEGORIES) return Array.from({ length: named }, (_, code) => code);
    const most = MOST_CATEGORIES - 1;
    const codes = Array.from({ length: most }, (_, code) => code);
    let taken = 0;
    for (const value of promoted) {
      const code = value ? column.values.indexOf(value) : -1;
      if (code >= 0 && !codes.includes(code)) codes[most - 1 - (taken++ % most)] = code;
    }
    return codes;
  }

  /** The colour of each place, first by the alphabet among the values that pictures colour, then among the rest. */
  function palette(values) {
    const order = [...values.slice(0, IN_PICTURES).sort(), ...values.slice(IN_PICTURES).sort()];
    const place = new Map(order.map((value, i) => [value, i]));
    return values.map((value) => CATEGORIES[scheme()][place.get(value)]);
  }

  /** A colour a value, the most frequent first; then one for all others, and one for what has no value. */
  function byCategory(column, promoted) {
    const { values, codes } = column;
    const hasEmpty = values.at(-1) === "";
    const named = values.length - (hasEmpty ? 1 : 0);
    const own = coloured(column, named, promoted);
    const hues = palette(values.slice(0, own.length));
    const groups = own.map((code, place) => ({ key: `=${values[code]}`, label: values[code], value: values[code], size: 0, colour: hues[place] }));
    const placeOf = new Uint16Array(values.length);
    if (named > own.length) {
      placeOf.fill(groups.length);
      groups.push({ key: "other", label: `other (${(named - own.length).toLocaleString("en")})`, size: 0, colour: OTHER[scheme()] });
    }
    own.forEach((code, place) => { placeOf[code] = place; });
    if (hasEmpty) {
      placeOf[named] = groups.length;
      groups.push(nothing());
    }
    const table = pack(groups.map((group) => channels(group.colour)));
    const sizes = new Uint32Array(groups.length);
    const groupOf = new Uint16Array(codes.length), packed = new Uint32Array(codes.length);
    for (let i = 0; i < codes.length; i++) {
      const place = placeOf[codes[i]];
      groupOf[i] = place;
      packed[i] = table[place];
      sizes[place]++;
    }
    groups.forEach((group, place) => { group.size = sizes[place]; });
    return { kind: "categories", key: column.key, groups, groupOf, packed, rank: null };
  }

  const nothing = () => ({ key: "none", label: "no value", size: 0, colour: NONE[scheme()] });

  /** A colour a number between low and high, those beyond as the ends; one for what has no number. */
  function byNumber(numbers, stops, low, high) {
    const table = shades(stops, SHADES);
    const groups = [{ key: "number", label: "", size: 0, colour: stops[stops.length >> 1] }, nothing()];
    const [none] = pack([channels(groups[1].colour)]);
    const groupOf = new Uint16Array(numbers.length), packed = new Uint32Array(numbers.length);
    const unit = high > low ? SHADES / (high - low) : 0;
    let missing = 0;
    for (let i = 0; i < numbers.length; i++) {
      const at = (numbers[i] - low) * unit;
      if (at === at) packed[i] = table[at < 0 ? 0 : at < SHADES ? at | 0 : SHADES - 1];
      else {
        packed[i] = none;
        groupOf[i] = 1;
        missing++;
      }
    }
    groups[0].size = numbers.length - missing;
    groups[1].size = missing;
    return { kind: "scale", groups, groupOf, packed, rank: null, numbers, low, high, stops };
  }

  /** The numbers below which these shares of all lie; 0 where there are none. */
  function percentiles(numbers, shares) {
    const sorted = numbers.filter((number) => number === number).sort();
    return shares.map((share) => sorted[Math.round(share * (sorted.length - 1))] || 0);
  }

  /** How to write numbers of a range: with as many places as tell steps of about a fortieth of it apart. */
  function writing(low, high) {
    const width = high - low || Math.abs(high) || 1;
    const places = Math.min(Math.max(Math.ceil(1.6 - Math.log10(width)), 0), 9);
    return (number) => number.toLocaleString("en", { maximumFractionDigits: places, useGrouping: Math.abs(number) >= 10000, signDisplay: "negative" });
  }

  const date = (days) => new Date(Math.round(days) * 86400000).toISOString().slice(0, 10);

  /** A colour a value, or a scale between the 1st and the 99th percentile of a column's numbers. */
  function byColumn(column, promoted = []) {
    if (!column.numbers) return byCategory(column, promoted);
    let [low, high] = percentiles(column.numbers, [0.01, 0.99]);
    if (!(high > low)) [low, high] = percentiles(column.numbers, [0, 1]);
    return { ...byNumber(column.numbers, SCALE[scheme()], low, high), key: column.key, format: column.dates ? date : writing(low, high) };
  }

  /** A scale of cosine distances to a track, from the nearest other one on; the near lie above the far. */
  function byDistance(distances, track) {
    const others = distances.slice();
    others[track] = NaN;
    const least = others.reduce((low, each) => (each < low ? each : low), Infinity);
    const low = least < Infinity ? Math.max(least, 0) : 0;
    const step = Math.ceil(distances.length / 5000);
    const [high] = percentiles(others.filter((_, i) => i % step === 0), [0.99]);
    return { ...byNumber(distances, NEAR_TO_FAR[scheme()], low, high), key: "distance", rank: distances.map((each) => -each), format: writing(low, high) };
  }

  /** The colour of a track's point. */
  function of(colouring, track) {
    const [red, green, blue] = new Uint8Array(colouring.packed.buffer, 4 * track, 3);
    return `rgb(${red}, ${green}, ${blue})`;
  }

  return { byColumn, byDistance, of, scheme, dark };
})();
