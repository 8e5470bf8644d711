// Before anything is drawn: the colours that the system wants, and that scripts run at all.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  if (root.dataset.theme !== "system") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  dark.addEventListener("change", follow);
  follow();
})();
