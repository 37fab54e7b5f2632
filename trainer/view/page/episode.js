// One episode: its verdict point by point, its messages, and every token with what is known of it.

import { ask, el, number, scoreChip, short } from "./dom.js";
import { tokenView } from "./tokens.js";

const LONG = 6000; // characters of a text that are shown at once

export async function showEpisode(box, place, back) {
  const episode = await ask(`/api/episodes/${encodeURIComponent(place.file)}/${encodeURIComponent(place.row)}`);
  const facts = [
    ["stage", episode.step === null ? episode.stage : `round ${episode.step}`],
    ["split", episode.split],
    ["difficulty", episode.difficulty.toFixed(2)],
    ["ended", episode.finish],
    ["sampled", `${episode.tokens_sampled} tokens`],
    ["time", `${number(episode.seconds, 2)} s`],
    ["weights", versions(episode.tokens.versions)],
  ];
  box.replaceChildren(
    el("a", { class: "button back", href: back }, "‹ all episodes"),
    el("h2", {}, short(episode.env), " ", scoreChip(episode.value, episode.fault || episode.status)),
    el("p", { class: "soft task" }, episode.task),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    scoreTable(episode.score),
    el("h3", {}, "Messages"),
    messageList(episode.messages),
    el("h3", {}, "Tokens"),
    tokenView(episode.tokens),
    more("What it is judged by", JSON.stringify(episode.target, null, 2)),
    ...(Object.keys(episode.evidence).length ? [more("Evidence", JSON.stringify(episode.evidence, null, 2))] : []),
  );
}

function versions(all) {
  const known = all.filter((v) => v >= 0);
  if (!known.length) return "–";
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return low === high ? `version ${low}` : `versions ${low} to ${high}`;
}

// Every criterion with its weight, what it adds, and why.
export function scoreTable(score) {
  if (!score.parts.length) return el("p", { class: "reason" }, score.reason);
  const rows = score.parts.map((part) => {
    const bar = el("i");
    bar.style.width = `${100 * part.value}%`;
    const turns = part.turns.length ? el("div", { class: "soft" }, `turns: ${part.turns.map((t) => number(t)).join(", ")}`) : null;
    return el("tr", {}, el("td", {}, part.name), el("td", { class: "num" }, el("span", { class: "meter" }, bar), part.value.toFixed(2)),
      el("td", { class: "num weight" }, number(part.weight)), el("td", { class: "num adds" }, part.points.toFixed(3)), el("td", { class: "why" }, part.reason, turns));
  });
  const head = ["criterion", "value", "weight", "adds", "because"].map((title) => el("th", {}, title));
  // A gate or a failure overrules the sum: then the whole says why.
  const sum = score.parts.reduce((total, part) => total + part.points, 0);
  const overruled = score.value === null || Math.abs(sum - score.value) > 1e-6;
  return el("div", { class: "scroll" }, el("table", { class: "score" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
    overruled ? el("p", { class: "reason" }, score.reason) : null);
}

export function messageList(messages) {
  return el("div", { class: "messages" }, messages.map((message) => {
    const calls = (message.tool_calls ?? []).map((call, i) => callView(call, message.call_errors?.[i]));
    return el("article", { class: `message ${message.role}` }, el("h4", {}, message.role),
      message.content ? text(message.role === "tool" ? pretty(message.content) : message.content) : null, calls);
  }));
}

function callView(call, error) {
  const { name, arguments: given } = call.function;
  const fields = Object.entries(given ?? {}).map(([key, value]) =>
    el("span", { class: "argument" }, el("span", { class: "soft" }, `${key} = `), JSON.stringify(value)));
  return el("div", { class: "call" }, el("b", {}, name || "unreadable call"), "(", fields.flatMap((f, i) => (i ? [", ", f] : [f])), ")",
    error ? el("p", { class: "reason" }, error) : null);
}

// JSON is shown indented, anything else as it is.
function pretty(content) {
  try {
    const value = JSON.parse(content);
    return typeof value === "object" && value !== null ? JSON.stringify(value, null, 1) : content;
  } catch {
    return content;
  }
}

function text(content) {
  const pre = el("pre", {}, content.slice(0, LONG));
  if (content.length <= LONG) return pre;
  const button = el("button", { onclick: () => { pre.textContent = content; button.remove(); } }, `show ${content.length - LONG} more characters`);
  return [pre, button];
}

function more(title, content) {
  return el("details", {}, el("summary", {}, title), text(content));
}
