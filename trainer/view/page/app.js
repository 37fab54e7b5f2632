// Which view the address asks for, and the look every two seconds whether the run has grown.

import { ask, hideTip, Unreachable } from "./dom.js";
import { showCurves } from "./charts.js";
import { showEpisodes } from "./episodes.js";
import { showTasks } from "./sides.js";

const EVERY = 2000, WHEN_FINISHED = 10000; // milliseconds between two looks
let run = null;
let shown = ""; // address of what is on the page
let turn = 0; // counts drawings: one that was overtaken must not replace what came later

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
  await tell(async () => {
    if (view === "episodes") await showEpisodes(main, run, file ? { file: decodeURIComponent(file), row } : null, wanted, keep, still);
    else if (view === "tasks") await showTasks(main, wanted, keep, still);
    else await showCurves(main, still);
    if (!still()) return;
    if (!keep && shown) window.scrollTo(0, 0);
    shown = address;
  });
}

// Runs `act`; what goes wrong stands on the page until something goes right.
async function tell(act) {
  try {
    await act();
    byId("trouble").hidden = true;
    return true;
  } catch (error) {
    byId("trouble").textContent = error.message;
    byId("trouble").hidden = false;
    if (!(error instanceof Unreachable)) console.warn(error);
    return false;
  }
}

function showHead() {
  document.title = `${run.name} · postgym`;
  byId("name").textContent = run.name;
  const state = byId("state");
  state.className = run.finished ? "chip good" : "chip live";
  state.textContent = run.finished ? "finished" : run.steps ? `round ${run.done} of ${run.steps}` : "running";
  const facts = [run.model, run.algorithm, `${run.episodes} episodes`, run.errors ? `${run.errors} not judged` : ""];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  const broken = Object.values(run.broken);
  if (broken.length) {
    byId("trouble").textContent = `Left out: ${broken.join("; ")}`;
    byId("trouble").hidden = false;
  }
}

async function look() {
  const reached = await tell(async () => {
    const now = await ask("/api/run");
    const grown = now.version !== run?.version;
    run = now;
    if (grown) await draw(true);
    showHead();
  });
  setTimeout(look, reached && run.finished ? WHEN_FINISHED : EVERY);
}

window.addEventListener("hashchange", () => run && draw(false));
look();
