// The endpoint: the split, both colours with their health, and what they answer, live.

import { bar, rollback, shift } from "./act.js";
import { call } from "./api.js";
import { Chart, beats, line } from "./charts.js";
import { slotColour, slotStyle } from "./colour.js";
import { badge, copy, empty, fill, h, icon, pairs } from "./dom.js";
import { commit, kind, ms, rate, since, standing } from "./words.js";

const SHOWN_SECONDS = 300;
const [RATE, FAULTS, P50, , P99] = [0, 1, 2, 3, 4];

export function endpointView() {
  const head = h("div"), split = h("section", { "aria-label": "Traffic" }), cards = h("section", { class: "cards", "aria-label": "Deployments" });
  const charts = h("section", { class: "charts", "aria-label": "Live" });
  const statuses = h("section", { "aria-label": "Answers" });
  const root = h("div", { class: "view" });
  let drawn = [];
  let slots = "";

  const draw = (known) => {
    const names = known.endpoint.deployments.map((each) => each.name).sort();
    if (names.join() === slots) return;
    slots = names.join();
    drawn.forEach((each) => each.end());
    const coloured = names.map((name) => [name, slotColour(name)]);
    const both = [...coloured, ["p50", "var(--dim)"], ["p99", "var(--dim)", true]];
    drawn = [
      new Chart("Requests a second", "Requests a second of each deployment, the last five minutes",
        beats(() => names.map((name) => line(name, slotColour(name), { fill: `${slotColour(name)}22` })), ""), coloured),
      new Chart("Latency", "Median and 99th percentile of the latency of each deployment, the last five minutes",
        beats(() => names.flatMap((name) => [line(`${name} p50`, slotColour(name)), line(`${name} p99`, slotColour(name), { dash: [4, 4], width: 1.5 })]), " ms", { tens: true }), both),
      new Chart("Faults a second", "Answers of 5xx, 424 and 408 a second of each deployment, the last five minutes",
        beats(() => names.map((name) => line(name, slotColour(name))), ""), coloured),
    ];
    charts.replaceChildren(...drawn.map((each) => each.root));
  };

  const beat = (known) => {
    if (!known.endpoint) return;
    const found = (known.beats[known.endpoint.name] ?? []).slice(-SHOWN_SECONDS);
    const names = slots.split(",").filter(Boolean);
    const times = found.map((each) => each.t);
    const now = times.at(-1) ?? Date.now() / 1000;
    // Two looks at least, so that an empty chart has its axes.
    if (times.length < 2) times.splice(0, times.length, now - 1, now);
    const column = (name, which, none) => times.map((_, index) => found[index]?.of[name]?.[which] ?? none);
    drawn[0]?.set([times, ...names.map((name) => column(name, RATE, 0))]);
    drawn[1]?.set([times, ...names.flatMap((name) => [column(name, P50, null), column(name, P99, null)])]);
    drawn[2]?.set([times, ...names.map((name) => column(name, FAULTS, 0))]);
    // The figures on the cards are of the last five seconds: those of one second jump.
    for (const name of names) figures(cards, name, found.slice(-5).map((each) => each.of[name]));
    cards.querySelectorAll("details[open] .log").forEach((each) => each.dispatchEvent(new Event("look")));
  };

  return {
    root, beat,
    recolour(known) { slots = ""; this.update(known); },
    past: beat,
    update(known) {
      const endpoint = known.endpoint;
      if (!endpoint) {
        fill(root, "none", () => empty("No endpoint yet", h("span", {}, h("code", {}, "inv deploy"), " makes one, and puts the newest model there."),
          h("span", {}, h("code", {}, "inv demo"), " tells the whole story.")));
        return;
      }
      fill(root, "there", () => [head, split, cards, charts, statuses]);
      fill(head, [endpoint.name, endpoint.state, endpoint.scoring_uri, endpoint.deployments.length, endpoint.traffic], () => heading(endpoint));
      fill(split, [endpoint.traffic, endpoint.mirror, endpoint.rollout && [standing(endpoint), endpoint.rollout.step, endpoint.deployments.length]], () => traffic(endpoint));
      fill(cards, [endpoint.deployments, endpoint.traffic, endpoint.new, known.health[endpoint.name], endpoint.rolled_back], () =>
        byName(endpoint.deployments).map((each) => card(endpoint, each, known.health[endpoint.name]?.[each.name] ?? [])));
      draw(known);
      beat(known);
      const answers = known.answers[endpoint.name] ?? [];
      fill(statuses, [answers, slots], () => answered(answers, slots.split(",").filter(Boolean)));
    },
    end() { drawn.forEach((each) => each.end()); },
  };
}

function byName(deployments) {
  return [...deployments].sort((a, b) => a.name.localeCompare(b.name));
}

export function canRollBack(endpoint) {
  return endpoint.old !== null && endpoint.traffic[endpoint.old] !== 100;
}

function heading(endpoint) {
  const address = endpoint.scoring_uri;
  return h("div", { class: "heading" },
    h("div", {}, h("h1", {}, endpoint.name, " ", badge(endpoint.state, kind(endpoint.state))),
      h("p", { class: "dim address" }, h("code", {}, address),
        h("button", { type: "button", class: "icon small", "aria-label": "Copy the address", title: "Copy the address", data: { key: "address" }, on: { click: () => copy(address, "address") } }, icon("copy")))),
    h("div", { class: "buttons" },
      h("button", { type: "button", data: { key: "shift" }, disabled: !endpoint.deployments.length, on: { click: () => shift(endpoint) } }, icon("shift"), "Shift traffic"),
      h("button", { type: "button", class: "danger", data: { key: "back" }, disabled: !canRollBack(endpoint), title: canRollBack(endpoint) ? null : "The older deployment has all the traffic", on: { click: () => rollback(endpoint) } }, icon("back"), "Roll back")));
}

function traffic(endpoint) {
  const copies = Object.entries(endpoint.mirror).filter(([, share]) => share);
  return [h("h2", {}, "Traffic"), h("div", { class: "split" }, bar(endpoint.traffic)),
    going(endpoint),
    copies.length ? h("p", { class: "dim" }, copies.map(([slot, share]) => `${slot} gets copies of ${share} % of the requests; nobody sees its answers to them.`)) : null];
}

// While a rollout is under way, what leads to it.
function going(endpoint) {
  const { rollout } = endpoint;
  const there = rollout && endpoint.deployments.some((each) => each.name === rollout.new && rollout.identity.endsWith(each.tags.deployed_at));
  const how = there && standing(endpoint);
  if (!there || how === "done" || how === "rolled back" || endpoint.traffic[rollout.new] === 100 && how === "stopped") return null;
  return h("p", { class: "going" }, badge(how, kind(how)), h("a", { href: "#/rollout", data: { key: "going" } }, `The rollout of ${rollout.new} is at ${rollout.step} %`));
}

function card(endpoint, each, up) {
  const share = endpoint.traffic[each.name] ?? 0;
  const bad = (endpoint.rolled_back ?? "").startsWith(`${each.name} of ${each.tags.deployed_at}`);
  const role = endpoint.deployments.length < 2 ? null : each.name === endpoint.new ? "newer" : "older";
  const said = h("pre", { class: "log", tabindex: "0", role: "group", "aria-label": `Log of ${each.name}` }, "");
  let reading = false;
  const read = async () => {
    if (reading) return;
    reading = true;
    const atEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 40;
    let text;
    try {
      text = (await call("GET", `endpoints/${encodeURIComponent(endpoint.name)}/logs/${encodeURIComponent(each.name)}`)).text || "It has said nothing.";
    } catch (fault) {
      text = fault.message;
    }
    reading = false;
    if (text === said.textContent) return;
    said.textContent = text;
    if (atEnd) said.scrollTop = said.scrollHeight;
  };
  said.addEventListener("look", read);
  return h("article", { class: "card", style: slotStyle(each.name), data: { slot: each.name } },
    h("header", {}, h("h3", {}, h("i", { class: "dot" }), each.name), role ? h("span", { class: "dim" }, role) : null,
      h("span", { class: "push" }, badge(bad ? "rolled back" : each.state, bad ? "bad" : kind(each.state)))),
    h("p", { class: "model" }, h("a", { href: "#/models" }, each.model)),
    h("dl", { class: "figures" },
      [["traffic", `${share} %`], ["requests/s", "0", "rate"], ["p50", "–", "p50"], ["p99", "–", "p99"], ["faults/s", "0", "faults"]].map(([name, value, key]) =>
        h("div", {}, h("dt", {}, name), h("dd", { data: { figure: key ?? "share" } }, value)))),
    h("p", { class: "dim small" }, health(up), ` · deployed `, h("time", { datetime: each.deployed, title: each.deployed }, since(each.deployed))),
    h("details", {}, h("summary", { data: { key: `about-${each.name}` } }, "Details"), about(each)),
    h("details", { on: { toggle: (event) => event.target.open && read() } }, h("summary", { data: { key: `log-${each.name}` } }, "Log"), said));
}

function about(each) {
  const { about: told, tags } = each;
  return pairs([["instance type", told.instance_type], ["instances", String(told.instances)], ["scoring code", told.script],
    ["environment", told.environment && h("span", { title: told.environment }, told.environment.replace(/(:[0-9a-f]{10})[0-9a-f]{22,}$/, "$1…"))], ["time limit", told.timeout && ms(told.timeout * 1000)], ["requests at a time, each instance", told.concurrent],
    ["commit", tags.git_commit && tags.git_commit !== "none" && h("code", { title: tags.git_commit }, commit(tags.git_commit))],
    ["code", tags.code && h("code", {}, tags.code)]]);
}

const SAID = { 401: "no key", 404: "no such deployment", 408: "took too long", 429: "too many at a time", 502: "no answer", 503: "not up" };

// How often each status was answered, of the client and of the model behind it, as Azure Monitor splits it.
function answered(answers, names) {
  if (!answers.length) return null;
  return [h("h2", {}, "Answers of the last 15 minutes"),
    h("div", { class: "wide sheet", tabindex: "0", role: "region", "aria-label": "Answers by status" }, h("table", { class: "compare answers" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "status"), names.map((name) => h("th", { scope: "col" }, h("span", { class: "slot", style: slotStyle(name) }, h("i", { class: "dot" }), name))))),
      h("tbody", {}, answers.map(({ status, model, of }) => h("tr", {},
        h("th", { scope: "row" }, badge(String(status), status < 300 ? "good" : status === 429 ? "held" : "bad"), " ", h("span", { class: "dim small" }, model && model !== status ? `the model said ${model}` : SAID[status] ?? "")),
        names.map((name) => h("td", { class: "number" }, of[name] ? of[name].toLocaleString("en") : "0")))))))];
}

function health(up) {
  const well = up.filter(Boolean).length;
  return h("span", { class: "health", title: `${well} of ${up.length} instances answer` },
    up.map((each) => h("i", { class: each ? "up" : "down" })), ` ${well} of ${up.length} ${up.length === 1 ? "instance" : "instances"} up`);
}

function figures(cards, name, recent) {
  const place = [...cards.children].find((each) => each.dataset.slot === name);
  if (!place) return;
  const told = recent.filter(Boolean);
  const mean = (which) => (recent.length ? told.reduce((sum, each) => sum + each[which], 0) / recent.length : 0);
  const last = told.at(-1);
  const set = (key, value, bad = false) => {
    const spot = place.querySelector(`[data-figure="${key}"]`);
    spot.textContent = value;
    spot.classList.toggle("bad", bad);
  };
  set("rate", rate(mean(RATE)));
  set("faults", rate(mean(FAULTS)), mean(FAULTS) > 0);
  set("p50", ms(last?.[P50]));
  set("p99", ms(last?.[P99]));
}
