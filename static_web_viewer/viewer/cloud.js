"use strict";

/* A cloud of coloured points that is moved, zoomed, hovered, clicked and lassoed. It knows nothing of tracks.
 *
 * const view = cloud(stage, on) puts it into an element, below what else lies there. Places are in map units, y upwards;
 * pixels are those of CSS, from the element's upper left corner. What changes is drawn once, in the next frame. It tells
 *
 * on.view(moving)        another part of the map is seen; moving: a gesture goes on
 * on.hover(point)        what is under the mouse, -1: nothing
 * on.pick(point, event)  a click or a tap, -1: on empty ground
 * on.double(point)       the second of two clicks, in place of a pick
 * on.lasso(points)       what lies in the line that was drawn, in rising order; the lasso is off again
 * on.fallback(why)       "missing": drawn without WebGL; "lost": the browser has taken it away; "": it is back
 * on.drawn(count)        so many points have been drawn
 */
const cloud = (() => {
  const HIT = { mouse: 12, touch: 20 };  // pixels from a point that still mean it
  const STILL = { mouse: 5, touch: 12 };  // pixels that a click may move
  const DOUBLE_MS = 500;
  const WHEEL = { turn: [0.0017, 240], pinch: [0.01, 25], restMs: 160 };  // per pixel, and of how many at most
  const LINE_PX = 3;  // between two corners of a lasso
  const SVG = "http://www.w3.org/2000/svg";
  const OUTLINE = { fill: "currentColor", "fill-opacity": 0.08, "fill-rule": "evenodd", stroke: "currentColor", "stroke-width": 1.5 };

  const kind = (event) => (event.pointerType === "touch" ? "touch" : "mouse");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const VERTEX = `#version 300 es
    in vec2 place;
    in vec4 colour;
    uniform vec2 middle, reach;  // of what is seen, and from there to its edges
    uniform float diameter;  // in pixels of the screen
    out vec4 paint;
    void main() {
      gl_Position = vec4((place - middle) / reach, 0.0, 1.0);
      gl_PointSize = diameter + 2.0;
      paint = vec4(colour.rgb * colour.a, colour.a);
    }`;
  const FRAGMENT = `#version 300 es
    precision highp float;
    in vec4 paint;
    uniform float diameter;
    out vec4 pixel;
    void main() {
      float away = length(gl_PointCoord - 0.5) * (diameter + 2.0);
      pixel = paint * clamp(0.5 * diameter + 0.5 - away, 0.0, 1.0);
    }`;

  /** What draws the points in one call; null where there is no WebGL2. */
  function byWebGL(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false });
    if (!gl) return null;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    const [middle, reach, diameter] = ["middle", "reach", "diameter"].map((name) => gl.getUniformLocation(program, name));
    const attribute = (name, ...format) => {
      const buffer = gl.createBuffer(), at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, ...format, 0, 0);
      return (content) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
        gl.bufferData(gl.ARRAY_BUFFER, content, gl.DYNAMIC_DRAW);
      };
    };
    const setPlaces = attribute("place", 2, gl.FLOAT, false), setColours = attribute("colour", 4, gl.UNSIGNED_BYTE, true);
    let known = {};
    return (placed, painted, seen, ratio) => {
      if (known.placed !== placed) setPlaces(Float32Array.from({ length: 2 * placed.x.length }, (_, i) => (i % 2 ? placed.y : placed.x)[i >> 1]));
      if (known.painted !== painted) {
        setColours(painted.packed);
        gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, painted.order, gl.DYNAMIC_DRAW);
      }
      known = { placed, painted };
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(middle, seen.x, seen.y);
      gl.uniform2f(reach, (seen.unit * canvas.width) / ratio / 2, (seen.unit * canvas.height) / ratio / 2);
      gl.uniform1f(diameter, seen.size * ratio);
      gl.drawElements(gl.POINTS, painted.order.length, gl.UNSIGNED_INT, 0);
    };
  }

  /** What draws the same picture pixel by pixel: for many small points far quicker than the canvas' own circles. */
  function byHand(canvas) {
    const paper = canvas.getContext("2d");
    let image = null;
    return ({ x, y }, { packed, order }, seen, ratio) => {
      const { width, height } = canvas;
      if (image && image.width === width && image.height === height) image.data.fill(0);
      else image = paper.createImageData(width, height);
      const data = image.data, bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
      const scale = ratio / seen.unit, reach = (seen.size * ratio) / 2 + 0.5;
      for (const point of order) {
        const across = (x[point] - seen.x) * scale + width / 2 - 0.5, down = (seen.y - y[point]) * scale + height / 2 - 0.5;
        const left = Math.max(Math.ceil(across - reach), 0), right = Math.min(across + reach, width - 1);
        const top = Math.max(Math.ceil(down - reach), 0), bottom = Math.min(down + reach, height - 1);
        const red = bytes[4 * point], green = bytes[4 * point + 1], blue = bytes[4 * point + 2], full = bytes[4 * point + 3] / 255;
        for (let row = top; row <= bottom; row++) {
          for (let column = left; column <= right; column++) {
            const alpha = full * Math.min(reach - Math.sqrt((column - across) ** 2 + (row - down) ** 2), 1);
            if (alpha <= 0) continue;
            const at = 4 * (row * width + column), whole = alpha + (data[at + 3] / 255) * (1 - alpha), share = alpha / whole;
            data[at] += (red - data[at]) * share;
            data[at + 1] += (green - data[at + 1]) * share;
            data[at + 2] += (blue - data[at + 2]) * share;
            data[at + 3] = 255 * whole;
          }
        }
      }
      paper.putImageData(image, 0, 0);
    };
  }

  /** The points by place: around(left, right, bottom, top, each) calls each(point) for those there, and for some beside. */
  function gridOf(x, y) {
    const ends = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    const [[left, right], [bottom, top]] = [ends(x), ends(y)];
    const cell = Math.max(right - left, top - bottom) / Math.ceil(Math.sqrt(x.length / 2)) || 1;
    const column = (at) => Math.floor((clamp(at, left, right) - left) / cell);
    const row = (at) => Math.floor((clamp(at, bottom, top) - bottom) / cell);
    const columns = column(right) + 1;
    const cellOf = Uint32Array.from(x, (_, point) => row(y[point]) * columns + column(x[point]));
    const starts = new Uint32Array(columns * (row(top) + 1) + 1);
    for (const at of cellOf) starts[at + 1]++;
    for (let at = 1; at < starts.length; at++) starts[at] += starts[at - 1];
    const sorted = new Uint32Array(x.length), next = starts.slice();
    cellOf.forEach((at, point) => { sorted[next[at]++] = point; });
    return (from, to, low, high, each) => {
      for (let r = row(low); r <= row(high); r++) {
        const last = starts[r * columns + column(to) + 1];
        for (let at = starts[r * columns + column(from)]; at < last; at++) each(sorted[at]);
      }
    };
  }

  /** Whether a place lies within a closed line [[x, y], ...]: how often the line is crossed on the way out. */
  function isWithin(line, x, y) {
    let within = false;
    for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
      const [ax, ay] = line[i], [bx, by] = line[j];
      if (ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) within = !within;
    }
    return within;
  }

  /** Tells what fingers, mouse and wheel do on a surface: pan, zoom, hover, click, line (of a lasso), lasso, rest. */
  function gestures(surface, isLasso, told) {
    const down = new Map();  // where each finger, or the mouse, is
    let start = null, line = null, moved = false, wheeling = 0;
    let last = { time: -Infinity, at: [0, 0] };
    const drags = () => down.size > 0 && moved;
    const apart = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
    const place = (event) => {
      const edge = surface.getBoundingClientRect();
      return [event.clientX - edge.left, event.clientY - edge.top];
    };

    function begin(event) {
      if (event.button !== 0 || down.size > 1) return;
      surface.setPointerCapture(event.pointerId);
      start = place(event);
      down.set(event.pointerId, start);
      moved = down.size > 1;  // two fingers are no click, and no lasso
      line = isLasso() && !moved ? [start] : null;
      told.line(line);
    }

    function move(event) {
      const at = place(event), before = down.get(event.pointerId);
      if (before) {
        down.set(event.pointerId, at);
        if (line) draw(at);
        else if (down.size > 1) pinch(at, before, [...down].find(([id]) => id !== event.pointerId)[1]);
        else drag(at, moved ? before : start, STILL[kind(event)]);
      }
      if (event.pointerType !== "touch") told.hover(at);
    }

    function draw(at) {
      if (apart(at, line[line.length - 1]) < LINE_PX) return;
      line.push(at);
      told.line(line);
    }

    /** What was between the fingers stays between them; only one has moved. */
    function pinch(at, before, other) {
      told.zoom(Math.max(apart(at, other), 1) / Math.max(apart(before, other), 1), (before[0] + other[0]) / 2, (before[1] + other[1]) / 2);
      told.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    }

    function drag(at, from, still) {
      moved = moved || apart(at, start) > still;
      if (moved) told.pan(at[0] - from[0], at[1] - from[1]);
    }

    function end(event, properly) {
      if (!down.delete(event.pointerId) || down.size) return;
      const drawn = line;
      line = null;
      told.line(null);
      if (drawn && properly) told.lasso(drawn);
      else if (moved || drawn) told.rest();
      else if (properly) click(event, place(event));
    }

    function click(event, at) {
      const again = event.timeStamp - last.time < DOUBLE_MS && apart(at, last.at) <= STILL[kind(event)];
      last = { time: again ? -Infinity : event.timeStamp, at };
      told.click(event, at, again);
    }

    function wheel(event) {
      event.preventDefault();
      const delta = event.deltaY * [1, 36, surface.clientHeight][event.deltaMode];  // in pixels, lines or pages
      // A pinch on a trackpad comes as a wheel with the control key, in small steps
      const [step, most] = event.ctrlKey ? WHEEL.pinch : WHEEL.turn;
      clearTimeout(wheeling);
      wheeling = setTimeout(() => { wheeling = 0; told.rest(); }, WHEEL.restMs);
      told.zoom(Math.exp(-step * clamp(delta, -most, most)), ...place(event));
    }

    surface.addEventListener("pointerdown", begin);
    surface.addEventListener("pointermove", move);
    surface.addEventListener("pointerup", (event) => end(event, true));
    surface.addEventListener("lostpointercapture", (event) => end(event, false));
    surface.addEventListener("pointerleave", () => told.hover(null));
    surface.addEventListener("wheel", wheel, { passive: false });
    return { drags, moves: () => drags() || wheeling > 0 };
  }

  function layer(made, name) {
    made.setAttribute("class", name);
    Object.assign(made.style, { position: "absolute", left: 0, top: 0, width: "100%", height: "100%", touchAction: "none", userSelect: "none" });
    return made;
  }

  return (stage, on) => {
    const canvas = layer(document.createElement("canvas"), "points");
    const surface = layer(document.createElementNS(SVG, "svg"), "lasso");
    const outline = surface.appendChild(document.createElementNS(SVG, "path"));
    for (const [name, value] of Object.entries(OUTLINE)) outline.setAttribute(name, value);
    let placed = null, painted = null, around = () => {};
    let rank = null;  // of each point in the order, -1: not drawn
    const seen = { x: 0, y: 0, unit: 1, size: 4 };  // the middle, map units a pixel, the points' diameter in pixels
    let limits = { box: [-Infinity, Infinity, -Infinity, Infinity], closest: 0, farthest: Infinity };
    let width = 0, height = 0;
    let asked = 0, stale = false, changed = false;  // the next frame; whether it is to draw, and to tell the view
    let mouse = null, hovered = -1, lassoing = false;
    let shown = canvas, draw = null, why = "", told = "";

    function wake() {
      asked = asked || requestAnimationFrame(frame);
    }

    function ask() {
      stale = true;
      wake();
    }

    function frame() {
      if (why !== told) on.fallback?.(told = why);
      const telling = changed;
      changed = false;
      if (telling) on.view?.(hand.moves());  // it may change the points' size: they are drawn with it at once
      cancelAnimationFrame(asked);
      asked = 0;
      const drawing = stale && placed && width && height;
      stale = false;
      if (changed) wake();
      if (drawing) drawAll();
      hover();
    }

    function drawAll() {
      const ratio = window.devicePixelRatio;
      const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
      // A canvas that is given its own size again would be emptied for nothing
      if (shown.width !== across || shown.height !== down) Object.assign(shown, { width: across, height: down });
      draw(placed, painted, seen, ratio);
      on.drawn?.(painted.order.length);
    }

    function hover() {
      const idle = !lassoing && !hand.drags();
      const found = mouse && idle ? nearest(...mouse) : -1;
      surface.style.cursor = lassoing ? "crosshair" : !idle ? "grabbing" : found < 0 ? "grab" : "pointer";
      if (found !== hovered) on.hover?.(hovered = found);
    }

    /** Where the points lie, a Float32Array each; none is drawn until they are painted. */
    function place(x, y) {
      placed = { x, y };
      around = gridOf(x, y);
      rank = new Int32Array(x.length);
      paint(new Uint32Array(x.length), new Uint32Array());
    }

    /** The bytes R, G, B, A of each point, and which of them are drawn, the lowest first: a Uint32Array each. */
    function paint(packed, order) {
      painted = { packed, order };
      rank.fill(-1);
      order.forEach((point, at) => { rank[point] = at; });
      ask();
    }

    /** See another part of the map, within the limits. */
    function look(x, y, unit) {
      const [left, right, bottom, top] = limits.box;
      // The middle may leave the box as far as a legend at an edge can push the map aside
      const across = (width * unit) / 4, up = (height * unit) / 4;
      const wanted = { x: clamp(x, left - across, right + across), y: clamp(y, bottom - up, top + up), unit };
      if (wanted.x === seen.x && wanted.y === seen.y && unit === seen.unit) return;
      Object.assign(seen, wanted);
      changed = true;
      ask();
    }

    const limited = (unit) => clamp(unit, limits.closest, limits.farthest);

    /** Above 1 closer; what lies at the pixel stays there. */
    function zoom(factor, pixelX = width / 2, pixelY = height / 2) {
      const unit = limited(seen.unit / factor), less = seen.unit - unit;
      look(seen.x + less * (pixelX - width / 2), seen.y - less * (pixelY - height / 2), unit);
    }

    /** Move the points by so many pixels. */
    function pan(dx, dy) {
      look(seen.x - dx * seen.unit, seen.y + dy * seen.unit, seen.unit);
    }

    /** See a box [left, right, bottom, top] whole, at one scale in both directions; the insets' pixels stay free. */
    function show([left, right, bottom, top], insets = {}) {
      measure();
      const free = { left: 0, right: 0, top: 0, bottom: 0, ...insets };
      const across = Math.max(width - free.left - free.right, 50), up = Math.max(height - free.top - free.bottom, 50);
      const unit = limited(Math.max((right - left) / across, (top - bottom) / up) || seen.unit);
      look((left + right - unit * (free.left - free.right)) / 2, (bottom + top - unit * (free.bottom - free.top)) / 2, unit);
    }

    /** In map units. */
    function placeOf(pixelX, pixelY) {
      return [seen.x + (pixelX - width / 2) * seen.unit, seen.y - (pixelY - height / 2) * seen.unit];
    }

    function pixel(point) {
      return [(placed.x[point] - seen.x) / seen.unit + width / 2, (seen.y - placed.y[point]) / seen.unit + height / 2];
    }

    /** The nearest drawn point, of several in one place the topmost; -1: none is so near. */
    function nearest(pixelX, pixelY, within = HIT.mouse) {
      const [x, y] = placeOf(pixelX, pixelY), reach = Math.max(within, seen.size / 2) * seen.unit;
      let found = -1, least = reach ** 2;
      around(x - reach, x + reach, y - reach, y + reach, (point) => {
        const away = (placed.x[point] - x) ** 2 + (placed.y[point] - y) ** 2;
        if (rank[point] < 0 || away > least || (away === least && found >= 0 && rank[point] < rank[found])) return;
        found = point;
        least = away;
      });
      return found;
    }

    /** The drawn points within a line of pixels. */
    function enclosed(line) {
      const corners = line.map((each) => placeOf(...each)), found = [];
      const [x, y] = [corners.map((corner) => corner[0]), corners.map((corner) => corner[1])];
      around(Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y), (point) => {
        if (rank[point] >= 0 && isWithin(corners, placed.x[point], placed.y[point])) found.push(point);
      });
      return found.sort((a, b) => a - b);
    }

    function lasso(wanted) {
      lassoing = wanted;
      outline.setAttribute("d", "");
      wake();
    }

    const hand = gestures(surface, () => lassoing, {
      pan,
      zoom,
      hover: (at) => { mouse = at; wake(); },
      click: (event, at, again) => {
        const point = nearest(...at, HIT[kind(event)]);
        if (again) on.double?.(point);
        else on.pick?.(point, event);
      },
      line: (line) => outline.setAttribute("d", lassoing && line ? `M${line.join("L")}Z` : ""),
      lasso: (line) => {
        if (!lassoing) return;  // it was put away while the line was drawn
        lasso(false);
        on.lasso?.(enclosed(line));
      },
      rest: () => { changed = true; wake(); },
    });

    /** The middle and the scale stay when the stage's size changes. */
    function measure() {
      if (width === stage.clientWidth && height === stage.clientHeight) return;
      [width, height] = [stage.clientWidth, stage.clientHeight];
      changed = true;
      ask();
    }

    /** Drawn at once, or for a frame the old picture would be stretched to the new size. */
    function resized() {
      measure();
      if (stale) frame();
    }

    /** Draw by WebGL; for a reason, or where there is none, by hand on a canvas of its own. */
    function use(reason) {
      const painter = reason ? null : byWebGL(canvas);
      const next = painter ? canvas : layer(document.createElement("canvas"), "points");
      draw = painter || byHand(next);
      why = painter ? "" : reason || "missing";
      shown.replaceWith(next);
      shown = next;
      stale = true;
    }

    function followRatio() {
      matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener("change", () => { ask(); followRatio(); }, { once: true });
    }

    stage.prepend(canvas, surface);
    measure();
    use("");
    followRatio();
    canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); use("lost"); frame(); });
    canvas.addEventListener("webglcontextrestored", () => { use(""); frame(); });
    new ResizeObserver(resized).observe(stage);

    return {
      place, paint, show, zoom, pan, pixel, nearest, lasso,
      isLasso: () => lassoing,
      size: (pixels) => { if (pixels !== seen.size) { seen.size = pixels; ask(); } },
      /** The middle of what is seen stays within (or near) a box, and the unit between the closest and the farthest. */
      bounds: (wanted) => { limits = { ...limits, ...wanted }; look(seen.x, seen.y, limited(seen.unit)); },
      window: () => { const [[left, top], [right, bottom]] = [placeOf(0, 0), placeOf(width, height)]; return [left, right, bottom, top]; },
      unit: () => seen.unit,
      /** What is drawn, for tests. */
      drawn: () => ({ ...placed, ...painted }),
    };
  };
})();
