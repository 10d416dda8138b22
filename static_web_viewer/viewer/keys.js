"use strict";

/* What keys do. */
const keys = (() => {
  const LETTERS = "sound-eval: single keys";  // in the browser's storage
  const element = (id) => document.getElementById(id);

  const KEYS = {
    " ": () => player.toggle(),
    "/": () => { element("search").focus(); element("search").select(); },
    ArrowRight: () => actions.step(1),
    ArrowDown: () => actions.step(1),
    ArrowLeft: () => actions.step(-1),
    ArrowUp: () => actions.step(-1),
    "+": () => map.zoom(1.5),
    "=": () => map.zoom(1.5),
    "-": () => map.zoom(1 / 1.5),
    0: () => map.reset(),
    l: () => map.lasso(!map.isLasso()),
    h: () => hear(),
    m: () => element("mute").click(),
  };

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return null;
    const { target } = event;
    if (event.key === "Escape") return escape(target);
    if (target === element("search") && event.key === "Enter") return actions.takeFirst();
    const isSlider = target.matches("[type=range], [role=slider]");
    if (!Object.hasOwn(KEYS, event.key) || target.matches("input:not([type=checkbox], [type=range]), select, textarea")) return null;
    if (event.key.length === 1 && event.key !== " " && !element("letters").querySelector("input").checked) return null;
    if (event.key === " " && target.matches("button, summary, [type=checkbox]")) return null;  // the key presses these
    if (event.key.startsWith("Arrow") && isSlider) return null;
    event.preventDefault();
    return event.repeat && " lhm/".includes(event.key) ? null : KEYS[event.key]();
  }

  function escape(target) {
    if (target === element("search")) target.blur();
    if (!element("failure").hidden) element("failure").hidden = true;
    else if (element("filters").open) element("filters").open = false;
    else if (map.isLasso()) map.lasso(false);
    else if (page.state.walking) actions.walkTo(false);
    else if (page.state.hidden.size) page.change({ hidden: new Set() });
    else if (page.state.sheet && !page.state.list && element("sheet").checkVisibility()) page.change({ sheet: false });
    else actions.close();
  }

  function hear() {
    preview.set(!preview.isOn());
    store.tell(preview.isOn() ? "Hover to hear is on" : "Hover to hear is off");
  }

  function keepLetters() {
    const box = element("letters").querySelector("input");
    try {
      box.checked = localStorage.getItem(LETTERS) !== "off";
    } catch { /* a browser that keeps nothing for a page from a file */ }
    box.addEventListener("change", () => {
      try {
        localStorage.setItem(LETTERS, box.checked ? "on" : "off");
      } catch { /* then it holds for this visit */ }
    });
  }

  return { key, hear, keepLetters, KEYS };
})();
