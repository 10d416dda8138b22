"use strict";

/* A list of tracks as a file: a playlist for players, a table for everything else. */
const saved = (() => {
  function save(name, kind, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  /** Where a player finds a track: a path for a page opened from a file, an address for one from a server. */
  function whereabouts(track) {
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
    const entries = found.filter((track) => tracks.address(track) !== null);
    return `#EXTM3U\n${entries.map((track) => `#EXTINF:-1,${line(tracks.fullTitle(track))}\n${line(whereabouts(track))}\n`).join("")}`;
  }

  function csv(found) {
    const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const { x, y, filenames, columns } = tracks.all;
    const lines = found.map((track) => [filenames[track], String(x[track]), String(y[track]), ...columns.map((column) => tracks.value(track, column))]);
    // A table may have a column of the name of one of ours
    const ours = ["filename", "x", "y", ...columns.filter((column) => !column.key.startsWith("label:")).map((column) => column.name)];
    const heading = (column) => (column.key.startsWith("label:") && ours.includes(column.name) ? `${column.name} (table)` : column.name);
    return [["filename", "x", "y", ...columns.map(heading)], ...lines].map((fields) => `${fields.map(field).join(",")}\n`).join("");
  }

  return {
    playlist: (found) => save("tracks.m3u8", "audio/x-mpegurl", m3u8(found)),
    table: (found) => save("tracks.csv", "text/csv", csv(found)),
  };
})();
