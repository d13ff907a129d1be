// The jobs: a list, and one of them with its metrics, plots and log, which grows while it runs.

import { cancel } from "./act.js";
import { call, picture } from "./api.js";
import { badge, empty, fill, h, icon, pairs } from "./dom.js";
import { slotStyle } from "./colour.js";
import { at, between, commit, kind, measure, number, since } from "./words.js";

const ENDED = new Set(["Completed", "Failed", "Canceled"]);
const MOST_LOG = 400_000; // characters on the page
const HEADLINE = [/auc$/, /log_loss$/];

export function jobsView() {
  const list = h("div");
  const root = h("div", { class: "view" }, h("div", { class: "heading" }, h("h1", {}, "Jobs")), list);
  const update = ({ all }) => fill(list, [all.jobs, running(all.jobs) && Math.floor(Date.now() / 1000)], () => {
    if (!all.jobs.length) return empty("No job yet", h("span", {}, h("code", {}, "inv train-dev"), " submits the first."));
    return h("ul", { class: "jobs" }, all.jobs.map(line));
  });
  return { root, update, beat: update };
}

function running(jobs) {
  return jobs.some((each) => !ENDED.has(each.status));
}

function line(job) {
  const wanted = HEADLINE.map((form) => Object.entries(job.metrics).find(([name]) => form.test(name))).filter(Boolean);
  return h("li", {}, h("a", { href: `#/jobs/${encodeURIComponent(job.name)}`, data: { key: job.name } },
    badge(job.status, kind(job.status)),
    h("span", { class: "what" }, h("b", {}, job.title), h("span", { class: "dim small block" }, job.name)),
    h("span", { class: "some" }, wanted.map(([name, value]) => h("span", {}, h("span", { class: "dim small" }, `${measure(name)} `), number(value)))),
    h("span", { class: "took" }, between(job.started, job.ended)),
    h("time", { class: "dim", datetime: job.created, title: at(job.created) }, since(job.created))));
}

export function jobView(name) {
  const head = h("div"), facts = h("section", { class: "facts", "aria-label": "Facts" }), plots = h("section", { "aria-label": "Plots" });
  const said = h("pre", { class: "log tall", tabindex: "0", role: "group", "aria-label": "Log" });
  const follow = h("span", { class: "dim small push" });
  const root = h("div", { class: "view" }, h("a", { class: "back", href: "#/jobs" }, icon("left"), "Jobs"), head, facts, plots,
    h("section", { "aria-label": "Log" }, h("div", { class: "row" }, h("h2", {}, "Log"), follow), said));
  const urls = [];
  let next = 0, text = "", cut = false, reading = false, over = false, status = "", drawn = false, gone = false;

  const read = async () => {
    if (reading || over) return;
    reading = true;
    try {
      const atEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 40;
      const found = await call("GET", `jobs/${encodeURIComponent(name)}/log?after=${next}`);
      next = found.next;
      cut ||= found.skipped || text.length + found.text.length > MOST_LOG;
      text = found.skipped ? found.text : (text + found.text).slice(-MOST_LOG);
      if (text !== said.textContent) said.textContent = text;
      follow.textContent = [cut ? "only its end is shown" : "", ENDED.has(status) ? "" : "follows while the job runs"].filter(Boolean).join(", ");
      if (!said.textContent && ENDED.has(status)) said.textContent = "It said nothing.";
      over = ENDED.has(status);
      if (atEnd) said.scrollTop = said.scrollHeight;
    } catch { /* the next beat tries again */ }
    reading = false;
  };
  const draw = async () => {
    drawn = true;
    try {
      const names = await call("GET", `jobs/${encodeURIComponent(name)}/plots`);
      const figures = [];
      for (const each of names) {
        const url = await picture(`jobs/${encodeURIComponent(name)}/plots/${each.split("/").map(encodeURIComponent).join("/")}`);
        urls.push(url);
        const title = each.split("/").at(-1).replace(/\.png$/, "").replaceAll("_", " ");
        figures.push(h("figure", {}, h("img", { src: url, alt: `${title} of ${name}` })));
      }
      if (figures.length && !gone) plots.replaceChildren(h("h2", {}, "Plots"), h("div", { class: "plots" }, figures));
    } catch { drawn = false; }
  };
  const update = ({ all }) => {
    const job = all.jobs.find((each) => each.name === name);
    if (!job) return fill(head, "none", () => empty("No such job", name));
    status = job.status;
    const live = !ENDED.has(job.status);
    fill(head, [job.title, job.status, job.error, live && Math.floor(Date.now() / 1000)], () => heading(job, live));
    const made = all.models.filter((each) => (each.job ?? each.tags.job) === name);
    const slots = all.endpoints.flatMap((each) => each.deployments.map((one) => [one.model, one.name, each.traffic[one.name] ?? 0]));
    fill(facts, [job.tags, job.metrics, job.created, job.ended, made, slots], () => about(job, made, slots));
    read();
    if (!live && !drawn) draw();
  };
  return { root, update, beat: update, end() { gone = true; urls.forEach((each) => URL.revokeObjectURL(each)); } };
}

function heading(job, live) {
  return [h("div", { class: "heading" },
    h("div", {}, h("h1", {}, job.title, " ", badge(job.status, kind(job.status))), h("p", { class: "dim" }, h("code", {}, job.name), job.started ? ` · ${between(job.started, job.ended)}` : "")),
    live ? h("div", { class: "buttons" }, h("button", { type: "button", class: "danger", data: { key: "cancel" }, disabled: job.status === "CancelRequested", on: { click: () => cancel(job.name) } }, icon("stop"), "Cancel")) : null),
  job.error ? h("p", { class: "why bad" }, job.error) : null];
}

const GROUPS = [["On the later rows, which it never saw", /^holdout_/], ["On the last part of its own data", /^split_/], ["", /^(?!holdout_|split_)/]];

function about(job, made, live) {
  const metrics = GROUPS.map(([title, form]) => [title, Object.entries(job.metrics).filter(([name]) => form.test(name))]).filter(([, found]) => found.length);
  const models = made.map((each) => h("span", { class: "block" }, h("a", { href: "#/models" }, `${each.name}:${each.version}`),
    live.filter(([model]) => model === `${each.name}:${each.version}`).map(([, slot, share]) => h("span", { class: "chip", style: slotStyle(slot) }, h("i", { class: "dot" }), `${slot} ${share} %`))));
  return [
    h("div", {}, h("h2", {}, "Facts"), pairs([["model", models.length ? models : null], ["experiment", job.experiment], ["stage", job.tags.stage], ["commit", job.tags.git_commit && h("code", { title: job.tags.git_commit }, commit(job.tags.git_commit))],
      ["submitted", at(job.created)], ["started", job.started && at(job.started)], ["ended", job.ended && at(job.ended)],
      ...Object.entries(job.tags).filter(([name]) => !["stage", "git_commit"].includes(name))])),
    metrics.length ? h("div", {}, h("h2", {}, "Metrics"), metrics.map(([title, found]) => [title ? h("h3", { class: "dim small" }, title) : null, pairs(found.map(([name, value]) => [measure(name), number(value)]))])) : null,
  ];
}
