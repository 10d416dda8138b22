"use strict";

/* What is shown: the values of columns that the user has chosen, as boxes, fields and chips. */
const filters = (() => {
  const FEW_VALUES = 40;  // listed with a box each; of more, those that hold what is typed
  const element = (id) => document.getElementById(id);
  let chosen = new Map();  // as it was rendered last: key of a column -> Set of values, or {low, high}
  const on = { choose: () => {}, list: () => {} };

  /** Which tracks have the chosen values, (count,) of 0 and 1. */
  function mask(wanted_) {
    const kept = new Uint8Array(tracks.all.count).fill(1);
    for (const [key, wanted] of wanted_) {
      const column = tracks.column(key);
      if (!column) continue;
      if (wanted instanceof Set) {
        const allowed = column.values.map((value) => wanted.has(value));
        for (let i = 0; i < kept.length; i++) if (!allowed[column.codes[i]]) kept[i] = 0;
      } else {
        for (let i = 0; i < kept.length; i++) if (!(column.numbers[i] >= wanted.low && column.numbers[i] <= wanted.high)) kept[i] = 0;
      }
    }
    return kept;
  }

  function chip(key, wanted) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const column = tracks.column(key);
    const text = (number_) => (column && column.dates ? new Date(864e5 * number_).toISOString().slice(0, 10) : number(number_));
    const what = wanted instanceof Set ? [...wanted].map((value) => value || "no value").join(", ") : `${text(wanted.low)} to ${text(wanted.high)}`;
    button.type = "button";
    button.className = "chip";
    button.textContent = `${column ? column.name : key}: ${what} ×`;
    button.setAttribute("aria-label", `Remove the filter ${column ? column.name : key}: ${what}`);
    button.addEventListener("click", (event) => {
      on.choose(key, null);
      if (!event.detail) element("filters").querySelector("summary").focus();
    });
    item.append(button);
    return item;
  }

  function render(chosen_) {
    chosen = chosen_;
    const made = [...chosen].map(([key, wanted]) => chip(key, wanted));
    if (made.length) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "List these";
      button.addEventListener("click", () => on.list());
      item.append(button);
      made.push(item);
    }
    element("chips").replaceChildren(...made);
    if (!element("filters").open) values();  // who has it open is at work there
  }

  const number = (value) => String(Number(value.toPrecision(6)));

  function columnsReady() {
    const options = tracks.all.columns.map((column) => new Option(column.name, column.key));
    element("filter-column").replaceChildren(...options);
    values();
  }

  /** The boxes of the chosen column's values, or two fields for a column of numbers. */
  function values() {
    const column = tracks.column(element("filter-column").value);
    if (!column) return;
    element("filter-values").replaceChildren(...(column.numbers ? bounds(column) : boxes(column)));
  }

  function boxes(column) {
    const wanted = () => new Set(chosen.get(column.key) || []);
    const counts = new Uint32Array(column.values.length);
    for (const code of column.codes) counts[code]++;
    const group = document.createElement("div");
    group.className = "boxes";
    const fill = (text) => {
      const some = column.values.map((value, code) => ({ value, code })).filter((each) => each.value.toLowerCase().includes(text.toLowerCase())).slice(0, FEW_VALUES);
      group.replaceChildren(...some.map(({ value, code }) => {
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.checked = wanted().has(value);
        box.addEventListener("change", () => {
          const set = wanted();
          if (box.checked) set.add(value);
          else set.delete(value);
          on.choose(column.key, set);
        });
        const name = document.createElement("span");
        name.dir = "auto";
        name.textContent = value || "no value";
        const count = document.createElement("small");
        count.textContent = counts[code].toLocaleString("en");
        label.append(box, name, count);
        return label;
      }));
    };
    fill("");
    if (column.values.length <= FEW_VALUES) return [group];
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = `Find one of ${column.values.length.toLocaleString("en")} values`;
    field.setAttribute("aria-label", field.placeholder);
    field.addEventListener("input", () => fill(field.value));
    return [field, group];
  }

  function bounds(column) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of column.numbers) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const wanted = chosen.get(column.key) || { low, high };
    const fields = ["low", "high"].map((end) => {
      const label = document.createElement("label");
      const field = document.createElement("input");
      field.type = column.dates ? "date" : "number";
      if (!column.dates) field.step = "any";
      field.value = column.dates ? new Date(864e5 * wanted[end]).toISOString().slice(0, 10) : number(wanted[end]);
      field.addEventListener("change", () => {
        const bounds_ = { ...(chosen.get(column.key) || { low, high }) };
        const given = field.valueAsNumber / (column.dates ? 864e5 : 1);
        bounds_[end] = field.value === "" || !Number.isFinite(given) ? { low, high }[end] : given;
        on.choose(column.key, bounds_);
      });
      label.className = "bound";
      label.append(end === "low" ? "from " : "to ", field);
      return label;
    });
    return fields;
  }

  element("filter-column").addEventListener("change", values);
  element("filters").addEventListener("focusout", (event) => { if (event.relatedTarget && !element("filters").contains(event.relatedTarget)) element("filters").open = false; });
  document.addEventListener("click", (event) => { if (!element("filters").contains(event.target)) element("filters").open = false; });

  return { mask, render, columnsReady, on };
})();
