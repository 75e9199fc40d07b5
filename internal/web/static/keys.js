// Keys: / searches, j and k move, Enter opens, ? lists them.
const rows = () => [...document.querySelectorAll("table.list tbody tr, a.layer")];

function move(by) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((r) => r.classList.contains("at"));
  const next = Math.min(all.length - 1, Math.max(0, now < 0 ? 0 : now + by));
  if (now >= 0) all[now].classList.remove("at");
  all[next].classList.add("at");
  all[next].scrollIntoView({ block: "nearest" });
}

export function keys(toggle) {
  const dialog = document.getElementById("keys");
  document.getElementById("help").addEventListener("click", () => dialog.showModal());
  let before = "";
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.target.closest("input, textarea, select, dialog")) {
      if (e.key === "Escape" && e.target.blur) e.target.blur();
      return;
    }
    const first = before;
    before = "";
    const go = { w: "/", r: "/runs", s: "/schedules" }[e.key];
    if (first === "g" && go) { location.href = go; return; }
    switch (e.key) {
      case "g": before = "g"; return;
      case "/": {
        const fields = document.querySelectorAll("[data-search]");
        const field = fields[fields.length - 1];
        if (field) { field.focus(); if (field.select) field.select(); }
        break;
      }
      case "j": move(1); break;
      case "k": move(-1); break;
      case "?": dialog.showModal(); break;
      case "d": toggle(); break;
      case "u": {
        const up = document.getElementById("main").dataset.up;
        if (up) location.href = up;
        break;
      }
      case "Enter": {
        if (e.target.closest("a, button, summary")) return;
        const row = document.querySelector(".at");
        const link = row && (row.matches("a") ? row : row.querySelector("a.open"));
        if (!link) return;
        link.click();
        break;
      }
      default: return;
    }
    e.preventDefault();
  });
}
