"use strict";
const player = { on: {}, open: () => {}, toggle: () => {}, playing: () => false, sync: () => {} };
