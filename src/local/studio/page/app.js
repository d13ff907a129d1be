// The page: signs in, listens, and shows the view that the address names.

import { listen, signIn, signOut } from "./api.js";
import { empty, fill, h, icon } from "./dom.js";
import { endpointView } from "./endpoint.js";
import { jobView, jobsView } from "./jobs.js";
import { modelsView } from "./models.js";
import { rolloutView } from "./rollout.js";
import { trialView } from "./trial.js";

const TABS = [["endpoint", "Endpoint"], ["rollout", "Rollout"], ["test", "Test"], ["models", "Models"], ["jobs", "Jobs"]];
const PAST_BEATS = 900;

// What is known: `all` as the server tells it, the beats by endpoint, which instances are up, and how often each status was answered.
const known = { all: null, beats: {}, health: {}, answers: {}, endpoint: null };
let view = null;
let address = "";

const main = document.getElementById("main");
const out = document.getElementById("out");

function parts() {
  return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent).filter(Boolean);
}

function makeView([name, which]) {
  if (name === "jobs") return which ? jobView(which) : jobsView();
  return { endpoint: endpointView, rollout: rolloutView, test: trialView, models: modelsView }[name]?.() ?? endpointView();
}

function current() {
  const endpoints = known.all?.endpoints ?? [];
  return endpoints.find((each) => each.name === known.endpoint) ?? endpoints[0] ?? null;
}

function show(force = false) {
  const wanted = parts().join("/") || "endpoint";
  if (!known.all) return;
  if (wanted !== address || force) {
    view?.end?.();
    address = wanted;
    view = makeView(parts());
    main.replaceChildren(view.root);
    if (!force) scrollTo(0, 0);
    tabs();
    document.title = `${TABS.find(([name]) => name === wanted.split("/")[0])?.[1] ?? "Endpoint"} · Studio`;
  }
  update();
}

function update() {
  if (!known.all) return;
  place();
  view?.update({ ...known, endpoint: current() });
}

function place() {
  const names = known.all.endpoints.map((each) => each.name);
  const spot = document.getElementById("place");
  spot.title = known.all.workspace.folder;
  fill(spot, [names, current()?.name], () => {
    if (names.length < 2) return names[0] ?? "local workspace";
    const choose = (event) => { known.endpoint = event.target.value; show(true); };
    return h("select", { "aria-label": "Endpoint", data: { key: "endpoint" }, on: { change: choose } },
      names.map((name) => h("option", { value: name, selected: name === current().name }, name)));
  });
}

function tabs() {
  const here = address.split("/")[0] || "endpoint";
  document.getElementById("tabs").replaceChildren(...TABS.map(([name, title]) =>
    h("a", { href: `#/${name}`, "aria-current": name === here ? "page" : null }, title)));
}

// While nobody answers, the figures that stand there are old ones: the page says of when, and keeps asking.
let heard = null;
function live(state, words) {
  const spot = document.getElementById("live");
  const lost = document.getElementById("lost");
  spot.dataset.state = state;
  spot.lastElementChild.textContent = words;
  const said = state === "lost" && heard ? `The workspace does not answer. What you see is of ${heard.toLocaleTimeString()}; the page asks again by itself.` : "";
  if (lost.textContent !== said) lost.textContent = said;
}

const hearing = {
  open() { live("on", "live"); out.hidden = false; },
  all(said) { known.all = said; show(); },
  past(said) { known.beats = said; view?.past?.({ ...known, endpoint: current() }); },
  health(said) { known.health = said; update(); },
  answers(said) { known.answers = said; update(); },
  beat(said) {
    for (const [name, beat] of Object.entries(said)) {
      const beats = (known.beats[name] ??= []);
      beats.push(beat);
      if (beats.length > PAST_BEATS) beats.shift();
    }
    if (known.all) view?.beat?.({ ...known, endpoint: current() });
  },
};

// Listen for as long as the page is seen; a browser allows few connections, and a hidden page needs none.
let stopper = null;
async function follow() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    if (document.hidden) await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
    stopper = new AbortController();
    try {
      await listen(stopper.signal, (name, data) => { wait = 500; heard = new Date(); hearing[name]?.(data); });
    } catch (fault) {
      if (fault.status === 401) return signedOut();
    }
    if (!document.hidden) live("lost", "no answer");
    await new Promise((go) => setTimeout(go, wait));
  }
}
document.addEventListener("visibilitychange", () => { if (document.hidden) stopper?.abort(); });

function signedOut(why = "") {
  view?.end?.();
  view = null;
  known.all = null;
  out.hidden = true;
  live("off", "signed out");
  document.getElementById("tabs").replaceChildren();
  main.replaceChildren(empty("Not signed in", why, h("span", {}, "In a terminal, in the project's folder: ", h("code", {}, "inv studio")),
    "It opens a link that signs this browser in, once, for a week."));
}

function theme() {
  const button = document.getElementById("theme");
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const draw = () => {
    button.replaceChildren(icon(dark() ? "sun" : "moon"));
    button.setAttribute("aria-label", dark() ? "Light theme" : "Dark theme");
    button.title = button.getAttribute("aria-label");
  };
  // A canvas is drawn anew in the other colours; all else changes by itself, and keeps what is in it.
  const changed = () => { draw(); if (known.all) view?.recolour?.({ ...known, endpoint: current() }); };
  button.addEventListener("click", () => {
    const wanted = dark() ? "light" : "dark";
    // What the system has anyway is not a choice: from then on the page follows the system again.
    const chosen = wanted !== (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    if (chosen) document.documentElement.dataset.theme = wanted;
    else delete document.documentElement.dataset.theme;
    try { chosen ? localStorage.setItem("studio-theme", wanted) : localStorage.removeItem("studio-theme"); } catch { /* not kept, then */ }
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  draw();
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#link=")) location.reload();
  else if (location.hash !== "#main") show();
});
theme();
out.append(icon("out"));
// The stream that is cut off is asked for anew, and refused: that is the end of it.
out.addEventListener("click", async () => { await signOut(); stopper?.abort(); });
try {
  await signIn();
  await follow();
} catch (fault) {
  signedOut(fault.message);
}

