"use strict";

/* Hover to hear: the track under the pointer sounds, and what the player plays steps back meanwhile. */
const preview = (() => {
  const DELAY = 150, FADE = 200, BEAT = 20;  // milliseconds
  const SHORT = 5;  // seconds; such a track is heard from its beginning, which is most of it
  const element = (id) => document.getElementById(id);
  const touch = window.matchMedia("(hover: none) and (pointer: coarse)");
  const ground = { level: 1, goal: 1 };  // the player
  let voices = [];  // two, made when they are needed: the one that comes, and the one that goes
  let on = false, hovered = -1, waiting = 0, fading = 0, last = 0;

  function voice() {
    const made = { audio: new Audio(), track: -1, level: 0, goal: 0 };
    const { audio } = made;
    audio.addEventListener("loadedmetadata", () => {
      if (made.track < 0) return;
      if (Number.isFinite(audio.duration) && audio.duration >= SHORT) audio.currentTime = audio.duration / 3;
      audio.play().catch(() => {});  // it is left out then, as where a file is missing
    });
    audio.addEventListener("playing", () => { if (made.track >= 0) come(); });
    for (const over of ["ended", "error"]) audio.addEventListener(over, () => { if (made === voices[0] && made.track >= 0) silence(); });
    return made;
  }

  /** Make a track ready; it comes when it is, and the one before goes on until then. */
  function sound(track) {
    const address = tracks.address(track);
    if (address === null || (track === player.current() && player.playing())) return silence();
    if (!voices.length) voices = [voice(), voice()];
    if (voices[0].track === track) return undefined;
    if (voices[0].level || voices[0].goal) voices.reverse();
    Object.assign(voices[0], { track, level: 0, goal: 0 });
    voices[0].audio.volume = 0;
    voices[0].audio.src = address;
    return undefined;
  }

  function come() {
    player.claim();
    Object.assign(voices[1], { track: -1, goal: 0 });
    voices[0].goal = 1;
    ground.goal = 0;
    fade();
  }

  /** Fall silent, and let the player come back. */
  function silence() {
    clearTimeout(waiting);
    for (const each of voices) Object.assign(each, { track: -1, goal: 0 });
    ground.goal = 1;
    fade();
  }

  function fade() {
    if (fading) return;
    last = performance.now();
    fading = setInterval(tick, BEAT);  // no animation frames: a page that is out of sight has none
  }

  function tick() {
    const now = performance.now(), step = (now - last) / FADE;
    last = now;
    const all = [ground, ...voices];
    for (const each of all) each.level += Math.max(-step, Math.min(step, each.goal - each.level));
    player.duck(ground.level);
    loud();
    voices.filter((each) => each.track < 0 && !each.level).forEach(release);
    if (all.some((each) => each.level !== each.goal)) return;
    clearInterval(fading);
    fading = 0;
  }

  function loud() {
    // Of two that cross, the sum of the powers stays
    for (const each of voices) each.audio.volume = Math.sin((each.level * Math.PI) / 2) * player.loudness();
  }

  /** Give back what the browser holds of a file. */
  function release({ audio }) {
    if (!audio.hasAttribute("src")) return;
    audio.pause();
    audio.removeAttribute("src");
    audio.load();
  }

  function set(wanted) {
    on = wanted && !touch.matches;
    element("hear").setAttribute("aria-pressed", String(on));
    if (!on) stop();
  }

  function stop() {
    hovered = -1;
    silence();
  }

  /** The pointer is on a track, or on none: -1. What it only passes is not heard. */
  function hover(track) {
    if (!on || track === hovered) return;
    hovered = track;
    clearTimeout(waiting);
    waiting = setTimeout(() => (track < 0 ? silence() : sound(track)), DELAY);
  }

  element("audio").addEventListener("volumechange", loud);
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); });

  return { set, hover, silence, isOn: () => on };
})();
