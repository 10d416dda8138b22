"use strict";

/* What the page is at a moment, and the one way in which it changes: page.change(what), which renders it all anew. */
const page = (() => {
  const DISTANCE = "distance";
  const element = (id) => document.getElementById(id);

  const state = {
    track: -1,  // the current one: it is heard, described, and its neighbours are ringed
    queue: [],  // tracks that come before and after it; {around}: what is alike to a track, of what is shown
    colour: "",  // key of a column, or DISTANCE
    promoted: [],  // values that have been given a colour of their own
    hidden: new Set(),  // keys of the legend's groups that are switched off
    chosen: new Map(),  // key of a column -> Set of values or {low, high}: the filters
    search: "",
    list: null,  // {tracks, title(count), isWay}: what a search, a lasso, a filter or a way has found
    walking: false,  // whether the next click on a track asks for the way to it
    sheet: false,  // whether the panel of a narrow window is drawn up
  };
  let shown = null, listed = null, colouring = null;  // of the render before
  let naming = 0;  // how often names have been asked for
  let following = true;  // whether the address still asks for something, and may not be written

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
    if (!following) address.write(state, map.window(), push);
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
    const distances = isByDistance() ? once("distances", [state.track, tracks.vectors()], () => tracks.distancesTo(state.track)) : null;
    colouring = once("colouring", [column, distances, state.promoted, colours.scheme()], () => (distances ? colours.byDistance(distances, state.track) : colours.byColumn(column, state.promoted)));
    const filtered = once("filtered", [state.chosen, all.filenames], () => filters.mask(state.chosen));
    shown = once("shown", [filtered, colouring, state.hidden], () => withoutHidden(filtered));
    listed = once("listed", [state.list, shown], () => state.list && state.list.tracks.filter((track) => shown[track]));
    const marked = once("marked", [listed], () => listed && maskOf(listed));
    once("paint", [colouring, shown, marked], () => map.paint(colouring, shown, marked));
    const count = once("count", [shown], () => shown.reduce((sum, each) => sum + each, 0));
    const total = all.whole.toLocaleString("en");
    element("count").textContent = count === all.whole ? `${total} ${count === 1 ? "track" : "tracks"}` : `${count.toLocaleString("en")} of ${total} tracks`;
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
    once("named", [namedColumn(), shown], () => { nameSoon().catch(store.fail); });
    const path = state.list && state.list.isWay ? listed : [];
    once("over", [track, near, path.length, path, sounding], () => map.over({ track, near, path, sounding }));
    once("track", [track], () => lists.showTrack(track));
    const far = once("far", [track, tracks.vectors()], () => (track < 0 || !tracks.vectors() ? 1 : middleDistance(track)));
    once("neighbours", [near, colouring, far], () => lists.showNeighbours(found, { around: track }, value, far));
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

  /** The track of the queue that comes after or before the current one, past those that are not shown or not there. */
  function at(by) {
    const queue = queued();
    let place = queue.indexOf(state.track) + by;
    while (place in queue && (!shown[queue[place]] || (tracks.all.audio && tracks.address(queue[place]) === null))) place += by;
    return queue[place];
  }

  function queued() {
    const { queue } = state;
    return queue.around === undefined ? queue : once("queue", [queue, shown, tracks.vectors()], () => [queue.around, ...tracks.neighbours(queue.around, shown).map((each) => each.track)]);
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

  /** Write the names on the map after what has changed is painted: of 100,000 tracks they take longer than all the rest. */
  async function nameSoon() {
    const asked = ++naming;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    if (asked !== naming) return;
    const column = namedColumn();
    map.over({ names: column ? names.prepare({ x: tracks.all.x, y: tracks.all.y, codes: column.codes, values: column.values, shown }) : [] });
  }

  /** What the coloured column says of a track. */
  function value(track) {
    const column = isByDistance() ? null : tracks.column(state.colour);
    return column ? tracks.value(track, column) : "";
  }

  function describe(track) {
    const column = isByDistance() ? null : tracks.column(state.colour);
    const said = value(track);
    return tracks.all.filenames ? [tracks.title(track), tracks.artist(track), said && said !== tracks.artist(track) && `${column.name}: ${said}`].filter(Boolean) : [];
  }

  /** The distance of any two tracks, as seen from one. */
  function middleDistance(track) {
    const some = tracks.distancesTo(track, Math.ceil(tracks.all.count / 2000)).sort();
    return some[some.length >> 1] || 1;
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

  return {
    DISTANCE, state, change, render, describe, at, queued, colourOptions,
    /** Which tracks the filters and the legend leave, (count,) of 0 and 1. */
    shown: () => shown,
    /** The tracks of the open list that are shown; null: none is open. */
    listed: () => listed,
    /** Whether an address is being followed, which is not written meanwhile. */
    follow: (begins) => { following = begins; },
    isFollowing: () => following,
  };
})();
