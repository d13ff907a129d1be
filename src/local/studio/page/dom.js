// Elements from words. Text goes in as text, never as markup: whatever a model, a job or a log is called, no script runs.

export function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false);
}

// Put these in place of what is there; what is null is left out.
export function put(place, ...children) {
  place.replaceChildren(...flat(children));
}

// Fill a place anew when what it shows has changed, and keep the focus where it was.
const shown = new WeakMap();
export function fill(place, about, make) {
  const told = JSON.stringify(about);
  if (shown.get(place) === told) return false;
  shown.set(place, told);
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...place.querySelectorAll("details[open] > summary")].map((each) => each.dataset.key));
  put(place, make());
  for (const each of place.querySelectorAll("details > summary")) if (open.has(each.dataset.key)) each.parentElement.open = true;
  if (key) refocus(place, key);
  return true;
}

// Put the focus on what has the key, or on what comes next to it when that is gone or cannot be used any more.
export function refocus(place, key) {
  const there = [...place.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  there?.focus();
  if (there && document.activeElement !== there) there.parentElement.querySelector("button:not(:disabled), a")?.focus();
  if (document.activeElement === document.body) document.getElementById("main").focus();
}

export function svg(tag, options = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(options)) element.setAttribute(name, value);
  element.append(...flat(children));
  return element;
}

const PATHS = {
  good: "M3 8.5l3.2 3.2L13 5", bad: "M4 4l8 8M12 4l-8 8", wait: "M8 4v4l2.6 1.8", run: "M8 2a6 6 0 1 1-6 6",
  stop: "M5 5h6v6H5z", copy: "M5 5V3h8v8h-2M3 5h8v8H3z", back: "M6 3L2 7l4 4M2 7h8a4 4 0 0 1 0 8H7",
  left: "M10 3L5 8l5 5", held: "M6 4v8M10 4v8", sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.5 9.5A6 6 0 1 1 6.5 2.5a5 5 0 0 0 7 7z", shift: "M2 5h10l-3-3M14 11H4l3 3", out: "M6 3H3v10h3M10 5l3 3-3 3M13 8H6",
};
export function icon(name) {
  return svg("svg", { viewBox: "0 0 16 16", class: `i i-${name}`, "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}

export function badge(word, kind) {
  return h("span", { class: `badge ${kind}` }, icon({ good: "good", bad: "bad", run: "run", held: "held" }[kind] ?? "wait"), word);
}

export function note(text, kind = "good") {
  const place = document.getElementById("notes");
  const element = h("p", { class: `note ${kind}` }, text);
  place.append(element);
  setTimeout(() => element.remove(), kind === "bad" ? 12000 : 5000);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    note(`${what} copied`);
  } catch {
    note("the browser does not let this page copy: select the text by hand", "bad");
  }
}

export function empty(title, ...lines) {
  return h("div", { class: "empty" }, h("h1", {}, title), lines.map((line) => h("p", {}, line)));
}

export function pairs(rows) {
  return h("dl", { class: "pairs" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
