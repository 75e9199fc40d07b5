// Times as people say them, in the reader's zone; the moment itself is in the title.
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const pad = (n) => String(n).padStart(2, "0");

function ago(ms) {
  const format = (text) => (ms < 0 ? "in " + text : text + " ago");
  const s = Math.abs(ms) / 1000;
  if (s < 5) return "now";
  if (s < 60) return format(Math.floor(s) + " s");
  if (s < 3600) return format(Math.floor(s / 60) + " min");
  if (s < 48 * 3600) return format(Math.floor(s / 3600) + " h");
  return format(Math.floor(s / 86400) + " days");
}

export function times(where) {
  const now = Date.now();
  for (const t of where.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    if (isNaN(at)) continue;
    let text;
    if ("log" in t.dataset) {
      if (t.textContent) continue;
      text = pad(at.getHours()) + ":" + pad(at.getMinutes()) + ":" + pad(at.getSeconds());
      t.title = at.toISOString();
    } else {
      const day = at.getFullYear() + "-" + pad(at.getMonth() + 1) + "-" + pad(at.getDate());
      text = "abs" in t.dataset ? day + " " + pad(at.getHours()) + ":" + pad(at.getMinutes()) + ":" + pad(at.getSeconds()) : ago(now - at);
      t.title = full.format(at) + "\n" + at.toISOString();
    }
    if (t.textContent !== text) t.textContent = text;
  }
}
