// The way to the server: signing in by the link's secret, calls with both halves of the session, and the event stream.

const KEY = "studio-key";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function key() {
  try { return localStorage.getItem(KEY) ?? ""; } catch { return ""; }
}

// Use the link up, when the page was opened by one, and take its secret out of the address and the history.
export async function signIn() {
  const link = /^#link=(.+)$/.exec(location.hash)?.[1];
  if (!link) return;
  history.replaceState(null, "", "/#/endpoint");
  const found = await call("POST", "session", { link });
  localStorage.setItem(KEY, found.key);
}

export async function signOut() {
  await call("DELETE", "session");
  localStorage.removeItem(KEY);
}

async function send(method, path, body) {
  const headers = { "x-studio-key": key() };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(`/api/${path}`, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  if (answer.ok) return answer;
  let said = answer.statusText;
  try { said = (await answer.json()).error ?? said; } catch { /* not JSON: the status says it */ }
  throw new Refused(said, answer.status);
}

export async function call(method, path, body) {
  return (await send(method, path, body)).json();
}

export async function picture(path) {
  return URL.createObjectURL(await (await send("GET", path)).blob());
}

// EventSource sends no header of ours, so the stream is read by hand: server-sent events, `event` and one line of data.
export async function listen(signal, hear) {
  const answer = await fetch("/api/events", { headers: { "x-studio-key": key() }, signal, cache: "no-store" });
  if (!answer.ok) throw new Refused("the stream was refused", answer.status);
  hear("open");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(part) ?? [];
      if (name) hear(name, JSON.parse(data));
    }
  }
}
