// What pages do beside being read: times in the reader's zone, keys, light and dark, and
// being read again while a run goes on. Nothing here knows what a run is: the server draws
// pages, and parts of one that have changed are put in the place of the old ones.
import { times } from "./time.js";
import { keys } from "./keys.js";
import { follow } from "./log.js";
import { live } from "./live.js";

times(document);
setInterval(() => times(document), 15000);

const root = document.documentElement;
function toggle() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("flow-theme", root.dataset.theme); } catch { /* only this page */ }
}
document.getElementById("theme").addEventListener("click", toggle);
keys(toggle);

for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
// Forms are sent without what is empty: addresses stay short.
for (const form of document.querySelectorAll("form.filter")) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
}
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", () => setTimeout(() => {
    for (const b of form.querySelectorAll("button")) b.disabled = true;
  }));
}
window.addEventListener("pageshow", () => {
  for (const e of document.querySelectorAll(":disabled")) e.disabled = false;
});
document.addEventListener("click", (e) => {
  const card = e.target.closest(".graph[data-tasks] [data-task]");
  if (!card) return;
  const id = card.querySelector("title").textContent.split("\n")[0];
  location.href = card.closest(".graph").dataset.tasks + encodeURIComponent(id);
});

follow();
live();
