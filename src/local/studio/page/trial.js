// The Test tab: a request in an editor, a deployment or the route, the answer with all that came with it.

import { call } from "./api.js";
import { slotStyle } from "./colour.js";
import { badge, copy, empty, fill, h, icon, pairs, put } from "./dom.js";
import { ms } from "./words.js";

const kept = {}; // what was typed, by endpoint, while the page is open

export function trialView() {
  const root = h("div", { class: "view" });
  let parts = null;
  let name = "";
  return {
    root,
    update({ endpoint }) {
      if (!endpoint?.deployments.length) {
        parts = null;
        fill(root, "none", () => empty("Nothing to test yet", h("span", {}, h("code", {}, "inv deploy"), " puts a model on an endpoint.")));
        return;
      }
      if (!parts || name !== endpoint.name) {
        name = endpoint.name;
        parts = build(endpoint);
        fill(root, name, () => parts.content);
      }
      parts.choose(endpoint);
    },
  };
}

function build(endpoint) {
  const editor = h("textarea", { id: "body", spellcheck: false, rows: "16", "aria-describedby": "wrong", autocomplete: "off", wrap: "off" });
  const wrong = h("p", { id: "wrong", class: "fault small" });
  const slots = h("fieldset", { class: "choice" });
  const answer = h("section", { class: "answer", "aria-label": "Answer", "aria-live": "polite" }, waiting());
  const send = h("button", { type: "button", class: "primary", id: "send" }, "Send");
  const state = { slot: "", uri: endpoint.scoring_uri };

  const check = () => {
    kept[endpoint.name] = editor.value;
    try {
      JSON.parse(editor.value);
      wrong.textContent = "";
    } catch (fault) {
      wrong.textContent = `Not JSON (it can be sent all the same): ${fault.message}`;
    }
  };
  const reset = async () => {
    editor.value = (await call("GET", `endpoints/${encodeURIComponent(endpoint.name)}/sample`)).body;
    check();
  };
  const go = async () => {
    send.disabled = true;
    send.textContent = "Sending";
    try {
      put(answer, shown(await call("POST", "trial", { endpoint: endpoint.name, slot: state.slot, body: editor.value })));
    } catch (fault) {
      put(answer, h("h2", {}, "No answer"), h("p", { class: "why bad" }, fault.message));
    }
    send.disabled = false;
    send.textContent = "Send";
  };
  editor.addEventListener("input", check);
  editor.addEventListener("keydown", (event) => { if ((event.ctrlKey || event.metaKey) && event.key === "Enter") go(); });
  send.addEventListener("click", go);
  if (kept[endpoint.name] === undefined) reset().catch((fault) => { wrong.textContent = fault.message; });
  else editor.value = kept[endpoint.name];

  const content = [
    h("div", { class: "heading" }, h("div", {}, h("h1", {}, "Test ", endpoint.name), h("p", { class: "dim" }, "A request to the scoring address. It counts as live when it is sent as routed."))),
    h("div", { class: "trial" },
      h("section", { class: "request", "aria-label": "Request" },
        slots,
        h("div", { class: "row" }, h("label", { for: "body" }, "Body"), h("button", { type: "button", class: "link push", on: { click: reset } }, "Put the sample back")),
        editor, wrong,
        h("div", { class: "buttons start" }, send,
          h("button", { type: "button", on: { click: () => copy(curl(state, editor.value), "cURL command") } }, icon("copy"), "Copy as cURL"),
          h("button", { type: "button", on: { click: () => copy(python(state, editor.value), "Python code") } }, icon("copy"), "Copy as Python"),
          h("span", { class: "dim small keys" }, "Ctrl+Enter sends")),
        h("p", { class: "dim small" }, "What is copied reads the key from ENDPOINT_KEY: ", h("code", { class: "whole" }, 'eval "$(inv key --export)"'))),
      answer),
  ];
  const choose = (now) => {
    state.uri = now.scoring_uri;
    const names = now.deployments.map((each) => each.name).sort();
    if (state.slot && !names.includes(state.slot)) state.slot = "";
    fill(slots, [names, now.traffic], () => [h("legend", {}, "Send it to"), ["", ...names].map((each) =>
      h("label", { style: each ? slotStyle(each) : {} },
        h("input", { type: "radio", name: "slot", value: each, checked: each === state.slot, data: { key: `slot-${each}` }, on: { change: () => { state.slot = each; } } }),
        each ? h("i", { class: "dot" }) : null, each || "as routed"))]);
  };
  return { content, choose };
}

function waiting() {
  return h("div", { class: "empty small" }, h("p", {}, "The answer comes here: status, time, headers, body."));
}

function shown(found) {
  const slot = found.headers["azureml-model-deployment"];
  const good = found.status < 300;
  return [
    h("div", { class: "row verdict" }, badge(`${found.status} ${found.reason ?? ""}`, good ? "good" : "bad"), h("b", {}, ms(found.milliseconds)),
      slot ? h("span", { class: "slot", style: slotStyle(slot) }, h("i", { class: "dot" }), slot) : null),
    h("div", { class: "row" }, h("h2", {}, "Body"), h("button", { type: "button", class: "link push", on: { click: () => copy(found.body, "answer") } }, "Copy")),
    h("pre", { class: "body", tabindex: "0", role: "group", "aria-label": "Body of the answer" }, found.body), found.cut ? h("p", { class: "dim small" }, "Only its first part is shown.") : null,
    h("h2", {}, "Headers"), pairs(Object.entries(found.headers)),
  ];
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function packed(text) {
  try { return JSON.stringify(JSON.parse(text)); } catch { return text; }
}

export function curl({ uri, slot }, body) {
  const lines = ["curl --fail-with-body", '--header "Authorization: Bearer $ENDPOINT_KEY"', "--header 'Content-Type: application/json'"];
  if (slot) lines.push(`--header ${quoted(`azureml-model-deployment: ${slot}`)}`);
  return [...lines, `--data ${quoted(packed(body))}`, quoted(uri)].join(" \\\n  ");
}

export function python({ uri, slot }, body) {
  const pin = slot ? `\n    "azureml-model-deployment": ${JSON.stringify(slot)},` : "";
  return `import os
import urllib.request

request = urllib.request.Request(
  ${JSON.stringify(uri)},
  data=${JSON.stringify(packed(body))}.encode(),
  headers={
    "Authorization": "Bearer " + os.environ["ENDPOINT_KEY"],
    "Content-Type": "application/json",${pin}
  },
)
with urllib.request.urlopen(request) as answer:
  print(answer.status, answer.read().decode())
`;
}
