"use strict";

/* Pictures of how tracks sound: the ground of the seek bar, and small ones in lists.
 *
 * A picture is a row of a file that has those of many tracks. A page that is opened from a file may show such a file,
 * but may neither read its pixels nor cut by them. So the colours come from blend modes, in style.css.
 */
const strip = (() => {
  const element = (id) => document.getElementById(id);
  const [picture, pointed] = [made("div", "picture"), made("output", "pointed")];
  let asked = 0;  // how often a picture was asked for: what arrives for an earlier one is too late
  const lazy = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      lazy.unobserve(target);
      target.style.backgroundImage = target.style.getPropertyValue("--file");
    }
  });

  function made(tag, name) {
    const fresh = document.createElement(tag);
    fresh.className = name;
    return fresh;
  }

  const address = (place) => `url("${place.file}")`;

  /** Choose the row, whatever the size at which it is shown. */
  function choose(target, place) {
    target.style.backgroundSize = `100% ${100 * place.rows}%`;
    target.style.backgroundPosition = `0 ${place.rows > 1 ? (100 * place.row) / (place.rows - 1) : 0}%`;
  }

  /** Lay a track's picture under the seek bar; a plain bar where there is none, and until it is there. */
  function show(track) {
    const mine = ++asked, place = track < 0 ? null : tracks.strip(track);
    element("seek").classList.remove("pictured");
    if (!place) return;
    const image = new Image();
    image.addEventListener("load", () => {
      if (mine !== asked) return;
      picture.style.backgroundImage = address(place);
      choose(picture, place);
      element("seek").classList.add("pictured");
    });
    image.src = place.file;
  }

  /** A small picture of a track, whose file is loaded when it comes into sight; null where there is none. */
  function thumbnail(track) {
    const place = tracks.strip(track);
    if (!place) return null;
    const small = made("span", "thumbnail");
    small.setAttribute("aria-hidden", "true");
    small.style.setProperty("--file", address(place));
    choose(small, place);
    lazy.observe(small);
    return small;
  }

  /** Say the time under the pointer. */
  function point(event) {
    const box = element("position").getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    pointed.textContent = player.time(share * element("audio").duration);
    pointed.style.setProperty("--at", share);
    pointed.hidden = !pointed.textContent;
  }

  const leave = () => { pointed.hidden = true; };

  const sound = made("div", "sound");
  sound.append(picture, made("div", "tint"));
  pointed.setAttribute("aria-hidden", "true");
  element("strip").append(sound, pointed);
  leave();
  element("position").addEventListener("pointermove", point);
  for (const gone of ["pointerleave", "pointercancel"]) element("position").addEventListener(gone, leave);

  return { show, thumbnail };
})();
