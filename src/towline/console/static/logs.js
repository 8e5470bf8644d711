// The log as it grows: follows its end, pauses, wraps, finds, shows times and ANSI colours; text only, never markup.
(() => {
  const MOST = 20000;
  const log = document.getElementById("log");
  const state = document.getElementById("log-state");
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const SGR = /\x1b\[([0-9;]*)m/g;
  const OTHER = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g;
  // Each line comes behind its time, or "-" where that is not known.
  const STAMP = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|-) /;
  const clock = new Intl.DateTimeFormat(undefined, {
    month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
  });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  let paused = false;
  let held = [];
  let rest = "";

  const timeOf = (stamp) => {
    const time = document.createElement("span");
    time.className = "at";
    const moment = new Date(stamp);
    const known = !Number.isNaN(moment.getTime());
    time.textContent = known ? `${clock.format(moment)} ` : "– ";
    time.title = known ? exact.format(moment) : "When this line came was not noted";
    return time;
  };

  const lineOf = (whole) => {
    const line = document.createElement("div");
    const stamp = STAMP.exec(whole);
    const text = stamp ? whole.slice(stamp[0].length) : whole;
    line.said = text.replace(OTHER, "");
    let at = 0;
    let classes = [];
    const put = (piece) => {
      const plain = piece.replace(OTHER, "");
      if (!plain) return;
      if (!classes.length) {
        line.append(plain);
        return;
      }
      const span = document.createElement("span");
      span.className = classes.map((code) => `ansi-${code}`).join(" ");
      span.textContent = plain;
      line.append(span);
    };
    for (const match of text.matchAll(SGR)) {
      put(text.slice(at, match.index));
      at = match.index + match[0].length;
      for (const code of match[1].split(";")) classes = code === "" || code === "0" ? [] : [...classes, code];
    }
    put(text.slice(at));
    if (!line.firstChild) line.append("\n");
    if (stamp) line.prepend(timeOf(stamp[1]));
    return line;
  };

  const fits = (line) => (line.said ?? line.textContent).toLowerCase().includes(find.value.toLowerCase());

  const filter = () => {
    let count = 0;
    for (const line of log.children) {
      line.hidden = Boolean(find.value) && !fits(line);
      count += line.hidden ? 0 : 1;
    }
    found.textContent = find.value ? `${count} line${count === 1 ? "" : "s"}` : "";
  };

  const show = (lines) => {
    if (paused) { held.push(...lines); held = held.slice(-MOST); state.textContent = `Paused; ${held.length} new lines wait.`; return; }
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const made = document.createDocumentFragment();
    for (const text of lines) {
      const line = lineOf(text);
      line.hidden = Boolean(find.value) && !fits(line);
      made.append(line);
    }
    log.append(made);
    while (log.children.length > MOST) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  };

  // What a fresh connection repeats of what is here already: it is left out, and what is missing is marked.
  // It has repeated all once it told the last lines known here, or where no times tell those from others like them:
  // once nothing came for QUIET, or LONGEST after its first line; in milliseconds.
  const KNOWN = 3;
  const QUIET = 400;
  const LONGEST = 3000;
  let last = [];
  let waiting = null;
  let timer = 0;
  let began = 0;

  const gap = () => {
    const mark = document.createElement("div");
    mark.className = "gap";
    mark.textContent = "The connection was lost here; lines may be missing.";
    log.append(mark);
  };

  const unseen = (lines) => {
    if (!last.length) return lines;
    for (let at = lines.length; at >= last.length; at -= 1) {
      if (last.every((line, number) => lines[at - last.length + number] === line)) return lines.slice(at);
    }
    return null;
  };

  const take = (lines) => {
    if (waiting) {
      const now = performance.now();
      if (!waiting.length) began = now;
      waiting.push(...lines);
      clearTimeout(timer);
      const fresh = last.every((line) => !line.startsWith("- ")) && unseen(waiting);
      if (fresh) caughtUp(fresh);
      else timer = setTimeout(caughtUp, Math.min(QUIET, Math.max(began + LONGEST - now, 0)));
      return;
    }
    last = [...last, ...lines].slice(-KNOWN);
    show(lines);
  };

  const caughtUp = (fresh = unseen(waiting)) => {
    const lines = waiting;
    waiting = null;
    if (!lines.length) return;
    if (!fresh) gap();
    take(fresh ?? lines);
  };

  const follow = async () => {
    for (let pause = 500; ; pause = Math.min(pause * 2, 15000)) {
      try {
        const answer = await fetch(log.dataset.stream);
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        rest = "";
        pause = 500;
        waiting = [];
        state.textContent = paused ? state.textContent : "Following.";
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          const lines = (rest + value).split("\n");
          rest = lines.pop();
          if (lines.length) take(lines);
        }
        state.textContent = "The log has ended; looking again.";
      } catch (error) {
        state.textContent = `The connection is lost (${error.message}); trying again.`;
      }
      clearTimeout(timer);
      if (waiting) caughtUp();
      await new Promise((wake) => { setTimeout(wake, pause); });
    }
  };

  const toggle = (button, act) => button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    act(on);
  });

  const plain = document.getElementById("download").search;
  document.getElementById("log-tools").hidden = false;
  find.addEventListener("input", filter);
  toggle(document.getElementById("wrap"), (on) => log.classList.toggle("wrap", on));
  toggle(document.getElementById("times"), (on) => {
    log.classList.toggle("timed", on);
    document.getElementById("download").search = `${plain}${on ? "&timestamps" : ""}`;
  });
  toggle(document.getElementById("pause"), (on) => {
    paused = on;
    if (!on) { const lines = held; held = []; state.textContent = "Following."; show(lines); }
  });
  const first = log.textContent.split("\n").slice(0, -1);
  log.replaceChildren();
  last = first.slice(-KNOWN);
  show(first);
  log.scrollTop = log.scrollHeight;
  // A run that has ended tells nothing more.
  if (log.dataset.stream) follow();
  else document.getElementById("pause").hidden = true;
})();
