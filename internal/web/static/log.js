// A log as it grows. What is shown is bounded: of very much, the beginning goes.
import { times } from "./time.js";
import { stream } from "./stream.js";

const most = 5000;

function element(line) {
  const l = document.createElement("span");
  l.className = line.stream === "stderr" ? "l err" : "l";
  const t = document.createElement("time");
  t.dateTime = line.time;
  t.dataset.log = "";
  l.append(t);
  for (const s of line.spans || []) {
    const part = document.createElement("span");
    if (s.c) part.className = s.c;
    part.textContent = s.t;
    l.append(part);
  }
  l.append("\n");
  return l;
}

// mark shows where what was searched for stands.
function mark(box, what) {
  const small = what.toLowerCase();
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) if (walker.currentNode.data.toLowerCase().includes(small)) found.push(walker.currentNode);
  for (const node of found.slice(0, 1000)) {
    let at;
    let rest = node;
    while ((at = rest.data.toLowerCase().indexOf(small)) >= 0) {
      const hit = rest.splitText(at);
      rest = hit.splitText(what.length);
      const m = document.createElement("mark");
      m.className = "hit";
      hit.replaceWith(m);
      m.append(hit);
    }
  }
}

export function follow() {
  const box = document.getElementById("logbox");
  if (!box) return;
  const lines = document.getElementById("lines");
  const what = new URLSearchParams(location.search).get("search");
  if (what) mark(lines, what.trim());
  else if (!/[?&](from|before)=/.test(location.search)) box.scrollTop = box.scrollHeight;
  if (!box.dataset.follow) return;

  const button = document.getElementById("tofollow");
  let stick = true, waiting = [], planned = false;
  box.addEventListener("scroll", () => {
    stick = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    button.hidden = stick;
  });
  button.addEventListener("click", () => { box.scrollTop = box.scrollHeight; });
  const draw = () => {
    planned = false;
    const part = document.createDocumentFragment();
    for (const line of waiting.slice(-most)) part.append(element(line));
    waiting = [];
    times(part);
    lines.append(part);
    if (stick) {
      while (lines.childElementCount > most) lines.firstElementChild.remove();
      box.scrollTop = box.scrollHeight;
    }
  };
  stream((last) => `${box.dataset.follow}&from=${last || box.dataset.next}`, (e) => {
    if (!e.data || e.type !== "message") return;
    waiting.push(JSON.parse(e.data));
    if (!planned) { planned = true; requestAnimationFrame(draw); }
  }, () => { box.dataset.ended = "yes"; });
}
