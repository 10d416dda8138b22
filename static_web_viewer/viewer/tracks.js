"use strict";

/* The tracks: their columns, titles, audio, neighbours, and distances by the real vectors. */
const tracks = (() => {
  const all = { count: 0, x: null, y: null, filenames: null, columns: [], audio: null, strips: null, about: [] };
  const byKey = new Map();
  const said = { title: () => "", artist: () => "", citation: () => "" };  // what the data says of a track
  const told = new Set();  // keys of the columns that have a place of their own
  let near = null, vectors = null, haystacks = null, wordsOf = null;

  function addColumn(content) {
    const column = {
      key: content.key,
      name: content.name,
      values: content.values,
      codes: store.codes(content.codes, content.bytes),
      numbers: content.numbers ? store.floats(content.numbers) : null,
      dates: Boolean(content.dates),
    };
    byKey.set(column.key, column);
  }

  /** How a text is found of a track: {column} names the column it stands in, {texts} holds one a track, null has none. */
  function reader(source) {
    if (!source) return () => "";
    if (source.texts) return (track) => source.texts[track];
    const column = byKey.get(source.column);
    told.add(source.column);
    return (track) => column.values[column.codes[track]];
  }

  function takeMap(content) {
    Object.assign(all, { count: content.count, about: content.about, x: store.floats(content.x), y: store.floats(content.y), first: content.column.key, order: content.order });
    addColumn(content.column);
  }

  function takeTracks(content) {
    all.filenames = content.filenames;
    all.audio = content.audio;
    all.strips = content.strips;
    content.columns.forEach(addColumn);
    all.columns = all.order.map((key) => byKey.get(key));
    for (const what of Object.keys(said)) said[what] = reader(content[what]);
  }

  function takeNeighbours(content) {
    near = { count: content.count, tracks: store.words(content.tracks), distances: store.floats(content.distances) };
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

  /** Cosine distance of every track to one, or of each `step`th: (count / step,) Float32Array. */
  function distancesTo(track, step = 1) {
    const { dims, codes, lengths } = vectors;
    const target = Int16Array.from(codes.subarray(track * dims, (track + 1) * dims));
    const distances = new Float32Array(Math.ceil(all.count / step));
    for (let i = 0, place = 0; i < all.count; i += step, place++) {
      let sum = 0, at = i * dims;
      for (let d = 0; d < dims; d++, at++) sum += target[d] * codes[at];
      distances[place] = 1 - sum / (lengths[i] * lengths[track]);
    }
    return distances;
  }

  /** The nearest tracks: [{track, distance}], nearest first. Of all by the exact vectors; of `shown` alone by the page's. */
  function neighbours(track, shown) {
    if (!near) return [];
    const from = track * near.count;
    const exact = Array.from({ length: near.count }, (_, i) => ({ track: near.tracks[from + i], distance: near.distances[from + i] }));
    if (!shown || !vectors || exact.every((each) => shown[each.track])) return exact.filter((each) => !shown || shown[each.track]);
    const distances = distancesTo(track);
    const others = [];
    for (let i = 0; i < shown.length; i++) if (shown[i] && i !== track) others.push(i);
    others.sort((a, b) => distances[a] - distances[b] || a - b);
    return others.slice(0, near.count).map((other) => ({ track: other, distance: Math.max(0, distances[other]) }));
  }

  /** The title, else the file's name without folder and extension. */
  function title(track) {
    const given = said.title(track);
    if (given || !all.filenames) return given;
    return all.filenames[track].split("/").pop().replace(/(.)\.[^.]*$/, "$1");
  }

  /** "Artist - title", as playlists have it. */
  function fullTitle(track) {
    const artist = said.artist(track);
    return artist ? `${artist} - ${title(track)}` : title(track);
  }

  /** Where the picture of the track's mel is: row `row` of `rows` in a file; null where the page has none. */
  function strip(track) {
    if (!all.strips) return null;
    const { files, tracks: each, width, height } = all.strips;
    const first = Math.floor(track / each) * each;
    return { file: files[first / each], row: track - first, rows: Math.min(each, all.count - first), width, height };
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

  return {
    all, takeMap, takeTracks, takeNeighbours, takeVectors, distancesTo, neighbours, title, fullTitle, address, strip, search,
    artist: (track) => said.artist(track),
    citation: (track) => said.citation(track),
    column: (key) => byKey.get(key),
    value: (track, column) => column.values[column.codes[track]],
    hasPlace: (column) => told.has(column.key),
    find: (filename) => all.filenames.indexOf(filename),
    near: () => near,
    vectors: () => vectors,
  };
})();
