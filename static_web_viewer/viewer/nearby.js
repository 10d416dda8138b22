"use strict";

/* The nearest points on the map, found by a k-d tree. */
const nearby = (() => {
  const LEAF = 12;  // points that are not divided further

  /** The points that `order` lists, in the order of a k-d tree: a node is a range, split in its middle by x and y in turn. */
  function tree(x, y, codes, order) {
    /** Order a range so that what is below its middle lies before it: Hoare's selection. */
    function select(coordinate, from, to, middle) {
      while (from < to) {
        const pivot = coordinate[order[(from + to) >> 1]];
        let low = from, high = to;
        while (low <= high) {
          while (coordinate[order[low]] < pivot) low++;
          while (coordinate[order[high]] > pivot) high--;
          if (low > high) break;
          const kept = order[low];
          order[low++] = order[high];
          order[high--] = kept;
        }
        if (middle <= high) to = high;
        else if (middle >= low) from = low;
        else return;
      }
    }

    function split(from, end, byY) {
      if (end - from <= LEAF) return;
      const middle = (from + end) >> 1;
      select(byY ? y : x, from, end - 1, middle);
      split(from, middle, !byY);
      split(middle, end, !byY);
    }

    split(0, order.length, false);
    const ordered = (array) => {
      const made = new array.constructor(order.length);
      for (let i = 0; i < made.length; i++) made[i] = array[order[i]];
      return made;
    };
    return { x: ordered(x), y: ordered(y), codes: ordered(codes) };
  }

  /** A function that finds the `count` points nearest to a place: {found, reach}, reach the radius squared. */
  function finder({ x, y }, count) {
    const found = new Uint32Array(count), reaches = new Float64Array(count);
    let size, fromX, fromY;

    function offer(i) {
      const [dx, dy] = [x[i] - fromX, y[i] - fromY];
      const reach = dx * dx + dy * dy;
      if (size === count && reach >= reaches[count - 1]) return;
      let at = size < count ? size++ : count - 1;
      for (; at > 0 && reaches[at - 1] > reach; at--) {
        reaches[at] = reaches[at - 1];
        found[at] = found[at - 1];
      }
      reaches[at] = reach;
      found[at] = i;
    }

    function visit(from, end, byY) {
      if (end - from <= LEAF) {
        for (let i = from; i < end; i++) offer(i);
        return;
      }
      const middle = (from + end) >> 1;
      const beyond = byY ? fromY - y[middle] : fromX - x[middle];
      if (beyond < 0) visit(from, middle, !byY); else visit(middle, end, !byY);
      if (size === count && beyond * beyond >= reaches[count - 1]) return;
      if (beyond < 0) visit(middle, end, !byY); else visit(from, middle, !byY);
    }

    return (...place) => {
      size = 0;
      [fromX, fromY] = place;
      visit(0, x.length, false);
      return { found, reach: reaches[count - 1] };
    };
  }

  return { tree, finder };
})();
