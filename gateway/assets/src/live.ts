// What all live parts share: the page as the server draws it, and what is told aloud.

import { setFormulas } from "./formulas";

/** At least so long between two drawings of a page that moves, and three times what one takes. */
const PAUSE_MILLISECONDS = 400;

export function element(id: string): HTMLElement | null {
  return document.getElementById(id);
}

/** Tells those who listen to the page rather than see it. */
export function announce(text: string): void {
  const status = element("status");
  if (status) status.textContent = text;
}

function alike(here: Node, fresh: Node): boolean {
  return (
    here instanceof Element &&
    fresh instanceof Element &&
    here.tagName === fresh.tagName &&
    here.id === fresh.id
  );
}

/** Makes an element like another one, and touches only what differs: focus and scrolling stay. */
function liken(here: Element, fresh: Element): void {
  if (here.isEqualNode(fresh)) return;
  // A formula that is set keeps its nodes as long as its text is the same.
  if (here instanceof HTMLElement && here.dataset.set && here.dataset.set === fresh.textContent) return;
  for (const { name } of [...here.attributes])
    if (!fresh.hasAttribute(name) && name !== "open") here.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (here.getAttribute(name) !== value) here.setAttribute(name, value);
  const [old, wanted] = [[...here.childNodes], [...fresh.childNodes]];
  wanted.forEach((child, place) => {
    const present = old[place];
    if (!present) here.append(child);
    else if (alike(present, child)) liken(present as Element, child as Element);
    else if (!present.isEqualNode(child)) present.replaceWith(child);
  });
  for (const child of old.slice(wanted.length)) child.remove();
}

/** Takes over the regions of a page that the server drew anew. */
export function takeOver(html: string, only?: string): Document {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement?.id;
  const moving = document.querySelector("main[data-moves]");
  const moved = fresh.querySelector("main");
  const whole = Boolean(moving && moved && !only);
  if (moving && moved && whole) liken(moving, moved);
  // What was taken over whole has given its nodes away: its regions are no longer what was drawn.
  const regions = whole ? [] : fresh.querySelectorAll<HTMLElement>("[data-region]");
  for (const region of regions) {
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

let waiting = false;
let took = 0;

/** Fetches this page again in a moment, however often that is asked for. */
export function refreshSoon(): void {
  if (waiting) return;
  waiting = true;
  setTimeout(
    () => {
      waiting = false;
      const begin = performance.now();
      void refresh().finally(() => {
        took = performance.now() - begin;
      });
    },
    Math.max(PAUSE_MILLISECONDS, 3 * took),
  );
}
