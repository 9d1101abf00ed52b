// What the console does beyond plain pages. Everything works without it.
"use strict";
(() => {
  // What refreshes parts is fetched once the page is there: on a slow line it would
  // come before the stylesheet and hold the page up.
  const then = document.currentScript.dataset.then;
  addEventListener("load", () => { // earlier, it would wait for a start that is past
    const more = document.createElement("script");
    more.src = then;
    document.head.append(more);
  });

  // Live pages: the server says that something changed, parts marked with
  // hx-trigger="changed from:body" fetch themselves anew. When the line breaks and
  // does not come back, the page asks now and then instead.
  const url = document.body.dataset.live;
  const state = document.querySelector("[data-live-state]");
  const changed = () => document.body.dispatchEvent(new Event("changed"));
  if (url && "EventSource" in window) {
    let poll = 0, last = "";
    const lines = new EventSource(url);
    lines.addEventListener("open", () => { clearInterval(poll); poll = 0; if (state) state.hidden = false; });
    lines.addEventListener("changed", (e) => {
      if (e.data === last || document.hidden) return;
      last = e.data;
      changed();
    });
    lines.addEventListener("error", () => {
      if (state) state.hidden = true;
      if (!poll) poll = setInterval(() => { if (!document.hidden) changed(); }, 30000);
    });
    addEventListener("pagehide", () => lines.close());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) changed(); });
  }

  // A part that refreshes itself is not exchanged under somebody's hand: between the
  // press of a button and its release the browser would lose the click, and what is
  // being typed, or on its way, would be gone. It is fetched anew afterwards.
  let pressed = null;
  const missed = new Set();
  const inHand = (part) => {
    if (pressed && part.contains(pressed)) return true;
    const at = document.activeElement;
    if (at && part.contains(at) && (at.closest("form") || at.matches("input, select, textarea"))) return true;
    return !!part.querySelector("form[data-sent]");
  };
  const letGo = () => {
    pressed = null;
    for (const part of missed) {
      if (part.isConnected && inHand(part)) continue;
      missed.delete(part);
      if (part.isConnected && window.htmx) htmx.ajax("GET", part.getAttribute("hx-get"), { source: part, target: part, swap: part.getAttribute("hx-swap") || "innerHTML" });
    }
  };
  document.addEventListener("pointerdown", (e) => { pressed = e.target; }, true);
  for (const end of ["pointerup", "pointercancel", "dragend"]) addEventListener(end, () => setTimeout(letGo, 50), true); // after the click that follows
  document.addEventListener("keydown", (e) => { if (e.key === " " || e.key === "Enter") pressed = e.target; }, true);
  document.addEventListener("keyup", () => setTimeout(letGo, 0), true);
  document.addEventListener("focusout", () => setTimeout(letGo, 0));
  document.addEventListener("htmx:beforeSwap", (e) => {
    if (!inHand(e.detail.target)) return;
    e.detail.shouldSwap = false;
    if (e.detail.target.hasAttribute("hx-get")) missed.add(e.detail.target);
  });

  // A form is sent once, however often one clicks. Should no page come of it, it can
  // be sent again.
  document.addEventListener("submit", (e) => {
    const form = e.target;
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = "1";
    addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
    setTimeout(() => { delete form.dataset.sent; }, form.method === "get" ? 500 : 15000);
  });

  // Open menus close when one looks elsewhere.
  document.addEventListener("click", (e) => {
    for (const d of document.querySelectorAll("details.pick[open], details.more[open], .term details[open]"))
      if (!d.contains(e.target)) d.open = false;
  });
  document.addEventListener("focusin", (e) => {
    for (const d of document.querySelectorAll("details.pick[open], details.more[open], .term details[open]"))
      if (!d.contains(e.target)) d.open = false;
  });
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    for (const d of document.querySelectorAll("details.pick[open], details.more[open], .term details[open]")) {
      d.open = false;
      d.querySelector("summary").focus();
    }
  });

  // Parts that refresh take nothing from who is at work there: what somebody reads
  // or types stays until they are through, and the focus is put back to the same
  // place, or else to what stands where it was.
  let held = null;
  const usable = (part) => [...part.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  document.addEventListener("htmx:beforeSwap", (e) => {
    const part = e.detail.target, at = document.activeElement, cause = e.detail.requestConfig.triggeringEvent;
    const inside = at !== part && part.contains(at);
    if (cause && cause.type === "changed" && (part.querySelector("details[open]") || inside && at.matches("input, select, textarea"))) {
      e.detail.shouldSwap = false;
      return;
    }
    held = inside ? { part: part.id, nth: usable(part).indexOf(at), href: at.getAttribute("href"), text: at.tagName + at.textContent } : null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const part = held && document.getElementById(held.part), was = held;
    held = null;
    if (!part || part.contains(document.activeElement)) return;
    const all = usable(part);
    const again = all.find((x) => was.href && x.getAttribute("href") === was.href) || all.find((x) => x.tagName + x.textContent === was.text) || all[Math.min(was.nth, all.length - 1)];
    if (again) again.focus({ preventScroll: true });
  });

  // Lines to be copied get a button; without it they are selected by hand.
  const offerCopies = () => {
    if (!navigator.clipboard) return;
    for (const b of document.querySelectorAll("[data-copy][hidden]")) b.hidden = false;
  };
  offerCopies();
  document.addEventListener("htmx:afterSwap", offerCopies);
  document.addEventListener("click", (e) => {
    const b = e.target.closest && e.target.closest("[data-copy]");
    if (!b) return;
    navigator.clipboard.writeText(b.parentElement.querySelector("[data-copied]").textContent).then(() => {
      b.querySelector("span").textContent = b.dataset.done;
    });
  });

  // Filters of lists take effect without a button, but not for who chooses with the
  // keys: each step of an arrow is a change, and would lead away in the middle.
  let byKeys = false;
  addEventListener("keydown", () => { byKeys = true; }, true);
  addEventListener("pointerdown", () => { byKeys = false; }, true);
  document.addEventListener("change", (e) => {
    const form = e.target.form;
    if (!byKeys && form && form.matches("form.filter") && e.target.matches("select, input[type=checkbox]")) form.requestSubmit();
  });

  // From a mistake to its line in the text.
  const jump = (line) => {
    const text = document.getElementById("text");
    if (!text) return false;
    const lines = text.value.split("\n"), n = Math.min(line, lines.length);
    const from = lines.slice(0, n - 1).reduce((sum, l) => sum + l.length + 1, 0);
    text.focus();
    text.setSelectionRange(from, from + lines[n - 1].length);
    text.scrollTop = Math.max(0, (n - 4) * text.scrollHeight / Math.max(1, lines.length));
    return true;
  };
  document.addEventListener("click", (e) => {
    const link = e.target.closest("a[data-line]");
    if (link && jump(+link.dataset.line)) e.preventDefault();
  });
  const wanted = /^#line-(\d{1,6})$/.exec(location.hash);
  if (wanted) jump(+wanted[1]);

  // The time that is left until a change is taken back.
  setInterval(() => {
    for (const el of document.querySelectorAll("[data-due]")) {
      const left = Math.ceil((+el.dataset.due - Date.now()) / 1000);
      if (left <= -3) { // what is being typed is not taken away
        el.removeAttribute("data-due");
        if (!document.querySelector("main textarea, main input:focus")) location.reload();
        return;
      }
      const s = Math.max(0, left), ja = document.documentElement.lang === "ja";
      el.textContent = s >= 60 ? Math.floor(s / 60) + (ja ? "分" : " min ") + (s % 60) + (ja ? "秒" : " s") : s + (ja ? "秒" : " s");
    }
  }, 1000);
})();
