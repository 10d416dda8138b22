"use strict";

/* What a person can do to the page: choose a track, go on, walk to another, make a list, colour. */
const actions = (() => {
  const DOUBLE_CLICK = 500;  // milliseconds in which a second click may come, as in cloud.js
  const element = (id) => document.getElementById(id);
  const { state, change } = page;
  let before = "";  // the column that was coloured before the distances
  let typing = 0, leaving = 0;

  // The current track and the queue

  /** Make a track the current one, and play it. */
  function go(track, queue) {
    if (state.walking && state.track >= 0 && track !== state.track) return wayTo(track);
    state.walking = false;
    return take(track, queue);
  }

  function take(track, queue) {
    clearTimeout(leaving);
    const other = track !== state.track;
    Object.assign(state, { track, queue });
    preview.hover(-1);
    if (other) player.open(track, true);
    else if (!player.playing()) player.toggle();
    if (other) element("panel").scrollTop = 0;
    if (other) store.tell(`${tracks.title(track)} is selected`);  // and then, that it plays
    others.complete(track).then((has) => has && page.render()).catch(store.fail);
    return change({}, other);
  }

  /** Go on in the queue; tells whether there was a track. A track that has ended is no answer to where one walks to. */
  function step(by, byItself) {
    const next = state.track < 0 ? undefined : page.at(by);
    if (next === undefined) return false;
    map.reveal(next);
    state.walking &&= byItself === true;
    take(next, state.queue);
    return true;
  }

  /** A click on the map. */
  function pick(track, event) {
    clearTimeout(leaving);
    if (track < 0) leaving = setTimeout(leave, DOUBLE_CLICK);  // unless it is the first of a double one
    else if (event.shiftKey && state.track >= 0 && track !== state.track) wayTo(track);
    else go(track, { around: track });
  }

  /** After a click on empty ground. */
  function leave() {
    if (state.walking) walkTo(false);
    else if (state.track >= 0) deselect();
    else if (state.list) closeList();
  }

  /** Esc closes what was opened last. */
  function close() {
    if (!state.walking && state.list) closeList();
    else leave();
  }

  /** Ask for the track that one walks to with the next click, or no longer. */
  function walkTo(wanted) {
    change({ walking: wanted });
    store.tell(wanted ? "Choose a track: the way to it is listed and played. Escape: none" : "No way is asked for");
  }

  function deselect() {
    player.open(-1, false);
    change({ track: -1, queue: [], walking: false, colour: state.colour === page.DISTANCE ? before || tracks.all.first : state.colour }, true);
    store.tell("No track is selected");
  }

  /** The way over the nearest neighbours from the current track to another becomes queue and list. */
  async function wayTo(track) {
    if (others.some()) await Promise.all([state.track, track].map(others.complete));
    const shown = page.shown();
    const way = walk.path(tracks.near(), state.track, track, shown) || (tracks.vectors() ? walk.bridge(state.track, track, shown, tracks.distancesTo) : [state.track, track]);
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

  async function search() {
    clearTimeout(typing);
    const text = element("search").value.trim();
    if (!text) return state.list && closeList();
    const hits = (found, more) => openList({ tracks: found, title: (count) => `${count} with “${text}”${more}` }, { search: text });
    if (!others.some()) return hits(tracks.search(text), "");
    const onMap = tracks.search(text);
    hits(onMap, ", and looking through those that are not on the map …");
    const beside = await others.search(text);
    if (element("search").value.trim() !== text || state.search !== text) return undefined;
    const left = beside.left ? `, and ${beside.left.toLocaleString("en")} more: write more of the name` : "";
    return hits([...new Set([...onMap, ...beside.tracks])], left);
  }

  /** Enter in the search: its first hit. */
  async function takeFirst() {
    await search();
    const listed = page.listed();
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
  async function playAll(found) {
    if (others.some()) await Promise.all(found.map(others.complete));
    const queue = state.list.isWay ? found : walk.order(found, tracks.vectors(), tracks.all);
    state.track = -1;  // also where its first plays already, it begins
    go(queue[0], queue);
  }

  // Colours and filters

  function colourBy(key) {
    if (state.colour !== page.DISTANCE) before = state.colour;
    change({ colour: key, hidden: new Set(), promoted: [] });
  }

  function choose(column, values) {
    const chosen = new Map(state.chosen);
    if (values instanceof Set ? values.size : values) chosen.set(column, values);
    else chosen.delete(column);
    change({ chosen });
  }

  return {
    go, step, pick, close, walkTo, search, takeFirst, closeList, listShown, listLasso, playAll, colourBy, choose,
    byDistance: () => colourBy(state.colour === page.DISTANCE ? before || tracks.all.first : page.DISTANCE),
    /** A search a little after the last letter. */
    searchSoon: () => { clearTimeout(typing); typing = setTimeout(() => search().catch(store.fail), 120); },
    /** A double click was none on empty ground. */
    stay: () => clearTimeout(leaving),
  };
})();
