"use strict";
const colours = (() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const P = ["#0072b2", "#c67c00", "#008f68", "#b8588f", "#2b8fc9", "#d55e00", "#8f8400", "#6f7680"];
  const num = (c) => (255 << 24 >>> 0) + parseInt(c.slice(5, 7), 16) * 65536 + parseInt(c.slice(3, 5), 16) * 256 + parseInt(c.slice(1, 3), 16);
  return { dark, scheme: () => (dark.matches ? "dark" : "light"),
    byColumn: (column) => ({ kind: "categories", groups: column.values.map((v, i) => ({ key: "=" + v, label: v, colour: P[i % 8], size: 1 })), groupOf: Uint16Array.from(column.codes), packed: Uint32Array.from(column.codes, (c) => num(P[c % 8])), rank: null }),
    byDistance: (d) => ({ kind: "scale", groups: [{key: ""}], groupOf: new Uint16Array(d.length), packed: Uint32Array.from(d, (x) => num(P[Math.floor(x * 8) % 8])), rank: d.map((x) => -x) }),
    of: (c, i) => c.groups[c.groupOf[i]].colour };
})();
