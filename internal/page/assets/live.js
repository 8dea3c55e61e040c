// Follows the events of grantd and exchanges the parts of the page that have
// data-part for new ones. Without this script the page is whole, only not live.
(() => {
  "use strict";
  const EVERY = 1000; // at most one fetch in this time
  const QUIET = 30000; // without events a fetch in this time: health changes by itself
  const AGAIN = 5000; // after a failure

  const marker = document.querySelector("[data-live]");
  const markerText = document.querySelector("[data-live-text]");
  const say = document.querySelector("[data-say]");
  let skew = Date.now() - Date.parse(document.body.dataset.now);
  let fresh = Date.now();
  let last = 0;
  let timer = 0;
  let fetching = false;
  let again = false;
  let source = null;

  const rough = (s) =>
    s < 60 ? s + " s" : s < 3600 ? Math.floor(s / 60) + " min" : s < 172800 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " days";

  function ago(datetime) {
    const s = (Date.now() - skew - Date.parse(datetime)) / 1000;
    if (Number.isNaN(s)) return null;
    if (s < -1) return "in " + rough(Math.floor(-s));
    return s < 1 ? "just now" : rough(Math.floor(s)) + " ago";
  }

  function tick() {
    for (const e of document.querySelectorAll("[data-ago]")) {
      const text = ago(e.closest("time").dateTime);
      if (text !== null && e.textContent !== text) e.textContent = text;
    }
  }

  function mark(state, text) {
    if (marker.dataset.live !== state) marker.dataset.live = state;
    if (markerText.textContent !== text) markerText.textContent = text;
  }

  // clock is the time as the page tells it.
  const clock = () => new Date(fresh).toLocaleTimeString();

  // key is by what a link or a button is known again.
  const key = (e) => e.getAttribute("href") ?? e.getAttribute("aria-label");

  // swap exchanges a part, and keeps the focus on the same link or button in
  // it; where that is gone, on the part, so that Tab goes on from there.
  function swap(was, is) {
    const focused = was.contains(document.activeElement) ? document.activeElement : null;
    was.replaceWith(is);
    decorate(is);
    if (!focused) return;
    let next = [...is.querySelectorAll("a, button")].find((e) => key(e) === key(focused));
    if (!next) {
      is.tabIndex = -1;
      next = is;
    }
    next.focus({ preventScroll: true });
  }

  function exchange(text) {
    const doc = new DOMParser().parseFromString(text, "text/html");
    const parts = (d) => [...d.querySelectorAll("[data-part]")].map((e) => e.id).join();
    if (!doc.querySelector("main") || parts(doc) !== parts(document)) {
      location.reload(); // another version of grantd, or a part came or went
      return;
    }
    skew = Date.now() - Date.parse(doc.body.dataset.now);
    const before = document.querySelector("#health h2, #client .badge");
    const word = before ? before.textContent : "";
    for (const is of doc.querySelectorAll("[data-part]")) {
      const was = document.getElementById(is.id);
      // A search that was given up earlier than the one before shows less of the same.
      if (is.id === "list" && is.querySelector(".pages p") && was.querySelector("tr[data-client-id]")) continue;
      if (!same(was, is)) swap(was, document.adoptNode(is));
    }
    document.title = doc.title;
    const after = document.querySelector("#health h2, #client .badge");
    if (after && after.textContent !== word) say.textContent = "Now: " + after.textContent;
    tick();
  }

  // same compares two parts but for what the clock and this script change.
  function same(a, b) {
    const bare = (e) => {
      const c = e.cloneNode(true);
      c.removeAttribute("tabindex"); // which swap gives to one that takes the focus
      for (const x of c.querySelectorAll("[data-ago]")) x.textContent = "";
      for (const x of c.querySelectorAll("button[data-copies]")) x.remove();
      return c.outerHTML;
    };
    return bare(a) === bare(b);
  }

  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    again = false;
    last = Date.now();
    try {
      const r = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!r.ok && r.status !== 404) throw new Error(String(r.status));
      exchange(await r.text());
      fresh = Date.now();
      if (source && source.readyState === EventSource.OPEN) mark("live", "Live");
      else mark("off", "As of " + clock());
      plan(QUIET);
    } catch {
      mark("stale", "Stale since " + clock());
      plan(AGAIN);
    } finally {
      fetching = false;
      if (again) soon();
    }
  }

  function plan(wait) {
    clearTimeout(timer);
    timer = setTimeout(() => { if (!document.hidden) refresh(); }, wait);
  }

  // soon fetches now, or once the last fetch is long enough ago.
  function soon() {
    if (document.hidden) { again = true; return; }
    const wait = last + EVERY - Date.now();
    if (wait <= 0) refresh();
    else plan(wait);
  }

  // follow opens the stream of events. A page that nobody sees has none: a
  // browser opens six connections to a server and no more (HTTP/1.1), so that
  // with six streams a seventh page would never load.
  function follow() {
    leave();
    if (document.hidden) return;
    const mine = source = new EventSource("/api/v1/events");
    mine.onopen = soon;
    mine.onerror = () => {
      soon(); // which tells whether it is the stream alone
      if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (source === mine) follow(); }, AGAIN);
    };
    mine.addEventListener("client", soon);
    mine.addEventListener("journal", soon);
  }

  function leave() {
    if (source) source.close();
    source = null;
  }

  // decorate adds a button beside what is to be copied.
  function decorate(root) {
    if (!navigator.clipboard) return;
    for (const code of root.querySelectorAll("[data-copy]")) {
      const b = document.createElement("button");
      b.type = "button";
      b.dataset.copies = "";
      b.textContent = "Copy";
      b.setAttribute("aria-label", "Copy " + code.textContent);
      b.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(code.textContent);
          b.textContent = "Copied";
          say.textContent = "Copied";
        } catch {
          b.textContent = "Not allowed";
        }
        setTimeout(() => { b.textContent = "Copy"; }, 2000);
      });
      code.after(b);
    }
  }

  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", (e) => { if (e.persisted) follow(); });
  decorate(document);
  setInterval(tick, 1000);
  follow();
})();
