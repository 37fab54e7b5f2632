// A list beside what is chosen from it; on a narrow screen one or the other.

import { el } from "./dom.js";

// `open`: whether something is chosen, which `draw` then fills a section with; `keep` leaves that section as it is.
export async function browse(main, { form, list, open, hint, draw }, keep, still) {
  let detail = keep && main.querySelector(".detail");
  if (!detail) {
    detail = el("section", { class: "detail" });
    if (open) await draw(detail);
    else detail.append(el("p", { class: "empty" }, hint));
  }
  if (!still()) return;
  const scroll = main.querySelector(".rows")?.scrollTop ?? 0;
  const filter = beingUsed(main.querySelector(".filters")) ?? form;
  main.replaceChildren(el("div", { class: open ? "browse open" : "browse" }, el("section", { class: "list" }, filter, list), detail));
  main.querySelector(".rows").scrollTop = scroll;
}

// The filter that somebody is just typing into: a list that grows must not take it away.
function beingUsed(form) {
  return form?.contains(document.activeElement) ? form : null;
}
