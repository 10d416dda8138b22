"use strict";

/* What plays: one track, of which the page says what it is and what comes before and after it. */
const player = (() => {
  const AGAIN = 3;  // seconds of a track after which "previous" is its beginning
  const ARROW = 5, PAGE = 30;  // seconds that a key moves in a track of a few minutes
  const VOLUME = "sound-eval: volume";  // in the browser's storage
  const element = (id) => document.getElementById(id);
  const audio = element("audio"), position = element("position");
  let current = -1;
  let going = false, byItself = false;  // whether a track comes, and came, by the end of another
  let troubled = -1;  // the track that the message is about
  let from = 0;  // the share of the track at which it will begin
  let ways = { canNext: false, canPrevious: false };
  let level = 1;  // what a preview leaves of the volume
  let frame = 0, said = "";  // of the moving position
  const on = { step: () => false, change: () => {} };

  function time(seconds) {
    if (!Number.isFinite(seconds)) return "";
    const whole = Math.floor(seconds);
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    const tail = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
  }

  const length = () => (Number.isFinite(audio.duration) ? audio.duration : 0);  // a stream's is infinite

  // The track

  /** Show a track and make it ready, -1: none; with `aloud` it plays. A page that is just opened may not play by itself. */
  function open(track, aloud) {
    current = track;
    byItself = going;
    from = 0;
    const address = track < 0 ? null : tracks.address(track);
    trouble("");
    element("player").hidden = track < 0;
    element("transport").hidden = !tracks.all.audio;
    strip.show(track);
    audio.preload = "none";
    if (address === null) {
      audio.removeAttribute("src");
      audio.load();
      if (track >= 0 && tracks.all.audio) trouble("This page has no audio of this track.");
    } else {
      audio.src = address;
      if (aloud) start();
    }
    describe();
    showPosition();
    show();
  }

  function start() {
    if (!byItself) preview.silence();
    if (audio.error && !isUnheard()) audio.load();  // it may be there by now
    audio.play().catch((error) => {
      // An AbortError is the next track's doing, and not of interest
      if (error.name === "NotAllowedError") trouble("The browser waits for a click before it plays.");
    });
  }

  function toggle() {
    if (!audio.hasAttribute("src")) return;
    byItself = false;
    if (audio.paused) start();
    else audio.pause();
  }

  function previous() {
    if (audio.currentTime > AGAIN || !ways.canPrevious) seek(0);
    else on.step(-1, false);
  }

  /** After the end of a track, or one that could not be played. Tells whether another one was opened. */
  function goOn() {
    going = true;
    const went = on.step(1, true);
    going = false;
    return went;
  }

  function trouble(text) {
    troubled = text ? current : -1;
    element("trouble").textContent = text;
    element("trouble").hidden = !text;
  }

  /** Whether the track plays on without a sound: what Firefox reports where the machine has no sound device. */
  function isUnheard() {
    return audio.error.message.includes("OnMediaSinkAudioError");
  }

  function fail() {
    if (!audio.getAttribute("src")) return;
    if (isUnheard()) {
      trouble("The browser finds no device to play sound on.");
      return;
    }
    const missing = audio.error && audio.error.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
    const why = missing ? "This file is not there, or of a kind that browsers do not play. A page made with --audio copy brings its own." : "This file breaks off.";
    const [failed, passedOver] = [current, byItself && goOn()];
    trouble(passedOver ? `${tracks.title(failed)}: ${why}` : why);
    if (passedOver) troubled = failed;
    show();
  }

  // Its position

  function seek(seconds) {
    if (length()) audio.currentTime = Math.min(length(), Math.max(0, seconds));
    showPosition();
  }

  /** Go to a share of the track; one that has not been heard yet begins there. */
  function seekShare(share) {
    if (length()) return seek(share * length());
    from = share;
    return audio.paused && toggle();
  }

  function showPosition() {
    const share = length() ? audio.currentTime / length() : from;
    const thousandths = String(Math.round(1000 * share));
    if (position.value !== thousandths) position.value = thousandths;
    element("seek").style.setProperty("--played", position.value / 1000);
    const [at, of] = [time(audio.currentTime), length() ? time(length()) : "–:––"];
    if (said === at + of) return;
    said = at + of;
    element("elapsed").textContent = at;
    element("length").textContent = of;
    position.setAttribute("aria-valuetext", length() ? `${at} of ${of}` : at);
  }

  /** Between the browser's own reports of the time, which are too rare for a line that moves evenly. */
  function follow() {
    showPosition();
    if (!audio.paused) frame = requestAnimationFrame(follow);
  }

  function key(event) {
    const seconds = { ArrowRight: ARROW, ArrowUp: ARROW, ArrowLeft: -ARROW, ArrowDown: -ARROW, PageUp: PAGE, PageDown: -PAGE }[event.key];
    if (!seconds || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    seek(audio.currentTime + seconds * Math.min(1, length() / 100));  // less where the whole track is short
  }

  // The volume

  /** How loud a track is to be, in [0, 1]; the hand on the slider hears in powers. */
  const loudness = () => (audio.muted ? 0 : (element("volume").value / 100) ** 2);

  function setVolume() {
    audio.volume = level * (element("volume").value / 100) ** 2;
    element("volume").style.setProperty("--played", audio.muted ? 0 : element("volume").value / 100);
    element("mute").setAttribute("aria-pressed", String(audio.muted));
  }

  /** Set the volume as it was left at the last visit. */
  function recallVolume() {
    try {
      const kept = JSON.parse(localStorage.getItem(VOLUME));
      if (kept) [element("volume").value, audio.muted] = [kept.volume, kept.muted === true];
    } catch { /* a browser that keeps nothing for a page from a file */ }
    setVolume();
  }

  function changeVolume(muted) {
    audio.muted = muted;
    setVolume();
    try {
      localStorage.setItem(VOLUME, JSON.stringify({ volume: Number(element("volume").value), muted }));
    } catch { /* then it holds for this visit */ }
  }

  // The system's own player: media keys, lock screen, headset

  function describe() {
    if (!("mediaSession" in navigator)) return;
    navigator.mediaSession.metadata = current < 0 ? null : new MediaMetadata({ title: tracks.title(current), artist: tracks.artist(current), album: document.title });
  }

  function tellPosition() {
    if (!("mediaSession" in navigator)) return;
    navigator.mediaSession.setPositionState(length() ? { duration: length(), position: Math.min(length(), audio.currentTime) } : undefined);
  }

  function handle(actions) {
    for (const [name, work] of Object.entries("mediaSession" in navigator ? actions : {})) {
      try {
        navigator.mediaSession.setActionHandler(name, work);
      } catch { /* a browser that does not know this one */ }
    }
  }

  // What the page shows

  /** Say whether there is a track after this one, and one before it. */
  function sync(known) {
    ways = known;
    const any = audio.hasAttribute("src");
    element("play").disabled = position.disabled = !any;
    element("next").disabled = !ways.canNext;
    element("previous").disabled = !ways.canPrevious && !any;  // a track's own beginning is before it too
    handle({ nexttrack: ways.canNext ? () => on.step(1, false) : null, previoustrack: ways.canPrevious || any ? previous : null });
  }

  function show() {
    const playing = !audio.paused;
    element("play").classList.toggle("sounding", playing);
    element("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    if ("mediaSession" in navigator) navigator.mediaSession.playbackState = current < 0 ? "none" : playing ? "playing" : "paused";
    sync(ways);
    on.change();
  }

  // Other tabs of this page, and of others like it, fall silent where this one plays

  let others = null;
  try {
    others = new BroadcastChannel("sound-eval: playing");
    others.addEventListener("message", () => { audio.pause(); preview.silence(); });
  } catch { /* a browser that has none for a page from a file */ }

  function claim() {
    if (others) others.postMessage("");
  }

  audio.addEventListener("play", () => {
    claim();
    cancelAnimationFrame(frame);
    follow();
    store.tell(`Playing ${tracks.title(current)}`);
    show();
  });
  audio.addEventListener("pause", () => {
    if (!audio.ended) store.tell("Paused");
    show();
  });
  audio.addEventListener("ended", () => { if (!goOn()) show(); });
  audio.addEventListener("playing", () => { if (troubled === current) trouble(""); });
  audio.addEventListener("error", fail);
  audio.addEventListener("timeupdate", showPosition);
  audio.addEventListener("loadedmetadata", () => {
    if (from) audio.currentTime = from * length();
    from = 0;
    showPosition();
  });
  for (const name of ["loadedmetadata", "seeked", "play", "pause"]) audio.addEventListener(name, tellPosition);
  position.addEventListener("input", () => seekShare(position.value / 1000));
  position.addEventListener("keydown", key);
  position.addEventListener("pointerup", () => position.blur());  // the keys are the page's again
  // Who reaches for the bar is told how long the track is
  for (const name of ["pointerenter", "focus"]) position.addEventListener(name, () => { audio.preload = "metadata"; });
  element("play").addEventListener("click", toggle);
  element("previous").addEventListener("click", previous);
  element("next").addEventListener("click", () => on.step(1, false));
  element("volume").addEventListener("input", () => changeVolume(false));
  element("mute").addEventListener("click", () => changeVolume(!audio.muted));
  handle({
    play: () => audio.paused && toggle(),
    pause: () => audio.pause(),
    stop: () => audio.pause(),
    seekto: (asked) => seek(asked.seekTime),
    seekbackward: (asked) => seek(audio.currentTime - (asked.seekOffset || ARROW)),
    seekforward: (asked) => seek(audio.currentTime + (asked.seekOffset || ARROW)),
  });
  recallVolume();

  return {
    open, toggle, sync, on, time, loudness, claim,
    playing: () => !audio.paused,
    current: () => current,
    /** Step back for a preview, by a factor in [0, 1]. */
    duck: (share) => { level = share; setVolume(); },
  };
})();
