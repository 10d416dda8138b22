"use strict";

/* One track plays at a time, out of a queue: the lists beside the map, or a track with its neighbours. */
const player = (() => {
  const element = (id) => document.getElementById(id);
  const audio = element("audio");
  let queue = [], at = -1, current = -1;
  let byItself = false;  // whether the track was come to by the end of another
  let troubled = -1;  // the track that the message is about
  const on = { change: () => {}, title: () => {} };

  function time(seconds) {
    if (!Number.isFinite(seconds)) return "";
    const whole = Math.floor(seconds);
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    const tail = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
  }

  function showPosition(share) {
    element("position").value = 1000 * share;
    element("position").style.setProperty("--played", `${100 * share}%`);
  }

  function trouble(text) {
    troubled = text ? current : -1;
    element("trouble").textContent = text;
    element("trouble").hidden = !text;
  }

  function take(track, tracks_) {
    queue = tracks_;
    at = queue.indexOf(track);
  }

  /** Play a track; `tracks_` is what comes before and after it. */
  function play(track, tracks_) {
    take(track, tracks_);
    open(track, true);
  }

  /** Make a track ready without a sound: a page that is just opened may not play by itself. */
  function ready(track, tracks_) {
    take(track, tracks_);
    open(track, false);
  }

  function open(track, aloud) {
    current = track;
    byItself = false;
    const address = tracks.address(track);
    trouble("");
    element("player").hidden = !tracks.all.audio;
    element("playing-title").textContent = tracks.title(track);
    element("elapsed").textContent = "0:00";
    element("length").textContent = "";
    showPosition(0);
    if (address === null) {
      audio.removeAttribute("src");
      audio.load();
      trouble("This page has no audio of this track.");
    } else {
      audio.src = address;
      if (aloud) start();
    }
    show();
  }

  function start() {
    if (audio.error) audio.load();  // it may be there by now
    audio.play().catch((error) => {
      // An AbortError is the next track's doing, and not of interest
      if (error.name === "NotAllowedError") trouble("The browser waits for a click before it plays.");
    });
  }

  /** Play or pause; with `tracks_` these are what comes before and after from now on. */
  function toggle(tracks_) {
    if (tracks_) take(current, tracks_);
    if (current < 0 || !audio.hasAttribute("src")) return;
    if (audio.paused) start();
    else audio.pause();
    show();
  }

  /** Go on in the queue, past tracks without audio where the page has any. */
  function step(by) {
    let next = at + by;
    while (tracks.all.audio && next in queue && tracks.address(queue[next]) === null) next += by;
    if (!(next in queue)) return false;
    at = next;
    open(queue[at], true);
    return true;
  }

  /** After the end of a track, or one that could not be played. */
  function goOn() {
    if (!step(1)) return false;
    byItself = true;
    return true;
  }

  function show() {
    const playing = !audio.paused;
    element("play").classList.toggle("sounding", playing);
    element("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    element("play").disabled = !audio.hasAttribute("src");
    element("next").disabled = at + 1 >= queue.length;
    on.change(current, playing);
  }

  audio.addEventListener("play", show);
  audio.addEventListener("pause", show);
  audio.addEventListener("ended", () => { if (!goOn()) show(); });
  audio.addEventListener("playing", () => { if (troubled === current) trouble(""); });
  audio.addEventListener("error", () => {
    if (!audio.getAttribute("src")) return;
    const missing = audio.error && audio.error.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
    const why = missing ? "This file is not there, or of a kind that browsers do not play. A page made with --audio copy brings its own." : "This file breaks off.";
    const [failed, passedOver] = [current, byItself && goOn()];
    trouble(passedOver ? `${tracks.title(failed)}: ${why}` : why);
    if (passedOver) troubled = failed;
    show();
  });
  audio.addEventListener("timeupdate", () => {
    const length = Number.isFinite(audio.duration) ? audio.duration : 0;  // a stream's is infinite
    element("elapsed").textContent = time(audio.currentTime);
    showPosition(length ? audio.currentTime / length : 0);
    element("position").setAttribute("aria-valuetext", length ? `${time(audio.currentTime)} of ${time(length)}` : time(audio.currentTime));
  });
  audio.addEventListener("loadedmetadata", () => { element("length").textContent = time(audio.duration); });
  element("position").addEventListener("input", (event) => { if (Number.isFinite(audio.duration)) audio.currentTime = (event.target.value / 1000) * audio.duration; });
  element("position").addEventListener("change", (event) => event.target.blur());  // the keys are the player's again
  element("play").addEventListener("click", () => toggle());
  element("next").addEventListener("click", () => step(1));
  element("playing-title").addEventListener("click", () => on.title(current));

  return { play, ready, toggle, step, on, current: () => current, playing: () => !audio.paused };
})();
