// The pages of one check and of one run: log, phases, plots and states as they come.

import { follow } from "./following";
import { announce, element, refresh, refreshSoon } from "./live";

interface CheckEvent {
  attempt?: number;
  checkChanged?: { state: string; verdict: string };
  log?: { stream: string; text: string };
  phase?: { name: string; duration: string };
  artefact?: Artefact;
  progress?: { message: string; fraction?: number };
  gap?: { bytes: string; events: string };
}

interface Artefact {
  name: string;
  path: string;
  contentType: string;
}

const MAX_LOG_NODES = 4000;
const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"]);

const EXPLANATIONS: Record<string, string> = {
  queued: "Waits for a runner.",
  preparing: "A runner makes its environment ready.",
  running: "Its code runs.",
};

function appendLog(text: string, kind: string): void {
  const log = element("log");
  if (!log) return;
  element("log-section")?.removeAttribute("hidden");
  const pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  log.append(span);
  while (log.childNodes.length > MAX_LOG_NODES) log.firstChild?.remove();
  if (pinned) log.scrollTop = log.scrollHeight;
}

function appendPlot(artefact: Artefact): void {
  const plots = element("plots");
  if (!plots || !IMAGES.has(artefact.contentType)) return;
  const name = artefact.path.split("/").pop() || "file";
  const address = `/artefacts/${artefact.name.split("/").pop()}/${encodeURIComponent(name)}`;
  const figure = document.createElement("figure");
  figure.className = "plot arriving";
  const link = document.createElement("a");
  link.href = address;
  const image = document.createElement("img");
  image.src = address;
  image.alt = `Plot ${name}`;
  link.append(image);
  const caption = document.createElement("figcaption");
  caption.textContent = name;
  figure.append(link, caption);
  plots.append(figure);
  element("plots-section")?.removeAttribute("hidden");
}

function appendPhase(phase: NonNullable<CheckEvent["phase"]>): void {
  const list = element("live-phases");
  if (!list) return;
  const seconds = Number.parseFloat(phase.duration);
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = phase.name.replace("_", " ");
  const value = document.createElement("b");
  value.textContent = seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
  item.append(name, value);
  list.append(item);
  list.removeAttribute("hidden");
}

function showState(name: string): void {
  const state = name.replace("STATE_", "").toLowerCase();
  const chip = element("state");
  if (!chip || state === "finished") return;
  chip.className = `chip ${state}`;
  const label = chip.querySelector(".label");
  if (label) label.textContent = state;
  announce(state);
  const progress = element("progress");
  if (progress && EXPLANATIONS[state]) progress.textContent = EXPLANATIONS[state];
}

function beginAnew(): void {
  for (const id of ["log", "plots", "live-phases"]) element(id)?.replaceChildren();
}

/** Shows what a check does while it does it; the server draws what came of it. */
function watchCheck(root: HTMLElement, topic: string, token: string): void {
  const showsLog = root.dataset.output === "live";
  let attempt = Number(root.dataset.attempt ?? "0");
  follow(topic, token, {
    onEvent(message) {
      const event = message as CheckEvent;
      if ((event.attempt ?? 0) > attempt) {
        attempt = event.attempt ?? 0;
        beginAnew();
      }
      if (event.checkChanged) showState(event.checkChanged.state);
      if (event.log && showsLog)
        appendLog(event.log.text, event.log.stream === "STREAM_STDERR" ? "stderr" : "stdout");
      if (event.gap && showsLog) appendLog(`[${event.gap.bytes} bytes left out]\n`, "gap");
      if (event.phase) appendPhase(event.phase);
      if (event.artefact) appendPlot(event.artefact);
      const progress = element("progress");
      if (event.progress && progress) progress.textContent = event.progress.message;
    },
    onGap: (events) => appendLog(`[${events} events left out]\n`, "gap"),
    onComplete: () => void refresh(),
  });
}

function watchRun(topic: string, token: string): void {
  follow(topic, token, { onEvent: refreshSoon, onGap: refreshSoon, onComplete: () => void refresh() });
}

/** Follows the check or run that a page is of. `data-watch` is the address of its stream. */
export function watchSubject(root: HTMLElement): void {
  const address = new URL(root.dataset.watch ?? "", location.href);
  const topic = address.pathname.replace(/^\/v1\//, "").replace(/:watch$/, "");
  const token = address.searchParams.get("lastEventId") ?? "";
  if (root.dataset.kind === "run") watchRun(topic, token);
  else watchCheck(root, topic, token);
}
