"use strict";

/* Which names are written on the map, and where: values that are over-represented in a region, and what they are worth.
 *
 * A region is a point with its k nearest points on the map, for k from a few to an eighth of all. A value is named there
 * if the tracks of the region have it so much more often than all tracks do that of columns shuffled at random at most one
 * in twenty would have a name at all, and if it is what the region is about: its share goes at least two fifths of the way from
 * the share among all to 1. Nothing is drawn here, and nothing is drawn at random.
 *
 * Reference: Benjamini and Hochberg 1995, Controlling the false discovery rate.
 */
const names = (() => {
  const FEWEST = 3;  // tracks of a value that make a name
  const LEAST_GAIN = 0.4;  // how far the share in a region goes from the share among all to 1
  const FALSE_NAMES = 0.05;  // the share of findings that chance may have made
  const SMALLEST = 4;  // points of the finest region; of many points 1 in 2,500
  const MOST_LOOKED_AT = 48;  // points looked at in a region; of larger ones every second, fourth, ... point
  const SEEDS = 4;  // regions tried for each that would fit beside each other, so that one lies well
  const MOST_SEEDS = 2500;
  const MOST_POINTS = 32000;  // of more a sample is looked at: the page does not wait for names
  const PLACES = 6;  // where a name may stand in its region, the best first
  const LONGEST = 28;  // characters of a name
  const SMALLEST_SHOWN = 1 / 80;  // share of all tracks that a region needs to be named on the whole map
  const GAP = 3;  // pixels between two names

  /** Every `step`th of the points of a tree: they lie as evenly as all of them. */
  function thinned(points, step) {
    if (step === 1) return points;
    const { x, y, codes } = points;
    return nearby.tree(x, y, codes, Uint32Array.from({ length: Math.ceil(x.length / step) }, (_, i) => i * step));
  }

  function counted(codes, values) {
    const sizes = new Uint32Array(values);
    for (const code of codes) sizes[code]++;
    return sizes;
  }

  /** The points that are shown and have a value, as a tree; of very many an even sample. */
  function looked({ x, y, codes, values, shown }) {
    const empty = values.indexOf("");
    const all = Uint32Array.from(shown, (_, i) => i).filter((i) => shown[i] && codes[i] !== empty);
    const share = MOST_POINTS / all.length;
    // By multiples of the golden ratio: spread evenly over the list, and over every second or tenth of it too
    const some = share < 1 ? all.filter((i) => (i * 0.6180339887498949) % 1 < share) : all;
    return nearby.tree(x, y, codes, some);
  }

  /** log n! for n up to `most`. */
  function logFactorials(most) {
    const table = new Float64Array(most + 1);
    for (let n = 2; n <= most; n++) table[n] = table[n - 1] + Math.log(n);
    return table;
  }

  /** Log of a bound of the chance that of `size` out of `all` tracks at least `count` are among `own`. */
  function logChance(log, all, own, size, count) {
    const choose = (n, k) => log[n] - log[k] - log[n - k];
    const exactly = choose(own, count) + choose(all - own, size - count) - choose(all, size);
    const next = ((own - count) * (size - count)) / ((count + 1) * (all - own - size + count + 1));
    return next < 1 ? Math.min(exactly - Math.log(1 - next), 0) : 0;  // what follows falls faster than a geometric series
  }

  /** How many points regions have: from the finest, doubled, to an eighth of all; a third of a few. */
  function regionSizes(count) {
    const most = Math.max(Math.floor(count / 8), Math.min(Math.floor(count / 2), 8));
    const sizes = [];
    for (let size = Math.max(SMALLEST, Math.ceil(count / MOST_SEEDS)); size <= most; size *= 2) sizes.push(size);
    return sizes.length && sizes.at(-1) < most ? [...sizes, most] : sizes;
  }

  /** Regions of a size that are about a value: {findings, tests}, tests the number of regions and values tried. */
  function findings(points, size, nameable) {
    const step = Math.ceil(size / MOST_LOOKED_AT);
    const some = thinned(points, step);
    const count = some.x.length, within = Math.round(size / step);
    const sizes = counted(some.codes, nameable.length), log = logFactorials(count);
    const near = nearby.finder(some, within), seen = new Uint32Array(nameable.length);
    const every = Math.max(1, Math.floor(count / Math.min(MOST_SEEDS, Math.ceil((SEEDS * count) / within))));
    const findings = [];
    let tests = 0;
    for (let seed = 0; seed < count; seed += every, tests++) {
      const { found, reach } = near(some.x[seed], some.y[seed]);
      for (const i of found) seen[some.codes[i]]++;
      for (const i of found) {
        const code = some.codes[i], own = seen[code], share = sizes[code] / count;
        seen[code] = 0;
        const needed = share + LEAST_GAIN * (1 - share);
        if (own < FEWEST || !nameable[code] || own < needed * within) continue;
        const chance = logChance(log, count, sizes[code], within, own);
        const excess = (own - within * share) / count;
        findings.push({ code, size, x: some.x[seed], y: some.y[seed], reach: Math.sqrt(reach), chance, needed, excess, step, some, near });
      }
    }
    return { findings, tests: tests * nameable.reduce((sum, each) => sum + each, 0) };
  }

  /** The findings that chance has not made, but for a share of FALSE_NAMES of them: Benjamini and Hochberg's. */
  function believed(all, tests) {
    const chances = Float64Array.from(all, (each) => each.chance).sort();
    let last = chances.length - 1;
    while (last >= 0 && chances[last] > Math.log((FALSE_NAMES * (last + 1)) / tests)) last--;
    return last < 0 ? [] : all.filter((each) => each.chance <= chances[last]);
  }

  const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

  /** The findings of one value without those inside of others: the large ones first, of one size the surest. */
  function uncovered(findings) {
    const kept = [];
    findings.sort((a, b) => b.size - a.size || a.chance - b.chance);
    for (const each of findings) if (!kept.some((other) => apart(each, other) <= other.reach)) kept.push(each);
    return kept;
  }

  /** Whether two findings are one region: they lie near each other, and what lies between them is of their value too. */
  function oneRegion(a, b) {
    if (apart(a, b) > 1.5 * (a.reach + b.reach)) return false;
    const { near, some, code, needed } = a.size < b.size ? a : b;
    const { found } = near((a.x + b.x) / 2, (a.y + b.y) / 2);
    return found.reduce((own, i) => own + (some.codes[i] === code), 0) >= needed * found.length;
  }

  /** The findings of one value in groups: each is a region with one name. */
  function regions(findings) {
    const groups = [];
    for (const each of findings) {
      const own = groups.filter((group) => group.some((other) => oneRegion(each, other)));
      for (const group of own) groups.splice(groups.indexOf(group), 1);
      groups.push([each].concat(...own));
    }
    return groups;
  }

  /** Where a region's own points lie, each with how many points it stands for: at most about 300. */
  function ownPoints(group) {
    const own = [];
    const every = Math.ceil((group.length * MOST_LOOKED_AT) / 300);
    for (const { some, x, y, near, code, step } of group) {
      near(x, y).found.forEach((i, place) => place % every === 0 && some.codes[i] === code && own.push({ x: some.x[i], y: some.y[i], weight: step }));
    }
    return own;
  }

  /** Places of a name, on points of its own: the one that most lie around, then others that lie apart from it. */
  function places(own) {
    const middle = { x: 0, y: 0 };
    for (const { x, y } of own) {
      middle.x += x / own.length;
      middle.y += y / own.length;
    }
    const width = Math.sqrt(own.reduce((sum, each) => sum + apart(each, middle) ** 2, 0) / own.length) / 2 || 1;
    for (const each of own) each.crowd = own.reduce((sum, other) => sum + other.weight / (1 + (apart(each, other) / width) ** 2), 0);
    own.sort((a, b) => b.crowd - a.crowd);
    const chosen = [];
    for (const each of own) {
      if (chosen.length === PLACES) break;
      if (!chosen.some((other) => apart(each, other) < width)) chosen.push(each);
    }
    return chosen.map(({ x, y }) => [x, y]);
  }

  /** A value as it is written: one line, not too long. */
  function shortened(value) {
    const letters = [...value.replace(/\s+/g, " ").trim()];
    return letters.length > LONGEST ? letters.slice(0, LONGEST - 1).join("").trimEnd() + "\u2026" : letters.join("");
  }

  /** A value's regions as candidates. The second is worth half, the third a third: each value first has one name. */
  function named(text, code, findings, share) {
    const found = regions(uncovered(findings)).map((group) => {
      const where = places(ownPoints(group));
      const weight = Math.min(share, group.reduce((sum, each) => sum + each.excess, 0));  // the findings may overlap a little
      return { text, x: where[0][0], y: where[0][1], code, weight, places: where };
    });
    found.sort((a, b) => b.weight - a.weight);
    found.forEach((each, place) => { each.rank = each.weight / (place + 1); });
    return found;
  }

  /** Names for the map, the largest region first: [{text, x, y, code, weight, places}].
   *
   * x, y, codes  (tracks,) places on the map and positions in `values`.
   * values       "" is no value: those tracks are left out; null is one that is not named.
   * shown        (tracks,) of 0 and 1: the tracks that the names are about.
   * weight is the share of the tracks that the region has of the value more than expected; x, y the first of its places.
   */
  function prepare(map) {
    const points = looked(map), count = points.x.length;
    const sizes = counted(points.codes, map.values.length);
    const texts = map.values.map((value, code) => (value && sizes[code] >= FEWEST && sizes[code] < count ? shortened(value) : ""));
    const nameable = Uint8Array.from(texts, (text) => (text ? 1 : 0));
    if (!nameable.includes(1)) return [];
    const tried = regionSizes(count).map((size) => findings(points, size, nameable));
    const sure = believed(tried.flatMap((each) => each.findings), tried.reduce((sum, each) => sum + each.tests, 0));
    const byCode = new Map();
    for (const each of sure) {
      if (!byCode.has(each.code)) byCode.set(each.code, []);
      byCode.get(each.code).push(each);
    }
    return [...byCode].flatMap(([code, some]) => named(texts[code], code, some, sizes[code] / count)).sort((a, b) => b.rank - a.rank || a.code - b.code);
  }

  /** Which candidates are written, where: [{text, x, y, code, size}], x and y the middle in pixels. None overlaps another.
   *
   * toPixel     (x, y) of the map -> [pixels from the left, from the top]; width, height of the window.
   * measure     text -> its width in pixels; lineHeight in pixels; both times sizeOf(weight).
   * taken       boxes {left, top, right, bottom} that no name may touch.
   * most        how many names there may be.
   * closer      how much larger than the whole map it is drawn: small regions are named from near only.
   * A name at the window's edge moves inwards as long as it stays on its place; what does not fit takes its region's
   * next place. What is tried first depends on the candidates only, so names stay while the map is moved.
   */
  function layout(candidates, { toPixel, width, height, measure, lineHeight, sizeOf = () => 1, taken = [], most = 30, closer = 1 }) {
    const boxes = [...taken], written = [];
    const touch = (a, b) => a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom + GAP && b.top < a.bottom + GAP;
    for (const { text, code, weight, places } of candidates) {
      if (written.length >= most) break;
      if (weight * closer * closer < SMALLEST_SHOWN) continue;
      const size = sizeOf(weight);
      const [halfWidth, halfHeight] = [(size * measure(text)) / 2, (size * lineHeight) / 2];
      if (2 * halfWidth > width || 2 * halfHeight > height) continue;
      for (const place of places) {
        const [left, top] = toPixel(...place);
        if (left < 0 || top < 0 || left > width || top > height) continue;
        const x = Math.min(Math.max(left, halfWidth), width - halfWidth), y = Math.min(Math.max(top, halfHeight), height - halfHeight);
        const box = { left: x - halfWidth, top: y - halfHeight, right: x + halfWidth, bottom: y + halfHeight };
        if (boxes.some((other) => touch(box, other))) continue;
        boxes.push(box);
        written.push({ text, x, y, code, size });
        break;
      }
    }
    return written;
  }

  return { prepare, layout };
})();
