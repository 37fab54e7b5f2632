// Before and after: held-out tasks with their score at every stage, and what each stage said to one of them.

import { browse } from "./browse.js";
import { ask, el, scoreChip, short } from "./dom.js";
import { messageList, scoreTable } from "./episode.js";

const CHANGES = {
  all: "all tasks",
  better: "better at the end",
  worse: "worse at the end",
  failing: "without the full score at the end",
};
const MOST = 500;

export async function showTasks(main, wanted, keep, still) {
  const { stages, rows } = await ask("/api/tasks");
  if (!still()) return;
  if (!rows.length) {
    main.replaceChildren(el("p", { class: "empty" }, "No stage has been evaluated yet."));
    return;
  }
  const envs = [...new Set(rows.map((row) => row.env))].sort();
  const found = rows.filter((row) => (!wanted.get("env") || row.env === wanted.get("env")) && meets(row, stages, wanted.get("change") ?? "all"));
  const id = wanted.get("id");
  const count = `${found.length} of ${rows.length} tasks${found.length > MOST ? ` (the first ${MOST} are listed)` : ""}`;
  await browse(main, {
    form: filters(envs, wanted),
    list: [el("div", { class: "pages" }, count), el("div", { class: "rows" }, found.slice(0, MOST).map((row) => line(row, stages, wanted, id)))],
    open: id !== null,
    hint: "Choose a task to read what each stage made of it.",
    draw: (box) => showSides(box, id, wanted),
  }, keep, still);
}

function meets(row, stages, change) {
  const [before, after] = [row.scores[stages[0]] ?? 0, row.scores[stages.at(-1)] ?? 0];
  return { all: true, better: after > before, worse: after < before, failing: after < 1 }[change] ?? true;
}

function address(wanted, changes) {
  const next = new URLSearchParams(wanted);
  for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
  return `#/tasks?${next}`;
}

function filters(envs, wanted) {
  const choice = (name, title, options) =>
    el("label", {}, title, el("select", { name, onchange: (e) => (location.hash = address(wanted, { [name]: e.target.value })) },
      options.map(([value, shown]) => el("option", { value, selected: (wanted.get(name) ?? "") === value }, shown))));
  return el("form", { class: "filters", onsubmit: (e) => e.preventDefault() },
    choice("env", "environment", [["", "all"], ...envs.map((env) => [env, short(env)])]),
    choice("change", "show", Object.entries(CHANGES)));
}

function line(row, stages, wanted, id) {
  const [, , seed, difficulty] = row.task.split("|");
  return el("a", { class: row.task === id ? "row chosen" : "row", href: address(wanted, { id: row.task }), "data-task": row.task },
    el("span", { class: "what" }, el("b", {}, short(row.env)), el("span", { class: "soft" }, `task ${seed} · difficulty ${Number(difficulty).toFixed(2)}`)),
    el("span", { class: "scores" }, stages.map((stage) => el("span", {}, el("small", {}, stage), stage in row.scores ? scoreChip(row.scores[stage]) : "–"))));
}

async function showSides(box, id, wanted) {
  const { sides } = await ask("/api/task", { id });
  const prompt = sides[0].messages.slice(0, sides[0].messages.findIndex((m) => m.role === "assistant"));
  const columns = sides.map((side) =>
    el("section", { class: "card side" }, el("h3", {}, side.stage, " ", scoreChip(side.score.value, side.score.status)),
      messageList(side.messages.slice(prompt.length)), scoreTable(side.score),
      side.file !== null && el("a", { href: `#/episodes/${side.file}/${side.row}` }, "token by token")));
  box.replaceChildren(el("a", { class: "button back", href: address(wanted, { id: "" }) }, "‹ all tasks"), el("h2", {}, short(id.split("|")[0])),
    el("p", { class: "soft task" }, id), messageList(prompt), el("div", { class: "sides" }, columns));
}
