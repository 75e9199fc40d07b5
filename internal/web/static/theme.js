// Before anything is drawn: the choice of light or dark, and that there are scripts.
(function () {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("flow-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* no storage: as the system has it */ }
})();
