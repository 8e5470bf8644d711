// Ctrl-K: a list of what is called like what one types; arrows choose, Enter goes there.
(() => {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const field = document.getElementById("palette-text");
  const found = document.getElementById("palette-found");
  const options = () => [...found.querySelectorAll("a")];
  const chosen = () => found.querySelector("a[aria-selected=true]");

  const choose = (option) => {
    for (const each of options()) each.setAttribute("aria-selected", String(each === option));
    field.setAttribute("aria-activedescendant", option ? option.id : "");
    option?.scrollIntoView({ block: "nearest" });
  };

  const move = (by) => {
    const all = options();
    if (all.length) choose(all[(all.indexOf(chosen()) + by + all.length) % all.length]);
  };

  const open = () => {
    if (palette.open) return;
    palette.showModal();
    field.select();
    field.dispatchEvent(new Event("opened"));
  };

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (palette.open) palette.close();
    else open();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-opens=palette]")) open();
    else if (event.target === palette) palette.close();
  });
  field.addEventListener("keydown", (event) => {
    const act = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Enter: () => chosen()?.click() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  new MutationObserver(() => choose(chosen())).observe(found, { childList: true });
  if (navigator.platform.startsWith("Mac")) document.querySelector(".find kbd").textContent = "⌘ K";
})();
