"use strict";

/* What is written on the map: names of its regions, and titles of the current track, of a way, and of all tracks where few are seen. */
const labels = (() => {
  const MOST = 60;
  const NAME = { narrow: 11, wide: 13 };  // pixels of a name's letters; a large region's are up to a half larger
  const TITLE = 12;  // pixels of a title's letters
  const LONGEST = 30;  // letters of a title
  const FEW = 45;  // tracks seen of which all have their titles
  const stage = document.getElementById("stage");
  const layer = document.getElementById("names");
  const measure = document.createElement("canvas").getContext("2d");
  const widths = new Map();  // of texts in letters of one pixel

  function width(text, size, weight) {
    const key = weight + text;
    if (!widths.has(key)) {
      measure.font = `${weight} 100px ${getComputedStyle(document.body).fontFamily}`;
      widths.set(key, measure.measureText(text).width / 100);
    }
    return size * widths.get(key);
  }

  const around = (x, y, width, height) => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 });

  function written(text, x, y, name, size) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "text");
    for (const [key, value] of Object.entries({ x, y, class: name, "font-size": size })) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  /** Write what has its place. `shown` is what the map shows; view what part of it; points are drawn `size` pixels wide, `closer` than the whole map. */
  function draw(shown, view, size, closer) {
    const [left, right, bottom, top] = view.window();
    const { clientWidth, clientHeight } = stage;
    const letters = clientWidth < 500 ? NAME.narrow : NAME.wide;
    const above = size / 2 + letters / 2 + 5;  // a name stands above the point that is its place, which stays seen
    const common = { width: clientWidth, height: clientHeight, most: MOST };
    const taken = room.covered("#head .name, #head .controls, #chips, #legend, #tools, #panel").filter((each) => each.left < clientWidth && each.top < clientHeight);
    const regions = names.layout(shown.names, {
      ...common, taken, closer, measure: (text) => width(text, letters, 600), lineHeight: 1.3 * letters,
      toPixel: (x, y) => [((x - left) * clientWidth) / (right - left), ((top - y) * clientHeight) / (top - bottom) - above],
      sizeOf: (weight) => 1 + Math.min(Math.sqrt(weight), 0.5),
    });
    for (const { text, x, y, size: its } of regions) taken.push(around(x, y, width(text, its * letters, 600), 1.3 * its * letters));
    const own = [...new Set([shown.track, ...shown.path])].filter((track) => track >= 0);
    const others = (shown.path.length ? [] : seenIfFew(shown, view)).filter((track) => track !== shown.track);
    const titles = [];
    for (const [some, beside] of [[own, own], [others, [...others, ...shown.near]]]) {
      for (const track of beside) taken.push(around(...view.pixel(track), size, size));
      const candidates = tracks.all.filenames ? some.map((track) => title(track, view.pixel(track), size / 2 + 6)) : [];
      const found = names.layout(candidates, { ...common, taken, measure: (text) => width(text, TITLE, 400), lineHeight: 1.2 * TITLE, toPixel: (x, y) => [x, y] });
      for (const { text, x, y } of found) taken.push(around(x, y, width(text, TITLE, 400), 1.2 * TITLE));
      titles.push(...found);
    }
    layer.replaceChildren(
      ...titles.map(({ text, x, y, code }) => written(text, x, y, code === shown.track ? "title current" : "title", TITLE)),
      ...regions.map(({ text, x, y, size: its }) => written(text, x, y, "name", its * letters)),
    );
  }

  /** A track's title as names.layout takes it: below its point, above it or beside it. */
  function title(track, [x, y], away) {
    const letters = [...tracks.title(track)];
    const text = letters.length > LONGEST ? letters.slice(0, LONGEST - 1).join("").trimEnd() + "\u2026" : letters.join("");
    const aside = width(text, TITLE, 400) / 2 + away;
    return { text, code: track, weight: 1, places: [[x, y + away + TITLE / 2], [x, y - away - TITLE / 2], [x + aside, y], [x - aside, y]] };
  }

  /** The tracks that are seen and drawn in full, none where they are many. */
  function seenIfFew({ order, marked }, view) {
    const { x, y } = tracks.all, [left, right, bottom, top] = view.window(), found = [];
    for (const track of order) {
      if (x[track] < left || x[track] > right || y[track] < bottom || y[track] > top || (marked && !marked[track])) continue;
      if (found.push(track) > FEW) return [];
    }
    return found;
  }

  return { draw };
})();
