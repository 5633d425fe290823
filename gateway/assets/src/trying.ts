// Tries the API from its reference: sends what a form says, and shows what came back.

/** A piece of JSON and how it is coloured. */
const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LONGEST = 200_000;
const SHOWN = ["content-type", "etag", "cache-control", "content-encoding", "x-request-id", "allow", "retry-after"];

interface Asked {
  verb: string;
  address: string;
  body: string | null;
}

/** Reads a form: its fields go into the path, the query and the body. */
function asked(form: HTMLFormElement): Asked {
  let address = form.dataset.path ?? "";
  let body: string | null = null;
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("[data-in]")) {
    if (field.dataset.in === "body") body = field.value;
    else if (field.dataset.in === "path") {
      const parts = field.name === "path" ? field.value.split("/") : [field.value];
      address = address.replace(`{${field.name}}`, parts.map(encodeURIComponent).join("/"));
    } else if (field.value) query.append(field.name, field.value);
  }
  const text = query.toString();
  return { verb: form.dataset.verb ?? "GET", address: text ? `${address}?${text}` : address, body };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The same request for a terminal. */
function command({ verb, address, body }: Asked): string {
  const parts = ["curl", "-s"];
  if (verb !== "GET") parts.push("-X", verb);
  if (body !== null) parts.push("-H", quoted("content-type: application/json"), "-d", quoted(body));
  return [...parts, quoted(location.origin + address)].join(" ");
}

/** Colours JSON; everything becomes text nodes, so that no answer becomes markup. */
function coloured(text: string): HTMLElement {
  const code = document.createElement("code");
  let at = 0;
  for (const found of text.matchAll(TOKEN)) {
    code.append(text.slice(at, found.index));
    const piece = document.createElement("span");
    piece.className = found[2] ? "json-key" : found[1] ? "json-text" : found[3] ? "json-word" : "json-number";
    piece.textContent = found[1] ?? found[0];
    code.append(piece, found[2] ?? "");
    at = found.index + found[0].length;
  }
  code.append(text.slice(at));
  return code;
}

function block(label: string, content: HTMLElement | string): HTMLElement {
  const pre = document.createElement("pre");
  pre.className = "api-code";
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", label);
  pre.append(content);
  return pre;
}

/** Reads an answer; of a stream that does not end, its first seconds. */
async function read(answer: Response, stop: AbortController): Promise<string> {
  const reader = answer.body?.getReader();
  if (!reader) return "";
  const timer = setTimeout(() => stop.abort(), 5000);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value, { stream: true });
      if (text.length > LONGEST) {
        stop.abort();
        return `${text.slice(0, LONGEST)}\n… and more`;
      }
    }
  } catch (failure) {
    if (stop.signal.aborted) return `${text}\n… (left after 5 s)`;
    throw failure;
  } finally {
    clearTimeout(timer);
  }
}

async function attempt(form: HTMLFormElement, outcome: HTMLElement): Promise<void> {
  const request = asked(form);
  const stop = new AbortController();
  const headers: Record<string, string> = { accept: "*/*" };
  if (request.body !== null) headers["content-type"] = "application/json";
  const begin = performance.now();
  const line = document.createElement("p");
  line.className = "outcome-line";
  try {
    const answer = await fetch(request.address, { method: request.verb, headers, body: request.body, signal: stop.signal, cache: "no-store" });
    const kind = answer.headers.get("content-type") ?? "";
    const textual = /json|text|xml|event-stream/.test(kind);
    if (!textual) stop.abort();
    const text = textual ? await read(answer, stop) : "";
    const took = performance.now() - begin;
    const status = document.createElement("b");
    status.className = answer.ok ? "status-good" : "status-bad";
    status.textContent = `${answer.status} ${answer.statusText}`;
    line.append(status, ` in ${took.toFixed(0)} ms`);
    const told = SHOWN.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    let shown: HTMLElement | string = textual ? text : `(${kind || "bytes"}: curl saves them)`;
    if (kind.startsWith("application/json")) shown = coloured(JSON.stringify(JSON.parse(text), null, 2));
    outcome.replaceChildren(line, block("Command", command(request)), block("Headers", told.join("\n")), block("Answer", shown));
  } catch (failure) {
    line.textContent = `No answer: ${failure}`;
    outcome.replaceChildren(line, block("Command", command(request)));
  }
  outcome.hidden = false;
}

/** Makes the forms of the reference send in place. */
export function prepareTrying(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-try]")) {
    const outcome = form.parentElement?.querySelector<HTMLElement>("[data-outcome]");
    const button = form.querySelector("button");
    if (!outcome || !button) continue;
    for (const part of form.querySelectorAll<HTMLElement>("[data-script-only]")) part.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.setAttribute("aria-busy", "true");
      void attempt(form, outcome).finally(() => button.removeAttribute("aria-busy"));
    });
  }
  openTarget();
  addEventListener("hashchange", openTarget);
}

/** Opens what the address names: a schema is closed at first. */
function openTarget(): void {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
