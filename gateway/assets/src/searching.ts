// Searches while somebody types: the same page is asked for, and its results are taken over.

import { announce, element, takeOver } from "./live";

const PAUSE_MILLISECONDS = 140;

export function searchInstantly(form: HTMLFormElement): void {
  const region = form.dataset.instant ?? "";
  const input = form.querySelector<HTMLInputElement>("input[type=search]");
  if (!input) return;
  let timer = 0;
  let running: AbortController | null = null;
  let asked = input.value.trim();

  const search = async (): Promise<void> => {
    const words = input.value.trim();
    if (words === asked) return;
    asked = words;
    running?.abort();
    const mine = new AbortController();
    running = mine;
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) {
      const text = String(value).trim();
      if (text) url.searchParams.append(name, text);
    }
    element(region)?.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" }, signal: mine.signal });
      if (!answer.ok) return;
      const html = await answer.text();
      if (running !== mine) return;
      takeOver(html, region);
      history.replaceState(null, "", url);
      announce(`${element(region)?.dataset.found ?? ""} found`);
    } catch (error) {
      if (!(error instanceof DOMException)) asked = ""; // offline: the next letter tries again
    } finally {
      if (running === mine) element(region)?.removeAttribute("aria-busy");
    }
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void search(), PAUSE_MILLISECONDS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    void search();
  });
}
