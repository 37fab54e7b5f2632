// The run's curves: one card a question, thin raw values under a bold running mean, all lines of a card in one chart.

import { ask, el, hideTip, number, short, showTip, svg } from "./dom.js";

const WIDTH = 460, HEIGHT = 220, LEFT = 50, RIGHT = 10, TOP = 10, BOTTOM = 28;

// [title, what it tells, keys]: a key that ends with / stands for all that begin so.
const CARDS = [
  ["Reward", "mean score of a round", ["reward_mean"]],
  ["Score by environment", "mean score of a round", ["reward/"]],
  ["Parts of the score", "mean of each criterion", ["parts/"]],
  ["Difficulty", "where the curriculum stands, the middle of a round's tasks", ["difficulty/"]],
  ["Share of the tasks", "by the curriculum: what is being learned gets more", ["share/"]],
  ["Full scores", "share of episodes that earn everything", ["success_rate"]],
  ["Entropy", "nats per token: how much the policy still explores", ["entropy"]],
  ["Length", "tokens sampled per episode", ["completion_tokens"]],
  ["Repetition", "share of 4-grams that a turn holds already", ["repetition"]],
  ["Errors", "episodes that nobody could judge, by kind", ["errors/"]],
  ["Failed calls", "tool calls, by kind of error", ["call_errors/"]],
  ["Mismatch", "mean |logprob difference| of engine and trainer", ["mismatch"]],
  ["Groups without variance", "share of groups that taught nothing", ["zero_variance_share"]],
  ["Gradient norm", "before clipping", ["grad_norm"]],
  ["KL to the reference", "nats per token", ["kl"]],
  ["Clipped ratios", "share of tokens", ["ratio_clip_fraction"]],
  ["Speed", "tokens per second while sampling", ["tokens_per_second"]],
  ["Arithmetic done", "TFLOP/s of trainer and engine", ["trainer_tflops", "engine_tflops"]],
  ["Time of a round", "seconds", ["seconds_"]],
  ["Learning rate", "", ["learning_rate"]],
];

const COUNTED = /^(call_)?errors\//;

export async function showCurves(main, still) {
  const rows = await ask("/api/metrics");
  if (!still()) return;
  if (!rows.length) {
    main.replaceChildren(el("p", { class: "empty" }, "No round has ended yet. Curves appear here by themselves."));
    return;
  }
  const cards = CARDS.map(([title, about, keys]) => card(title, about, keys, rows));
  main.replaceChildren(el("div", { class: "cards" }, cards));
}

function card(title, about, keys, rows) {
  const known = new Set(rows.flatMap(Object.keys));
  const names = keys.flatMap((key) => (/[/_]$/.test(key) ? [...known].filter((n) => n.startsWith(key)).sort() : known.has(key) ? [key] : []));
  const lines = names.map((name, i) => ({
    name: names.length > 1 ? label(name) : "last",
    counts: COUNTED.test(name), // a mean would show errors where there were none
    colour: `var(--line${i % 6})`,
    // A kind of error is counted only where it happened.
    points: rows.map((row) => [row.step + 1, row[name] ?? (COUNTED.test(name) ? 0 : null)]).filter((p) => p[1] !== null),
  }));
  if (!lines.length) return null;
  const legend = lines.map((line) => {
    const mark = el("i");
    mark.style.background = line.colour;
    return el("span", {}, mark, line.name, el("b", {}, number(line.points.at(-1)?.[1])));
  });
  return el("section", { class: "card", "data-card": title }, el("h2", {}, title), about && el("p", { class: "soft" }, about), chart(lines, title), el("div", { class: "legend" }, legend));
}

function label(name) {
  if (/^(reward|difficulty|share)\//.test(name)) return short(name);
  if (name.startsWith("parts/")) return name.split("/").slice(-2).map(short).join(" ");
  return name.replace(/^(call_)?errors\/|^seconds_/, "").replaceAll("_", " ");
}

function chart(lines, title) {
  const all = lines.flatMap((line) => line.points);
  const ticks = niceTicks(Math.min(...all.map((p) => p[1])), Math.max(...all.map((p) => p[1])));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const [first, last] = [Math.min(...all.map((p) => p[0])), Math.max(...all.map((p) => p[0]))];
  const x = (step) => LEFT + ((step - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const tick of ticks) {
    picture.append(svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }));
    picture.append(svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, number(tick)));
  }
  for (const tick of niceTicks(first, last).filter((t) => Number.isInteger(t) && t >= first && t <= last)) {
    picture.append(svg("text", { x: x(tick), y: HEIGHT - 8, "text-anchor": "middle" }, String(tick)));
  }
  for (const line of lines) picture.append(...curve(line, x, y));
  followPointer(picture, lines, title, x, y);
  return picture;
}

function curve({ points, colour, counts }, x, y) {
  const path = (given) => given.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const draw = (given, css) => {
    const line = svg("polyline", { class: css, points: path(given) });
    line.style.stroke = colour;
    return line;
  };
  if (points.length === 1) {
    const dot = svg("circle", { r: 3, cx: x(points[0][0]), cy: y(points[0][1]) });
    dot.style.fill = colour;
    return [dot];
  }
  return counts || points.length < 8 ? [draw(points, "smooth")] : [draw(points, "raw"), draw(runningMean(points), "smooth")];
}

function runningMean(points) {
  const window = Math.max(2, Math.floor(points.length / 8));
  return points.map(([step], i) => {
    const some = points.slice(Math.max(0, i + 1 - window), i + 1);
    return [step, some.reduce((sum, p) => sum + p[1], 0) / some.length];
  });
}

// A rule at the nearest round, and its numbers in a tip.
function followPointer(picture, lines, title, x, y) {
  const rule = svg("line", { class: "pointer", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  picture.append(rule);
  const steps = [...new Set(lines.flatMap((line) => line.points.map((p) => p[0])))];
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const step = steps.reduce((best, s) => (Math.abs(x(s) - at) < Math.abs(x(best) - at) ? s : best));
    rule.setAttribute("x1", x(step));
    rule.setAttribute("x2", x(step));
    rule.setAttribute("visibility", "visible");
    const values = lines.map((line) => [lines.length > 1 ? line.name : title.toLowerCase(), number(line.points.find((p) => p[0] === step)?.[1], 4)]);
    showTip([["round", String(step)], ...values], event.clientX, event.clientY);
  });
  picture.addEventListener("pointerleave", () => {
    rule.setAttribute("visibility", "hidden");
    hideTip();
  });
}

// About five round numbers that span [low, high].
export function niceTicks(low, high) {
  if (high <= low) {
    const pad = Math.abs(low) * 0.1 || 1;
    [low, high] = [low - pad, high + pad];
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.999);
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => +((first + i) * step).toPrecision(12));
}
