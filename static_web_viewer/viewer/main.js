"use strict";

/* What the page is at a moment, and the one way in which it changes: change(what), which renders it all anew. */
(() => {
  const DISTANCE = "distance";
  const LETTERS = "sound-eval: single keys";  // in the browser's storage
  const DOUBLE_CLICK = 300;  // milliseconds in which a second click may come
  const NOTHING_ASKED = { track: null, colour: null, view: null, search: "", filter: "{}" };
  const element = (id) => document.getElementById(id);

  const state = {
    track: -1,  // the current one: it is heard, described, and its neighbours are ringed
    queue: [],  // tracks that come before and after it
    colour: "",  // key of a column, or DISTANCE
    promoted: [],  // values that have been given a colour of their own
    hidden: new Set(),  // keys of the legend's groups that are switched off
    chosen: new Map(),  // key of a column -> Set of values or {low, high}: the filters
    search: "",
    list: null,  // {tracks, title(count), isWay}: what a search, a lasso, a filter or a way has found
    walking: false,  // whether the next click on a track asks for the way to it
    sheet: false,  // whether the panel of a narrow window is drawn up
  };
  let wanted = address.read() || NOTHING_ASKED;  // what the address asks for, until that is done
  let before = "";  // the column that was coloured before the distances
  let shown = null, listed = null, colouring = null;  // of the render before
  let typing = 0, leaving = 0;

  // Rendering

  const held = new Map();

  /** The value that `make` has made of these needs; it is made anew where one of them is another. */
  function once(name, needs, make) {
    const kept = held.get(name);
    if (kept && needs.every((need, i) => Object.is(need, kept.needs[i]))) return kept.value;
    const value = make();
    held.set(name, { needs, value });
    return value;
  }

  /** Change what the page is. With `push` Back leads to what it was. */
  function change(what, push = false) {
    Object.assign(state, what);
    render();
    if (!wanted) address.write(state, map.window(), push);
  }

  function render() {
    const focused = document.activeElement;
    renderMap();
    if (tracks.all.filenames) renderPanel();
    map.refit();
    // What had the focus may be gone
    if (focused !== document.body && !document.contains(focused)) element(state.track < 0 ? "search" : "track-title").focus({ preventScroll: true });
  }

  function renderMap() {
    const { all } = tracks;
    const column = tracks.column(state.colour) || tracks.column(all.first);
    const distances = isByDistance() ? once("distances", [state.track], () => tracks.distancesTo(state.track)) : null;
    colouring = once("colouring", [column, distances, state.promoted, colours.scheme()], () => (distances ? colours.byDistance(distances, state.track) : colours.byColumn(column, state.promoted)));
    const filtered = once("filtered", [state.chosen, all.filenames], () => filters.mask(state.chosen));
    shown = once("shown", [filtered, colouring, state.hidden], () => withoutHidden(filtered));
    listed = once("listed", [state.list, shown], () => state.list && state.list.tracks.filter((track) => shown[track]));
    const marked = once("marked", [listed], () => listed && maskOf(listed));
    once("paint", [colouring, shown, marked], () => map.paint(colouring, shown, marked));
    const count = once("count", [shown], () => shown.reduce((sum, each) => sum + each, 0));
    const total = all.count.toLocaleString("en");
    element("count").textContent = count === all.count ? `${total} ${count === 1 ? "track" : "tracks"}` : `${count.toLocaleString("en")} of ${total} tracks`;
    const title = distances ? `Distance to ${tracks.title(state.track)}` : column.name;
    const range = state.chosen.get(column.key);
    once("legend", [colouring, shown, filtered, marked, state.hidden, range, all.filenames], () => legend.render({
      colouring, column: distances ? null : column, title, shown, filtered, marked, hidden: state.hidden, range: range && !(range instanceof Set) ? range : null,
    }));
  }

  function renderPanel() {
    const { track } = state;
    const sounding = player.playing();
    const found = once("near", [track, shown, tracks.vectors()], () => (track < 0 ? [] : tracks.neighbours(track, shown)));
    const near = once("near tracks", [found], () => found.map((each) => each.track));
    const named = once("named", [namedColumn(), shown], () => {
      const column = namedColumn();
      return column ? names.prepare({ x: tracks.all.x, y: tracks.all.y, codes: column.codes, values: column.values, shown }) : [];
    });
    const path = state.list && state.list.isWay ? listed : [];
    once("over", [track, near, path.length, path, named, sounding], () => map.over({ track, near, path, sounding, names: named }));
    once("track", [track], () => lists.showTrack(track));
    const far = once("far", [track, tracks.vectors()], () => (track < 0 || !tracks.vectors() ? 1 : middleDistance(track)));
    once("neighbours", [near, colouring, far], () => lists.showNeighbours(found, near, value, far));
    once("list", [listed, state.list, colouring], () => lists.showList(listed, listed && state.list.title(counted(listed.length)), value));
    once("chips", [state.chosen], () => filters.render(state.chosen));
    lists.mark(track, sounding, (each) => colours.of(colouring, each));
    player.sync({ canPrevious: at(-1) !== undefined, canNext: at(1) !== undefined });
    element("intro").hidden = track >= 0 || Boolean(listed);
    element("walk").setAttribute("aria-pressed", String(state.walking));
    element("walk").disabled = tracks.all.count < 3;
    showColour();
    element("panel").classList.toggle("open", state.sheet);
    element("sheet").setAttribute("aria-expanded", String(state.sheet));
  }

  const isByDistance = () => state.colour === DISTANCE && state.track >= 0 && tracks.vectors() !== null;

  const counted = (count) => (count === 1 ? "1 track" : `${count.toLocaleString("en")} tracks`);

  function maskOf(found) {
    const mask = new Uint8Array(tracks.all.count);
    for (const track of found) mask[track] = 1;
    return mask;
  }

  function withoutHidden(filtered) {
    if (colouring.kind !== "categories" || !state.hidden.size) return filtered;
    const off = colouring.groups.map((group) => state.hidden.has(group.key));
    return filtered.map((each, track) => (off[colouring.groupOf[track]] ? 0 : each));
  }

  /** The column whose values stand on the map: the coloured one, or where that is a scale the first of categories. */
  function namedColumn() {
    const coloured = isByDistance() ? null : tracks.column(state.colour);
    return [coloured, tracks.column(tracks.all.first), tracks.column("cluster")].find((column) => column && !column.numbers) || null;
  }

  /** What the coloured column says of a track. */
  function value(track) {
    const column = isByDistance() ? null : tracks.column(state.colour);
    return column ? tracks.value(track, column) : "";
  }

  function describe(track) {
    const column = isByDistance() ? null : tracks.column(state.colour);
    const said = value(track);
    return tracks.all.filenames ? [tracks.title(track), tracks.artist(track), said && `${column.name}: ${said}`].filter(Boolean) : [];
  }

  /** The distance of any two tracks, as seen from one. */
  function middleDistance(track) {
    const step = Math.ceil(tracks.all.count / 2000);
    const some = tracks.distancesTo(track).filter((_, i) => i % step === 0).sort();
    return some[some.length >> 1] || 1;
  }

  // Colours

  function colourOptions() {
    const options = tracks.all.columns.map((column) => new Option(column.name, column.key));
    const groups = [["From the table", options.filter((option) => option.value.startsWith("label:"))], ["Of every collection", options.filter((option) => !option.value.startsWith("label:"))]];
    const made = groups.filter(([, some]) => some.length).map(([name, some]) => {
      const group = document.createElement("optgroup");
      group.label = name;
      group.append(...some);
      return group;
    });
    made.at(-1).append(new Option("distance to the current track", DISTANCE));
    element("colour").replaceChildren(...made);
  }

  function showColour() {
    const option = [...element("colour").options].find((each) => each.value === DISTANCE);
    option.disabled = state.track < 0 || !tracks.vectors();
    element("by-distance").disabled = option.disabled;
    element("colour").value = state.colour;
    element("by-distance").setAttribute("aria-pressed", String(state.colour === DISTANCE));
  }

  function colourBy(key) {
    if (state.colour !== DISTANCE) before = state.colour;
    change({ colour: key, hidden: new Set(), promoted: [] });
  }

  // The current track and the queue

  /** Make a track the current one, and play it. */
  function go(track, queue) {
    if (state.walking && state.track >= 0 && track !== state.track) return wayTo(track);
    const other = track !== state.track;
    Object.assign(state, { track, queue, walking: false });
    preview.hover(-1);
    if (other) player.open(track, true);
    else if (!player.playing()) player.toggle();
    if (other) element("panel").scrollTop = 0;
    return change({}, other);
  }

  /** The track of the queue that comes after or before the current one, past those that are not shown or not there. */
  function at(by) {
    const { queue, track } = state;
    let place = queue.indexOf(track) + by;
    while (place in queue && (!shown[queue[place]] || (tracks.all.audio && tracks.address(queue[place]) === null))) place += by;
    return queue[place];
  }

  /** Go on in the queue; tells whether there was a track. */
  function step(by) {
    const next = state.track < 0 ? undefined : at(by);
    if (next === undefined) return false;
    map.reveal(next);
    state.walking = false;
    go(next, state.queue);
    return true;
  }

  /** A click on the map. */
  function pick(track, event) {
    clearTimeout(leaving);
    if (track < 0) leaving = setTimeout(safely(() => leave()), DOUBLE_CLICK);  // unless it is the first of a double one
    else if (event.shiftKey && state.track >= 0 && track !== state.track) wayTo(track);
    else go(track, [track, ...tracks.neighbours(track, shown).map((each) => each.track)]);
  }

  function leave() {
    if (state.walking) change({ walking: false });
    else if (state.list) closeList();
    else if (state.track >= 0) deselect();
  }

  function deselect() {
    player.open(-1, false);
    change({ track: -1, queue: [], walking: false, colour: state.colour === DISTANCE ? before || tracks.all.first : state.colour }, true);
  }

  /** The way over the nearest neighbours from the current track to another becomes queue and list. */
  function wayTo(track) {
    const way = walk.path(tracks.near(), state.track, track, shown) || [state.track, track];
    const [from, to] = [tracks.title(state.track), tracks.title(track)];
    if (!player.playing()) player.toggle();
    clearSearch();
    openList({ tracks: way, title: (count) => `${count} from ${from} to ${to}`, isWay: true }, { queue: way, walking: false });
  }

  // Lists

  function openList(list, more = {}) {
    change({ list, sheet: true, ...more });
    element("panel").scrollTop = 0;
    store.tell(element("list-title").textContent);
  }

  function clearSearch() {
    clearTimeout(typing);
    element("search").value = state.search = "";
  }

  function closeList() {
    clearSearch();
    change({ list: null });
  }

  function search() {
    clearTimeout(typing);
    const text = element("search").value.trim();
    if (!text) return state.list && closeList();
    return openList({ tracks: tracks.search(text), title: (count) => `${count} with “${text}”` }, { search: text });
  }

  /** Enter in the search: its first hit. */
  function takeFirst() {
    search();
    if (listed && listed.length) {
      map.reveal(listed[0]);
      go(listed[0], listed);
    }
  }

  function listShown() {
    clearSearch();
    openList({ tracks: Array.from({ length: tracks.all.count }, (_, track) => track), title: (count) => `${count} by the filter` });
  }

  function listLasso(found) {
    clearSearch();
    if (found.length) openList({ tracks: found, title: (count) => `${count} in the lasso` });
  }

  /** Play a list by sound: each track near the one before. A way is in its order already. */
  function playAll(found) {
    const queue = state.list.isWay ? found : walk.order(found, tracks.near(), tracks.vectors());
    state.track = -1;  // also where its first plays already, it begins
    go(queue[0], queue);
  }

  // Keys

  const KEYS = {
    " ": () => player.toggle(),
    "/": () => { element("search").focus(); element("search").select(); },
    ArrowRight: () => step(1),
    ArrowDown: () => step(1),
    ArrowLeft: () => step(-1),
    ArrowUp: () => step(-1),
    "+": () => map.zoom(1.5),
    "=": () => map.zoom(1.5),
    "-": () => map.zoom(1 / 1.5),
    0: () => map.fit(),
    l: () => map.lasso(!map.isLasso()),
    h: () => hear(),
    m: () => element("mute").click(),
  };

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return null;
    const { target } = event;
    if (event.key === "Escape") return escape(target);
    if (target === element("search") && event.key === "Enter") return takeFirst();
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
    else if (state.hidden.size) change({ hidden: new Set() });
    else if (state.sheet && !state.list) change({ sheet: false });
    else leave();
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

  // From the first draw on

  /** A handler whose errors are shown: a browser tells nobody of those in scripts from a file. */
  function safely(work) {
    return (...given) => {
      try {
        const result = work(...given);
        if (result instanceof Promise) result.catch(store.fail);
        return result;
      } catch (error) {
        store.fail(error);
        return undefined;
      }
    };
  }

  function listen() {
    map.on.pick = safely(pick);
    map.on.whole = () => clearTimeout(leaving);
    map.on.lasso = safely(listLasso);
    map.on.view = safely(() => { if (!wanted) address.write(state, map.window()); });
    map.on.describe = describe;
    map.on.hover = preview.hover;
    lists.on.pick = safely((track, queue, byButton) => {
      if (byButton && track === state.track) player.toggle();
      else { map.reveal(track); go(track, queue); }
    });
    lists.on.point = (track) => { map.over({ pointed: track }); preview.hover(track); };
    lists.on.more = safely(render);
    lists.on.playAll = safely(playAll);
    lists.on.close = safely(closeList);
    legend.on.toggle = safely((group) => { const hidden = new Set(state.hidden); if (!hidden.delete(group)) hidden.add(group); change({ hidden }); });
    legend.on.only = safely((group, all) => change({ hidden: new Set(all.filter((each) => each !== group)) }));
    legend.on.all = safely(() => change({ hidden: new Set() }));
    legend.on.promote = safely((each) => change({ promoted: [...state.promoted.filter((other) => other !== each), each] }));
    legend.on.range = safely((range) => choose(state.colour, range));
    filters.on.choose = safely(choose);
    filters.on.list = safely(listShown);
    player.on.step = safely(step);
    player.on.change = safely(render);
    colours.dark.addEventListener("change", safely(render));
    document.addEventListener("keydown", safely(key));
    window.addEventListener("hashchange", safely(() => { wanted = address.read(); return wanted && follow(); }));
    document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); element("panel").focus(); });
    element("failure").addEventListener("click", () => { element("failure").hidden = true; });
    // Space and the arrows are the player's again after a click with the mouse
    document.addEventListener("click", (event) => { if (event.detail) event.target.closest?.("button, summary")?.blur(); }, { capture: true });
    element("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(safely(search), 120); });
    const handlers = {
      "by-distance": () => colourBy(state.colour === DISTANCE ? before || tracks.all.first : DISTANCE),
      "zoom-in": KEYS["+"],
      "zoom-out": KEYS["-"],
      reset: KEYS[0],
      lasso: KEYS.l,
      hear,
      walk: () => change({ walking: !state.walking }),
      sheet: () => change({ sheet: !state.sheet }),
    };
    for (const [id, work] of Object.entries(handlers)) element(id).addEventListener("click", safely(work));
    element("colour").addEventListener("change", safely((event) => colourBy(event.target.value)));
    keepLetters();
  }

  function choose(column, values) {
    const chosen = new Map(state.chosen);
    if (values instanceof Set ? values.size : values) chosen.set(column, values);
    else chosen.delete(column);
    change({ chosen });
  }

  /** Do what the address asks for, as if the page had just been opened with it. */
  function follow() {
    const asked = wanted;
    const track = asked.track === null ? -1 : tracks.find(asked.track);
    store.remark(asked.track !== null && track < 0 ? `The track of this link is not on the map: ${asked.track}` : "");
    const known = asked.colour === DISTANCE ? track >= 0 && tracks.vectors() : tracks.column(asked.colour);
    Object.assign(state, address.filter(asked.filter), { colour: known ? asked.colour : tracks.all.first, walking: false });
    if (track !== state.track) {
      const queue = track < 0 ? [] : [track, ...tracks.neighbours(track).map((each) => each.track)];
      Object.assign(state, { track, queue: state.queue.includes(track) ? state.queue : queue });
      player.open(track, player.playing());
    }
    element("search").value = asked.search;
    state.search = "";
    state.list = null;
    if (asked.search) search();
    render();
    if (asked.view) map.show(asked.view);
    else map.fit();
    wanted = null;
    change({});
  }

  async function start() {
    tracks.takeMap(await store.part("map"));
    element("about").replaceChildren(...tracks.all.about.map((text) => { const item = document.createElement("li"); item.textContent = text; return item; }));
    state.colour = tracks.all.first;
    element("colour").replaceChildren(new Option(tracks.column(state.colour).name, state.colour));
    map.start();
    if (wanted.view) map.show(wanted.view);
    render();
    const [texts, neighbours, vectors] = document.body.dataset.later.split(" ").map(store.load);
    await Promise.all([texts, neighbours]);
    tracks.takeTracks(await store.part("tracks"));
    tracks.takeNeighbours(await store.part("neighbours"));
    colourOptions();
    filters.columnsReady();
    listen();
    const distances = vectors.then(() => store.part("vectors")).then(tracks.takeVectors);
    if (wanted.colour === DISTANCE) await distances;
    follow();
    await distances;
    if (element("search").value) search();
    render();
    document.documentElement.dataset.ready = "yes";
  }

  if (typeof store === "undefined") element("broken").style.setProperty("display", "block", "important");
  else start().catch(store.fail);
})();
