// Every token of an episode, coloured by what one asks about, with its numbers on hover, touch or by arrow keys.

import { el, hideTip, number, showTip } from "./dom.js";

const MOST = 4000; // tokens drawn at once
const clamp = (value) => Math.max(0, Math.min(1, value));

// name -> how to colour token i ("" is none), what the colours mean, and whether it is known at all
const WAYS = {
  mask: {
    title: "who wrote it",
    known: () => true,
    colour: (t, i) => (t.mask[i] ? tint("sampled", 0.3) : ""),
    legend: [["sampled", 0.3, "sampled by the policy: learned from"], ["", 0, "given: prompt, tools, template"]],
  },
  logprob: {
    title: "logprob",
    known: () => true,
    colour: (t, i) => (t.mask[i] ? tint("surprise", clamp(-t.logprobs[i] / 5)) : ""),
    legend: [["surprise", 0.1, "expected"], ["surprise", 0.5, "logprob −2.5"], ["surprise", 1, "−5 or less"]],
  },
  ratio: {
    title: "ratio trainer/engine",
    known: (t) => t.ratios !== null,
    colour: (t, i) => (t.mask[i] && t.ratios[i] !== null ? signed(Math.log2(t.ratios[i]) * 4, "more", "less") : ""),
    legend: [["less", 1, "trainer finds it less likely"], ["more", 1, "more likely (full at 1.19 times)"]],
  },
  advantage: {
    title: "advantage",
    known: (t) => t.advantages !== null,
    colour: (t, i) => (t.mask[i] && t.advantages[i] !== null ? signed(t.advantages[i] / 1.5, "good", "bad") : ""),
    legend: [["bad", 0.8, "made less likely"], ["good", 0.8, "made more likely"]],
  },
  version: {
    title: "weight version",
    known: () => true,
    colour: (t, i) => (t.versions[i] >= 0 ? `hsl(${(t.versions[i] * 67 + 210) % 360} 70% 55% / .35)` : ""),
    legend: [],
  },
};

const tint = (name, strength) => `color-mix(in srgb, var(--${name}) ${Math.round(6 + 64 * strength)}%, transparent)`;
const signed = (value, above, below) => tint(value >= 0 ? above : below, clamp(Math.abs(value)));

let chosen = "mask"; // kept from episode to episode

export function tokenView(tokens) {
  const spans = [];
  const box = el("div", { class: "tokens", tabindex: 0, role: "group", "aria-label": "tokens; arrow keys go through them" });
  const legend = el("div", { class: "legend" });
  const note = el("p", { class: "soft" });
  const paint = () => {
    const way = WAYS[chosen].known(tokens) ? chosen : "mask";
    spans.forEach((span, i) => (span.style.backgroundColor = WAYS[way].colour(tokens, i)));
    legend.replaceChildren(...WAYS[way].legend.map(([name, strength, title]) => {
      const mark = el("i");
      mark.style.backgroundColor = name ? tint(name, strength) : "";
      return el("span", {}, mark, title);
    }));
    note.textContent = way === "advantage" ? `Advantage ${tokens.advantages_from}.` : "";
  };
  const buttons = Object.entries(WAYS).map(([name, way]) => {
    const known = way.known(tokens);
    return el("label", { class: known ? "" : "off", title: known ? null : "not known for this episode" },
      el("input", { type: "radio", name: "colour", value: name, checked: name === chosen, disabled: !known, onchange: () => { chosen = name; paint(); } }), way.title);
  });
  draw(tokens, box, spans, 0, MOST, paint);
  explain(tokens, box);
  return el("div", {}, el("div", { class: "ways", role: "radiogroup", "aria-label": "colour tokens by" }, buttons), legend, note,
    tokens.why_no_texts ? el("p", { class: "reason" }, `Ids are shown: ${tokens.why_no_texts}`) : null, box);
}

function draw(tokens, box, spans, from, to, paint) {
  const end = Math.min(to, tokens.ids.length);
  for (let i = from; i < end; i++) {
    const text = tokens.texts ? tokens.texts[i] : `${tokens.ids[i]} `;
    const css = [tokens.mask[i] ? "sampled" : "given", i === tokens.prompt_length ? "opening" : ""].join(" ").trim();
    spans.push(el("span", { class: css, "data-at": i }, text.replaceAll("\n", "⏎\n") || "·"));
  }
  box.append(...spans.slice(from));
  paint();
  if (end < tokens.ids.length) {
    const button = el("button", { onclick: () => { button.remove(); draw(tokens, box, spans, end, Infinity, paint); } }, `show ${tokens.ids.length - end} more tokens`);
    box.append(button);
  }
}

function explain(tokens, box) {
  const tell = (i, x, y) => {
    const lines = [
      ["token", JSON.stringify(tokens.texts?.[i] ?? "")],
      ["id", String(tokens.ids[i])],
      ["place", `${i} of ${tokens.ids.length}`],
    ];
    if (tokens.mask[i]) {
      lines.push(["logprob", number(tokens.logprobs[i], 4)], ["probability", number(Math.exp(tokens.logprobs[i]), 3)]);
      if (tokens.ratios?.[i] != null) lines.push(["ratio", number(tokens.ratios[i], 4)]);
      if (tokens.advantages?.[i] != null) lines.push(["advantage", number(tokens.advantages[i], 4)]);
      lines.push(["weights", `version ${tokens.versions[i]}`]);
    } else lines.push(["given", i < tokens.prompt_length ? "prompt" : "environment or template"]);
    showTip(lines, x, y);
  };
  const show = (event) => {
    const at = event.target.dataset?.at;
    if (at === undefined) return hideTip();
    tell(Number(at), event.clientX, event.clientY);
  };
  box.addEventListener("pointermove", show);
  box.addEventListener("click", show);
  box.addEventListener("pointerleave", hideTip);
  walk(box, tell);
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10 };

// With the keyboard one token after the other is chosen: the whole text is one stop of the tab key.
function walk(box, tell) {
  let at = -1;
  const choose = (to) => {
    box.querySelector(".at")?.classList.remove("at");
    const tokens = box.querySelectorAll("span[data-at]");
    at = Math.max(0, Math.min(tokens.length - 1, to));
    tokens[at].classList.add("at");
    tokens[at].scrollIntoView({ block: "nearest" });
    const place = tokens[at].getBoundingClientRect();
    tell(at, place.left, place.bottom);
  };
  box.addEventListener("keydown", (event) => {
    if (event.key in STEPS) choose(at < 0 ? 0 : at + STEPS[event.key]);
    else if (event.key === "Home" || event.key === "End") choose(event.key === "Home" ? 0 : Infinity);
    else if (event.key === "Escape") hideTip();
    else return;
    event.preventDefault();
  });
  box.addEventListener("blur", () => {
    box.querySelector(".at")?.classList.remove("at");
    hideTip();
  });
}
