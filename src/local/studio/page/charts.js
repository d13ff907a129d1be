// Charts over time, drawn by uPlot in the colours of the page.

import uPlot from "./vendor/uplot.js";
import { drawn } from "./colour.js";
import { h } from "./dom.js";

function axis(more) {
  return { stroke: drawn("--dim"), grid: { stroke: drawn("--line"), width: 1 }, ticks: { show: false },
    font: "12px system-ui, sans-serif", ...more };
}

// A chart that fits its place. `make` gives uPlot's options; `legend` names and colours; `label` says it in words.
export class Chart {
  constructor(title, label, make, legend = []) {
    this.place = h("div", { class: "plot", role: "img", "aria-label": label });
    this.root = h("figure", { class: "chart" },
      h("figcaption", {}, h("span", {}, title), h("span", { class: "legend" }, legend.map(([name, colour, dash]) =>
        h("span", { style: { "--key": colour } }, h("i", { class: dash ? "dash" : null }), name)))), this.place);
    this.make = make;
    this.data = null;
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(this.place);
  }

  fit() {
    const width = Math.floor(this.place.clientWidth);
    if (!width || !this.data) return;
    if (this.plot) this.plot.setSize({ width, height: this.height() });
    else this.plot = new uPlot({ width, height: this.height(), ...this.make() }, this.data, this.place);
  }

  height() {
    return this.place.clientWidth < 420 ? 160 : 190;
  }

  set(data) {
    this.data = data;
    if (this.plot) this.plot.setData(data);
    else this.fit();
  }

  end() {
    this.watch.disconnect();
    this.plot?.destroy();
  }
}

const SMOOTH = { spanGaps: false, points: { show: false } };

export function line(label, colour, more = {}) {
  return { label, stroke: colour, width: 2, ...SMOOTH, ...more };
}

// Beats of the last minutes; the time axis ends now and has a fixed length, so that the curve moves steadily.
// `tens`: each line of the grid is ten times the one below, so that a peak leaves the rest to be read.
export function beats(series, unit, { tens = false, seconds = 300 } = {}) {
  const written = (_, splits) => splits.map((each) => tens && each >= 1000 ? `${each / 1000} s` : `${each >= 1000 ? each.toLocaleString("en") : Number(each.toPrecision(3))}${unit}`);
  const height = tens
    ? { distr: 3, range: (_, least, most) => [10 ** Math.floor(Math.log10(Math.max(least ?? 1, 0.1))), 10 ** Math.ceil(Math.log10(Math.max(most ?? 10, 1.01)))] }
    : { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] };
  const lines = tens ? { splits: (_, __, least, most) => Array.from({ length: Math.round(Math.log10(most / least)) + 1 }, (___, power) => least * 10 ** power) } : {};
  return () => ({
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { x: { time: true, range: (_, first, last) => [last - Math.min(seconds, Math.max(last - first, 60)), last] }, y: height },
    axes: [
      axis({ space: 90, size: 32, gap: 9, values: (_, splits) => splits.map((each) => new Date(each * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })) }),
      axis({ size: 58, values: written, ...lines }),
    ],
    series: [{}, ...series()],
    padding: [8, 26, 0, 0],
  });
}

const DOTS = { points: { show: true, size: 5 } }; // a trail has few points
const LOWEST = -2; // log10 E: a test that lost is not followed further down
const POWERS = { "-2": "1/100", "-1": "1/10", 0: "1", 1: "10", 2: "100", 3: "1,000", 4: "10,000" };

// Both tests of a metric: log10 E over the seconds since the rollout began, with the lines that they need.
export function evidence(curve, steps) {
  const tens = (nats) => (nats === null ? null : Math.max(nats / Math.LN10, LOWEST));
  const needs = { harm: Math.log10(curve.harm_threshold), safety: curve.safety_threshold ? Math.log10(curve.safety_threshold) : null };
  // Both bets begin at 1, when the first step does.
  const begun = steps.length && steps[0][0] < curve.points[0][0] ? [[steps[0][0], 0, curve.safety_threshold ? 0 : null]] : [];
  const points = [...begun, ...curve.points];
  const times = points.map(([at]) => at);
  const harm = points.map(([, each]) => tens(each));
  const safety = points.map(([, , each]) => tens(each));
  const top = Math.max(needs.harm, needs.safety ?? 0, ...harm.map((each) => Math.min(each, needs.harm * 1.3)), ...safety.map((each) => Math.min(each ?? 0, (needs.safety ?? 0) * 1.6))) + 0.4;
  const bottom = Math.min(-0.5, ...harm, ...safety.map((each) => each ?? 0)) - 0.1;
  const first = Math.min(0, times[0]), last = Math.max(times.at(-1), first + 1);
  const make = () => ({
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { x: { time: false, range: () => [first, last] }, y: { range: () => [bottom, top] } },
    axes: [
      axis({ space: 60, size: 28, values: (_, splits) => splits.map((each) => `${Number(each.toPrecision(4))} s`) }),
      axis({ size: 58, splits: () => [-2, -1, 0, 1, 2, 3, 4].filter((each) => each >= bottom && each <= top), values: (_, splits) => splits.map((each) => POWERS[each]) }),
    ],
    series: [{}, line("harm", drawn("--harm"), DOTS), line("safety", drawn("--safety"), DOTS)],
    padding: [18, 20, 0, 0],
    hooks: { draw: [(plot) => thresholds(plot, needs, steps, last)] },
  });
  return { make, data: [times, harm, safety] };
}

function thresholds(plot, needs, steps, last) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.lineWidth = scale;
  ctx.fillStyle = ctx.strokeStyle = drawn("--dim");
  ctx.globalAlpha = 0.9;
  for (const [at, share] of steps) {
    if (at > last) continue;
    const x = plot.valToPos(at, "x", true);
    ctx.globalAlpha = 0.35;
    stroke(ctx, x, bbox.top, x, bbox.top + bbox.height, []);
    ctx.globalAlpha = 0.9;
    ctx.textAlign = x > bbox.left + bbox.width - 40 * scale ? "right" : "left";
    ctx.fillText(`${share} %`, x + (ctx.textAlign === "right" ? -3 : 3) * scale, bbox.top - 5 * scale);
  }
  for (const [name, need] of Object.entries(needs)) {
    if (need === null) continue;
    ctx.strokeStyle = drawn(`--${name}`);
    const y = plot.valToPos(need, "y", true);
    stroke(ctx, bbox.left, y, bbox.left + bbox.width, y, [5 * scale, 4 * scale]);
  }
  ctx.restore();
}

function stroke(ctx, x1, y1, x2, y2, dash) {
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}
