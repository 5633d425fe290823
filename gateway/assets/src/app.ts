// Makes pages live. Every page works without this file; it only saves reloading.

import { setFormulas } from "./formulas";
import { announce, element, follow, refresh } from "./live";
import { watchRevision } from "./news";
import { searchInstantly } from "./searching";

interface CheckEvent {
  resumeToken?: string;
  attempt?: number;
  checkChanged?: { state: string; verdict: string };
  log?: { stream: string; text: string };
  phase?: { name: string; duration: string };
  artefact?: { name: string; path: string; contentType: string };
  progress?: { message: string; fraction?: number };
  gap?: { bytes: string };
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

function appendPlot(artefact: NonNullable<CheckEvent["artefact"]>): void {
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

function watchCheck(root: HTMLElement): void {
  const showsLog = root.dataset.output === "live";
  let attempt = Number(root.dataset.attempt ?? "0");
  follow<CheckEvent>(
    root.dataset.watch ?? "",
    (event) => {
      if ((event.attempt ?? 0) > attempt) {
        attempt = event.attempt ?? 0;
        element("log")?.replaceChildren();
        element("plots")?.replaceChildren();
        element("live-phases")?.replaceChildren();
      }
      if (event.checkChanged) {
        const state = event.checkChanged.state.replace("STATE_", "").toLowerCase();
        const chip = element("state");
        if (chip && state !== "finished") {
          chip.className = `chip ${state}`;
          const label = chip.querySelector(".label");
          if (label) label.textContent = state;
          announce(state);
          const progress = element("progress");
          if (progress && EXPLANATIONS[state]) progress.textContent = EXPLANATIONS[state];
        }
      }
      if (event.log && showsLog)
        appendLog(event.log.text, event.log.stream === "STREAM_STDERR" ? "stderr" : "stdout");
      if (event.gap && showsLog) appendLog(`[${event.gap.bytes} bytes left out]\n`, "gap");
      if (event.phase) appendPhase(event.phase);
      if (event.artefact) appendPlot(event.artefact);
      const progress = element("progress");
      if (event.progress && progress) progress.textContent = event.progress.message;
    },
    () => void refresh(),
  );
}

function watchRun(root: HTMLElement): void {
  let waiting = false;
  const soon = (): void => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      void refresh();
    }, 400);
  };
  follow(root.dataset.watch ?? "", soon, () => void refresh());
}

/** Draws a page anew every few seconds: what it shows has no stream of its own. */
function poll(root: HTMLElement): void {
  let busy = false;
  setInterval(() => {
    if (busy || document.hidden) return;
    busy = true;
    refresh()
      .then(() => document.body.classList.remove("disconnected"))
      .catch(() => document.body.classList.add("disconnected"))
      .finally(() => {
        busy = false;
      });
  }, Number(root.dataset.poll) * 1000);
}

/** Counts the seconds of what runs, so that a silent check does not look dead. */
function tick(): void {
  for (const clock of document.querySelectorAll<HTMLElement>("[data-since]")) {
    const seconds = Math.max(0, (Date.now() - Date.parse(clock.dataset.since ?? "")) / 1000);
    clock.textContent = seconds < 100 ? `${seconds.toFixed(0)} s` : `${Math.floor(seconds / 60)} min`;
  }
}

function start(): void {
  const root = document.querySelector<HTMLElement>("[data-watch]");
  if (root) (root.dataset.kind === "run" ? watchRun : watchCheck)(root);
  const polled = document.querySelector<HTMLElement>("[data-poll]");
  if (polled) poll(polled);
  const log = element("log");
  if (log && root) log.scrollTop = log.scrollHeight;
  setInterval(tick, 1000);
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-submit]"))
    form.addEventListener("change", () => form.requestSubmit());
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-instant]"))
    searchInstantly(form);
  for (const editor of document.querySelectorAll<HTMLTextAreaElement>("textarea[data-run]"))
    editor.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) editor.form?.requestSubmit();
    });
  const revision = document.body.dataset.currentRevision;
  if (revision) watchRevision(revision);
  setFormulas();
  // A form that starts something is sent once, however often it is clicked.
  for (const form of document.querySelectorAll<HTMLFormElement>("form[method=post]"))
    form.addEventListener("submit", () => {
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
    });
}

start();
