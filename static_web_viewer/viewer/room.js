"use strict";

/* Where the whole map lies on the stage: as large as can be, and no point of it under what else lies there. */
const room = (() => {
  const EDGE = 22;  // pixels that stay free around the whole map
  const PARTS = 100;  // of the map's longer side, to know where it is empty
  const SHARES = [0, 0.25, 0.5, 0.75, 1];  // of a side that may stay free for what lies there
  const OUTLIERS = 1 / 200, FEW = 40;  // share of the tracks that may lie outside of the map at an end, and of how many at least
  const SLACK = 0.25;  // of the map's width, within which a track is not far outside
  const OVER = "#head .name, #head .controls, #chips, #legend, #tools";  // what lies over the stage
  const stage = document.getElementById("stage");
  let box = [0, 1, 0, 1];  // of the map, without what lies far outside of it: left, right, bottom, top
  let everything = box;  // with it
  let spread = [];  // a track in each part of the map that is not empty
  let whole = { insets: {}, unit: 1, key: "" };

  /** Where an axis of the map ends: `near` without what few tracks, or a single one, make of it that lie far outside. */
  function ends(places) {
    const sorted = places.slice().sort();
    const few = sorted.length < FEW ? 0 : Math.max(1, Math.floor(OUTLIERS * sorted.length));
    const [low, high] = [sorted[few], sorted.at(-1 - few)];
    const [from, to] = [low - SLACK * (high - low), high + SLACK * (high - low)];
    const all = [sorted[0], sorted.at(-1)];
    return { all, near: low < high ? [sorted.find((each) => each >= from), sorted.findLast((each) => each <= to)] : all };
  }

  function start({ x, y, count }) {
    const [across, up] = [x, y].map(ends);
    box = [...across.near, ...up.near];
    everything = [...across.all, ...up.all];
    const part = Math.max(box[1] - box[0], box[3] - box[2]) / PARTS || 1, found = new Map();
    for (let i = 0; i < count; i++) {
      if (x[i] >= box[0] && x[i] <= box[1] && y[i] >= box[2] && y[i] <= box[3]) found.set(Math.floor((x[i] - box[0]) / part) * (PARTS + 1) + Math.floor((y[i] - box[2]) / part), i);
    }
    spread = [...found.values()];
  }

  /** The boxes of what lies on the stage, in its pixels. */
  function covered(css) {
    const edge = stage.getBoundingClientRect();
    return [...document.querySelectorAll(css)].map((each) => each.getBoundingClientRect()).filter((each) => each.width)
      .map((each) => ({ left: each.left - edge.left, top: each.top - edge.top, right: each.right - edge.left, bottom: each.bottom - edge.top }));
  }

  /** Whether a place, in pixels, is on the stage and under nothing. */
  function isFree(x, y) {
    const { clientWidth, clientHeight } = stage, space = EDGE / 2;
    const within = ({ left, right, top, bottom }, more) => x > left - more && x < right + more && y > top - more && y < bottom + more;
    return within({ left: 0, right: clientWidth, top: 0, bottom: clientHeight }, -space) && !covered(OVER).some((each) => within(each, space));
  }

  /** Pixels at each side that what lies there takes at most. */
  function sides() {
    const [[head], [legend_], [tools]] = ["#head", "#legend", "#tools"].map(covered);
    const height = stage.clientHeight;
    return { left: Math.max(0, legend_.right), right: tools.right - tools.left, bottom: Math.max(0, height - legend_.top), top: Math.max(0, Math.min(head.bottom, height / 3)) };
  }

  /** Pixels that stay free at each side of the whole map, and its map units a pixel: {insets, unit, farthest: with what lies far outside}, the same object until something has moved. */
  function lay() {
    const boxes = covered(OVER);
    const key = JSON.stringify([stage.clientWidth, stage.clientHeight, boxes]);
    if (key !== whole.key) {
      const insets = largest(sides(), boxes);
      whole = { insets, unit: unitWithin(insets), farthest: unitWithin(insets, everything), key };
    }
    return whole;
  }

  /** Insets beside the legend or above it, under which nothing lies: those within which a box is larger. */
  function clear(most, its = box) {
    const [beside, above] = [free(most, 1, 1, 0, 1), free(most, 0, 1, 1, 1)];
    return unitWithin(beside, its) < unitWithin(above, its) ? beside : above;
  }

  /** The shares of what lies at each side that stay free, in pixels. */
  const free = (most, left, right, bottom, top) => ({ left: EDGE + left * most.left, right: EDGE + right * most.right, bottom: EDGE + bottom * most.bottom, top: EDGE + top * most.top });

  /** The insets within which the map is largest, of those where it lies under no box; of two like ones those that leave it more room. */
  function largest(most, boxes) {
    const ways = SHARES.flatMap((left) => SHARES.flatMap((bottom) => SHARES.flatMap((top) => [free(most, left, 0, bottom, top), free(most, left, 1, bottom, top)])));
    const cost = (insets) => unitWithin(insets) * (1 + 1e-5 * (insets.left + insets.right + insets.bottom + insets.top));
    const sorted = ways.map((insets) => [cost(insets), insets]).sort((a, b) => a[0] - b[0]).map(([, insets]) => insets);
    return sorted.find((insets) => isClear(insets, boxes)) || clear(most);
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

  /** Map units a pixel where the whole map lies within insets. */
  function unitWithin(insets, [left, right, bottom, top] = box) {
    const across = (right - left) / Math.max(stage.clientWidth - insets.left - insets.right, 50);
    const up = (top - bottom) / Math.max(stage.clientHeight - insets.bottom - insets.top, 50);
    return Math.max(across, up) || 1 / stage.clientWidth;
  }

  return { EDGE, OVER, start, lay, sides, covered, isFree, box: () => box, everything: () => everything, aroundEverything: () => clear(sides(), everything) };
})();
