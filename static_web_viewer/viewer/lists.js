"use strict";

/* Lists of tracks beside the map: the nearest to the selected one, and one that a lasso, a search or a filter makes. */
const lists = (() => {
  const ROWS = 200;  // shown at a time
  const element = (id) => document.getElementById(id);
  let list = { tracks: [], rows: 0 };
  const on = { select: () => {}, play: () => {}, playAll: () => {}, close: () => {}, point: () => {}, colour: () => "" };

  /** A row: play button, title that selects, and a note at its end. */
  function row(track, note, queue) {
    const item = document.createElement("li");
    item.dataset.track = track;
    const play = document.createElement("button");
    play.type = "button";
    play.className = "play";
    play.addEventListener("click", () => on.play(track, queue()));
    const title = document.createElement("button");
    title.type = "button";
    title.className = "plain";
    title.dir = "auto";
    title.textContent = tracks.title(track);
    const artist = tracks.labelled(track, "artist");
    if (artist) {
      const by = document.createElement("small");
      by.dir = "auto";
      by.textContent = artist;
      title.append(" ", by);
    }
    title.addEventListener("click", () => on.select(track));
    item.addEventListener("mouseenter", () => on.point(track));
    item.addEventListener("mouseleave", () => on.point(-1));
    const dot = document.createElement("i");
    item.append(...(tracks.all.audio ? [play, dot, title] : [dot, title]));
    if (note) {
      const end = document.createElement("span");
      end.className = "note";
      end.textContent = note;
      item.append(end);
    }
    return item;
  }

  function showNeighbours(track) {
    const near = tracks.neighbours(track);
    const queue = [track, ...near.map((each) => each.track)];
    element("neighbours").replaceChildren(...near.map((each) => row(each.track, each.distance.toFixed(3), () => queue)));
    mark(player.current(), player.playing());
    paint();
    return queue;
  }

  function showDetails(track) {
    element("track-title").textContent = tracks.title(track);
    element("track-artist").textContent = tracks.labelled(track, "artist");
    element("track-file").textContent = tracks.all.filenames[track];
    element("track-citation").textContent = tracks.labelled(track, "citation");
    const rows = [];
    for (const column of tracks.all.columns) {
      const value = column.values[column.codes[track]];
      if (!value || /^label:(title|artist|citation)$/i.test(column.key) || (column.key === "new" && value !== "new")) continue;
      const [name, text] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = column.name;
      text.textContent = value;
      name.dir = text.dir = "auto";
      rows.push(name, text);
    }
    element("track-columns").replaceChildren(...rows);
    element("track").hidden = false;
    element("intro").hidden = true;
  }

  function hideDetails() {
    element("track").hidden = true;
    element("intro").hidden = !element("list").hidden;
  }

  /** Show a list; it stays until it is closed. */
  function show(title, found) {
    list = { tracks: found, rows: 0 };
    element("list-title").textContent = title;
    element("list-play").hidden = element("list-m3u8").hidden = !tracks.all.audio;
    element("list").querySelector("ol").replaceChildren();
    element("list-play").disabled = element("list-m3u8").disabled = element("list-csv").disabled = !found.length;
    more();
    element("list").hidden = false;
    element("intro").hidden = true;
    element("list").scrollIntoView({ block: "start" });
    store.tell(title);
  }

  function more() {
    const first = list.rows;
    const rows = list.tracks.slice(list.rows, list.rows + ROWS).map((track) => row(track, "", () => list.tracks));
    element("list").querySelector("ol").append(...rows);
    list.rows += rows.length;
    const left = list.tracks.length - list.rows;
    element("list-more").hidden = left <= 0;
    element("list-more").textContent = `${Math.min(left, ROWS)} more of ${left.toLocaleString("en")}`;
    mark(player.current(), player.playing());
    paint();
    if (first && left <= 0) rows[0].querySelector("button").focus();  // the button that had the focus is gone
  }

  function close() {
    element("list").hidden = true;
    element("intro").hidden = !element("track").hidden;
    list = { tracks: [], rows: 0 };
  }

  /** Mark the track that plays in every list. */
  function mark(track, playing) {
    for (const item of document.querySelectorAll("#panel ol.tracks > li")) {
      const its = Number(item.dataset.track) === track;
      item.classList.toggle("current", its);
      item.classList.toggle("sounding", its && playing);
      const [button] = item.getElementsByClassName("play");
      if (button) button.setAttribute("aria-label", `${its && playing ? "Pause" : "Play"} ${tracks.title(Number(item.dataset.track))}`);
      if (its) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    }
  }

  /** Give every row the colour that its track has on the map. */
  function paint() {
    for (const item of document.querySelectorAll("#panel ol.tracks > li")) item.querySelector("i").style.background = on.colour(Number(item.dataset.track));
  }

  function save(name, kind, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  /** Where a player finds a track: a path for a page opened from a file, an address for one from a server. */
  function location_(track) {
    const url = new URL(tracks.address(track), document.baseURI);
    if (url.protocol !== "file:") return url.href;
    try {
      return decodeURIComponent(url.pathname).replace(/^\/(?=[A-Za-z]:)/, "");
    } catch {
      return url.href;  // the name is not UTF-8
    }
  }

  const line = (text) => text.replace(/[\r\n]+/g, " ");

  function m3u8(found) {
    const entries = found.filter((track) => tracks.address(track) !== null).map((track) => {
      const artist = tracks.labelled(track, "artist");
      return `#EXTINF:-1,${line(artist ? `${artist} - ${tracks.title(track)}` : tracks.title(track))}\n${line(location_(track))}\n`;
    });
    return `#EXTM3U\n${entries.join("")}`;
  }

  function csv(found) {
    const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const { x, y, filenames, columns } = tracks.all;
    const lines = found.map((track) => [filenames[track], String(x[track]), String(y[track]), ...columns.map((column) => column.values[column.codes[track]])]);
    // A table may have a column of the name of one of ours
    const ours = ["filename", "x", "y", ...columns.filter((column) => !column.key.startsWith("label:")).map((column) => column.name)];
    const heading = (column) => (column.key.startsWith("label:") && ours.includes(column.name) ? `${column.name} (table)` : column.name);
    return [["filename", "x", "y", ...columns.map(heading)], ...lines].map((fields) => `${fields.map(field).join(",")}\n`).join("");
  }

  element("list-more").addEventListener("click", more);
  element("list-close").addEventListener("click", () => on.close());
  element("list-play").addEventListener("click", () => on.playAll(list.tracks));
  element("list-m3u8").addEventListener("click", () => save("tracks.m3u8", "audio/x-mpegurl", m3u8(list.tracks)));
  element("list-csv").addEventListener("click", () => save("tracks.csv", "text/csv", csv(list.tracks)));

  return { show, close, paint, showNeighbours, showDetails, hideDetails, mark, on, isOpen: () => !element("list").hidden };
})();
