// Which view the address asks for, and the look every two seconds whether the run has grown.

import { ask, hideTip, Unreachable } from "./dom.js";
import { showCurves } from "./charts.js";
import { showEpisodes } from "./episodes.js";
import { showTasks } from "./sides.js";

const EVERY = 2000, WHEN_FINISHED = 10000; // milliseconds between two looks
let run = null;
let shown = ""; // address of what is on the page
let turn = 0; // counts drawings: one that was overtaken must not replace what came later
const troubles = {}; // what went wrong, by what was tried

const byId = (id) => document.getElementById(id);

// Draws what the address asks for; `keep` leaves an open episode as it is, because only the list can have grown.
async function draw(keep) {
  const address = location.hash || "#/curves";
  const [path, query] = address.slice(1).split("?");
  const [, view, file, row] = path.split("/");
  const wanted = new URLSearchParams(query);
  const main = byId("main");
  for (const link of document.querySelectorAll("nav a")) link.classList.toggle("here", link.hash === `#/${view}`);
  const mine = ++turn;
  const still = () => mine === turn;
  keep = keep && shown === address;
  if (!keep) hideTip();
  await tell("draw", async () => {
    if (view === "episodes") await showEpisodes(main, run, file ? { file: decodeURIComponent(file), row } : null, wanted, keep, still);
    else if (view === "tasks") await showTasks(main, wanted, keep, still);
    else await showCurves(main, still);
    if (!still()) return;
    if (!keep && shown) window.scrollTo(0, 0);
    shown = address;
  });
}

// Runs `act`. What goes wrong stands on the page until the same thing goes right; so does a text that `act` returns.
async function tell(who, act) {
  let reached = true;
  try {
    troubles[who] = (await act()) ?? "";
  } catch (error) {
    reached = !(error instanceof Unreachable);
    troubles[who] = error.message;
  }
  const said = [...new Set(Object.values(troubles).filter(Boolean))];
  byId("trouble").textContent = said.join(" · ");
  byId("trouble").hidden = !said.length;
  return reached;
}

function showHead() {
  document.title = `${run.name} · postgym`;
  byId("name").textContent = run.name;
  const state = byId("state");
  state.className = run.finished ? "chip good" : "chip live";
  state.textContent = run.finished ? "finished" : run.steps ? `round ${run.done} of ${run.steps}` : "running";
  const playing = run.playing ? `${run.playing} of them of rounds being played` : "";
  const facts = [run.model, run.algorithm, `${run.episodes} episodes`, playing, run.errors ? `${run.errors} not judged` : ""];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
}

async function look() {
  const reached = await tell("look", async () => {
    const now = await ask("/api/run");
    const grown = now.version !== run?.version;
    run = now;
    if (grown || troubles.draw) await draw(true); // also when what went wrong may be over
    showHead();
    const broken = Object.values(run.broken);
    return broken.length ? `Left out: ${broken.join("; ")}` : "";
  });
  setTimeout(look, reached && run.finished ? WHEN_FINISHED : EVERY);
}

window.addEventListener("hashchange", () => run && draw(false));
look();
