"use strict";

/* The legend: what the colours mean, how many tracks have each, and which of them are shown; a scale has a histogram.
 *
 * Its elements are made once and then changed: what has the focus keeps it, nothing moves between the two clicks of a
 * double click, and nothing scrolls back.
 */
const legend = (() => {
  const FEW_VALUES = 20;  // of more, one finds a value by typing
  const MOST_FOUND = 30;
  const box = document.getElementById("legend");
  const on = { toggle: () => {}, only: () => {}, all: () => {}, promote: () => {}, range: () => {}, fold: () => {} };
  const entries = new Map();  // key of a group -> the parts of its row
  let now = null;  // what is rendered
  let pressed = { key: null, wasAlone: false };  // by the first click of what may become a double click
  let folded = null;  // the values of a column as they are searched

  function make(name, fields, ...children) {
    const made = Object.assign(document.createElement(name), fields);
    made.append(...children);
    return made;
  }

  const title = make("span", { dir: "auto" });
  const heading = make("button", { type: "button", className: "plain" }, title);
  const all = make("button", { type: "button", className: "plain", textContent: "Show all" });
  const field = make("input", { type: "search", autocomplete: "off", spellcheck: false });
  const list = make("ul", {});
  const note = make("p", { className: "note" });
  const none = make("p", { className: "none" }, make("i", {}), make("span", { textContent: "no value" }), make("small", {}));
  box.append(make("header", {}, make("h2", {}, heading), all), field, list, note, histogram.element, none);

  // Categories

  /** How many tracks of each group the filters leave, and how many of them are in the current selection. */
  function counted({ colouring, shown, filtered, marked }) {
    const { groups, groupOf } = colouring;
    const [total, selected] = [new Uint32Array(groups.length), new Uint32Array(groups.length)];
    const selection = marked || shown;
    for (let i = 0; i < groupOf.length; i++) {
      if (!filtered[i]) continue;
      total[groupOf[i]]++;
      if (selection[i]) selected[groupOf[i]]++;
    }
    return { total, selected };
  }

  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  /** What stands in the rows: the groups, or where something is typed those values that hold it, with a colour or none. */
  function rows() {
    const { colouring: { groups }, marked, hidden, column } = now;
    const { total, selected } = counted(now);
    const most = Math.max(1, ...selected.filter((_, place) => groups[place].value !== undefined));
    const own = groups.map((group, place) => ({
      ...group, count: total[place], part: marked ? selected[place] : null, share: Math.min(selected[place] / most, 1), isHidden: hidden.has(group.key),
    }));
    const text = field.hidden ? "" : fold(field.value.trim());
    if (!text) {
      note.hidden = true;
      return own;
    }
    if (!folded || folded.column !== column) folded = { column, values: column.values.map(fold) };
    const found = own.filter((row) => row.value !== undefined && fold(row.value).includes(text));
    const coloured = new Set(own.map((row) => row.value));
    const others = [];
    folded.values.forEach((value, code) => { if (value.includes(text) && !coloured.has(column.values[code])) others.push(code); });
    note.hidden = others.length <= MOST_FOUND && found.length + others.length > 0;
    note.textContent = found.length + others.length ? `and ${(others.length - MOST_FOUND).toLocaleString("en")} more` : "No value has this in it.";
    return [...found, ...uncoloured(others.slice(0, MOST_FOUND))];
  }

  function uncoloured(codes) {
    const { column, filtered } = now;
    const counts = new Map(codes.map((code) => [code, 0]));
    for (let i = 0; i < filtered.length; i++) if (filtered[i] && counts.has(column.codes[i])) counts.set(column.codes[i], counts.get(column.codes[i]) + 1);
    return codes.map((code) => ({ key: `=${column.values[code]}`, label: column.values[code], count: counts.get(code), part: null, share: 0, canPromote: true }));
  }

  function entry(key) {
    const [bar, dot, name, count] = ["b", "i", "span", "small"].map((each) => make(each, {}));
    name.dir = "auto";
    const button = make("button", { type: "button" }, bar, dot, name, count);
    const parts = { item: make("li", {}, button), button, bar, dot, name, count };
    button.addEventListener("click", (event) => press(key, event));
    entries.set(key, parts);
    return parts;
  }

  function fill({ button, bar, dot, name, count }, row) {
    const number = row.count.toLocaleString("en");
    name.textContent = row.label;
    count.textContent = row.part === null ? number : `${row.part.toLocaleString("en")} of ${number}`;
    dot.style.background = bar.style.background = row.canPromote ? "" : row.colour;
    bar.style.width = `${100 * row.share}%`;
    button.classList.toggle("uncoloured", Boolean(row.canPromote));
    button.title = `${row.label}\n${row.canPromote ? "Click: give it a colour" : "Click: hide or show. Double click, or with shift: this alone; again: all"}`;
    if (row.canPromote) button.removeAttribute("aria-pressed");
    else button.setAttribute("aria-pressed", String(!row.isHidden));
  }

  function renderRows(wanted) {
    const focused = [...entries].find(([, parts]) => parts.button === document.activeElement);
    const keys = new Set(wanted.map((row) => row.key));
    for (const [key, { item }] of entries) {
      if (keys.has(key)) continue;
      item.remove();
      entries.delete(key);
    }
    let next = list.firstChild;
    for (const row of wanted) {
      const parts = entries.get(row.key) || entry(row.key);
      fill(parts, row);
      if (parts.item === next) next = next.nextSibling;
      else list.insertBefore(parts.item, next);
    }
    if (focused && entries.has(focused[0])) entries.get(focused[0]).button.focus({ preventScroll: true });
  }

  function press(key, event) {
    const isSecond = event.detail > 0 && event.detail % 2 === 0;
    if (isSecond && pressed.key !== key) return;  // the first click was on what stood here before
    const keys = now.colouring.groups.map((group) => group.key);
    if (!keys.includes(key)) {
      pressed = { key: null, wasAlone: false };
      on.promote(key.slice(1));
      return;
    }
    const isAlone = keys.every((each) => now.hidden.has(each) === (each !== key));
    if (event.shiftKey || isSecond) {
      if (event.shiftKey ? isAlone : pressed.wasAlone) on.all();
      else on.only(key, keys);
      return;
    }
    pressed = { key, wasAlone: isAlone };
    on.toggle(key);
  }

  // The whole

  function render(what) {
    const before = now;
    now = what;
    const { colouring, column, range, hidden } = what;
    const isScale = colouring.kind === "scale";
    const values = isScale ? 0 : column.values.length - (column.values.at(-1) === "" ? 1 : 0);
    title.textContent = heading.title = what.title;
    if (!before || before.colouring.key !== colouring.key) {
      field.value = "";
      list.scrollTo(0, 0);
    }
    field.hidden = values <= FEW_VALUES;
    field.placeholder = `Find one of ${values.toLocaleString("en")} values`;
    field.setAttribute("aria-label", field.placeholder);
    box.classList.toggle("categories", !isScale);
    box.classList.toggle("scale", isScale);
    list.hidden = isScale;
    note.hidden = true;
    histogram.element.hidden = !isScale;
    all.hidden = isScale ? !range : !colouring.groups.some((group) => hidden.has(group.key));
    none.hidden = !isScale || !colouring.groups[1].size;
    if (isScale) {
      histogram.render(what);
      none.querySelector("i").style.background = colouring.groups[1].colour;
      none.querySelector("small").textContent = counted(what).total[1].toLocaleString("en");
    } else renderRows(rows());
  }

  heading.setAttribute("aria-expanded", "true");
  heading.addEventListener("click", () => {
    heading.setAttribute("aria-expanded", String(!box.classList.toggle("folded")));
    on.fold();
  });
  all.addEventListener("click", () => (now.colouring.kind === "scale" ? on.range(null) : on.all()));
  field.addEventListener("input", () => { renderRows(rows()); list.scrollTo(0, 0); });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") list.querySelector(".uncoloured")?.click();
    if (event.key !== "Escape" || !field.value) return;
    event.stopPropagation();
    field.value = "";
    renderRows(rows());
  });
  histogram.on.range = (range) => on.range(range);

  return { render, on };
})();
