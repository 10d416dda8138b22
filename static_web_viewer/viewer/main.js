"use strict";

/* What the page is at a moment (the selected track, the colour, the list, the filters), and what changes it. */
(() => {
  const DISTANCE = "distance";
  const element = (id) => document.getElementById(id);
  const NOTHING_ASKED = { track: null, colour: null, view: null, filter: {} };
  const state = { selected: -1, colour: "", marked: null, queue: [] };
  let colouring = null, wanted = readAddress() || NOTHING_ASKED, typing = 0, before = "";
  let listed = null;  // of the open list: find() gives its tracks, title(count) its heading

  // The page's address: a link shows what its sender saw

  /** What the address asks for; null where it is none of ours. */
  function readAddress() {
    const fields = new URLSearchParams(location.hash.slice(1));
    if (location.hash && !["track", "colour", "view", "filter"].some((name) => fields.has(name))) return null;
    const view = (fields.get("view") || "").split(",").map(Number);
    let filter = {};
    try {
      filter = JSON.parse(fields.get("filter") || "{}");
    } catch { /* an address that somebody cut short */ }
    return { track: fields.get("track"), colour: fields.get("colour"), view: isView(view) ? view : null, filter };
  }

  function isView(box) {
    return box.length === 4 && box.every((number) => Math.abs(number) < 1e16) && box[0] < box[1] && box[2] < box[3];
  }

  function writeAddress() {
    if (wanted) return;  // not before what it asked for is done
    const fields = new URLSearchParams();
    if (state.selected >= 0) fields.set("track", tracks.all.filenames[state.selected]);
    if (state.colour !== tracks.all.first) fields.set("colour", state.colour);
    const view = map.view();
    if (view) fields.set("view", view.map((number) => Number(number.toPrecision(6))).join(","));
    const filter = filters.save();
    if (filter.hidden.length || filter.chosen.length) fields.set("filter", JSON.stringify(filter));
    const hash = String(fields) ? `#${fields}` : "";
    if (hash === location.hash) return;
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch { /* a browser that finds this too often in a row; the next change writes it */ }
  }

  // Drawing

  function recolour() {
    const distance = state.colour === DISTANCE && state.selected >= 0;
    colouring = distance ? colours.byDistance(tracks.distancesTo(state.selected)) : colours.byColumn(tracks.column(state.colour) || tracks.column(tracks.all.first));
    lists.paint();
    return repaint();
  }

  function repaint() {
    const shown = filters.shown(colouring);
    legend();
    const count = shown.reduce((sum, each) => sum + each, 0);
    const all = tracks.all.count.toLocaleString("en");
    element("count").textContent = count === tracks.all.count ? `${all} ${count === 1 ? "track" : "tracks"}` : `${count.toLocaleString("en")} of ${all} tracks`;
    return map.paint(colouring, shown, state.marked).then(writeAddress);
  }

  function rings() {
    const near = state.selected < 0 ? [] : tracks.neighbours(state.selected).map((each) => each.track);
    map.ring({ selected: state.selected, playing: player.current() === state.selected && !player.playing() ? -1 : player.current(), neighbours: near });
  }

  // The legend

  function legend() {
    const box = element("legend");
    const [across, down] = [box.querySelector("ul")?.scrollLeft, box.scrollTop];
    box.replaceChildren(...(colouring.kind === "categories" ? categories() : scale()));
    box.className = colouring.kind;
    box.scrollTop = down;
    if (across && box.querySelector("ul")) box.querySelector("ul").scrollLeft = across;
  }

  function categories() {
    const keys = colouring.groups.map((group) => group.key);
    const list = document.createElement("ul");
    list.append(...colouring.groups.map((group, place) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const swatch = document.createElement("i");
      const name = document.createElement("span");
      const count = document.createElement("small");
      swatch.style.background = group.colour;
      name.textContent = group.label;
      name.dir = "auto";
      count.textContent = group.size.toLocaleString("en");
      button.type = "button";
      button.title = "Click: hide or show. Double click, or with shift: this alone";
      button.setAttribute("aria-pressed", String(!filters.isHidden(group.key)));
      button.append(swatch, name, count);
      button.addEventListener("click", safely((event) => {
        // A double click is two clicks first, which undo each other
        if (event.detail === 2 || event.shiftKey) filters.only(group.key, keys);
        else filters.toggle(group.key);
        return again(place, event);
      }));
      item.append(button);
      return item;
    }));
    const all = document.createElement("button");
    all.type = "button";
    all.className = "plain";
    all.textContent = "Show all";
    // It keeps its room: the entries above it may not move between two clicks
    all.classList.toggle("away", !keys.some(filters.isHidden));
    all.addEventListener("click", safely((event) => { filters.showAll(); return again(0, event); }));
    return [list, all];
  }

  /** Repaint, and give the focus back to the legend's entry that had it. */
  function again(place, event) {
    const painted = repaint();
    if (!event.detail) element("legend").querySelectorAll("li button")[place].focus({ preventScroll: true });
    return painted;
  }

  function scale() {
    const bar = document.createElement("div");
    const ends = document.createElement("p");
    bar.className = "bar";
    bar.style.background = `linear-gradient(to right, ${colouring.stops.join(",")})`;
    const byDistance = state.colour === DISTANCE;
    const words = byDistance ? [" near", "", " far"] : ["", "", ""];
    const numbers = [colouring.low, (colouring.low + colouring.high) / 2, colouring.high];
    ends.append(...numbers.map((number, i) => {
      const end = document.createElement("span");
      end.textContent = (Math.abs(number) >= 1000 ? Math.round(number) : Number(number.toPrecision(3))) + words[i];
      return end;
    }));
    const name = document.createElement("p");
    name.dir = "auto";
    name.textContent = byDistance ? `cosine distance to ${tracks.title(state.selected)}` : element("colour").selectedOptions[0].textContent;
    return [name, bar, ends];
  }

  function colourOptions() {
    const options = tracks.all.columns.map((column) => new Option(column.name, column.key));
    const groups = [["From the table", options.filter((option) => option.value.startsWith("label:"))], ["Of every collection", options.filter((option) => !option.value.startsWith("label:"))]];
    const made = groups.filter(([, some]) => some.length).map(([name, some]) => {
      const group = document.createElement("optgroup");
      group.label = name;
      group.append(...some);
      return group;
    });
    const distance = new Option("distance to the selected track", DISTANCE);
    distance.disabled = true;
    made.at(-1).append(distance);
    element("colour").replaceChildren(...made);
    element("colour").value = state.colour;
  }

  function setColour(key) {
    if (key !== DISTANCE) before = key;
    if (key !== state.colour) filters.showAll();
    state.colour = key;
    showColour();
    return recolour();
  }

  function showColour() {
    element("colour").value = state.colour;
    element("by-distance").setAttribute("aria-pressed", String(state.colour === DISTANCE));
  }

  // Selecting and playing

  /** Do something; where it takes away what had the focus, `next` has it. */
  function keepFocus(work, next) {
    const had = document.activeElement !== document.body;
    const result = work();
    if (had && document.activeElement === document.body) element(next).focus({ preventScroll: true });
    return result;
  }

  /** Select a track: its columns and neighbours are shown; with `aloud` it plays. */
  async function select(track, aloud) {
    const changed = track !== state.selected;
    state.selected = track;
    keepFocus(() => {
      lists.showDetails(track);
      state.queue = lists.showNeighbours(track);
    }, "track-title");
    if (changed) element("panel").scrollTop = 0;
    distanceOption();
    if (aloud) player.play(track, state.queue);
    else if (player.current() < 0) player.ready(track, state.queue);
    rings();
    writeAddress();
    if (changed && state.colour === DISTANCE && !wanted) await recolour();
  }

  function distanceOption() {
    const option = [...element("colour").options].find((each) => each.value === DISTANCE);
    option.disabled = state.selected < 0 || !tracks.hasVectors();
    element("by-distance").disabled = option.disabled;
  }

  function deselect() {
    state.selected = -1;
    keepFocus(lists.hideDetails, "search");
    rings();
    distanceOption();
    writeAddress();
    return state.colour === DISTANCE ? setColour(before || tracks.all.first) : null;
  }

  // Lists

  /** Show a list, and mark its tracks on the map; it is found anew when what is shown changes. */
  function showList(find, title) {
    listed = { find, title };
    const shown = filters.shown(colouring);
    const found = find().filter((track) => shown[track]);
    state.marked = new Uint8Array(tracks.all.count);
    for (const track of found) state.marked[track] = 1;
    lists.show(title(found.length === 1 ? "1 track" : `${found.length.toLocaleString("en")} tracks`), found);
    return repaint();
  }

  function closeList() {
    listed = state.marked = null;
    element("search").value = "";
    keepFocus(lists.close, "search");
    return repaint();
  }

  function search() {
    const text = element("search").value.trim();
    if (!text) return lists.isOpen() ? closeList() : null;
    const found = tracks.search(text);
    return showList(() => found, (count) => `${count} with “${text}”`);
  }

  function listShown() {
    return showList(() => Array.from({ length: tracks.all.count }, (_, track) => track), (count) => `${count} by the filter`);
  }

  // Keys

  const KEYS = {
    " ": () => player.toggle(),
    "/": () => { element("search").focus(); element("search").select(); },
    ArrowRight: () => arrow(1),
    ArrowDown: () => arrow(1),
    ArrowLeft: () => arrow(-1),
    ArrowUp: () => arrow(-1),
    "+": () => map.zoom(1.5),
    "=": () => map.zoom(1.5),
    "-": () => map.zoom(1 / 1.5),
    0: () => map.fit(),
    l: () => map.lasso(!map.isLasso()),
  };

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return null;
    const { target } = event;
    if (event.key === "Escape") return escape(target);
    const isSlider = target.matches("[type=range]");
    if (!Object.hasOwn(KEYS, event.key) || target.matches("input:not([type=checkbox], [type=range]), select, textarea")) return null;
    if (event.key === " " && target.matches("button, summary, [type=checkbox]")) return null;  // the key presses these
    if (event.key.startsWith("Arrow") && isSlider) return null;
    event.preventDefault();
    return event.repeat && " l/".includes(event.key) ? null : KEYS[event.key]();
  }

  function arrow(by) {
    if (player.current() >= 0) player.step(by);
  }

  function escape(target) {
    if (target === element("search")) target.blur();
    if (!element("failure").hidden) element("failure").hidden = true;
    else if (element("filters").open) element("filters").open = false;
    else if (map.isLasso()) return map.lasso(false);
    else if (lists.isOpen()) return closeList();
    else if (state.selected >= 0) return deselect();
    return null;
  }

  // From the first draw on

  /** A handler whose errors are shown: a browser tells nobody of those in scripts from a file. */
  function safely(work) {
    return async (...given) => {
      try {
        await work(...given);
      } catch (error) {
        store.fail(error);
      }
    };
  }

  function listen() {
    map.on.pick = safely((track) => select(track, true));
    map.on.lasso = safely((found) => showList(() => found, (count) => `${count} in the lasso`));
    map.on.view = writeAddress;
    map.on.describe = (track) => {
      const artist = tracks.labelled(track, "artist");
      return artist ? [tracks.title(track), artist] : [tracks.title(track)];
    };
    lists.on.select = safely((track) => { map.reveal(track); return select(track, true); });
    lists.on.play = safely((track, queue) => (track === player.current() ? player.toggle(queue) : player.play(track, queue)));
    lists.on.playAll = safely((queue) => player.play(queue[0], queue));
    lists.on.close = safely(closeList);
    lists.on.point = map.point;
    lists.on.colour = (track) => colouring.groups[colouring.groupOf[track]].colour;
    filters.on.change = safely(() => (listed ? showList(listed.find, listed.title) : repaint()));
    filters.on.list = safely(listShown);
    player.on.change = (track, playing) => { rings(); lists.mark(track, playing); };
    player.on.title = safely((track) => { map.reveal(track); return select(track, false); });
    colours.dark.addEventListener("change", safely(recolour));
    document.addEventListener("keydown", safely(key));
    window.addEventListener("hashchange", safely(() => { wanted = readAddress(); return wanted && follow(); }));
    document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); element("panel").focus(); });
    element("failure").addEventListener("click", () => { element("failure").hidden = true; });
    // Space and the arrows are the player's again after a click with the mouse
    document.addEventListener("click", (event) => { if (event.detail) event.target.closest?.("button, summary")?.blur(); }, { capture: true });
    element("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(safely(search), 120); });
    const handlers = {
      "by-distance": () => setColour(state.colour === DISTANCE ? before || tracks.all.first : DISTANCE),
      "zoom-in": KEYS["+"],
      "zoom-out": KEYS["-"],
      reset: KEYS[0],
      lasso: KEYS.l,
    };
    for (const [id, work] of Object.entries(handlers)) element(id).addEventListener("click", safely(work));
    element("colour").addEventListener("change", safely((event) => setColour(event.target.value)));
  }

  /** Do what the address asks for, as if the page had just been opened with it. */
  async function follow() {
    const { track: name, colour, view, filter } = wanted;
    const drawn = state.colour;
    filters.restore(filter);
    filters.columnsReady();
    const track = name === null ? -1 : tracks.find(name);
    store.remark(name !== null && track < 0 ? `The track of this link is not on the map: ${name}` : "");
    const known = colour === DISTANCE ? track >= 0 && tracks.hasVectors() : tracks.column(colour);
    state.colour = known ? colour : tracks.all.first;
    if (state.colour !== DISTANCE) before = state.colour;
    if (track >= 0) await select(track, false);
    else if (state.selected >= 0) deselect();
    showColour();
    if (view) map.setView(view);
    else if (map.view()) await map.fit();
    // The heading has grown since by what there is to choose from
    const asDrawn = !document.documentElement.dataset.ready && state.colour === drawn && !filters.any() && map.fits();
    wanted = null;
    if (!asDrawn) await recolour();
    writeAddress();
  }

  async function start() {
    if (typeof Plotly === "undefined") throw new Error("viewer/plotly is missing: copy the whole folder of the page, or make the page again.");
    tracks.takeMap(await store.part("map"));
    element("about").replaceChildren(...tracks.all.about.map((text) => { const item = document.createElement("li"); item.textContent = text; return item; }));
    before = state.colour = tracks.all.first;
    element("colour").replaceChildren(new Option(tracks.column(state.colour).name, state.colour));
    if (wanted.view) map.setView(wanted.view);
    await recolour();
    const [names, neighbours, vectors] = document.body.dataset.later.split(" ").map(store.load);
    await Promise.all([names, neighbours]);
    tracks.takeTracks(await store.part("tracks"));
    tracks.takeNeighbours(await store.part("neighbours"));
    colourOptions();
    listen();
    const distances = vectors.then(() => store.part("vectors")).then(tracks.takeVectors);
    if (wanted.colour === DISTANCE) await distances;
    await follow();
    await distances;
    distanceOption();
    if (element("search").value) await search();
    document.documentElement.dataset.ready = "yes";
  }

  if (typeof store === "undefined") element("broken").style.setProperty("display", "block", "important");
  else safely(start)();
})();
