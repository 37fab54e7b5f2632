// The trajectory browser: what is asked for stands in the address, so that a view can be kept and sent.

import { browse } from "./browse.js";
import { ask, el, number, scoreChip, short } from "./dom.js";
import { showEpisode } from "./episode.js";

const PAGE = 50;
const SORTS = { newest: "newest first", score: "score", tokens: "tokens", seconds: "time" };

// `place`: {file, row} of the episode that is open, or none; `wanted`: URLSearchParams of the filter.
export async function showEpisodes(main, run, place, wanted, keep, still) {
  const first = Number(wanted.get("offset") ?? 0);
  const found = await ask("/api/episodes", { ...Object.fromEntries(wanted), limit: PAGE });
  await browse(main, {
    form: filters(run, wanted, place),
    list: [pages(found, first, wanted, place), table(found.rows, wanted, place)],
    open: place !== null,
    hint: "Choose an episode to read it message by message and token by token.",
    draw: (box) => showEpisode(box, place, `#/episodes?${wanted}`),
  }, keep, still);
}

function address(wanted, changes, place) {
  const next = new URLSearchParams(wanted);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) next.delete(name);
    else next.set(name, value);
  }
  return `#/episodes${place ? `/${place.file}/${place.row}` : ""}?${next}`;
}

function filters(run, wanted, place) {
  const go = (changes) => (location.hash = address(wanted, { ...changes, offset: "" }, place));
  const choice = (name, title, values, show = (v) => v) =>
    el("label", {}, title, el("select", { name, onchange: (e) => go({ [name]: e.target.value }) },
      el("option", { value: "" }, "all"),
      values.map((v) => el("option", { value: v, selected: wanted.get(name) === v }, show(v)))));
  const bound = (name, title, settings) =>
    el("label", { class: "narrow" }, title, el("input", { name, type: "number", value: wanted.get(name) ?? "", onchange: (e) => go({ [name]: e.target.value }), ...settings }));
  const score = { min: 0, max: 1, step: 0.05 };
  const round = { min: 0, step: 1 };
  return el("form", { class: "filters", onsubmit: (e) => e.preventDefault() },
    choice("env", "environment", run.facets.env, short),
    choice("stage", "stage", run.facets.stage),
    choice("split", "split", run.facets.split),
    choice("status", "verdict", ["error", ...run.facets.status], (v) => (v === "error" ? "any error" : v.replace("_", " "))),
    choice("fault", "error", run.facets.fault, (v) => v.replaceAll("_", " ")),
    choice("finish", "ended", run.facets.finish),
    bound("low", "score from", score), bound("high", "to", score),
    bound("first_step", "round from", round), bound("last_step", "to", round),
    el("label", {}, "order", el("select", { name: "sort", onchange: (e) => go({ sort: e.target.value }) },
      Object.entries(SORTS).map(([v, title]) => el("option", { value: v, selected: (wanted.get("sort") ?? "newest") === v }, title)))),
    el("label", { class: "check" }, el("input", { type: "checkbox", name: "rising", checked: wanted.get("rising") === "true", onchange: (e) => go({ rising: e.target.checked ? "true" : "" }) }), "lowest first"),
    el("a", { class: "button", href: "#/episodes" }, "clear"));
}

function pages(found, first, wanted, place) {
  const last = Math.min(first + PAGE, found.total);
  const step = (title, offset, possible) =>
    possible ? el("a", { class: "button", href: address(wanted, { offset: offset || "" }, place) }, title) : el("span", { class: "button off" }, title);
  const range = found.total ? `${Math.min(first + 1, found.total)}–${last} of ${found.total}` : "none";
  return el("div", { class: "pages" }, el("span", {}, range),
    found.mean !== null && el("span", { class: "soft" }, `mean score ${found.mean.toFixed(3)}`),
    el("span", { class: "grow" }), step("previous", Math.max(0, first - PAGE), first > 0), step("next", first + PAGE, last < found.total));
}

function table(rows, wanted, place) {
  if (!rows.length) return el("div", { class: "rows" }, el("p", { class: "empty" }, "Nothing meets this filter."));
  const line = (row) => {
    const href = address(wanted, {}, row);
    const chosen = place && place.file === row.file && Number(place.row) === row.row;
    return el("a", { class: chosen ? "row chosen" : "row", href, "data-episode": `${row.file}/${row.row}`, "aria-current": chosen && "true" },
      scoreChip(row.value, row.fault || row.status),
      el("span", { class: "what" }, el("b", {}, short(row.env)), el("span", { class: "soft" }, where(row))),
      el("span", { class: "soft num" }, `${row.tokens_sampled} tok`, el("br"), `${number(row.seconds, 2)} s`));
  };
  return el("div", { class: "rows" }, rows.map(line));
}

function where(row) {
  const stage = row.step === null ? row.stage : `round ${row.step}`;
  const end = row.finish === "terminated" ? "" : ` · ${row.finish}`;
  return `${stage} · difficulty ${row.difficulty.toFixed(2)} · group ${row.group}${end}`;
}
