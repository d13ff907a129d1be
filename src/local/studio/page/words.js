// Numbers, times and states as people say them. Pure, but for the clock.

export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function since(stamp, now = Date.now()) {
  const seconds = (now - Date.parse(stamp)) / 1000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

export function between(start, end) {
  return start ? duration(((end ? Date.parse(end) : Date.now()) - Date.parse(start)) / 1000) : "";
}

// 2026-11-25 16:48:55, by the reader's clock.
export function at(stamp) {
  const time = new Date(stamp);
  return Number.isNaN(time.getTime()) ? String(stamp) : time.toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "medium" });
}

const MEASURES = { auc: "AUC", brier: "Brier score", positive_share: "share of positives" };

// The name of a metric, as the reports have it.
export function measure(name) {
  const plain = name.replace(/^(holdout|split)_/, "");
  return MEASURES[plain] ?? plain.replaceAll("_", " ");
}

// 2026-11-24T015044Z, as tags keep a time.
export function compact(stamp) {
  return stamp.replace(/T(\d\d)(\d\d)(\d\d)Z$/, "T$1:$2:$3Z");
}

export function number(value) {
  const given = Number(value);
  if (!Number.isFinite(given)) return String(value);
  if (Number.isInteger(given)) return given.toLocaleString("en");
  return Math.abs(given) >= 100 ? given.toFixed(1) : given.toFixed(Math.abs(given) < 10 ? 4 : 2);
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value < 10 ? `${value.toFixed(1)} ms` : value < 10000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function rate(value) {
  return value === undefined ? "0" : value < 10 ? String(Number(value.toFixed(1))) : String(Math.round(value));
}

// E itself, from its logarithm.
export function evidence(nats) {
  if (nats === null || nats === undefined) return "not asked";
  if (Math.abs(nats) >= 13.8) return `10^${Math.round(nats / Math.LN10)}`;
  const e = Math.exp(nats);
  return e >= 100 ? Math.round(e).toLocaleString("en") : String(Number(e.toPrecision(2)));
}

export function needs(nats, need) {
  return `${evidence(nats)} of ${need.toLocaleString("en")}`;
}

export function share(bad, all) {
  return all ? `${bad} of ${all.toLocaleString("en")} (${Number(((100 * bad) / all).toPrecision(2))} %)` : "none yet";
}

// How an endpoint's rollout stands: one that says it runs, and that nobody holds, does not; a person may have ended it.
export function standing({ rollout, rolled_back: back, traffic }) {
  if (rollout.status !== "running" && rollout.status !== "paused") return rollout.status;
  if (back?.startsWith(rollout.identity) && !traffic[rollout.new]) return "rolled back";
  return rollout.status === "running" && !rollout.held ? "stopped" : rollout.status;
}

const STATES = {
  Completed: "good", Succeeded: "good", Failed: "bad", Canceled: "held", CancelRequested: "held", Queued: "wait",
  NotStarted: "wait", Deleting: "held", done: "good", "rolled back": "bad", paused: "held", stopped: "held", running: "run",
};
export function kind(state) {
  return STATES[state] ?? "run";
}

export function outcome(text) {
  const word = text.replace(/^[^:]*: /, "");
  if (word.startsWith("complete")) return ["complete", "good"];
  if (word.startsWith("rolled back")) return ["rolled back", "bad"];
  return [word.split(/[ :]/)[0], "held"];
}

export function commit(text) {
  if (!text || text === "none") return "";
  const [hash, changes] = text.split("+");
  return hash.slice(0, 10) + (changes ? " + changes" : "");
}
