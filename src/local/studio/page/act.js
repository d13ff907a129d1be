// Actions: the server says what one will do; a person confirms exactly that.

import { Refused, call } from "./api.js";
import { h, note, refocus } from "./dom.js";
import { slotStyle } from "./colour.js";

const dialog = document.getElementById("dialog");

// What opened the dialog may be drawn anew while it is open, so it is remembered by its key.
let opener = "";
function open(...content) {
  if (!dialog.open) opener = document.activeElement?.dataset.key ?? "";
  dialog.replaceChildren(...content);
  if (!dialog.open) dialog.showModal();
}
dialog.addEventListener("close", () => refocus(document, opener));

function close() {
  dialog.close();
}

async function ask(title, plan, verb, kind, done) {
  const fault = h("p", { class: "fault", role: "alert" });
  const act = async (event) => {
    event.target.disabled = true;
    try {
      const found = await call("POST", `plans/${plan.confirm}`, {});
      close();
      note(found.done);
      done?.();
    } catch (problem) {
      fault.textContent = problem instanceof Refused ? problem.message : "the workspace did not answer: look before you try again";
      document.getElementById("keep").focus();
    }
  };
  open(
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, plan.says),
    Object.keys(plan.after).length ? h("div", { class: "change" }, bar(plan.before.traffic), h("span", { "aria-hidden": "true" }, "→"), bar(plan.after)) : null,
    fault,
    h("div", { class: "buttons" },
      h("button", { type: "button", id: "keep", on: { click: close } }, "Keep it as it is"),
      h("button", { type: "button", class: kind, id: "confirm", on: { click: act } }, verb)),
  );
  document.getElementById("confirm").focus();
}

export function bar(traffic) {
  const shares = Object.entries(traffic).filter(([, share]) => share).sort();
  return h("div", { class: "bar", role: "img", "aria-label": shares.map(([slot, share]) => `${slot} ${share} %`).join(", ") || "no traffic" },
    shares.map(([slot, share]) => h("span", { style: { ...slotStyle(slot), "flex-grow": String(share) } }, h("b", {}, h("em", {}, `${slot} `), `${share} %`))),
    shares.length ? null : h("span", { class: "none" }, "no traffic"));
}

export async function plan(title, given, verb, kind, done) {
  try {
    await ask(title, await call("POST", "plans", given), verb, kind, done);
  } catch (fault) {
    note(fault.message, "bad");
  }
}

export function shift(endpoint) {
  const names = endpoint.deployments.map((each) => each.name);
  const target = endpoint.new ?? names[0];
  const start = endpoint.traffic[target] ?? 0;
  const chosen = { slot: target, percent: start };
  const said = h("output", { for: "percent" });
  const draw = () => {
    const other = names.find((name) => name !== chosen.slot);
    said.replaceChildren(bar({ [chosen.slot]: chosen.percent, ...(other ? { [other]: 100 - chosen.percent } : {}) }));
    number.value = slider.value = String(chosen.percent);
  };
  const set = (event) => {
    chosen.percent = Math.max(0, Math.min(100, Math.round(Number(event.target.value) || 0)));
    draw();
  };
  const slider = h("input", { type: "range", id: "percent", min: "0", max: "100", step: "1", on: { input: set } });
  const number = h("input", { type: "number", min: "0", max: "100", "aria-label": "Percent", on: { change: set } });
  const quick = h("div", { class: "quick" }, [0, 10, 25, 50, 100].map((percent) =>
    h("button", { type: "button", on: { click: () => { chosen.percent = percent; draw(); } } }, `${percent} %`)));
  const go = () => plan("Shift traffic", { do: "shift", endpoint: endpoint.name, ...chosen }, "Shift", "primary");
  open(
    h("h2", { id: "dialog-title" }, "Shift traffic"),
    h("label", { for: "percent" }, `Share of ${chosen.slot}, the newer deployment`),
    h("div", { class: "row" }, slider, number, "%"), quick, said,
    h("div", { class: "buttons" }, h("button", { type: "button", on: { click: close } }, "Cancel"),
      h("button", { type: "button", class: "primary", on: { click: go } }, "Continue")),
  );
  draw();
  slider.focus();
}

export function rollback(endpoint) {
  return plan("Roll back", { do: "rollback", endpoint: endpoint.name }, "Roll back", "danger");
}

export function cancel(job) {
  return plan("Cancel the job", { do: "cancel", job }, "Cancel the job", "danger");
}
