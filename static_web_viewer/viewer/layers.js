"use strict";

/* Which points are drawn, in which order: the map is made of layers of one colour each. */
const layered = (() => {
  const CROWD = 3000;  // tracks, from which on colours are laid down in rounds, so that none hides the others
  const ROUNDS = 4;

  /** One layer a colour, and one a colour of what is left faint: [{colour, faint, tracks}], the lowest first.
   *
   * shown, marked  (tracks,) of 0 and 1: what is drawn at all, and what of it in full; null: all of it.
   * most           how many points there may be.
   */
  function layered({ colouring, shown, marked }, most) {
    const { groups, groupOf, order } = colouring;
    const keep = most < shown.length ? thinned(shown, marked, most) : null;
    // 0: not drawn; 1: faint; 2: drawn
    const level = new Uint8Array(shown.length);
    for (let i = 0; i < level.length; i++) level[i] = !shown[i] || (keep && !keep[i]) ? 0 : marked && !marked[i] ? 1 : 2;
    const sizes = [1, 2].map(() => new Uint32Array(groups.length));
    for (let i = 0; i < level.length; i++) if (level[i]) sizes[level[i] - 1][groupOf[i]]++;
    const members = sizes.map((counts) => Array.from(counts, (count) => new Uint32Array(count)));
    const rounds = colouring.fair && level.length > CROWD ? ROUNDS : 1;
    sizes.forEach((counts) => counts.fill(0));
    for (let i = 0; i < level.length; i++) {
      if (!level[i]) continue;
      const which = level[i] - 1, group = groupOf[i];
      members[which][group][sizes[which][group]++] = i;
    }
    const filled = [];
    members.forEach((some, which) => {
      for (let round = 0; round < rounds; round++) {
        for (const group of order) {
          const part = rounds === 1 ? some[group] : some[group].filter((_, place) => place % rounds === round);
          if (part.length) filled.push({ colour: groups[group].colour, faint: which === 0, tracks: part });
        }
      }
    });
    return filled;
  }

  /** Which of too many tracks are drawn: those in a list first, the others evenly. */
  function thinned(shown, marked, most) {
    const candidates = [[], []];
    for (let i = 0; i < shown.length; i++) if (shown[i]) candidates[marked && marked[i] ? 0 : 1].push(i);
    const keep = new Uint8Array(shown.length);
    let room = most;
    for (const some of candidates) {
      const taken = Math.min(room, some.length);
      for (let k = 0; k < taken; k++) keep[some[Math.floor((k * some.length) / taken)]] = 1;
      room -= taken;
    }
    return keep;
  }

  return layered;
})();
