"use strict";

/* What the page is at a moment (the selected track, the colour, the list, the filters), and what changes it. */
(() => {
  const DISTANCE = "distance";
  const element = (id) => document.getElementById(id);
  const state = { selected: -1, colour: "", marked: null, found: [], queue: [] };
  let colouring = null, wanted = readAddress(), typing = 0, before = "";

  // The page's address: a link shows what its sender saw

  function readAddress() {
    const fields = new URLSearchParams(location.hash.slice(1));
    const view = (fields.get("view") || "").split(",").map(Number);
    let filter = {};
    try {
      filter = JSON.parse(fields.get("filter") || "{}");
    } catch { /* an address that somebody cut short */ }
    return { track: fields.get("track"), colour: fields.get("colour"), view: view.length === 4 && view.every(Number.isFinite) ? view : null, filter };
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
    if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
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
    box.replaceChildren(...(colouring.kind === "categories" ? categories() : scale()));
    box.className = colouring.kind;
  }

  function categories() {
    const labels = colouring.groups.map((group) => group.label);
    const list = document.createElement("ul");
    list.append(...colouring.groups.map((group) => {
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
      button.title = "Click: hide or show. Double click: this alone";
      button.setAttribute("aria-pressed", String(!filters.isHidden(group.label)));
      button.append(swatch, name, count);
      button.addEventListener("click", (event) => {
        // A double click is two clicks first, which undo each other
        if (event.detail === 2) filters.only(group.label, labels);
        else filters.toggle(group.label);
        again(labels.indexOf(group.label));
      });
      item.append(button);
      return item;
    }));
    const all = document.createElement("button");
    all.type = "button";
    all.className = "plain";
    all.textContent = "Show all";
    all.hidden = !labels.some(filters.isHidden);
    all.addEventListener("click", () => { filters.showAll(); repaint(); });
    return [list, all];
  }

  /** Repaint, and give the focus back to the legend's entry that had it. */
  function again(place) {
    repaint();
    const button = element("legend").querySelectorAll("li button")[place];
    if (button) button.focus({ preventScroll: true });
  }

  function scale() {
    const bar = document.createElement("div");
    const ends = document.createElement("p");
    bar.className = "bar";
    bar.style.background = `linear-gradient(to right, ${colouring.stops.join(",")})`;
    const numbers = [colouring.low, (colouring.low + colouring.high) / 2, colouring.high];
    ends.append(...numbers.map((number, i) => {
      const end = document.createElement("span");
      const digits = Number(number.toPrecision(3));
      end.textContent = state.colour === DISTANCE ? (i === 0 ? "0 near" : i === 2 ? `${digits} far` : `${digits}`) : String(Math.abs(number) >= 1000 ? Math.round(number) : digits);
      return end;
    }));
    const name = document.createElement("p");
    name.dir = "auto";
    name.textContent = state.colour === DISTANCE ? `cosine distance to ${tracks.title(state.selected)}` : element("colour").selectedOptions[0].textContent;
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
    element("colour").value = key;
    element("by-distance").setAttribute("aria-pressed", String(key === DISTANCE));
    return recolour();
  }

  // Selecting and playing

  /** Select a track: its columns and neighbours are shown; with `aloud` it plays. */
  function select(track, aloud) {
    const changed = track !== state.selected;
    state.selected = track;
    lists.showDetails(track);
    state.queue = lists.showNeighbours(track);
    distanceOption();
    if (aloud) player.play(track, state.queue);
    else if (player.current() < 0) player.open(track, false);
    rings();
    lists.mark(player.current(), player.playing());
    map.reveal(track);
    if (changed && state.colour === DISTANCE) recolour();
    writeAddress();
  }

  function distanceOption() {
    const option = [...element("colour").options].find((each) => each.value === DISTANCE);
    option.disabled = state.selected < 0 || !tracks.hasVectors();
    element("by-distance").disabled = option.disabled;
  }

  function deselect() {
    state.selected = -1;
    lists.hideDetails();
    rings();
    if (state.colour === DISTANCE) setColour(before || tracks.all.first);
    distanceOption();
    writeAddress();
  }

  // Lists

  function showList(title, found) {
    state.found = found;
    state.marked = new Uint8Array(tracks.all.count);
    for (const track of found) state.marked[track] = 1;
    lists.show(title, found);
    return repaint();
  }

  function closeList() {
    state.marked = null;
    state.found = [];
    element("search").value = "";
    lists.close();
    return repaint();
  }

  function search() {
    const text = element("search").value.trim();
    if (!text) return lists.isOpen() ? closeList() : null;
    const found = tracks.search(text);
    return showList(`${found.length.toLocaleString("en")} with “${text}”`, found);
  }

  // Keys

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const typed = target.matches("input:not([type=checkbox]), select, textarea");
    if (event.key === "Escape") {
      escape(target);
    } else if (typed) {
      return;
    } else if (event.key === " ") {
      if (target.matches("button, summary, input")) return;  // the key presses these
      player.toggle();
    } else if (event.key === "/") {
      element("search").focus();
      element("search").select();
    } else if (event.key === "ArrowRight" || event.key === "ArrowDown") {
      arrow(1);
    } else if (event.key === "ArrowLeft" || event.key === "ArrowUp") {
      arrow(-1);
    } else if (event.key === "+" || event.key === "=") {
      map.zoom(1.5);
    } else if (event.key === "-") {
      map.zoom(1 / 1.5);
    } else if (event.key === "0") {
      map.fit();
    } else if (event.key === "l") {
      map.lasso(!map.isLasso());
    } else {
      return;
    }
    event.preventDefault();
  }

  function arrow(by) {
    if (player.current() < 0) {
      if (state.selected >= 0) player.play(state.selected, state.queue);
      return;
    }
    if (!player.hasQueue() && state.queue.length > 1) player.play(state.selected, state.queue);
    player.step(by);
  }

  function escape(target) {
    if (element("filters").open) element("filters").open = false;
    else if (map.isLasso()) map.lasso(false);
    else if (lists.isOpen()) closeList();
    else if (state.selected >= 0) deselect();
    if (target === element("search")) target.blur();
  }

  // From the first draw on

  function listen() {
    map.on.pick = (track) => select(track, true);
    map.on.lasso = (found) => showList(found.length === 1 ? "1 track in the lasso" : `${found.length.toLocaleString("en")} tracks in the lasso`, found);
    map.on.view = writeAddress;
    map.on.describe = (track) => {
      const artist = tracks.labelled(track, "artist");
      return artist ? [tracks.title(track), artist] : [tracks.title(track)];
    };
    lists.on.select = (track) => select(track, true);
    lists.on.play = (track, queue) => (track === player.current() ? player.toggle() : player.play(track, queue));
    lists.on.close = closeList;
    lists.on.point = map.point;
    lists.on.colour = (track) => colouring.groups[colouring.groupOf[track]].colour;
    filters.on.change = repaint;
    player.on.change = (track, playing) => { rings(); lists.mark(track, playing); };
    player.on.title = (track) => select(track, false);
    colours.dark.addEventListener("change", recolour);
    document.addEventListener("keydown", key);
    window.addEventListener("hashchange", () => { wanted = readAddress(); follow(); });
    element("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 120); });
    element("colour").addEventListener("change", (event) => setColour(event.target.value));
    element("by-distance").addEventListener("click", () => setColour(state.colour === DISTANCE ? before || tracks.all.first : DISTANCE));
    element("zoom-in").addEventListener("click", () => map.zoom(1.5));
    element("zoom-out").addEventListener("click", () => map.zoom(1 / 1.5));
    element("reset").addEventListener("click", () => map.fit());
    element("lasso").addEventListener("click", () => map.lasso(!map.isLasso()));
  }

  /** Do what the address asks for. */
  async function follow() {
    const drawn = state.colour;
    filters.restore(wanted.filter);
    const track = wanted.track === null ? -1 : tracks.find(wanted.track);
    const colour = wanted.colour === DISTANCE && track < 0 ? null : wanted.colour;
    const known = colour === DISTANCE || tracks.column(colour);
    state.colour = known ? colour : tracks.all.first;
    element("colour").value = state.colour;
    if (state.colour !== DISTANCE) before = state.colour;
    if (track >= 0) select(track, false);
    else if (wanted.track !== null) store.remark(`The track of this link is not on the map: ${wanted.track}`);
    filters.columnsReady();
    if (wanted.view) map.setView(wanted.view);
    const asDrawn = !document.documentElement.dataset.ready && state.colour === drawn && !filters.any();
    wanted = null;
    if (!asDrawn) await recolour();
  }

  async function start() {
    if (typeof Plotly === "undefined") throw new Error("viewer/plotly is missing: copy the whole folder of the page, or make the page again.");
    tracks.takeMap(await store.part("map"));
    element("about").replaceChildren(...tracks.all.about.map((text) => { const item = document.createElement("li"); item.textContent = text; return item; }));
    before = state.colour = tracks.all.first;
    element("colour").replaceChildren(new Option(tracks.column(state.colour).name, state.colour));
    if (wanted.view) map.setView(wanted.view);
    await recolour();
    const later = document.body.dataset.later.split(" ").map(store.load);
    await later[0];
    tracks.takeTracks(await store.part("tracks"));
    colourOptions();
    listen();
    await later[1];
    tracks.takeNeighbours(await store.part("neighbours"));
    await later[2];
    tracks.takeVectors(await store.part("vectors"));
    await follow();
    document.documentElement.dataset.ready = "yes";
  }

  start().catch(store.fail);
})();
