"use strict";

/* The tracks: their columns, titles, audio, neighbours, and distances by the real vectors. */
const tracks = (() => {
  const all = { count: 0, x: null, y: null, filenames: null, columns: [], audio: null, about: [] };
  const byKey = new Map();
  const byName = new Map();  // the label table's, by their heading in small letters: title, artist and citation have a place
  let neighbourTable = null, vectors = null, haystacks = null, wordsOf = null;

  function addColumn(content) {
    const column = {
      key: content.key,
      name: content.name,
      values: content.values,
      codes: store.codes(content.codes, content.bytes),
      numbers: content.numbers ? store.floats(content.numbers) : null,
    };
    byKey.set(column.key, column);
    if (column.key.startsWith("label:")) byName.set(column.name.toLowerCase(), column);
  }

  function takeMap(content) {
    Object.assign(all, { count: content.count, about: content.about, x: store.floats(content.x), y: store.floats(content.y), first: content.column.key, order: content.order });
    addColumn(content.column);
  }

  function takeTracks(content) {
    all.filenames = content.filenames;
    all.audio = content.audio;
    content.columns.forEach(addColumn);
    all.columns = all.order.map((key) => byKey.get(key));
  }

  function takeNeighbours(content) {
    neighbourTable = { count: content.count, tracks: store.words(content.tracks), distances: store.floats(content.distances) };
  }

  function takeVectors(content) {
    const dims = content.dims, codes = store.signed(content.codes);
    const lengths = new Float32Array(all.count);
    for (let i = 0, at = 0; i < all.count; i++) {
      let sum = 0;
      for (let d = 0; d < dims; d++, at++) sum += codes[at] * codes[at];
      lengths[i] = Math.sqrt(sum) || 1;
    }
    vectors = { dims, codes, lengths };
  }

  /** Cosine distance of every track to one, (count,) Float32Array. */
  function distancesTo(track) {
    const { dims, codes, lengths } = vectors;
    const target = Int16Array.from(codes.subarray(track * dims, (track + 1) * dims));
    const distances = new Float32Array(all.count);
    for (let i = 0, at = 0; i < all.count; i++) {
      let sum = 0;
      for (let d = 0; d < dims; d++, at++) sum += target[d] * codes[at];
      distances[i] = 1 - sum / (lengths[i] * lengths[track]);
    }
    return distances;
  }

  /** The nearest tracks by the exact vectors: [{track, distance}], nearest first. */
  function neighbours(track) {
    if (!neighbourTable) return [];
    const from = track * neighbourTable.count;
    return Array.from({ length: neighbourTable.count }, (_, i) => ({ track: neighbourTable.tracks[from + i], distance: neighbourTable.distances[from + i] }));
  }

  /** What the label table says of a track in a column, "" where it has none. */
  function labelled(track, name) {
    const column = byName.get(name);
    return column ? column.values[column.codes[track]] : "";
  }

  /** The title column's, else the file's name without folder and extension. */
  function title(track) {
    const given = labelled(track, "title");
    if (given || !all.filenames) return given || "";
    const base = all.filenames[track].split("/").pop();
    return base.replace(/(.)\.[^.]*$/, "$1");
  }

  /** Where the audio is, relative to the page; null where there is none. */
  function address(track) {
    if (!all.audio) return null;
    const other = all.audio.others[track];
    if (other !== undefined) return other;
    return all.audio.start + all.filenames[track].split("/").map(encodeURIComponent).join("/");
  }

  const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  /** The tracks in whose file name or columns every word occurs; case and accents do not matter. */
  function search(text) {
    const words = folded(text).split(/\s+/).filter(Boolean);
    if (!words.length || !all.filenames) return [];
    if (!haystacks) {
      haystacks = all.filenames.map(folded);
      wordsOf = all.columns.filter((column) => column.key.startsWith("label:") || column.key === "cluster").map((column) => ({ codes: column.codes, values: column.values.map(folded) }));
    }
    // Which values of a column hold a word is found once, not once a track
    const hits = words.map((word) => wordsOf.map((column) => column.values.map((each) => each.includes(word))));
    const found = [];
    for (let i = 0; i < all.count; i++) {
      if (words.every((word, w) => haystacks[i].includes(word) || wordsOf.some((column, c) => hits[w][c][column.codes[i]]))) found.push(i);
    }
    return found;
  }

  function find(filename) {
    return all.filenames.indexOf(filename);
  }

  return { all, takeMap, takeTracks, takeNeighbours, takeVectors, distancesTo, neighbours, column: (key) => byKey.get(key), labelled, title, address, search, find, hasVectors: () => vectors !== null };
})();
