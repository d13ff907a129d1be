// The models: their versions side by side, metric by metric, and where each came from.

import { badge, empty, fill, h } from "./dom.js";
import { slotStyle } from "./colour.js";
import { at, commit, compact, measure, number, outcome, since } from "./words.js";

const MOST = 6;
const LOWER_IS_BETTER = /loss|brier|error/;
const NO_BETTER = /share/;

export function modelsView() {
  const root = h("div", { class: "view" });
  return {
    root,
    update({ all }) {
      const live = Object.fromEntries(all.endpoints.flatMap((endpoint) => endpoint.deployments.map((each) => [`${endpoint.name}/${each.name}`, [each.model, each.name, endpoint.traffic[each.name] ?? 0]])));
      fill(root, [all.models, live], () => {
        if (!all.models.length) return empty("No model yet", h("span", {}, h("code", {}, "inv train-dev"), ", then ", h("code", {}, "inv train-prod"), " trains and registers one."));
        return [...new Set(all.models.map((each) => each.name))].map((name) => model(name, all.models.filter((each) => each.name === name), Object.values(live)));
      });
    },
  };
}

function model(name, versions, live) {
  const few = versions.slice(0, MOST);
  const head = h("tr", {}, h("th", { scope: "col" }, "version"), few.map((each, index) => h("th", { scope: "col" }, h("span", { class: "version" }, `v${each.version}`, index ? null : h("span", { class: "dim small" }, " newest")),
    h("span", { class: "dim small block" }, h("time", { datetime: each.created, title: at(each.created) }, since(each.created))), served(each, live))));
  const metrics = keys(few, "metric.").filter((key) => !key.startsWith("metric.split."));
  const split = keys(few, "metric.split.");
  return h("section", { class: "model-set" },
    h("div", { class: "heading" }, h("div", {}, h("h1", {}, name), h("p", { class: "dim" }, versions.length === 1 ? "1 version" : `${versions.length} versions`, versions.length > MOST ? `, the ${MOST} newest are shown` : ""))),
    h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `Versions of ${name}` }, h("table", { class: "compare" }, h("thead", {}, head), h("tbody", {},
      group("On the later rows, which it never saw", few.length), metrics.map((key) => row(few, key, key.slice(7))),
      split.length ? [group("On the last part of its own data", few.length), split.map((key) => row(few, key, key.slice(13)))] : null,
      group("Where it comes from", few.length),
      line(few, "job", (each) => (each.job ?? each.tags.job ? h("a", { href: `#/jobs/${encodeURIComponent(each.job ?? each.tags.job)}` }, each.job ?? each.tags.job) : "")),
      line(few, "commit", (each) => h("code", { title: each.tags.git_commit }, commit(each.tags.git_commit))),
      line(few, "rows", (each) => (each.tags["data.rows"] ? number(each.tags["data.rows"]) : "")),
      line(few, "from", (each) => moment(each.tags["data.first"])), line(few, "to", (each) => moment(each.tags["data.last"])),
      line(few, "data", (each) => each.tags.data_fingerprint && h("code", {}, each.tags.data_fingerprint)),
      line(few, "algorithm", (each) => each.tags.algorithm), line(few, "served as", (each) => each.tags.served),
      line(few, "forced", (each) => each.tags.forced),
      group("Rollouts", few.length), line(few, "ended", (each) => rollouts(each)),
      keys(few, "library.").length ? [group("Libraries", few.length), keys(few, "library.").map((key) => line(few, key.slice(8), (each) => each.tags[key]))] : null))));
}

// A time of the data has no zone: it is shown as it stands there.
function moment(stamp) {
  return stamp?.replace("T", " ");
}

function keys(versions, prefix) {
  return [...new Set(versions.flatMap((each) => Object.keys(each.tags)))].filter((key) => key.startsWith(prefix)).sort();
}

function served(each, live) {
  return live.filter(([model]) => model === `${each.name}:${each.version}`).map(([, slot, share]) =>
    h("span", { class: "chip", style: slotStyle(slot) }, h("i", { class: "dot" }), `${slot} ${share} %`));
}

function group(title, columns) {
  return h("tr", { class: "group" }, h("th", { colSpan: columns + 1, scope: "colgroup" }, title));
}

function row(versions, key, name) {
  const values = versions.map((each) => Number(each.tags[key]));
  const real = values.filter(Number.isFinite);
  const best = NO_BETTER.test(name) || real.length < 2 || new Set(real).size < 2 ? null : LOWER_IS_BETTER.test(name) ? Math.min(...real) : Math.max(...real);
  return h("tr", {}, h("th", { scope: "row" }, measure(name)), versions.map((each, index) => {
    const value = values[index];
    return h("td", { class: `number${value === best ? " best" : ""}`, title: value === best ? "the best of these" : null }, Number.isFinite(value) ? number(value) : "", value === best ? h("span", { class: "visually-hidden" }, " (best)") : null);
  }));
}

function line(versions, name, value) {
  const found = versions.map(value);
  if (!found.some((each) => each && (!Array.isArray(each) || each.length))) return null;
  return h("tr", {}, h("th", { scope: "row" }, name), found.map((each) => h("td", {}, each)));
}

function rollouts(each) {
  return keys([each], "rollout.").reverse().map((key) => {
    const [word, how] = outcome(each.tags[key]);
    return h("span", { class: "block", title: each.tags[key] }, badge(word, how), " ", h("span", { class: "dim small" }, since(compact(key.slice(8)))));
  });
}
