// A page that changes is read again: when the run has news, and now and then. Parts have
// data-swap; in lists, rows have data-key. What has not changed is not touched, so what one
// reads stays where it is.
import { times } from "./time.js";
import { stream } from "./stream.js";

const main = document.getElementById("main");
const say = document.getElementById("connection");

// The same but for times, which are written by time.js.
const same = (a, b) => a.isEqualNode(b) || bare(a) === bare(b);
function bare(e) {
  const c = e.cloneNode(true);
  for (const t of c.querySelectorAll("time")) { t.textContent = ""; t.removeAttribute("title"); }
  for (const r of c.querySelectorAll(".at")) r.classList.remove("at");
  c.classList?.remove("at");
  return c.outerHTML;
}

function reading(e) {
  const s = getSelection();
  return s && !s.isCollapsed && s.rangeCount && s.getRangeAt(0).intersectsNode(e);
}

function replace(old, fresh) {
  if (same(old, fresh) || reading(old)) return;
  const node = document.importNode(fresh, true);
  if (old.classList.contains("at")) node.classList.add("at");
  const focus = old.contains(document.activeElement) ? document.activeElement : null;
  const where = focus && (focus.id ? "#" + CSS.escape(focus.id) : focus.getAttribute("href") ? `[href="${CSS.escape(focus.getAttribute("href"))}"]` : null);
  const [x, y] = [old.scrollLeft, old.scrollTop];
  old.replaceWith(node);
  [node.scrollLeft, node.scrollTop] = [x, y];
  if (where) node.querySelector(where)?.focus({ preventScroll: true });
  times(node);
}

function swap(old, fresh) {
  if (old.tagName !== fresh.tagName) { location.reload(); return; } // the first row of a list
  const keyed = old.querySelectorAll(":scope > [data-key]");
  const next = fresh.querySelectorAll(":scope > [data-key]");
  if (old.tagName !== "TBODY" || fresh.tagName !== "TBODY" || !next.length) return replace(old, fresh);
  const have = new Map([...keyed].map((r) => [r.dataset.key, r]));
  let at = null;
  for (const row of next) {
    const mine = have.get(row.dataset.key);
    if (mine) {
      have.delete(row.dataset.key);
      at = mine;
      replaceRow(mine, row, (n) => (at = n));
      continue;
    }
    const node = document.importNode(row, true);
    if (at) at.after(node); else old.prepend(node);
    times(node);
    at = node;
  }
  for (const gone of have.values()) if (!gone.contains(document.activeElement)) gone.remove();
}

function replaceRow(mine, row, now) {
  const [prev, parent] = [mine.previousElementSibling, mine.parentElement];
  replace(mine, row);
  now(mine.isConnected ? mine : prev ? prev.nextElementSibling : parent.firstElementChild);
}

function read() {
  return new Promise((done) => {
    const x = new XMLHttpRequest();
    x.open("GET", location.pathname + location.search);
    x.responseType = "document";
    x.timeout = 20000;
    x.onload = () => done(x.status === 200 && x.responseURL.split("#")[0] === location.href.split("#")[0] ? x.responseXML : null);
    x.onerror = x.ontimeout = () => done(null);
    x.send();
  });
}

let busy = false, again = false, timer = 0, cost = 0, over = false;

async function refresh() {
  clearTimeout(timer);
  if (busy) { again = true; return; }
  busy = true;
  const began = performance.now();
  const page = await read();
  const fresh = page && page.getElementById("main");
  say.textContent = fresh ? "" : "not connected: what is shown may be old";
  if (fresh) {
    for (const part of fresh.querySelectorAll("[data-swap]")) {
      if (!document.querySelector(`[data-swap="${part.dataset.swap}"]`)) { location.reload(); return; } // the page has more than before
    }
    for (const old of document.querySelectorAll("[data-swap]")) {
      const part = fresh.querySelector(`[data-swap="${CSS.escape(old.dataset.swap)}"]`);
      if (part) swap(old, part);
    }
    main.dataset.every = fresh.dataset.every || "0";
    over = "live" in main.dataset && !("live" in fresh.dataset);
    if (over) delete main.dataset.live;
    const icon = main.querySelector("[data-icon]");
    if (icon) document.getElementById("icon").href = icon.dataset.icon;
    document.title = page.title;
    for (const e of main.querySelectorAll("[data-swap] button:disabled")) e.disabled = false;
  }
  cost = performance.now() - began;
  busy = false;
  main.dataset.fresh = String(Number(main.dataset.fresh || 0) + 1);
  if (again) { again = false; soon(); } else rest();
}

// soon reads the page again, once for much news, and never more than a share of the time.
let planned = 0;
function soon() {
  if (planned) return;
  planned = setTimeout(() => { planned = 0; refresh(); }, Math.max(250, cost * 4));
}

function rest() {
  const every = Number(main.dataset.every || 0);
  if (!every || over) return;
  timer = setTimeout(() => (document.hidden ? rest() : refresh()), every);
}

export function live() {
  if (!main) return;
  rest();
  document.addEventListener("visibilitychange", () => { if (!document.hidden && (Number(main.dataset.every) || "live" in main.dataset)) soon(); });
  if (!("live" in main.dataset)) return;
  if (!("seq" in main.dataset)) return;
  stream((last) => `/api/v1/runs/${encodeURIComponent(main.dataset.run)}/events?after=${last || main.dataset.seq}`, soon, soon);
}
