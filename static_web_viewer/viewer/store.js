"use strict";

/* What the data files hand over, and the one place where an error is shown.
 *
 * Data comes as scripts, each a call of store.receive(part, json): a page opened from a file can load nothing else.
 */
const store = (() => {
  const parts = new Map();

  function slot(part) {
    if (!parts.has(part)) {
      const made = {};
      made.promise = new Promise((resolve) => { made.resolve = resolve; });
      parts.set(part, made);
    }
    return parts.get(part);
  }

  function bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64);
    const array = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
    return array;
  }

  /** Load a script; what it hands over is then there under its part's name. */
  function load(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} is missing: copy the whole folder of the page, or make the page again.`));
      document.head.append(script);
    });
  }

  /** Say on the page what went wrong: never an empty map without a word. */
  function fail(error) {
    const box = document.getElementById("failure");
    const text = error instanceof Error ? error.message : String(error);
    if (box.hidden) box.textContent = text;
    box.hidden = false;
  }

  /** Say something that is worth knowing and stops nothing. */
  function remark(text) {
    const box = document.getElementById("remark");
    box.textContent = text;
    box.hidden = !text;
    tell(text);
  }

  /** Say something to who cannot see the page. */
  function tell(text) {
    document.getElementById("told").textContent = text;
  }

  window.addEventListener("error", (event) => {
    const missing = event.target instanceof HTMLScriptElement && event.target.getAttribute("src");
    if (missing) fail(`${missing} is missing: copy the whole folder of the page, or make the page again.`);
    else if (event.message && !/ResizeObserver/.test(event.message)) fail(`The page stopped: ${event.message}`);
  }, true);
  window.addEventListener("unhandledrejection", (event) => fail(event.reason));
  // An inline script is none of ours: extensions of the browser have some
  document.addEventListener("securitypolicyviolation", (event) => event.blockedURI === "inline" || fail(`The browser forbids ${event.violatedDirective} ${event.blockedURI}.`));

  return {
    receive: (part, json) => slot(part).resolve(JSON.parse(json)),
    /** What a data file has handed over, once: it is large. */
    part: async (part) => {
      const content = await slot(part).promise;
      parts.delete(part);
      return content;
    },
    floats: (base64) => new Float32Array(bytes(base64).buffer),
    signed: (base64) => new Int8Array(bytes(base64).buffer),
    codes: (base64, size) => new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size](bytes(base64).buffer),
    load,
    fail,
    remark,
    tell,
  };
})();
