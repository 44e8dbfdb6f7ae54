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

  // --- the heat map is one stop of the tabulator key; arrows lead from cell to cell ---
  const rove = (root) => root.querySelectorAll("#heat a").forEach((one, number) => one.setAttribute("tabindex", number ? "-1" : "0"));
  rove(document);
  const middle = (one) => { const box = one.firstElementChild.getBBox(); return [box.x + box.width / 2, box.y + box.height / 2]; };
  const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  document.addEventListener("keydown", (event) => {
    const here = event.target.closest && event.target.closest("#heat a"), way = arrows[event.key];
    if (!here || !way) return;
    event.preventDefault();
    const [x, y] = middle(here);
    let best = null, least = Infinity;
    for (const one of document.querySelectorAll("#heat a")) {
      const [a, b] = middle(one), along = (a - x) * way[0] + (b - y) * way[1], across = Math.abs((a - x) * way[1]) + Math.abs((b - y) * way[0]);
      if (one !== here && along > 1 && along + 4 * across < least) { best = one; least = along + 4 * across; }
    }
    if (best) { here.setAttribute("tabindex", "-1"); best.setAttribute("tabindex", "0"); best.focus(); }
  });

  // --- shortcuts ---
  const help = document.getElementById("help"), search = document.getElementById("q"), single = document.getElementById("single-keys");
  const remember = (name, value) => { try { if (value === undefined) return localStorage.getItem(name); localStorage.setItem(name, value); } catch { /* not allowed: the default holds */ } return null; };
  single.checked = remember("single-keys") !== "off";
  single.addEventListener("change", () => remember("single-keys", single.checked ? "on" : "off"));
  const openHelp = document.getElementById("open-help");
  openHelp.hidden = false;
  openHelp.addEventListener("click", () => help.showModal());
  const links = () => [...new Map([...document.querySelectorAll("main a[href^='/trace/']")].filter((one) => one.getClientRects().length).map((one) => [one.getAttribute("href"), one])).values()];
  const trace = (by) => {
    const all = links(), at = all.indexOf(document.activeElement), to = by === 0 ? 0 : at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by));
    if (all[to]) all[to].focus();
  };
  const pages = { o: "/", e: "/explore", b: "/slo", a: "/alerts", r: "/resources", c: "/capacity", p: "/policies" };
  const go = (path) => { const one = [...document.querySelectorAll("nav[aria-label=Pages] a")].find((two) => new URL(two.href).pathname === path); if (one) location.assign(one.href); };
  let led = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) { event.preventDefault(); palette(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || !single.checked || event.target.closest("input, textarea, select, dialog")) return;
    if (Date.now() - led < 1500 && pages[event.key]) { led = 0; go(pages[event.key]); return; }
    led = event.key === "g" ? Date.now() : 0;
    const act = { "/": () => search && search.select(), "?": () => help.showModal(), t: () => trace(0), j: () => trace(1), k: () => trace(-1) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // --- the palette: what this page links to, by name; what is none of it is searched for ---
  const places = () => {
    const found = [...document.querySelectorAll("nav[aria-label=Pages] a, .ranges > a")].map((one) => [one.textContent.trim(), one.closest("nav") ? "page" : "time range", one.href]);
    for (const one of document.querySelectorAll("select[name=feature_set] option, select[name=service] option")) if (one.value) {
      const url = new URL("/explore", location.href), now = new URLSearchParams(location.search);
      for (const name of ["range", "since", "until"]) if (now.get(name)) url.searchParams.set(name, now.get(name));
      url.searchParams.set(one.parentElement.name, one.value);
      found.push([one.textContent.trim(), one.parentElement.name.replace("_", " "), url.href]);
    }
    for (const one of links()) found.push([one.textContent.trim(), "trace " + new URL(one.href).pathname.slice(7, 15), one.href]);
    return found;
  };
  const make = (name, attributes, ...inside) => { const one = document.createElement(name); for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value); one.append(...inside); return one; };
  let box = null;
  const palette = () => {
    if (!box) {
      const input = make("input", { type: "text", role: "combobox", "aria-label": "Go to", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", placeholder: "Go to a page, feature set, trace; or search", autocomplete: "off" });
      const list = make("ul", { id: "palette-list", role: "listbox", "aria-label": "Places" });
      box = make("dialog", { id: "palette", "aria-label": "Go to" }, input, list);
      document.body.append(box);
      let at = 0, shown = [];
      const draw = () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        shown = places().filter(([name, kind]) => words.every((word) => `${name} ${kind}`.toLowerCase().includes(word))).slice(0, 12);
        if (input.value.trim()) { const url = new URL("/find", location.href); url.searchParams.set("q", input.value.trim()); shown.push([`Search for “${input.value.trim()}”`, "search", url.href]); }
        at = Math.min(at, Math.max(0, shown.length - 1));
        list.replaceChildren(...shown.map(([name, kind, href], number) => {
          const one = make("li", { id: `place-${number}`, role: "option", "aria-selected": String(number === at) }, name, make("small", {}, kind));
          one.addEventListener("click", () => location.assign(href));
          return one;
        }));
        input.setAttribute("aria-activedescendant", shown.length ? `place-${at}` : "");
        const chosen = list.children[at];
        if (chosen) chosen.scrollIntoView({ block: "nearest" });
      };
      input.addEventListener("input", () => { at = 0; draw(); });
      input.addEventListener("keydown", (event) => {
        if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); at = (at + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % Math.max(1, shown.length); draw(); }
        if (event.key === "Enter" && shown[at]) { event.preventDefault(); location.assign(shown[at][2]); }
      });
      box.addEventListener("close", () => { input.value = ""; });
      box.draw = draw;
    }
    if (box.open) return;
    box.draw();
    box.showModal();
    box.firstElementChild.focus();
  };

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
      rove(fresh);
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
