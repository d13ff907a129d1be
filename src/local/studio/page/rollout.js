// The rollout: its steps, the evidence that judges it, and how earlier ones ended.

import { rollback, shift } from "./act.js";
import { Chart, evidence } from "./charts.js";
import { drawn, slotStyle } from "./colour.js";
import { canRollBack } from "./endpoint.js";
import { badge, empty, fill, h, icon, pairs } from "./dom.js";
import { at, compact, duration, kind, needs, outcome, share, since, standing } from "./words.js";

export function rolloutView() {
  const head = h("div"), timeline = h("section", { "aria-label": "Steps" }), curves = h("section", { "aria-label": "Evidence" }), past = h("section", { "aria-label": "History" });
  const root = h("div", { class: "view" }, head, timeline, curves, past);
  let charts = [];
  return {
    root,
    recolour(known) { this.update(known); },
    update({ all, endpoint }) {
      const last = endpoint?.rollout;
      fill(head, [endpoint?.name, last, endpoint?.traffic, endpoint?.rolled_back], () => heading(endpoint, last));
      fill(timeline, [last, endpoint?.traffic, endpoint?.rolled_back], () => (last ? steps(endpoint, last) : null));
      fill(curves, [last?.curves, last?.counts, last?.steps, drawn("--ink")], () => {
        charts.forEach((each) => each.end());
        charts = [];
        return last ? tests(endpoint, last, charts) : null;
      });
      fill(past, all.history, () => history(all.history));
    },
    end() { charts.forEach((each) => each.end()); },
  };
}

function heading(endpoint, last) {
  if (!last) return empty("No rollout yet", h("span", {}, h("code", {}, "inv rollout"), " moves the traffic to the newer deployment in steps, judged on evidence."));
  const there = endpoint.deployments.find((each) => each.name === last.new && last.identity.endsWith(each.tags.deployed_at));
  const how = standing(endpoint);
  const ended = how === "done" || how === "rolled back";
  const why = how === "rolled back" && endpoint.rolled_back?.startsWith(last.identity) ? endpoint.rolled_back.slice(last.identity.length + 2) : "";
  return [
    h("div", { class: "heading" },
      h("div", {}, h("h1", {}, "Rollout of ", h("span", { class: "slot", style: slotStyle(last.new) }, h("i", { class: "dot" }), last.new), " ", badge(how, kind(how))),
        h("p", { class: "dim" }, there ? h("a", { href: "#/models" }, there.model) : "", there ? " · " : "", "begun ", h("time", { datetime: last.begun, title: last.begun }, since(last.begun)), how === "stopped" ? [" · nobody is at it: ", h("code", {}, "inv rollout"), " goes on"] : "")),
      h("div", { class: "buttons" },
        h("button", { type: "button", data: { key: "shift" }, on: { click: () => shift(endpoint) } }, icon("shift"), "Shift traffic"),
        h("button", { type: "button", class: "danger", data: { key: "back" }, disabled: ended || !canRollBack(endpoint), title: ended ? "It has ended" : null, on: { click: () => rollback(endpoint) } }, icon("back"), "Roll back"))),
    why ? h("p", { class: "why bad" }, why) : null,
  ];
}

function steps(endpoint, last) {
  const how = standing(endpoint);
  const reached = last.steps.length ? last.steps : [[0, last.step]];
  const total = Math.max(...Object.values(last.curves).map((each) => each.points.at(-1)?.[0] ?? 0), reached.at(-1)[0]);
  const items = reached.map(([from, percent], index) => {
    const until = reached[index + 1]?.[0];
    const present = until === undefined;
    const state = !present ? "good" : { done: "good", "rolled back": "bad", paused: "held", stopped: "held" }[how] ?? "run";
    const took = (until ?? total) - from;
    return h("li", { class: `step ${state}`, "aria-current": present && state === "run" ? "step" : null },
      h("span", { class: "mark" }, icon({ good: "good", bad: "bad", held: "held", run: "run" }[state])),
      h("b", {}, `${percent} %`), h("span", { class: "dim small" }, took > 0 ? duration(took) : present && state === "run" ? "now" : ""));
  });
  // What has ended has nothing to come, whatever was planned.
  if (how !== "done" && how !== "rolled back") items.push(...last.ahead.map((percent) =>
    h("li", { class: "step ahead" }, h("span", { class: "mark" }), h("b", {}, `${percent} %`), h("span", { class: "dim small" }, "to come"))));
  if (how === "done") items.push(h("li", { class: "step good end" }, h("span", { class: "mark" }, icon("good")), h("b", {}, "done"), h("span", { class: "dim small" }, "all traffic")));
  if (how === "rolled back") items.push(h("li", { class: "step bad end" }, h("span", { class: "mark" }, icon("back")), h("b", {}, "0 %"), h("span", { class: "dim small" }, "rolled back")));
  return [h("h2", {}, "Steps"), h("ol", { class: "steps", style: slotStyle(last.new) }, items)];
}

const WHAT = {
  error: "5xx, 424, 408, no answer, or an answer of another shape", slow: "answers over the latency objective",
  slower: "latencies of the pairs, by rank", disagree: "predictions that differ from the older deployment's",
};

function tests(endpoint, last, charts) {
  const names = [...new Set([...Object.keys(last.curves), ...Object.keys(last.counts)])].sort((a, b) => (a in last.curves ? 0 : 1) - (b in last.curves ? 0 : 1) || a.localeCompare(b));
  if (!names.length) return null;
  const old = endpoint.deployments.find((each) => each.name !== last.new)?.name ?? "the older one";
  const judged = Object.keys(last.curves).length > 0;
  const parts = names.map((name) => {
    const curve = last.curves[name];
    const now = curve?.points.at(-1);
    const [n, bad, newN, newBad] = last.counts[name] ?? [];
    const rows = n === undefined ? [] : [[`bad on ${last.new}`, share(newBad, newN)], [`bad on ${old}`, share(bad, n)]];
    if (now) rows.push(["harm, E", needs(now[1], curve.harm_threshold)], ["safety, E", curve.safety_threshold ? needs(now[2], curve.safety_threshold) : "not asked"]);
    const figure = curve?.points.length ? chart(name, curve, last.steps, charts) : null;
    return h("article", { class: "metric", data: { metric: name, points: String(curve?.points.length ?? 0) } }, h("header", {}, h("h3", {}, name), h("p", { class: "dim small" }, WHAT[name] ?? "", curve || !judged ? "" : " (shown, not judged)")), pairs(rows), figure);
  });
  return [h("h2", {}, "Evidence"),
    h("p", { class: "dim" }, "Two bets on each metric. Harm that reaches its line rolls back at once; safety above its line lets the next step begin. An E of 1 is no evidence."), h("div", { class: "metrics" }, parts)];
}

function chart(name, curve, steps, charts) {
  const { make, data } = evidence(curve, steps);
  const made = new Chart("E over time", `${name}: evidence of harm and of safety over time, with the lines that they need`, make,
    [["harm", drawn("--harm")], [`rolls back at ${curve.harm_threshold.toLocaleString("en")}`, drawn("--harm"), true],
      ...(curve.safety_threshold ? [["safety", drawn("--safety")], [`goes on at ${curve.safety_threshold}`, drawn("--safety"), true]] : [])]);
  made.set(data);
  charts.push(made);
  return made.root;
}

function history(past) {
  if (!past.length) return null;
  return [h("h2", {}, "History"), h("ul", { class: "history" }, past.map((each) => {
    const [word, how] = outcome(each.outcome);
    const [slot] = each.outcome.split(/[,:]/);
    return h("li", {}, badge(word, how), h("span", { class: "slot", style: slotStyle(slot) }, h("i", { class: "dot" }), slot), h("b", {}, each.model),
      h("span", { class: "told" }, each.outcome.slice(slot.length + 2)), h("time", { class: "dim", datetime: compact(each.at), title: at(compact(each.at)) }, since(compact(each.at))));
  }))];
}
