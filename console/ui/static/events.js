// What the page of events does beyond plain pages. Everything works without it.
"use strict";
(() => {
  for (const el of document.querySelectorAll(".js-only")) el.hidden = false;
  document.addEventListener("htmx:afterSettle", () => {
    for (const el of document.querySelectorAll(".js-only")) el.hidden = false;
  });

  // Dragging over a timeline shows the span of time under it alone.
  for (const box of document.querySelectorAll("[data-zoom]")) {
    const svg = box.querySelector("svg");
    const bars = [...svg.querySelectorAll("g[data-since]")];
    if (!bars.length) continue;
    const area = svg.viewBox.baseVal;
    const at = (e) => {
      const r = svg.getBoundingClientRect();
      const x = Math.min(Math.max((e.clientX - r.left) / r.width, 0), 0.9999);
      return Math.floor(x * bars.length);
    };
    const shade = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    shade.setAttribute("class", "shade");
    shade.setAttribute("y", String(area.y));
    shade.setAttribute("height", String(area.height));
    let from = -1, to = -1, dragged = false;
    const draw = () => {
      const wide = area.width / bars.length, first = Math.min(from, to);
      shade.setAttribute("x", String(first * wide));
      shade.setAttribute("width", String((Math.abs(to - from) + 1) * wide));
      if (!shade.isConnected) svg.append(shade);
    };
    const end = () => { from = to = -1; shade.remove(); };
    svg.addEventListener("dragstart", (e) => e.preventDefault());
    svg.addEventListener("pointerdown", (e) => {
      if (e.button !== 0 || e.pointerType === "touch") return;
      from = to = at(e);
      dragged = false;
    });
    addEventListener("pointermove", (e) => {
      if (from < 0) return;
      to = at(e);
      if (to !== from) dragged = true;
      if (dragged) draw();
    });
    addEventListener("pointerup", () => {
      if (from < 0) return;
      if (!dragged) { end(); return; }
      const page = new URL(box.dataset.zoom, location.href);
      page.searchParams.set("since", bars[Math.min(from, to)].dataset.since);
      page.searchParams.set("until", bars[Math.max(from, to)].dataset.last);
      end();
      location.assign(page);
    });
    svg.addEventListener("click", (e) => { if (dragged) { e.preventDefault(); dragged = false; } }, true);
    addEventListener("keydown", (e) => { if (e.key === "Escape") end(); });
  }

  // A search for words goes on by itself until somebody stops it; the button to go
  // on stays.
  document.addEventListener("click", (e) => {
    if (!e.target.closest("[data-stop]")) return;
    const more = document.getElementById("more");
    if (!more) return;
    htmx.trigger(more, "htmx:abort");
    const still = more.cloneNode(true); // without what htmx has in mind for it
    for (const a of ["hx-get", "hx-trigger", "hx-target", "hx-swap"]) still.removeAttribute(a);
    still.querySelector("[data-stop]").remove();
    more.replaceWith(still);
    const on = still.querySelector("a"); // the button had the focus and is gone
    if (on) on.focus({ preventScroll: true });
  });
})();
