// Before the first paint: the theme that was chosen here, or the system's. Not a module, so that it does not wait.
(function () {
  var chosen = null;
  try { chosen = localStorage.getItem("studio-theme"); } catch (ignored) { /* storage is off: the system's theme */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
