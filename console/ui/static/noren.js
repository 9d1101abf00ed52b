// What the console does beyond plain pages. Everything works without it.
"use strict";
(() => {
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

  // A form is sent once, however often one clicks.
  document.addEventListener("submit", (e) => {
    const form = e.target;
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = "1";
    addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
    if (form.method === "get") setTimeout(() => { delete form.dataset.sent; }, 500);
  });

  // Open menus close when one looks elsewhere.
  document.addEventListener("click", (e) => {
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

  // Filters of lists take effect without a button.
  document.addEventListener("change", (e) => {
    const form = e.target.form;
    if (form && form.matches("form.filter") && e.target.matches("select, input[type=checkbox]")) form.requestSubmit();
  });
})();
