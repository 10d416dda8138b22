"use strict";

/* The tracks: their columns, titles, audio, neighbours, and distances by the real vectors. */
const tracks = (() => {
  const all = { count: 0, drawn: 0, whole: 0, x: null, y: null, filenames: null, columns: [], audio: null, strips: null, about: [], others: null };
  const byKey = new Map();
  const said = { title: () => "", artist: () => "", citation: () => "" };  // what the data says of a track
  const told = new Set();  // keys of the columns that have a place of their own
  const texts = {};  // of title, artist and citation where they stand in no column, one a track
  let near = null, vectors = null, looked = null;

  function columnOf(content) {
    return {
      key: content.key,
      name: content.name,
      values: content.values,
      codes: store.codes(content.codes, content.bytes),
      numbers: content.numbers ? store.floats(content.numbers) : null,
      dates: Boolean(content.dates),
    };
  }

  function addColumn(content) {
    byKey.set(content.key, columnOf(content));
  }

  /** How a text is found of a track: {column} names the column it stands in, {texts} holds one a track, null has none. */
  function reader(source) {
    if (!source) return () => "";
    if (source.texts) return (track) => source.texts[track];
    told.add(source.column);
    return (track) => value(track, byKey.get(source.column));
  }

  const value = (track, column) => column.values[column.codes[track]];

  function takeMap(content) {
    Object.assign(all, { count: content.count, about: content.about, x: store.floats(content.x), y: store.floats(content.y), first: content.column.key, order: content.order, others: content.others || null });
    all.drawn = all.count;
    all.whole = all.count + (all.others ? all.others.count : 0);
    addColumn(content.column);
  }

  function takeTracks(content) {
    all.filenames = content.filenames;
    all.audio = content.audio;
    all.strips = content.strips;
    content.columns.forEach(addColumn);
    all.columns = all.order.map((key) => byKey.get(key));
    for (const what of Object.keys(said)) {
      texts[what] = content[what] && content[what].texts;
      said[what] = reader(content[what]);
    }
  }

  function takeNeighbours(content) {
    near = { count: content.count, tracks: store.codes(content.tracks, content.bytes), distances: store.floats(content.distances) };
  }

  function takeVectors(content) {
    const dims = content.dims, codes = new Int8Array(all.count * dims);  // of tracks that were no points 0, until theirs come
    codes.set(store.signed(content.codes));
    const lengths = new Float32Array(all.count);
    for (let i = 0, at = 0; i < all.count; i++) {
      let sum = 0;
      for (let d = 0; d < dims; d++, at++) sum += codes[at] * codes[at];
      lengths[i] = Math.sqrt(sum) || 1;
    }
    vectors = { dims, codes, lengths, known: new Set() };
  }

  /** Let tracks that were no points of the map follow the others: [{filename, x, y, value(key), text(what), address}]. */
  function adopt(some) {
    const longer = (array, values) => { const made = new array.constructor(array.length + values.length); made.set(array); made.set(values, array.length); return made; };
    const zeros = (count) => new Array(count).fill(0);
    for (const column of byKey.values()) byKey.set(column.key, withValues(column, some.map((each) => each.value(column.key)), longer));
    for (const what of Object.keys(said)) if (texts[what]) texts[what].push(...some.map((each) => each.text(what)));
    if (all.audio) some.forEach((each, i) => { all.audio.others[all.count + i] = each.address; });
    all.x = longer(all.x, some.map((each) => each.x));
    all.y = longer(all.y, some.map((each) => each.y));
    all.filenames = [...all.filenames, ...some.map((each) => each.filename)];
    all.columns = all.order.map((key) => byKey.get(key));
    // A track's own neighbour is itself, so that no way leads over what nobody knows the distances of
    const own = some.flatMap((_, i) => new Array(near.count).fill(all.count + i));
    const wide = all.count + some.length <= 2 ** (8 * near.tracks.BYTES_PER_ELEMENT) ? near.tracks : Uint32Array.from(near.tracks);
    near = { count: near.count, tracks: longer(wide, own), distances: longer(near.distances, zeros(own.length)) };
    if (vectors) vectors = { ...vectors, codes: longer(vectors.codes, zeros(some.length * vectors.dims)), lengths: longer(vectors.lengths, some.map(() => 1)) };
    all.count += some.length;
  }

  /** A column with the values of more tracks, [{value, number}]. */
  function withValues(column, more, longer) {
    const values = column.values.slice(), codes = new Map(values.map((each, code) => [each, code]));
    const added = more.map(({ value: each }) => {
      if (!codes.has(each)) codes.set(each, values.push(each) - 1);
      return codes.get(each);
    });
    const wide = values.length <= 2 ** (8 * column.codes.BYTES_PER_ELEMENT) ? column.codes : Uint32Array.from(column.codes);
    return { ...column, values, codes: longer(wide, added), numbers: column.numbers && longer(column.numbers, more.map((each) => each.number)) };
  }

  /** Take in the vector of an adopted track, (dims,). */
  function takeVector(track, codes) {
    vectors.codes.set(codes, track * vectors.dims);
    vectors.lengths[track] = Math.hypot(...codes) || 1;
    vectors.known.add(track);
    vectors = { ...vectors };
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
    if (track >= all.drawn) return byVectors(track, shown);
    const from = track * near.count;
    const exact = Array.from({ length: near.count }, (_, i) => ({ track: near.tracks[from + i], distance: near.distances[from + i] }));
    if (!shown || !vectors || exact.every((each) => shown[each.track])) return exact.filter((each) => !shown || shown[each.track]);
    return byVectors(track, shown);
  }

  function byVectors(track, shown) {
    if (!hasVector(track)) return [];
    const distances = distancesTo(track);
    const others = [];
    for (let i = 0; i < all.count; i++) if ((!shown || shown[i]) && i !== track && hasVector(i)) others.push(i);
    others.sort((a, b) => distances[a] - distances[b] || a - b);
    return others.slice(0, near.count).map((other) => ({ track: other, distance: Math.max(0, distances[other]) }));
  }

  /** Whether the page knows of a track's distances: a track that was no point of the map brings its vector later. */
  const hasVector = (track) => vectors !== null && (track < all.drawn || vectors.known.has(track));

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
    if (!all.strips || track >= all.drawn) return null;
    const { files, tracks: each, width, height } = all.strips;
    const first = Math.floor(track / each) * each;
    return { file: files[first / each], row: track - first, rows: Math.min(each, all.drawn - first), width, height };
  }

  /** Where the audio is, relative to the page; null where there is none. */
  function address(track) {
    return addressIn(all.audio, track, all.filenames[track]);
  }

  function addressIn(audio, place, filename) {
    if (!audio) return null;
    const other = audio.others[place];
    return other === undefined ? audio.start + filename.split("/").map(encodeURIComponent).join("/") : other;
  }

  const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  /** What `search` looks through: file names, and columns. */
  function searchable(filenames, columns) {
    const looked = columns.filter((column) => column.key.startsWith("label:") || column.key === "cluster");
    return { names: filenames.map(folded), columns: looked.map((column) => ({ codes: column.codes, values: column.values.map(folded) })) };
  }

  /** The places at which a name or a column holds every word of a text; case and accents do not matter. */
  function searchIn({ names: haystacks, columns }, text) {
    const words = folded(text).split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    // Which values of a column hold a word is found once, not once a track
    const hits = words.map((word) => columns.map((column) => column.values.map((each) => each.includes(word))));
    const found = [];
    for (let i = 0; i < haystacks.length; i++) {
      if (words.every((word, w) => haystacks[i].includes(word) || columns.some((column, c) => hits[w][c][column.codes[i]]))) found.push(i);
    }
    return found;
  }

  /** The tracks of the map in whose file name or columns every word occurs. */
  function search(text) {
    if (!all.filenames) return [];
    looked = looked && looked.names.length === all.count ? looked : searchable(all.filenames, all.columns);
    return searchIn(looked, text);
  }

  return {
    all, takeMap, takeTracks, takeNeighbours, takeVectors, distancesTo, neighbours, title, fullTitle, address, addressIn, columnOf, strip, search, searchable, searchIn, adopt, takeVector, hasVector,
    artist: (track) => said.artist(track),
    citation: (track) => said.citation(track),
    column: (key) => byKey.get(key),
    value,
    hasPlace: (column) => told.has(column.key),
    find: (filename) => all.filenames.indexOf(filename),
    near: () => near,
    vectors: () => vectors,
  };
})();
