"use strict";

/* The histogram over a scale of colours: all tracks faint, the current selection in colour. A part of it is chosen by
 * drawing over it, or with the two handles, which have the keyboard too. */
const histogram = (() => {
  const BINS = 40;
  const HEIGHT = 100;
  const LEAST = 2.5;  // height of a bar of few tracks, which would not be seen otherwise
  const STEP = 0.5;  // of the handles, in percent
  const on = { range: () => {} };
  const SVG = "http://www.w3.org/2000/svg";
  let now = null;  // what is rendered
  let whole = null;  // the bars of all tracks, and between which numbers they lie; of one colouring
  let from = null;  // where a drag began, in percent
  let asked = null, frame = 0;

  function make(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  const [chosen, faint, strong] = [make("rect", { class: "chosen", y: 0, height: HEIGHT }), make("path", { class: "faint" }), make("path", { fill: "url(#legend-scale)" })];
  const gradient = make("linearGradient", { id: "legend-scale", gradientUnits: "userSpaceOnUse", x1: 0, x2: BINS });
  const plot = make("svg", { viewBox: `0 0 ${BINS} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  plot.append(gradient, chosen, faint, strong);
  const bar = Object.assign(document.createElement("div"), { className: "bar" });
  const handles = [0, 1].map(() => Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, step: STEP }));
  const ends = Object.assign(document.createElement("p"), { className: "ends" });
  ends.append(...[0, 1, 2].map(() => document.createElement("span")));
  const brush = Object.assign(document.createElement("div"), { className: "brush" });
  brush.append(plot, bar, ...handles);
  const element = document.createElement("div");
  element.append(brush, ends);

  /** How many of some tracks lie in each bin; what lies beyond the scale's ends is in the outermost ones. */
  function bins({ numbers, low, high }, isIn) {
    const counts = new Uint32Array(BINS);
    const unit = high > low ? BINS / (high - low) : 0;
    for (let i = 0; i < numbers.length; i++) {
      const at = (numbers[i] - low) * unit;
      if (at === at && (!isIn || isIn[i])) counts[at < 0 ? 0 : at < BINS ? at | 0 : BINS - 1]++;
    }
    return counts;
  }

  function measure(colouring) {
    let [least, most] = [Infinity, -Infinity];
    for (const number of colouring.numbers) {
      if (number < least) least = number;
      if (number > most) most = number;
    }
    return { colouring, counts: bins(colouring, null), least, most };
  }

  function bars(counts, tallest) {
    let path = "";
    counts.forEach((count, place) => {
      if (!count) return;
      const height = Math.max((HEIGHT * count) / tallest, LEAST);
      path += `M${place + 0.08} ${HEIGHT}v${-height}h0.84v${height}z`;
    });
    return path;
  }

  /** Draw the bars. The selection's tallest is as tall as the tallest of all bars where it lies, so that few tracks show. */
  function draw({ colouring, shown, marked }) {
    const some = bins(colouring, marked || shown);
    const tallest = Math.max(1, ...whole.counts);
    const there = Math.max(...whole.counts.filter((_, place) => some[place]), 1);
    faint.setAttribute("d", bars(whole.counts, tallest));
    strong.setAttribute("d", bars(some, (Math.max(...some) * tallest) / there));
  }

  function render(what) {
    now = what;
    const { colouring, column, range, title } = what;
    const { low, high, stops, format } = colouring;
    if (!whole || whole.colouring !== colouring) {
      whole = measure(colouring);
      gradient.replaceChildren(...stops.map((stop, i) => make("stop", { offset: i / (stops.length - 1), "stop-color": stop })));
      bar.style.background = `linear-gradient(to right, ${stops.join(",")})`;
    }
    draw(what);
    const [left, right] = range ? [percent(range.low), percent(range.high)] : [0, 100];
    chosen.setAttribute("x", (left * BINS) / 100);
    chosen.setAttribute("width", range ? ((right - left) * BINS) / 100 : 0);
    // What is no column cannot be filtered by
    brush.classList.toggle("fixed", !column);
    handles.forEach((handle, i) => {
      handle.hidden = !column;
      if (from === null) handle.value = [left, right][i];
      handle.setAttribute("aria-label", `${title}, ${["from", "to"][i]}`);
      handle.setAttribute("aria-valuetext", format(range ? [range.low, range.high][i] : [low, high][i]));
    });
    const [first, middle, last] = ends.children;
    first.textContent = format(low) + (column ? "" : " near");
    middle.textContent = range ? `${format(range.low)} to ${format(range.high)}` : "";
    last.textContent = format(high) + (column ? "" : " far");
  }

  // Choosing a part

  function percent(number) {
    const { low, high } = now.colouring;
    return high > low ? Math.min(Math.max((100 * (number - low)) / (high - low), 0), 100) : 0;
  }

  /** Ask for the part between two percents; at most once a frame. An end of the scale takes in what lies beyond it. */
  function ask(left, right) {
    const { low, high } = now.colouring;
    const at = (share) => low + (share / 100) * (high - low);
    asked = left <= 0 && right >= 100 ? null : { low: left <= 0 ? whole.least : at(left), high: right >= 100 ? whole.most : at(right) };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      on.range(asked);
    });
  }

  function place(event) {
    const { left, width } = plot.getBoundingClientRect();
    return Math.min(Math.max((100 * (event.clientX - left)) / width, 0), 100);
  }

  function drag(event) {
    const to = place(event);
    if (from === null || (!brush.classList.contains("drawn") && Math.abs(to - from) < 2)) return;
    brush.classList.add("drawn");
    const [left, right] = [Math.min(from, to), Math.max(from, to)];
    handles[0].value = left;
    handles[1].value = right;
    ask(left, right);
  }

  function drop(event) {
    if (from === null) return;
    from = null;
    // A click
    if (!brush.classList.contains("drawn") && event.type === "pointerup") ask(0, 100);
    brush.classList.remove("drawn");
  }

  brush.addEventListener("pointerdown", (event) => {
    if (!now.column || event.button || !event.isPrimary || event.target.matches("input")) return;
    from = place(event);
    brush.setPointerCapture(event.pointerId);
  });
  brush.addEventListener("pointermove", drag);
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) brush.addEventListener(end, drop);
  handles.forEach((handle, i) => handle.addEventListener("input", () => {
    const [left, right] = handles.map((each) => each.valueAsNumber);
    if (left >= right) handle.value = i ? left + STEP : right - STEP;
    ask(handles[0].valueAsNumber, handles[1].valueAsNumber);
  }));

  return { element, render, on };
})();
