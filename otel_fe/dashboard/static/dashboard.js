// The pages are whole without this: it shows times in the reader's zone, keeps figures live, and lets a range be dragged.
"use strict";
(() => {
  document.documentElement.classList.add("js");

  const two = (n) => String(n).padStart(2, "0");
  const axis = (at) => {
    const midnight = at.getHours() === 0 && at.getMinutes() === 0;
    return midnight ? at.toLocaleDateString(undefined, { day: "numeric", month: "short" }) : `${two(at.getHours())}:${two(at.getMinutes())}${at.getSeconds() ? ":" + two(at.getSeconds()) : ""}`;
  };
  // One clock of 24 hours, for axes and texts.
  const written = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const inFull = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short", hourCycle: "h23" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const words = (text) => text.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/g, (_, day, time) => written.format(new Date(`${day}T${time}Z`)));
  const localise = (root) => {
    for (const one of root.querySelectorAll("time[data-ms], text[data-ms]")) {
      const at = new Date(Number(one.dataset.ms));
      const kind = one.dataset.kind;
      if (kind === "axis") one.textContent = axis(at);
      else if (kind === "time") one.textContent = clock.format(at);
      else {
        one.textContent = written.format(at);
        one.setAttribute("title", inFull.format(at));
      }
    }
    // What is said of a cell or a point, to those who point at it and to screen readers.
    for (const one of root.querySelectorAll("svg [aria-label*=' UTC']")) one.setAttribute("aria-label", words(one.getAttribute("aria-label")));
    for (const one of root.querySelectorAll("svg title")) if (one.textContent.includes(" UTC")) one.textContent = words(one.textContent);
    for (const one of root.querySelectorAll("input[type=datetime-local][data-ms]")) {
      const at = new Date(Number(one.dataset.ms));
      one.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
    }
  };
  localise(document);

  for (const one of document.querySelectorAll(".filters select")) one.addEventListener("change", () => one.form.submit());
  const set = document.getElementById("set-range");
  if (set) set.addEventListener("click", () => {
    const url = new URL(location.href);
    for (const name of ["range", "t0", "t1", "low", "high", "page"]) url.searchParams.delete(name);
    for (const one of document.querySelectorAll("[data-sets]")) url.searchParams.set(one.dataset.sets, String(new Date(one.value).getTime()));
    location.assign(url);
  });

  // --- live: the same page is asked for again, and what has changed is put in its place ---
  const every = Number(document.body.dataset.liveEvery || 0) * 1000;
  const button = document.getElementById("live");
  let busy = false, dragging = false;
  const refresh = async () => {
    if (busy || dragging || document.hidden || button.getAttribute("aria-pressed") !== "true") return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      localise(fresh);
      for (const old of document.querySelectorAll("[data-live]")) {
        const one = fresh.getElementById(old.id);
        if (one && !dragging && !old.contains(document.activeElement) && one.innerHTML !== old.innerHTML) {
          const open = new Set([...old.querySelectorAll("details[open] > summary")].map((two) => two.textContent));
          old.replaceChildren(...one.childNodes);
          for (const two of old.querySelectorAll("details > summary")) if (open.has(two.textContent)) two.parentElement.open = true;
        }
      }
      button.classList.remove("lost");
      button.querySelector(".live-word").textContent = "Live";
    } catch {
      if (!button.classList.contains("lost")) document.getElementById("announce").textContent = "The connection to the dashboard is lost; figures are old.";
      button.classList.add("lost");
      button.querySelector(".live-word").textContent = "Lost";
    } finally { busy = false; }
  };
  if (button && every) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      button.querySelector(".live-word").textContent = on ? "Live" : "Paused";
      if (on) refresh();
    });
    setInterval(refresh, every);
    document.addEventListener("visibilitychange", refresh);
  }

  // --- a range is dragged over the heat map: the rectangle becomes a URL ---
  let from = null;
  const place = (svg, event) => {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    const [left, top, right, foot] = svg.dataset.plot.split(" ").map(Number);
    const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
    return {
      x: clamp((event.clientX - box.left) / box.width * view.width, left, right),
      y: clamp((event.clientY - box.top) / box.height * view.height, top, foot), left, top, right, foot,
    };
  };
  const draw = (svg, a, b) => {
    const brush = svg.querySelector("#brush");
    brush.setAttribute("visibility", "visible");
    for (const [name, value] of Object.entries({ x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) })) brush.setAttribute(name, value);
  };
  document.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest && event.target.closest("#heat");
    if (svg && event.button === 0 && event.pointerType !== "touch") from = { svg, at: place(svg, event) };
  });
  document.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = place(from.svg, event);
    if (!dragging && Math.hypot(to.x - from.at.x, to.y - from.at.y) < 5) return;
    dragging = true;
    draw(from.svg, from.at, to);
  });
  document.addEventListener("pointerup", (event) => {
    if (from && dragging) {
      const { svg, at } = from, to = place(svg, event);
      const [since, until] = svg.dataset.window.split(" ").map(Number), edges = svg.dataset.edges.split(" ").map(Number);
      const time = (x) => since + (x - at.left) / (at.right - at.left) * (until - since);
      const row = (at.foot - at.top) / (edges.length - 1);
      const edge = (y, round) => edges[Math.min(edges.length - 1, Math.max(0, round((at.foot - y) / row)))];
      const url = new URL(location.href);
      url.searchParams.set("t0", Math.round(time(Math.min(at.x, to.x))));
      url.searchParams.set("t1", Math.round(time(Math.max(at.x, to.x))));
      url.searchParams.set("low", edge(Math.max(at.y, to.y), Math.floor).toFixed(6));
      url.searchParams.set("high", edge(Math.min(at.y, to.y), Math.ceil).toFixed(6));
      url.searchParams.delete("page");
      location.assign(url);
    }
    from = null;
    setTimeout(() => { dragging = false; }, 0);
  });
  document.addEventListener("click", (event) => { if (dragging) event.preventDefault(); }, true);
  document.addEventListener("dragstart", (event) => { if (event.target.closest && event.target.closest("#heat")) event.preventDefault(); });
})();
