// What all live parts share: the page as the server draws it, streams, and what is told aloud.

import { setFormulas } from "./formulas";

const RETRY_MILLISECONDS = 2000;

export function element(id: string): HTMLElement | null {
  return document.getElementById(id);
}

/** Tells those who listen to the page rather than see it. */
export function announce(text: string): void {
  const status = element("status");
  if (status) status.textContent = text;
}

/** Takes over the regions of a page that the server drew anew. */
export function takeOver(html: string, only?: string): Document {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement?.id;
  for (const region of fresh.querySelectorAll<HTMLElement>("[data-region]")) {
    if (only && region.id !== only) continue;
    const here = element(region.id);
    if (here && here.outerHTML !== region.outerHTML) here.replaceWith(region);
  }
  if (focused) element(focused)?.focus({ preventScroll: true });
  document.title = fresh.title;
  setFormulas();
  return fresh;
}

/** Fetches this page again and takes its content over; the server is the only one that draws. */
export async function refresh(): Promise<void> {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  takeOver(await answer.text());
  const verdict = document.querySelector<HTMLElement>("[data-verdict]");
  if (verdict) announce(verdict.textContent?.trim() ?? "");
}

/** Follows a stream; reconnects without gap by `Last-Event-ID`, and after refusals by itself. */
export function follow<T>(address: string, onEvent: (event: T) => void, onEnd: () => void): void {
  let last = new URL(address, location.href).searchParams.get("lastEventId") ?? "";
  const open = (): void => {
    const url = new URL(address, location.href);
    if (last) url.searchParams.set("lastEventId", last);
    const source = new EventSource(url);
    document.body.classList.remove("disconnected");
    source.onmessage = (message) => {
      document.body.classList.remove("disconnected");
      last = message.lastEventId || last;
      onEvent(JSON.parse(message.data) as T);
    };
    source.addEventListener("end", () => {
      source.close();
      onEnd();
    });
    source.onerror = () => {
      document.body.classList.add("disconnected");
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      source.close();
      setTimeout(open, RETRY_MILLISECONDS);
    };
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  open();
}
