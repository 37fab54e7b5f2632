// Elements and texts. Whatever a model wrote becomes a text node: nothing here ever parses HTML.

const SVG = "http://www.w3.org/2000/svg";

// el("td", {class: "num", onclick: f}, "text", child): strings become text nodes, null and false nothing.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

export class Unreachable extends Error {}

// The JSON answer to a question; `parameters` that are empty are left out.
export async function ask(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  const query = new URLSearchParams(given).toString();
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path);
  } catch {
    throw new Unreachable("the viewer has stopped; start it again with scripts/view.py");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `${path}: ${response.status}`);
  return answer;
}

export const short = (env) => env.replace(/^.*\//, "").replace(/-v\d+$/, "");

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1000 ? value.toFixed(0) : size !== 0 && size < 0.001 ? value.toExponential(1) : String(+value.toPrecision(digits));
}

// A score as a coloured chip; without a value it shows why nobody could judge.
export function scoreChip(value, status = "") {
  if (value === null || value === undefined) return el("span", { class: "chip error" }, (status || "not judged").replaceAll("_", " "));
  const kind = value >= 1 ? "good" : value > 0 ? "part" : "bad";
  return el("span", { class: `chip ${kind}` }, value.toFixed(2));
}

const tip = () => document.getElementById("tip");

// Shows lines of [name, value] beside the pointer or, for a keyboard, the element.
export function showTip(lines, x, y) {
  const box = tip();
  box.replaceChildren(...lines.map(([name, value]) => el("div", {}, el("span", {}, name), el("b", {}, value))));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - width - 8))}px`;
  box.style.top = `${y + 18 + height > innerHeight ? Math.max(6, y - height - 12) : y + 18}px`;
}

export function hideTip() {
  tip().hidden = true;
}
