"use strict";

/* Ways from track to track: a walk from one to another in small steps, and an order of a list in which each lies near the last. */
const walk = (() => {
  const BRIDGE_DEPTH = 3;  // a bridge has at most 2 ** 3 steps
  const MOST_PAIRS = 4e6;  // distances computed to order a list: what takes a fifth of a second
  const CURVE_BITS = 10;  // the map in 1,024 x 1,024 squares

  let known = null, back = null;  // of which neighbours `reversed` was made last, and what

  /** Where in the neighbours' rows each track stands: {first, places}, a track's places from first[track] on. */
  function reversed(near) {
    if (near === known) return back;
    const all = near.tracks.length / near.count;
    const first = new Uint32Array(all + 1), places = new Uint32Array(near.tracks.length);
    for (const track of near.tracks) first[track + 1]++;
    for (let i = 0; i < all; i++) first[i + 1] += first[i];
    const next = first.slice(0, all);
    for (let at = 0; at < places.length; at++) places[next[near.tracks[at]]++] = at;
    known = near;
    return (back = { first, places });
  }

  /** The tracks to visit, the cheapest by `cost` first: a binary heap that knows where in it each track is. */
  function heap(cost) {
    const tracks = new Uint32Array(cost.length), places = new Int32Array(cost.length).fill(-1);
    let size = 0;

    function put(at, track) {
      tracks[at] = track;
      places[track] = at;
    }

    /** Take a track in, or move it up as it has become cheaper. */
    function raise(track) {
      let at = places[track] < 0 ? size++ : places[track];
      for (let above; at > 0 && cost[tracks[(above = (at - 1) >> 1)]] > cost[track]; at = above) put(at, tracks[above]);
      put(at, track);
    }

    /** The cheapest track, or -1. */
    function pop() {
      if (!size) return -1;
      const cheapest = tracks[0], track = tracks[--size];
      let at = 0;
      for (let below; (below = 2 * at + 1) < size; at = below) {
        if (below + 1 < size && cost[tracks[below + 1]] < cost[tracks[below]]) below++;
        if (cost[tracks[below]] >= cost[track]) break;
        put(at, tracks[below]);
      }
      put(at, track);
      return cheapest;
    }

    return { raise, pop };
  }

  /** The tracks from one to another over the graph of nearest tracks, both ends included; null where there is no way.
   *
   * near     {count, tracks, distances}: the nearest tracks of each, rows one after another.
   * allowed  (tracks,) of 0 and 1, null for all; the ends are.
   * A step leads to a neighbour, or to what one is a neighbour of. It costs the square of its distance, so two of a half
   * are cheaper than one: many small steps, no large one.
   *
   * Reference: Dijkstra 1959, A note on two problems in connexion with graphs.
   */
  function path(near, from, to, allowed) {
    const { count, tracks, distances } = near, { first, places } = reversed(near);
    const all = first.length - 1;
    const cost = new Float64Array(all).fill(Infinity), before = new Uint32Array(all);
    const waiting = heap(cost);

    function go(track, other, at) {
      const sum = cost[track] + Math.max(0, distances[at]) ** 2;
      if (sum >= cost[other] || (allowed && !allowed[other] && other !== to)) return;
      cost[other] = sum;
      before[other] = track;
      waiting.raise(other);
    }

    cost[from] = 0;
    waiting.raise(from);
    for (let track = waiting.pop(); track >= 0 && track !== to; track = waiting.pop()) {
      for (let at = track * count; at < (track + 1) * count; at++) go(track, tracks[at], at);
      for (let i = first[track]; i < first[track + 1]; i++) go(track, Math.floor(places[i] / count), places[i]);
    }
    if (cost[to] === Infinity) return null;
    const way = [to];
    while (way[0] !== from) way.unshift(before[way[0]]);
    return way;
  }

  /** The tracks from one to another where the graph knows no way: the track between them, those between that and them, ...
   *
   * distancesTo  track -> (tracks,) distances of all to it.
   * The track between two is that with the smallest sum of squared distances to both. Where none makes the way shorter
   * than a jump, it is a jump.
   */
  function bridge(from, to, allowed, distancesTo) {
    const way = new Set([from, to]);  // what is on it, in whatever order

    /** The tracks between two, of which all distances are given. */
    function between(fromHere, there, fromThere, depth) {
      if (depth === 0) return [];
      let middle = -1, least = fromHere[there] ** 2;
      for (let i = 0; i < fromHere.length; i++) {
        const sum = fromHere[i] ** 2 + fromThere[i] ** 2;
        if (sum < least && (!allowed || allowed[i]) && !way.has(i)) [middle, least] = [i, sum];
      }
      if (middle < 0) return [];
      way.add(middle);
      const fromMiddle = distancesTo(middle);
      return [...between(fromHere, middle, fromMiddle, depth - 1), middle, ...between(fromMiddle, there, fromThere, depth - 1)];
    }

    return from === to ? [from] : [from, ...between(distancesTo(from), to, distancesTo(to), BRIDGE_DEPTH), to];
  }

  /** Where a place lies on Hilbert's curve, which fills the map: what lies near on the curve lies near on the map. */
  function onCurve(x, y) {
    let at = 0;
    for (let half = 1 << (CURVE_BITS - 1); half > 0; half >>= 1) {
      const right = (x & half) > 0 ? 1 : 0, above = (y & half) > 0 ? 1 : 0;
      at = 4 * at + ((3 * right) ^ above);
      if (above) continue;
      if (right) [x, y] = [~x, ~y];
      [x, y] = [y, x];
    }
    return at;
  }

  /** Tracks along the curve, from the first of the list on. */
  function alongCurve(list, { x, y }) {
    const ends = [x, y].map((places) => list.reduce(([low, high], track) => [Math.min(low, places[track]), Math.max(high, places[track])], [Infinity, -Infinity]));
    const width = Math.max(...ends.map(([low, high]) => high - low)) || 1;
    const square = (place, [low]) => Math.min(Math.floor(((place - low) / width) * (1 << CURVE_BITS)), (1 << CURVE_BITS) - 1);
    const where = new Map(list.map((track) => [track, onCurve(square(x[track], ends[0]), square(y[track], ends[1]))]));
    const sorted = [...list].sort((a, b) => where.get(a) - where.get(b));
    const start = sorted.indexOf(list[0]);
    return [...sorted.slice(start), ...sorted.slice(0, start)];
  }

  function product(codes, a, b, dims) {
    let sum = 0;
    for (const end = a + dims; a < end; a++, b++) sum += codes[a] * codes[b];
    return sum;
  }

  /** From a track to the nearest of the others, from that to the nearest of those left, and so on; `last` itself is left out. */
  function byNearest(some, last, { dims, codes, lengths }) {
    const left = Uint32Array.from(some), ordered = [];
    for (let size = left.length; size > 0; size--) {
      let best = 0, nearest = -Infinity;
      for (let i = 0; i < size; i++) {
        const cosine = product(codes, last * dims, left[i] * dims, dims) / lengths[left[i]];  // times the length of `last`
        if (cosine > nearest) [best, nearest] = [i, cosine];
      }
      last = left[best];
      ordered.push(last);
      left[best] = left[size - 1];
    }
    return ordered;
  }

  /** A list of tracks so that each sounds like the one before; it begins with the list's first.
   *
   * vectors   {dims, codes, lengths}; null before they are there: then the places on the map decide.
   * position  {x, y}, (tracks,) places on the map.
   * Up to 2,000 tracks go from each to the nearest of all that are left. Of more, that would take too long: they are cut
   * into pieces along a curve that fills the map, the smaller the more there are, and each piece is ordered so.
   */
  function order(list, vectors, position) {
    const size = Math.max(20, Math.floor(MOST_PAIRS / Math.max(list.length, 1)));
    const whole = vectors && list.length <= size ? list : alongCurve(list, position);
    if (!vectors) return whole;
    const ordered = list.slice(0, 1);
    for (let from = 1; from < whole.length; from += size) ordered.push(...byNearest(whole.slice(from, from + size), ordered.at(-1), vectors));
    return ordered;
  }

  return { path, bridge, order };
})();
