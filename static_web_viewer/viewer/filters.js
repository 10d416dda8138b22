"use strict";

/* What is shown: values of columns that the user chose, and legend entries that were switched off. */
const filters = (() => {
  const FEW_VALUES = 40;  // listed with a box each; of more, those that hold what is typed
  const element = (id) => document.getElementById(id);
  const chosen = new Map();  // key of a column -> Set of values, or {low, high}
  let hidden = new Set();  // keys of the legend's groups
  const on = { change: () => {}, list: () => {} };

  /** Which tracks are shown, (count,) of 0 and 1. */
  function shown(colouring) {
    const mask = new Uint8Array(tracks.all.count).fill(1);
    for (const [key, wanted] of chosen) {
      const column = tracks.column(key);
      if (!column) continue;
      if (wanted instanceof Set) {
        const allowed = column.values.map((value) => wanted.has(value));
        for (let i = 0; i < mask.length; i++) if (!allowed[column.codes[i]]) mask[i] = 0;
      } else {
        for (let i = 0; i < mask.length; i++) if (!(column.numbers[i] >= wanted.low && column.numbers[i] <= wanted.high)) mask[i] = 0;
      }
    }
    if (colouring.kind === "categories" && hidden.size) {
      const off = colouring.groups.map((group) => hidden.has(group.key));
      for (let i = 0; i < mask.length; i++) if (off[colouring.groupOf[i]]) mask[i] = 0;
    }
    return mask;
  }

  function choose(key, wanted) {
    if (wanted instanceof Set ? wanted.size : wanted) chosen.set(key, wanted);
    else chosen.delete(key);
    chips();
    on.change();
  }

  function chips() {
    const made = [...chosen].map(([key, wanted]) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const name = tracks.column(key) ? tracks.column(key).name : key;
      const what = wanted instanceof Set ? [...wanted].map((value) => value || "no value").join(", ") : `${number(wanted.low)} to ${number(wanted.high)}`;
      button.type = "button";
      button.className = "chip";
      button.textContent = `${name}: ${what} ×`;
      button.setAttribute("aria-label", `Remove the filter ${name}: ${what}`);
      button.addEventListener("click", (event) => {
        choose(key, null);
        values();
        if (!event.detail) element("filters").querySelector("summary").focus();
      });
      item.append(button);
      return item;
    });
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
  }

  const number = (value) => String(Number(value.toPrecision(6)));

  function columnsReady() {
    const options = tracks.all.columns.map((column) => new Option(column.name, column.key));
    element("filter-column").replaceChildren(...options);
    values();
    chips();
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
          choose(column.key, set);
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
      field.type = "number";
      field.step = "any";
      field.value = number(wanted[end]);
      field.addEventListener("change", () => {
        const bounds_ = { ...(chosen.get(column.key) || { low, high }) };
        bounds_[end] = field.value === "" || !Number.isFinite(field.valueAsNumber) ? { low, high }[end] : field.valueAsNumber;
        choose(column.key, bounds_);
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

  return {
    shown, columnsReady, on,
    any: () => chosen.size > 0 || hidden.size > 0,
    toggle: (key) => { if (!hidden.delete(key)) hidden.add(key); },
    only: (key, keys) => { hidden = new Set(keys.filter((each) => each !== key)); },
    isHidden: (key) => hidden.has(key),
    showAll: () => hidden.clear(),
    /** For the page's address. */
    save: () => ({ hidden: [...hidden], chosen: [...chosen].map(([key, wanted]) => [key, wanted instanceof Set ? [...wanted] : wanted]) }),
    /** Take what `save` has made; whatever else an address holds is passed over. */
    restore: (saved) => {
      const list = (value) => (Array.isArray(value) ? value : []);
      hidden = new Set(list(saved && saved.hidden));
      chosen.clear();
      for (const pair of list(saved && saved.chosen)) {
        const [key, wanted] = list(pair);
        const column = tracks.column(key);
        if (column && !column.numbers && Array.isArray(wanted)) chosen.set(key, new Set(wanted));
        if (column && column.numbers && wanted && Number.isFinite(wanted.low) && Number.isFinite(wanted.high)) chosen.set(key, { low: wanted.low, high: wanted.high });
      }
    },
  };
})();
