"use strict";

/* The tracks that are no points of a very large map: their files are loaded when somebody searches, and what is found
 * becomes a point among the others. */
const others = (() => {
  const MOST = 200;  // hits of a search that become points
  const known = new Map();  // place among the others -> track
  const chunks = [];  // promises of what a search file holds
  const vectorFiles = new Map();

  /** Whether the page has tracks that are not on its map. */
  const some = () => tracks.all.others !== null;

  function load() {
    const { search, tracks: each } = tracks.all.others;
    for (let i = chunks.length; i < search.length; i++) {
      chunks.push(store.load(search[i]).then(() => store.part(`others${i}`)).then((content) => opened(content, i * each)));
    }
    return Promise.all(chunks);
  }

  /** A search file's content, ready to be searched; `first` is where its tracks begin among the others. */
  function opened(content, first) {
    const columns = content.columns.map(tracks.columnOf), filenames = content.filenames.split("\n");
    return { first, filenames, columns: new Map(columns.map((column) => [column.key, column])), x: store.floats(content.x), y: store.floats(content.y), content, looked: null };
  }

  /** What becomes of the track at a place of a file. */
  function described(chunk, row) {
    const { columns, content } = chunk;
    return {
      filename: chunk.filenames[row],
      x: chunk.x[row],
      y: chunk.y[row],
      value: (key) => ({ value: tracks.value(row, columns.get(key)), number: columns.get(key).numbers ? columns.get(key).numbers[row] : NaN }),
      text: (what) => (content[what] && content[what].texts ? content[what].texts[row] : ""),
      address: tracks.addressIn(content.audio, row, chunk.filenames[row]),
    };
  }

  /** The tracks at places among the others, each a point from now on: [{chunk, row}] -> tracks. */
  function adopt(found) {
    const fresh = found.filter(({ chunk, row }) => !known.has(chunk.first + row));
    fresh.forEach(({ chunk, row }, i) => known.set(chunk.first + row, tracks.all.count + i));
    if (fresh.length) {
      tracks.adopt(fresh.map(({ chunk, row }) => described(chunk, row)));
      map.replace();
      page.render();
    }
    return found.map(({ chunk, row }) => known.get(chunk.first + row));
  }

  /** Search all of them: {tracks: the first hits, on the map from now on, left: how many more there are}. */
  async function search(text) {
    const found = [];
    let count = 0;
    for (const chunk of await load()) {
      chunk.looked = chunk.looked || tracks.searchable(chunk.filenames, [...chunk.columns.values()]);
      const rows = tracks.searchIn(chunk.looked, text);
      count += rows.length;
      for (const row of rows.slice(0, MOST - found.length)) found.push({ chunk, row });
    }
    return { tracks: adopt(found), left: count - found.length };
  }

  /** The track of a file name, on the map from now on; -1: there is none. */
  async function find(filename) {
    for (const chunk of await load()) {
      const row = chunk.filenames.indexOf(filename);
      if (row >= 0) return adopt([{ chunk, row }])[0];
    }
    return -1;
  }

  /** Load the vector of a track that was no point, where it has not come yet; tells whether it has come now. */
  async function complete(track) {
    if (track < tracks.all.drawn || !tracks.vectors() || tracks.hasVector(track)) return false;
    const { vectors, each } = tracks.all.others;
    const place = [...known.keys()].find((key) => known.get(key) === track), file = Math.floor(place / each);
    if (!vectorFiles.has(file)) vectorFiles.set(file, store.load(vectors[file]).then(() => store.part(`far${file}`)).then((content) => store.signed(content.codes)));
    const codes = await vectorFiles.get(file), { dims } = tracks.vectors();
    if (tracks.hasVector(track)) return false;
    tracks.takeVector(track, codes.subarray((place % each) * dims, (place % each + 1) * dims));
    return true;
  }

  return { some, search, find, complete };
})();
