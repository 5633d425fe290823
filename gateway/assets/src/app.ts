// Makes pages live. Every page works without this file; it only saves reloading.

import { watchSubject } from "./checking";
import { setFormulas } from "./formulas";
import { element, refresh } from "./live";
import { watchActivity } from "./moving";
import { watchRevision } from "./news";
import { searchInstantly } from "./searching";
import { prepareTrying } from "./trying";

/** Draws a page anew every few seconds, for what no stream tells of. */
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

/** Follows what this page is of. */
function watch(): void {
  const root = document.querySelector<HTMLElement>("[data-watch]");
  if (root) {
    watchSubject(root);
    const log = element("log");
    if (log) log.scrollTop = log.scrollHeight;
  }
  const moving = document.querySelector<HTMLElement>("[data-moves]");
  if (moving) watchActivity(moving);
  const polled = document.querySelector<HTMLElement>("[data-poll]");
  if (polled) poll(polled);
  const revision = document.body.dataset.currentRevision;
  if (revision) watchRevision(revision);
  setInterval(tick, 1000);
}

function prepareForms(): void {
  prepareTrying();
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-submit]"))
    form.addEventListener("change", () => form.requestSubmit());
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-instant]"))
    searchInstantly(form);
  for (const editor of document.querySelectorAll<HTMLTextAreaElement>("textarea[data-run]"))
    editor.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) editor.form?.requestSubmit();
    });
  // A form that starts something is sent once, however often it is clicked.
  for (const form of document.querySelectorAll<HTMLFormElement>("form[method=post]"))
    form.addEventListener("submit", () => {
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
    });
}

watch();
prepareForms();
setFormulas();
