"use strict";

/* What stands beside the map: the current track, what is most alike to it, and one list that a lasso, a search, a filter
 * or a way across the map has made. */
const lists = (() => {
  const ROWS = 200;  // shown at a time
  const FEW_COLUMNS = 6;  // the others are folded
  const element = (id) => document.getElementById(id);
  let list = { tracks: [], rows: 0, value: () => "" };
  const on = { pick: () => {}, point: () => {}, more: () => {}, close: () => {}, playAll: () => {} };

  const text = (kind, content, className = "") => {
    const made = document.createElement(kind);
    made.dir = "auto";
    made.textContent = content;
    made.className = className;
    return made;
  };

  /** A row: it plays by its button and by its title alike. `value` says what it is by the coloured column. */
  function row(track, value, queue) {
    const item = document.createElement("li");
    item.dataset.track = track;
    const title = document.createElement("button");
    title.type = "button";
    title.className = "plain";
    title.append(text("span", tracks.title(track), "title"));
    const more = [tracks.artist(track), value].filter(Boolean).join(" · ");
    if (more) title.append(text("small", more));
    title.addEventListener("click", () => on.pick(track, queue, false));
    item.addEventListener("mouseenter", () => on.point(track));
    item.addEventListener("mouseleave", () => on.point(-1));
    item.append(document.createElement("i"), title);
    if (tracks.all.audio) {
      const play = document.createElement("button");
      play.type = "button";
      play.className = "play";
      play.addEventListener("click", () => on.pick(track, queue, true));
      item.prepend(play);
    }
    const picture = strip.thumbnail(track);
    if (picture) item.append(picture);
    return item;
  }

  /** How alike a track is, as a bar: whole at distance 0, nothing at that of any two tracks. */
  function bar(distance, far) {
    const made = document.createElement("span");
    const part = document.createElement("span");
    const near = Math.min(Math.max(1 - distance / far, 0), 1);
    made.className = "near";
    made.setAttribute("role", "img");
    made.dataset.distance = distance;
    made.title = `cosine distance ${distance.toFixed(3)}`;
    made.setAttribute("aria-label", `alike ${Math.round(100 * near)} %, cosine distance ${distance.toFixed(3)}`);
    part.style.width = `${100 * near}%`;
    made.append(part);
    return made;
  }

  /** The nearest tracks, [{track, distance}]; `far` is the distance of any two. */
  function showNeighbours(near, queue, value, far) {
    element("neighbours").replaceChildren(...near.map(({ track, distance }) => {
      const item = row(track, value(track), queue);
      const likeness = document.createElement("span");
      likeness.className = "likeness";
      likeness.append(...item.querySelectorAll(".thumbnail"), bar(distance, far));
      item.append(likeness);
      return item;
    }));
  }

  function showTrack(track) {
    element("player").hidden = element("track").hidden = track < 0;
    if (track < 0) return;
    element("track-title").textContent = tracks.title(track);
    element("track-artist").textContent = tracks.artist(track);
    element("track-file").textContent = tracks.all.filenames[track];
    element("track-citation").textContent = tracks.citation(track);
    const rows = [];
    for (const column of tracks.all.columns) {
      const value = tracks.value(track, column);
      if (value && !tracks.hasPlace(column) && !(column.key === "new" && value !== "new")) rows.push([text("dt", column.name), text("dd", value)]);
    }
    // One column is not worth a fold
    const few = rows.length > FEW_COLUMNS + 1 ? FEW_COLUMNS : rows.length;
    element("track-columns").replaceChildren(...rows.slice(0, few).flat());
    element("track-more").hidden = few === rows.length;
    element("track-more").querySelector("summary").textContent = `${rows.length - few} more columns`;
    element("track-more").querySelector("dl").replaceChildren(...rows.slice(few).flat());
  }

  /** Show a list, null: none. Where only what it shows of a track has changed it keeps its rows and its place. */
  function showList(found, title, value) {
    element("list").hidden = !found;
    if (!found) {
      list = { tracks: [], rows: 0, value };
      element("list").querySelector("ol").replaceChildren();
      return;
    }
    const before = list;
    const rows = before.tracks === found ? before.rows : 0;
    list = { tracks: found, rows: 0, value };
    element("list-title").textContent = title;
    element("list-play").hidden = element("list-m3u8").hidden = !tracks.all.audio;
    for (const id of ["list-play", "list-m3u8", "list-csv"]) element(id).disabled = !found.length;
    const ol = element("list").querySelector("ol");
    const place = ol.scrollTop;
    ol.replaceChildren();
    do more(); while (list.rows < rows);
    ol.scrollTop = before.tracks === found ? place : 0;
  }

  function more() {
    const added = list.tracks.slice(list.rows, list.rows + ROWS).map((track) => row(track, list.value(track), list.tracks));
    element("list").querySelector("ol").append(...added);
    list.rows += added.length;
    const left = list.tracks.length - list.rows;
    element("list-more").hidden = left <= 0;
    element("list-more").textContent = `${Math.min(left, ROWS)} more of ${left.toLocaleString("en")}`;
    return added[0];
  }

  /** Mark the current track in every list, and give each row the colour that its track has on the map. */
  function mark(current, sounding, colour) {
    for (const item of document.querySelectorAll("#panel ol.tracks > li")) {
      const track = Number(item.dataset.track);
      const its = track === current;
      item.classList.toggle("current", its);
      item.classList.toggle("sounding", its && sounding);
      item.querySelector("i").style.background = colour(track);
      const [button] = item.getElementsByClassName("play");
      if (button) button.setAttribute("aria-label", `${its && sounding ? "Pause" : "Play"} ${tracks.title(track)}`);
      if (its) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    }
  }

  element("list-more").addEventListener("click", () => {
    const first = more();
    on.more();
    if (element("list-more").hidden) first.querySelector("button").focus();  // the button that had the focus is gone
  });
  element("list-close").addEventListener("click", () => on.close());
  element("list-play").addEventListener("click", () => on.playAll(list.tracks));
  element("list-m3u8").addEventListener("click", () => saved.playlist(list.tracks));
  element("list-csv").addEventListener("click", () => saved.table(list.tracks));

  return { showTrack, showNeighbours, showList, mark, on };
})();
