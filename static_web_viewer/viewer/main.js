"use strict";

/* From opening the page to its first picture, what the address asks for, and who is told what the user does. */
(() => {
  const NOTHING_ASKED = { track: null, colour: null, view: null, search: "", filter: "{}" };
  const element = (id) => document.getElementById(id);

  /** A handler whose errors are shown: a browser tells nobody of those in scripts from a file. */
  function safely(work) {
    return (...given) => {
      try {
        const result = work(...given);
        if (result instanceof Promise) result.catch(store.fail);
        return result;
      } catch (error) {
        store.fail(error);
        return undefined;
      }
    };
  }

  function listen() {
    map.on.pick = safely(actions.pick);
    map.on.whole = actions.stay;
    map.on.lasso = safely(actions.listLasso);
    map.on.view = safely(() => { if (!page.isFollowing()) address.write(page.state, map.window()); });
    map.on.describe = page.describe;
    map.on.hover = preview.hover;
    lists.on.pick = safely((track, queue, byButton) => {
      if (byButton && track === page.state.track) player.toggle();
      else { map.reveal(track); actions.go(track, queue); }
    });
    lists.on.point = (track) => { map.over({ pointed: track }); preview.hover(track); };
    lists.on.more = safely(page.render);
    lists.on.playAll = safely(actions.playAll);
    lists.on.close = safely(actions.closeList);
    legend.on.toggle = safely((group) => { const hidden = new Set(page.state.hidden); if (!hidden.delete(group)) hidden.add(group); page.change({ hidden }); });
    legend.on.only = safely((group, all) => page.change({ hidden: new Set(all.filter((each) => each !== group)) }));
    legend.on.all = safely(() => page.change({ hidden: new Set() }));
    legend.on.promote = safely((each) => page.change({ promoted: [...page.state.promoted.filter((other) => other !== each), each] }));
    legend.on.fold = safely(page.render);
    legend.on.range = safely((range) => actions.choose(page.state.colour, range));
    filters.on.choose = safely(actions.choose);
    filters.on.list = safely(actions.listShown);
    player.on.step = safely(actions.step);
    player.on.change = safely(page.render);
    colours.dark.addEventListener("change", safely(page.render));
    document.addEventListener("keydown", safely(keys.key));
    window.addEventListener("hashchange", safely(() => { const asked = address.read(); return asked && follow(asked); }));
    document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); element("panel").focus(); });
    element("failure").addEventListener("click", () => { element("failure").hidden = true; });
    // Space and the arrows are the player's again after a click with the mouse
    document.addEventListener("click", (event) => { if (event.detail) event.target.closest?.("button, summary")?.blur(); }, { capture: true });
    element("search").addEventListener("input", safely(actions.searchSoon));
    const handlers = {
      "by-distance": actions.byDistance,
      "zoom-in": keys.KEYS["+"],
      "zoom-out": keys.KEYS["-"],
      reset: keys.KEYS[0],
      lasso: keys.KEYS.l,
      hear: keys.hear,
      walk: () => actions.walkTo(!page.state.walking),
      sheet: () => page.change({ sheet: !page.state.sheet }),
    };
    for (const [id, work] of Object.entries(handlers)) element(id).addEventListener("click", safely(work));
    element("colour").addEventListener("change", safely((event) => actions.colourBy(event.target.value)));
    keys.keepLetters();
  }

  /** Do what the address asks for; a track that is not on the map comes first. */
  async function follow(asked) {
    const beside = asked.track !== null && tracks.find(asked.track) < 0 && others.some();
    if (beside) {
      page.follow(true);
      const track = await others.find(asked.track);
      if (track >= 0) await others.complete(track);
    }
    followNow(asked);
  }

  /** Do what the address asks for, as if the page had just been opened with it. */
  function followNow(asked) {
    const { state } = page;
    page.follow(true);
    const track = asked.track === null ? -1 : tracks.find(asked.track);
    store.remark(asked.track !== null && track < 0 ? `The track of this link is not on the map: ${asked.track}` : "");
    const known = asked.colour === page.DISTANCE ? track >= 0 && tracks.vectors() : tracks.column(asked.colour);
    Object.assign(state, address.filter(asked.filter), { colour: known ? asked.colour : tracks.all.first, walking: false });
    if (track !== state.track) {
      const queue = track < 0 ? [] : { around: track };
      Object.assign(state, { track, queue: page.queued().includes(track) ? state.queue : queue });
      player.open(track, player.playing());
    }
    // Back and Forward leave a list open, so that one can go on in it
    if (!history.state || asked.search !== state.search) {
      element("search").value = asked.search;
      state.search = "";
      state.list = null;
      if (asked.search) actions.search().catch(store.fail);
    }
    page.render();
    if (asked.view) map.show(asked.view);
    else map.fit();
    page.follow(false);
    page.change({});
  }

  async function start() {
    const asked = address.read() || NOTHING_ASKED;
    tracks.takeMap(await store.part("map"));
    element("about").replaceChildren(...tracks.all.about.map((text) => { const item = document.createElement("li"); item.textContent = text; return item; }));
    if (others.some()) {
      element("beside").textContent = `${tracks.all.count.toLocaleString("en")} of ${tracks.all.whole.toLocaleString("en")} tracks are on the map; search finds the others.`;
      element("beside").hidden = false;
      element("alike").textContent = "Most alike on the map";
    }
    page.state.colour = tracks.all.first;
    element("colour").replaceChildren(new Option(tracks.column(tracks.all.first).name, tracks.all.first));
    map.start();
    if (asked.view) map.show(asked.view);
    page.render();
    const [texts, neighbours, vectors] = document.body.dataset.later.split(" ").map(store.load);
    await Promise.all([texts, neighbours]);
    tracks.takeTracks(await store.part("tracks"));
    document.body.classList.toggle("silent", !tracks.all.audio);
    tracks.takeNeighbours(await store.part("neighbours"));
    page.colourOptions();
    filters.columnsReady();
    listen();
    const distances = vectors.then(() => store.part("vectors")).then(tracks.takeVectors);
    if (asked.colour === page.DISTANCE || others.some()) await distances;
    await follow(asked);
    await distances;
    await others.complete(page.state.track);
    if (element("search").value) await actions.search();
    page.render();
    // Not before that is drawn
    requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.ready = "yes"; }));
  }

  if (typeof store === "undefined" || typeof actions === "undefined") element("broken").style.setProperty("display", "block", "important");
  else start().catch(store.fail);
})();
