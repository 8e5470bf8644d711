// What makes the pages nicer; every form works without it.
(() => {
  const say = (text) => { document.getElementById("said").textContent = text; };

  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60]];

  const inWords = (moment) => {
    const seconds = (moment - Date.now()) / 1000;
    for (const [unit, length] of STEPS) {
      if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
    }
    return relative.format(Math.round(seconds), "second");
  };

  const tellTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      const text = inWords(moment);
      if (time.textContent !== text) time.textContent = text;
      if (time.title !== exact.format(moment)) time.title = exact.format(moment);
    }
  };

  const reveal = (button) => {
    const field = document.getElementById(button.dataset.reveals);
    const show = field.type === "password";
    field.type = show ? "text" : "password";
    button.textContent = show ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(show));
    say(show ? "The password is shown" : "The password is hidden");
  };

  const copy = async (button) => {
    const text = button.parentElement.querySelector("code, output, input");
    await navigator.clipboard.writeText(text.value ?? text.textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  const addRow = (button) => {
    const template = document.getElementById(button.dataset.adds);
    const place = document.getElementById(template.dataset.into);
    const number = Number(template.dataset.last ?? place.children.length) + 1;
    template.dataset.last = number;
    const row = template.content.cloneNode(true);
    for (const element of row.querySelectorAll("*")) {
      for (const attribute of element.attributes) attribute.value = attribute.value.replace("#", number);
      for (const child of element.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) child.data = child.data.replace("#", number);
      }
    }
    place.append(row);
    prepare(place.lastElementChild);
    place.lastElementChild.querySelector("input, select, textarea")?.focus();
  };

  const prepare = (root) => {
    for (const button of root.querySelectorAll("[data-reveals], [data-copies], [data-adds], [data-removes]")) {
      button.hidden = false;
    }
    tellTimes(root);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.reveals) reveal(button);
    else if ("copies" in button.dataset) copy(button);
    else if (button.dataset.adds) addRow(button);
    else if ("removes" in button.dataset) button.closest("[data-row]").remove();
  });

  document.addEventListener("submit", (event) => {
    for (const button of event.target.querySelectorAll("[data-reveals][aria-pressed=true]")) reveal(button);
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "theme") event.target.form.requestSubmit();
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
    if (event.key === "Escape") document.querySelector("details.project[open], details.menu[open]")?.removeAttribute("open");
  });

  // A file dropped on a text area is read here, by the browser; nothing is sent before the form is.
  document.addEventListener("drop", async (event) => {
    const area = event.target.closest("textarea[data-takes-files]");
    if (!area || !event.dataTransfer.files.length) return;
    event.preventDefault();
    area.value = await event.dataTransfer.files[0].text();
  });

  const lost = (is) => {
    const banner = document.getElementById("lost");
    if (banner) banner.hidden = !is;
  };
  let heard = false;
  document.addEventListener("htmx:sse:error", () => lost(true));
  document.addEventListener("htmx:error", () => lost(true));
  document.addEventListener("htmx:sse:after:connection", () => lost(false));
  document.addEventListener("htmx:sse:after:message", (event) => {
    heard = true;
    lost(false);
    prepare(event.target);
  });
  // Where something in between holds the stream back, the part is asked for now and then instead.
  if (document.getElementById("live")) {
    setInterval(() => {
      if (heard || document.hidden) return;
      htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerMorph" });
    }, 5000);
  }
  document.addEventListener("over", () => location.reload());
  document.addEventListener("htmx:after:swap", () => prepare(document));

  prepare(document);
  document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  setInterval(() => tellTimes(document), 30000);
  document.querySelector("[data-focus]")?.focus();
  document.documentElement.dataset.ready = "";
})();
